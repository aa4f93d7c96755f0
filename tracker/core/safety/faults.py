"""Faults: one table from what can be wrong to what is done about it, and the book of what is.

A row says the hazard (docs/safety), the reaction and within what time it must come, the sentence
for the operator, what ends it, and within what time after that tracking must be back. Of several
faults at once the most severe reaction wins; each is ended by its own rule.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from tracker.core.types import FaultChanged


class Reaction(IntEnum):
    """What a fault does to the session, in order of severity."""

    WARN = 0
    REFUSE_START = 1
    HOLD = 2
    STOP = 3


class Ends(StrEnum):
    """What ends a fault once its condition is gone."""

    BY_ITSELF = "by itself, when gone for clear_s"
    BY_CYCLES = "after so many regular breaths, or by the operator"
    BY_SHOT = "by a shot, exposed after it, that agrees with the model"
    BY_OPERATOR = "by the operator alone"


class Fault(NamedTuple):
    """One row of the table."""

    hazard: str
    reaction: Reaction
    sentence: str
    within_s: float
    """From the condition to the reaction, at most; what the limits of its checks add up to."""
    ends: Ends = Ends.BY_ITSELF
    clear_s: float = 0.3
    """How long the condition must be absent before the fault is gone."""
    recheck: bool = False
    """Only a shot exposed after it that agrees with the model shows the surrogate as it was."""
    returns_s: float = 3.0
    """From the end of what caused it to tracking, at most; the operator's own time not counted."""

    @property
    def latched(self) -> bool:
        """Whether it ends only when a person says so."""
        return self.ends is Ends.BY_OPERATOR


class Calm(NamedTuple):
    """What faults wait for besides time: regular breaths, and shots that agree with the model."""

    breaths: int = 0
    """Whole breaths since the session began."""
    regular: int = 0
    """How many of the last ones were regular, in a row."""
    agreed_ns: int = -1
    """Exposure of the newest shot that agreed with the model."""


_HOLD, _STOP, _WARN, _REFUSE = Reaction.HOLD, Reaction.STOP, Reaction.WARN, Reaction.REFUSE_START
_SHOT, _CYCLES, _OPERATOR = Ends.BY_SHOT, Ends.BY_CYCLES, Ends.BY_OPERATOR

