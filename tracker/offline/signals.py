"""Collect Ctrl-C and termination signals, so that a run ends between two results."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator
from typing import Any


@contextlib.contextmanager
def stop_signals() -> Generator[list[int]]:
    """Collect Ctrl-C and termination in a list that the caller reads between two outcomes.

    An exception while an outcome is being recorded would leave it recorded but not counted. A
    second signal is not collected: it has its usual effect.
    """
    received: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: object) -> None:
        received.append(number)
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():  # else no signal arrives
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.getsignal(number)
            signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
