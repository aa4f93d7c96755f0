"""Automatic requests for model, start and resume: none, or those of a script."""

from __future__ import annotations

from typing import Protocol

from tracker.build.scripted_operator import Operator
from tracker.core.session import SessionState


class Asks(Protocol):
    """Asked once a tick whether it has a request."""

    def wish(self, now_ns: int, state: SessionState, all_up: bool) -> str | None:
        """Return the request to make now, or ``None``; ``all_up``: every device is connected."""
        ...


class Nobody:
    """Makes no requests."""

    def wish(self, now_ns: int, state: SessionState, all_up: bool) -> str | None:
        """Return ``None``."""
        return None


class Scripted:
    """Asks as the operator of the closed loop does, once every device has been up for a second."""

    def __init__(self, settle_ns: int = 1_000_000_000) -> None:
        self._operator = Operator()
        self._settle_ns = settle_ns
        self._up_since_ns: int | None = None
        self._began_ns: int | None = None

    def wish(self, now_ns: int, state: SessionState, all_up: bool) -> str | None:
        """Return what the operator of the closed loop would ask for."""
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
