"""Situations for the tests of the checks: all is well, but for what a test changes."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tracker.config import SHIPPED, load_configuration
from tracker.core.machine.following import Following
from tracker.core.safety.situation import Reports, Situation
from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.surrogate.report import SourceReport, SurrogateReport
from tracker.core.surrogate.sources.traits import Form
from tracker.core.target.target_state import TargetState

MS = 1_000_000
S = 1_000_000_000
NOW = 100 * S
COUCH: Controller = load_configuration(SHIPPED / "couch.toml").controller

STATE = BreathingState(NOW, 2.0, 3.0, 0.01, 0.01, 0.0, (2.0,))
SPAN = BreathingRange(0.0, 5.0, 8.0)
CAMERA = SourceReport("camera", Form.POINTS, newest_ns=NOW - 20 * MS)
BELT = SourceReport("belt", Form.VALUE, newest_ns=NOW - 5 * MS)
SURROGATE = SurrogateReport(True, STATE, SPAN, (CAMERA, BELT))
PREDICTION = TargetState((1.0, 2.0, 3.0), (0.0, 0.0, 0.0), (0.1, 0.1, 0.1))


class Model:
    """A model that says how far outside its range an amplitude is: its own size beyond 5 mm."""

    def extrapolation(self, y: float, breathing_mm: float = 0.0) -> float:
        return max(0.0, abs(y) - 5.0) / max(10.0, breathing_mm)


WELL = Situation(
    now_ns=NOW,
    surrogate=SURROGATE,
    model=Model(),  # pyright: ignore[reportArgumentType]
    last_shot_ns=NOW - 10 * S,
    prediction=PREDICTION,
    following=Following(0.2, 0.1, 0.3, True, 1),
    permit_since_ns=NOW - 5 * S,
    permit_until_ns=NOW + 90 * MS,
    beam_on=True,
    beam_status_ns=NOW - 10 * MS,
    reports=Reports(identified=True),
)


def situation(**changes: Any) -> Situation:
    """All is well, but for these fields."""
    return replace(WELL, **changes)


def surrogate(**changes: Any) -> Situation:
    """All is well, but for these fields of the surrogate."""
    return replace(WELL, surrogate=replace(SURROGATE, **changes))


def camera(**changes: Any) -> Situation:
    """All is well, but for these fields of the camera's report."""
    return surrogate(sources=(replace(CAMERA, **changes), BELT))


def reports(**changes: Any) -> Situation:
    """All is well, but for what these reports say."""
    return replace(WELL, reports=replace(WELL.reports, **changes))


def found(check: Any, *situations: Situation) -> dict[str, str]:
    """What a check finds in the last of these situations, after it saw the others."""
    result: dict[str, str] = {}
    for each in situations:
        result = {}
        check(each, result)
    return {str(name): detail for name, detail in result.items()}
