"""Ctrl-C and termination, collected to be heeded where nothing is half done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator
from typing import Any


@contextlib.contextmanager
def stop_signals() -> Generator[list[int]]:
    """Collect Ctrl-C and termination in a list, to be heeded between two outcomes.

    An exception in the midst of keeping an outcome would leave it kept and not counted. The second
    signal is not collected but does what it always does.
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