FAULTS: Final[dict[str, Fault]] = {
    "surrogate lost": Fault(
        "H01", _HOLD, "No breathing signal: check camera view and belt.", 0.13
    ),
    "markers lost": Fault(
        "H01", _WARN, "Camera sees no markers; the belt carries the estimate.", 0.3
    ),
    "belt lost": Fault("H01", _WARN, "No belt signal; the markers carry the estimate.", 0.3),
    "sensor frozen": Fault(
        "H02", _HOLD, "A sensor repeats itself: restart the sensor.", 0.4,
        clear_s=1.0, recheck=True, returns_s=12.0,
    ),
    "clock jump": Fault(
        "H03", _HOLD, "A device clock jumped: wait for it to settle.", 0.4,
        clear_s=1.0, recheck=True, returns_s=12.0,
    ),
    "shots out of time": Fault(
        "H03", _HOLD, "Shots carry impossible times: check the imager's clock.", 20.0,
        ends=_SHOT, returns_s=20.0,
    ),
    "bad samples": Fault(
        "H04", _HOLD, "Impossible values from a sensor: check its units.", 0.2,
        clear_s=1.0, recheck=True, returns_s=12.0,
    ),
    "markers misplaced": Fault(
        "H05", _REFUSE, "Markers far from the isocentre: check the camera's frame.", 0.1
    ),
    "surrogate unsure": Fault(
        "H06", _HOLD, "Breathing signal too uncertain: check the markers.", 0.1
    ),
    "extrapolating": Fault(
        "H06", _HOLD, "Breath outside the modelled range: take a shot there.", 0.1,
        clear_s=5.0, returns_s=12.0,  # a whole breath within it: sighs come in groups
    ),
    "unusual breathing": Fault(
        "H06", _WARN, "Breathing is unlike that of the modelling: look at the patient.", 1.5
    ),
    "model missing": Fault("H06", _REFUSE, "No correlation model yet: take more shots.", 0.1),
    "model wrong": Fault(
        "H07", _HOLD, "A shot disagrees with the model: take shots to rebuild it.", 0.2,
        ends=_SHOT, returns_s=45.0,
    ),
    "model doubtful": Fault(
        "H07", _WARN, "A shot is off the model: it is being refitted.", 0.2, returns_s=45.0
    ),
    "imaging late": Fault("H08", _WARN, "No X-ray shot for a while: check the imager.", 0.1),
    "imaging overdue": Fault(
        "H08", _HOLD, "No X-ray shot for too long: check the imager.", 0.1, returns_s=20.0
    ),
    "fiducials moved": Fault(
        "H09", _HOLD, "Fiducials do not fit the plan: check the shot.", 20.0,
        ends=_SHOT, returns_s=20.0,
    ),
    "baseline drifts": Fault(
        "H10", _WARN, "The target drifts from the model: shots come more often.", 0.2
    ),
    "prediction off": Fault(
        "H11", _HOLD, "Predictions miss the breathing: wait for it to calm.", 0.6,
        clear_s=1.0, returns_s=35.0,
    ),
    "target unsure": Fault(
        "H11", _HOLD, "Error region exceeds the tolerance: wait or take a shot.", 0.1,
        returns_s=12.0,
    ),
    "irregular breathing": Fault(
        "H12", _HOLD, "Sudden movement (cough?): wait for calm breathing.", 0.1,
        ends=_CYCLES, clear_s=2.0, recheck=True, returns_s=30.0,
    ),
    "not in position": Fault(
        "H13", _HOLD, "Couch or robot is on its way to the target: wait.", 0.1
    ),
    "beam off target": Fault(
        "H13", _HOLD, "Target and beam are apart: wait for couch or robot.", 0.1
    ),
    "actuator off demand": Fault(
        "H13", _HOLD, "Couch or robot does not follow: check its drive.", 0.3
    ),
    "actuator runaway": Fault(
        "H13", _STOP, "Couch or robot is far from its demand: stop and inspect it.", 0.1,
        ends=_OPERATOR,
    ),
    "actuator fault": Fault(
        "H13", _STOP, "Couch or robot reports a fault: stop and inspect it.", 0.1, ends=_OPERATOR
    ),
    "actuator restarted": Fault(
        "H13", _STOP, "Couch or robot was started anew: bring it to its start pose, then reset.",
        0.1, ends=_OPERATOR,
    ),
    "actuator silent": Fault(
        "H13", _HOLD, "No position from couch or robot: check its link.", 0.25
    ),
    "demand refused": Fault(
        "H14", _STOP, "The guard refused a demand: stop and inspect.", 0.02, ends=_OPERATOR
    ),
    "keep-out": Fault(
        "H15", _HOLD, "The way leads into a keep-out volume: move the patient.", 0.02,
        ends=_OPERATOR,
    ),
    "loop late": Fault("H16", _WARN, "A tick came late: check the computer's load.", 0.1),
    "loop overrun": Fault(
        "H16", _HOLD, "The controller was late: check the computer's load.", 0.1, clear_s=1.0
    ),
    "gate disagrees": Fault(
        "H19", _STOP, "Beam and permit disagree: stop and check the gate.", 0.45, ends=_OPERATOR
    ),
    "gate stays shut": Fault(
        "H19", _HOLD, "The beam does not come on: check the gate, then resume.", 0.45,
        ends=_OPERATOR,
    ),
    "gate silent": Fault("H19", _HOLD, "No read-back from the beam gate: check its link.", 0.25),
    "wrong patient or plan": Fault(
        "H22", _HOLD, "Patient, plan or model is another: compare names and plan.", 0.1,
        ends=_OPERATOR,
    ),
    "not identified": Fault(
        "H22", _REFUSE, "Nobody has told patient and plan: announce them.", 0.1
    ),
    "not recording": Fault(
        "H24", _HOLD, "The journal cannot be written: check the disk.", 1.0, clear_s=1.0
    ),
    "monitor lost": Fault(
        "H16", _HOLD, "No monitor stands by at the gate: see why it is not there.", 0.35,
        clear_s=1.0,
    ),
    "error persists": Fault(
        "H27", _HOLD, "A small error stays: review the last shots, then resume.", 5.1,
        ends=_OPERATOR,
    ),
    "operator hold": Fault(
        "P1", _HOLD, "Held by the operator: resume when ready.", 0.1, ends=_OPERATOR
    ),
}  # fmt: skip
"""Every fault the controller can raise. A name that is not here cannot be raised."""


