"""The host's clock: nanoseconds since the start of the run, never going back.

Only the outermost layer owns a clock; all other code is handed the time.
"""

from __future__ import annotations

import time


class HostClock:
    """Monotonic nanoseconds since the clock was made, or since the system clock's ``start_ns``."""

    def __init__(self, start_ns: int | None = None) -> None:
        self.start_ns = time.monotonic_ns() if start_ns is None else start_ns

    def __call__(self) -> int:
        """Return nanoseconds since the start of the run."""
        return time.monotonic_ns() - self.start_ns
