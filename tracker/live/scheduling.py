"""How a process asks the system to be run in time; the system may refuse, and then it is not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator

SWITCH_S = 0.001
"""How long another thread may keep the interpreter from the loop."""


def prefer(priority: int) -> None:
    """Run before everything of lower SCHED_FIFO ``priority``; 0: as everybody.

    Of the calling thread alone: what it starts later asks for itself.
    """
    if priority:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, policy, os.sched_param(priority))


def give_way() -> None:
    """Let everybody else run first: work that nobody waits for within milliseconds."""
    with contextlib.suppress(OSError):
        os.nice(5)


Elsewhere = Callable[[], contextlib.AbstractContextManager[None]]
"""Entered around the start of another process."""


class Processor:
    """The processor the calling thread is kept on, while what it starts may run on any."""

    def __init__(self, number: int | None) -> None:
        """``None``: the system chooses."""
        self._all = os.sched_getaffinity(0)
        self._number = number

    @property
    def known(self) -> bool:
        """Whether there is such a processor for us."""
        return self._number is None or self._number in self._all

    def stay(self) -> None:
        """Run there from now on."""
        if self._number is not None:
            os.sched_setaffinity(0, {self._number})

    @contextlib.contextmanager
    def elsewhere(self) -> Generator[None, None, None]:
        """Give the calling thread every processor for a moment, for what it starts now."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self._all)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def numbers(self) -> str:
        """Those there are, for people."""
        return ", ".join(map(str, sorted(self._all)))
