"""Priority and processor of a process; a system that refuses these leaves it as it is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator

SWITCH_S = 0.001
"""How long another thread may hold the interpreter while the loop waits for it."""


def prefer(priority: int) -> None:
    """Give the calling thread SCHED_FIFO ``priority``; 0 changes nothing.

    Processes and threads that it starts later do not inherit the priority.
    """
    if priority:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, policy, os.sched_param(priority))


def give_way() -> None:
    """Lower the priority of this process (nice 5), for work that is not urgent."""
    with contextlib.suppress(OSError):
        os.nice(5)


Elsewhere = Callable[[], contextlib.AbstractContextManager[None]]
"""A context entered around the start of another process."""


class Processor:
    """The processor that the calling thread stays on; processes it starts may run on any."""

    def __init__(self, number: int | None) -> None:
        """``number``: of the processor; ``None``: the system chooses."""
        self._all = os.sched_getaffinity(0)
        self._number = number

    @property
    def known(self) -> bool:
        """Whether this process may use that processor."""
        return self._number is None or self._number in self._all

    def stay(self) -> None:
        """Keep the calling thread on that processor from now on."""
        if self._number is not None:
            os.sched_setaffinity(0, {self._number})

    @contextlib.contextmanager
    def elsewhere(self) -> Generator[None, None, None]:
        """Allow every processor while the context lasts, for the processes started in it."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self._all)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def numbers(self) -> str:
        """Return the allowed processors as text."""
        return ", ".join(map(str, sorted(self._all)))
