"""How long this machine kept a waiting program from a processor, while a test was running.

A test of several processes cannot demand more of them than the machine gives. It notes what the
machine took meanwhile, and adds that to its limit: on a machine with a processor to spare that is
nothing, so the limit is as sharp as it is written.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple, Self

STEP_S = 0.005
LATE_NS = 20_000_000
"""A wake-up later than this is noted."""
HOLD_NS = 25_000_000
"""A quarter of what a sample may be old or a lease lasts: on its way from the simulated room to the
beam a sample waits for several processes, and each may wait for a processor as long as this."""


class Wait(NamedTuple):
    """A wake-up that came late: when it was due and when it came, on the monotonic clock."""

    due_ns: int
    woken_ns: int


class MachineLoad:
    """Wakes up every few milliseconds and notes when that was late; a context manager."""

    def __init__(self) -> None:
        self._waits: list[Wait] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="machine load")

    def taken_ms(self, from_ns: int, to_ns: int) -> float:
        """How long, in all, a waiting thread had no processor between two moments.

        A wait that reaches into the span counts from its own beginning: what it delayed shows
        within the span.
        """
        return sum(
            (wait.woken_ns - wait.due_ns) / 1e6
            for wait in list(self._waits)
            if wait.woken_ns >= from_ns and wait.due_ns <= to_ns
        )

    def starved(self, from_ns: int, to_ns: int) -> bool:
        """Whether there was a wait so long that a controller on this machine may have to hold."""
        return any(
            wait.woken_ns - wait.due_ns > HOLD_NS
            for wait in list(self._waits)
            if wait.woken_ns >= from_ns and wait.due_ns <= to_ns
        )

    def taken_share(self, from_ns: int, to_ns: int) -> float:
        """`taken_ms` as a share of the span."""
        return self.taken_ms(from_ns, to_ns) / ((to_ns - from_ns) / 1e6)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            due_ns = time.monotonic_ns() + round(STEP_S * 1e9)
            time.sleep(STEP_S)
            woken_ns = time.monotonic_ns()
            if woken_ns - due_ns > LATE_NS:
                self._waits.append(Wait(due_ns, woken_ns))
