"""Who asks for model, start and resume: nobody, or a script once all devices are up."""

from __future__ import annotations

from typing import Protocol

from tracker.build.scripted_operator import Operator
from tracker.core.session import SessionState


class Asks(Protocol):
    """Looked at once a tick."""

    def wish(self, now_ns: int, state: SessionState, all_up: bool) -> str | None:
        """The request to make now, or ``None``."""
        ...


class Nobody:
    """Nobody at the console: the session stays as it is."""

    def wish(self, now_ns: int, state: SessionState, all_up: bool) -> str | None:
        """Nothing."""
        return None


class Scripted:
    """The closed loop's operator; comes in once every device has been up for a second."""

    def __init__(self, settle_ns: int = 1_000_000_000) -> None:
        self._operator = Operator()
        self._settle_ns = settle_ns
        self._up_since_ns: int | None = None
        self._began_ns: int | None = None

    def wish(self, now_ns: int, state: SessionState, all_up: bool) -> str | None:
        """What the closed loop's operator would ask for."""
        if self._began_ns is None:
            if not all_up:
                self._up_since_ns = None
                return None
            if self._up_since_ns is None:
                self._up_since_ns = now_ns
            if now_ns - self._up_since_ns < self._settle_ns:
                return None
            self._began_ns = now_ns
        return self._operator.wish(now_ns - self._began_ns, state)
