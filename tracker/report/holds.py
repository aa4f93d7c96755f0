"""List each hold of the beam once, with its beginning, its end and its reasons."""

from __future__ import annotations

from typing import NamedTuple

from hal.events import SendHold, SendPermit
from tracker.core.types import FaultChanged, SessionChanged

_RUNNING = ("TRACKING", "HOLDING")
_HOLDING_REACTIONS = ("HOLD", "STOP")


class Hold(NamedTuple):
    """One stretch without permission; ``end_ns`` is ``None`` when it lasts to the end.

    ``reason`` is the first of the ``reasons`` it began with and the one it is counted under;
    ``later`` reasons came up while it lasted.
    """

    start_ns: int
    end_ns: int | None
    reasons: tuple[str, ...]
    detail: str
    later: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The reason under which the hold is counted."""
        return self.reasons[0] if self.reasons else "unknown"


class HoldBook:
    """Follows commands and states in their order, from the first start of tracking on."""

    def __init__(self) -> None:
        self._closed: list[Hold] = []
        self._open: Hold | None = None
        self._active: dict[str, str] = {}
        self._running = False

    def all(self) -> list[Hold]:
        """Return every hold in order, the one that lasts to the end included."""
        return [*self._closed, *([self._open] if self._open else [])]

    def counts(self) -> dict[str, int]:
        """Return, for each reason, the number of holds that began with it."""
        counts: dict[str, int] = {}
        for hold in self.all():
            counts[hold.reason] = counts.get(hold.reason, 0) + 1
        return counts

    def hold(self, command: SendHold) -> None:
        """Record that the controller holds the beam."""
        if self._running:
            self._begin(command.t_ns, command.reasons)

    def permit(self, command: SendPermit) -> None:
        """Record that the controller permits the beam again."""
        self._end(command.t_ns)

    def fault(self, change: FaultChanged) -> None:
        """Record that a fault appears or ends."""
        if change.active and change.reaction in _HOLDING_REACTIONS:
            self._active[change.fault] = change.detail
            self._came_up(change.fault)
        elif not change.active:
            self._active.pop(change.fault, None)

    def session(self, change: SessionChanged) -> None:
        """Record that the session changes its state."""
        self._running = change.after in _RUNNING
        if change.after == "HOLDING":
            self._begin(change.t_ns, tuple(self._active) or (change.trigger,))
        elif not self._running:
            self._end(change.t_ns)
            if change.before in _RUNNING and change.trigger.startswith("fault"):
                self._begin(change.t_ns, tuple(self._active) or (change.trigger,))

    def _begin(self, t_ns: int, reasons: tuple[str, ...]) -> None:
        if self._open is None:
            detail = next((self._active[name] for name in reasons if name in self._active), "")
            self._open = Hold(t_ns, None, reasons or tuple(self._active), detail)

    def _came_up(self, fault: str) -> None:
        if self._open and fault not in (*self._open.reasons, *self._open.later):
            self._open = self._open._replace(later=(*self._open.later, fault))

    def _end(self, t_ns: int) -> None:
        if self._open:
            self._closed.append(self._open._replace(end_ns=t_ns))
            self._open = None
