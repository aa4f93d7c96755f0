"""How a process asks the system to be run in time; the system may refuse, and then it is not."""

from __future__ import annotations

import contextlib
import os

SWITCH_S = 0.001
"""How long another thread may keep the interpreter from the loop."""


def prefer(priority: int) -> None:
    """Run before everything of lower SCHED_FIFO ``priority``; 0: as everybody."""
    if priority:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def give_way() -> None:
    """Let everybody else run first: work that nobody waits for within milliseconds."""
    with contextlib.suppress(OSError):
        os.nice(5)
