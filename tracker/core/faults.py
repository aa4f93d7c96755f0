"""Faults: one table from what can be wrong to what is done about it, and the book of what is.

A row says the hazard (docs/safety), the reaction, the sentence for the operator, who may end it
and how long it must have been gone before it counts as gone. The most severe reaction wins.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from tracker.core.types import FaultChanged


class Reaction(IntEnum):
    """What a fault does to the session, in order of severity."""

    WARN = 0
    REFUSE_START = 1
    HOLD = 2
    STOP = 3


class Fault(NamedTuple):
    """One row: hazard number, reaction, the operator's sentence, and how it ends."""

    hazard: str
    reaction: Reaction
    sentence: str
    latched: bool = False
    """Ends only when a person resumes, not by itself."""
    clear_s: float = 0.3
    """How long the condition must be absent before the fault is gone."""


_HOLD, _STOP, _WARN, _REFUSE = Reaction.HOLD, Reaction.STOP, Reaction.WARN, Reaction.REFUSE_START

FAULTS: Final[dict[str, Fault]] = {
    "surrogate lost": Fault("H01", _HOLD, "No breathing signal: check camera view and belt."),
    "markers lost": Fault("H01", _WARN, "Camera sees no markers; the belt carries the estimate."),
    "belt lost": Fault("H01", _WARN, "No belt signal; the markers carry the estimate."),
    "sensor frozen": Fault(
        "H02", _HOLD, "A sensor repeats itself: restart the sensor.", clear_s=1.0
    ),
    "clock jump": Fault("H03", _HOLD, "A device clock jumped: wait for it to settle.", clear_s=1.0),
    "bad samples": Fault(
        "H04", _HOLD, "Impossible values from a sensor: check its units.", clear_s=1.0
    ),
    "surrogate unsure": Fault("H06", _HOLD, "Breathing signal too uncertain: check the markers."),
    "extrapolating": Fault("H06", _HOLD, "Breath outside the modelled range: take a shot there."),
    "model missing": Fault("H06", _REFUSE, "No correlation model yet: take more shots."),
    "model wrong": Fault(
        "H07", _HOLD, "A shot disagrees with the model: take shots to rebuild it."
    ),
    "model doubtful": Fault("H07", _WARN, "A shot is off the model: it is being refitted."),
    "imaging overdue": Fault("H08", _HOLD, "No X-ray shot for too long: check the imager."),
    "fiducials moved": Fault("H09", _HOLD, "Fiducials do not fit the plan: check the shot."),
    "prediction off": Fault(
        "H11", _HOLD, "Predictions miss the breathing: wait for it to calm.", clear_s=1.0
    ),
    "target unsure": Fault(
        "H11", _HOLD, "Error region exceeds the tolerance: wait or take a shot."
    ),
    "irregular breathing": Fault(
        "H12", _HOLD, "Sudden movement (cough?): wait for calm breathing.", clear_s=2.0
    ),
    "not in position": Fault("H13", _HOLD, "Couch or robot is on its way to the target: wait."),
    "actuator off demand": Fault("H13", _HOLD, "Couch or robot does not follow: check its drive."),
    "actuator runaway": Fault(
        "H13", _STOP, "Couch or robot is far from its demand: stop and inspect it.", latched=True
    ),
    "actuator fault": Fault(
        "H13", _STOP, "Couch or robot reports a fault: stop and inspect it.", latched=True
    ),
    "actuator silent": Fault("H13", _HOLD, "No position from couch or robot: check its link."),
    "demand refused": Fault(
        "H14", _STOP, "The guard refused a demand: stop and inspect.", latched=True
    ),
    "loop overrun": Fault("H16", _HOLD, "The controller was late: check the computer's load."),
    "gate disagrees": Fault(
        "H19", _STOP, "Beam and permit disagree: stop and check the gate.", latched=True
    ),
    "gate silent": Fault("H19", _HOLD, "No read-back from the beam gate: check its link."),
    "not recording": Fault(
        "H24", _HOLD, "The journal cannot be written: check the disk.", clear_s=1.0
    ),
    "monitor lost": Fault(
        "H16", _HOLD, "No monitor stands by at the gate: see why it is not there.", clear_s=1.0
    ),
    "operator hold": Fault("", _HOLD, "Held by the operator: resume when ready.", latched=True),
}
"""Every fault the controller can raise. A name that is not here cannot be raised."""


class _Entry:
    __slots__ = ("detail", "last_seen_ns")

    def __init__(self, last_seen_ns: int, detail: str) -> None:
        self.last_seen_ns = last_seen_ns
        self.detail = detail


class FaultBook:
    """Which faults are active, with hysteresis and latches."""

    def __init__(self) -> None:
        """Start with nothing wrong."""
        self._active: dict[str, _Entry] = {}

    def update(self, now_ns: int, conditions: dict[str, str]) -> list[FaultChanged]:
        """Take what is wrong right now (fault -> detail); return what appeared and what went."""
        if not conditions and not self._active:
            return []
        changes: list[FaultChanged] = []
        for name, detail in conditions.items():
            entry = self._active.get(name)
            if entry is None:
                self._active[name] = _Entry(now_ns, detail)
                changes.append(_change(now_ns, name, detail, active=True))
            else:
                entry.last_seen_ns = now_ns
        for name in list(self._active):
            row = FAULTS[name]
            entry = self._active[name]
            gone = now_ns - entry.last_seen_ns > row.clear_s * 1e9
            if name not in conditions and gone and not row.latched:
                del self._active[name]
                changes.append(_change(now_ns, name, entry.detail, active=False))
        return changes

    def release(self, now_ns: int, conditions: dict[str, str]) -> list[FaultChanged]:
        """A person resumes: latched faults whose condition is gone are let go."""
        changes: list[FaultChanged] = []
        for name in list(self._active):
            if FAULTS[name].latched and name not in conditions:
                changes.append(_change(now_ns, name, self._active.pop(name).detail, active=False))
        return changes

    def clear(self, now_ns: int) -> list[FaultChanged]:
        """The session is over: every fault goes."""
        changes = [
            _change(now_ns, name, entry.detail, active=False)
            for name, entry in self._active.items()
        ]
        self._active.clear()
        return changes

    @property
    def worst(self) -> Reaction | None:
        """The most severe reaction among the active faults; ``None``: nothing is wrong."""
        if not self._active:
            return None
        return max(FAULTS[name].reaction for name in self._active)

    def names(self, at_least: Reaction) -> tuple[str, ...]:
        """Active faults at least as severe as ``at_least``, in the order they appeared."""
        return tuple(name for name in self._active if FAULTS[name].reaction >= at_least)


def _change(now_ns: int, name: str, detail: str, *, active: bool) -> FaultChanged:
    return FaultChanged(now_ns, name, active, FAULTS[name].reaction.name, detail)