_RELEASED = -1
"""Stands for the number of breaths of an entry that a person has let go."""


class _Entry:
    __slots__ = ("breaths", "detail", "last_seen_ns")

    def __init__(self, last_seen_ns: int, detail: str, breaths: int) -> None:
        self.last_seen_ns = last_seen_ns
        self.detail = detail
        self.breaths = breaths


class FaultBook:
    """Which faults are active, with hysteresis and latches."""

    def __init__(self, regular_breaths: int = 3) -> None:
        """Start with nothing wrong; so many regular breaths end an irregularity."""
        self._regular_breaths = regular_breaths
        self._active: dict[str, _Entry] = {}

    def update(
        self, now_ns: int, conditions: dict[str, str], calm: Calm | None = None
    ) -> list[FaultChanged]:
        """Take what is wrong right now (fault -> detail); return what appeared and what went."""
        if not conditions and not self._active:
            return []
        calm = calm or Calm()
        changes: list[FaultChanged] = []
        for name, detail in conditions.items():
            entry = self._active.get(name)
            if entry is None:
                self._active[name] = _Entry(now_ns, detail, calm.breaths)
                changes.append(_change(now_ns, name, detail, active=True))
            else:
                entry.last_seen_ns = now_ns
                entry.breaths = calm.breaths
        for name in list(self._active):
            if name not in conditions and self._is_over(name, now_ns, calm):
                changes.append(_change(now_ns, name, self._active.pop(name).detail, active=False))
        return changes

    def _is_over(self, name: str, now_ns: int, calm: Calm) -> bool:
        """Tell whether a fault whose condition is gone has met what ends it."""
        row, entry = FAULTS[name], self._active[name]
        if row.latched or not self._is_gone(name, now_ns, calm):
            return False
        if row.ends is Ends.BY_CYCLES and entry.breaths != _RELEASED:
            since = min(calm.regular, calm.breaths - entry.breaths)
            return since >= self._regular_breaths
        return True

    def _is_gone(self, name: str, now_ns: int, calm: Calm) -> bool:
        """Tell whether the condition has been gone for long enough, and a shot showed it."""
        row, entry = FAULTS[name], self._active[name]
        if now_ns - entry.last_seen_ns <= row.clear_s * 1e9:
            return False
        return not row.recheck or calm.agreed_ns > entry.last_seen_ns

    def waits_for_shot(self, conditions: dict[str, str]) -> bool:
        """Tell whether a fault whose condition is gone is kept until a shot agrees."""
        return any(FAULTS[name].recheck and name not in conditions for name in self._active)

    def release(
        self, now_ns: int, conditions: dict[str, str], calm: Calm | None = None
    ) -> list[FaultChanged]:
        """A person resumes: what a person may end, and whose condition is gone, is let go.

        A fault that needs a shot keeps needing it: a person cannot see the surrogate's offset.
        """
        changes: list[FaultChanged] = []
        for name in list(self._active):
            if name not in conditions and FAULTS[name].ends is Ends.BY_CYCLES:
                self._active[name].breaths = _RELEASED
            if self._yields(name, now_ns, conditions, calm or Calm()):
                changes.append(_change(now_ns, name, self._active.pop(name).detail, active=False))
        return changes

    def _yields(self, name: str, now_ns: int, conditions: dict[str, str], calm: Calm) -> bool:
        """Tell whether a fault would be let go if a person resumed now."""
        row = FAULTS[name]
        if name in conditions:
            return False
        return row.latched or (row.ends is Ends.BY_CYCLES and self._is_gone(name, now_ns, calm))

    def unyielding(
        self, now_ns: int, conditions: dict[str, str], calm: Calm, at_least: Reaction
    ) -> tuple[str, ...]:
        """Active faults at least so severe that would stand if a person resumed now."""
        return tuple(
            name
            for name in self.names(at_least)
            if not self._yields(name, now_ns, conditions, calm)
        )

    def clear(self, now_ns: int) -> list[FaultChanged]:
        """The session is over: every fault goes."""
        changes = [
            _change(now_ns, name, entry.detail, active=False)
            for name, entry in self._active.items()
        ]
        self._active.clear()
        return changes

    @property
    def any(self) -> bool:
        """Whether a fault is active."""
        return bool(self._active)

    def __contains__(self, name: str) -> bool:
        """Tell whether a fault is active."""
        return name in self._active

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
