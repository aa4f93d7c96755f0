"""The host's clock: nanoseconds since the start of the run, never going back.

Only the edge owns one; everything further in is told the time.
"""

from __future__ import annotations

import time


class HostClock:
    """Monotonic nanoseconds since it was made (or since ``start_ns`` of the system's clock)."""

    def __init__(self, start_ns: int | None = None) -> None:
        self.start_ns = time.monotonic_ns() if start_ns is None else start_ns

    def __call__(self) -> int:
        """Nanoseconds since the start of the run."""
        return time.monotonic_ns() - self.start_ns
