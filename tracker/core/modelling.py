"""Modelling: shots into a correlation model, first in first out, refitted at each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hal.messages import FiducialShot, Triple
from tracker.core import correlation
from tracker.core.correlation import CorrelationModel, Shot
from tracker.core.fusion import BreathingRange, BreathingState
from tracker.core.observation import locate
from tracker.core.settings import Controller
from tracker.core.types import ModelRefitted, Notice, Observation, Output

_CURVE_POINTS = 15


@dataclass(slots=True)
class Taken:
    """What a shot led to: outputs, and the faults it raises or, when empty, ends."""

    outputs: list[Output] = field(default_factory=list[Output])
    used: bool = False
    fiducials_moved: str = ""
    model_wrong: str = ""
    model_doubtful: str = ""


class Modelling:
    """The shots that count, and the model they make."""

    def __init__(self, settings: Controller) -> None:
        """Start without a shot."""
        self._imager = settings.imager
        self._correlation = settings.correlation
        self._orientation = settings.session.orientation
        self._shots: list[Shot] = []
        self._bad_shots = 0
        self.model: CorrelationModel | None = None

    def forget(self) -> None:
        """Drop shots and model."""
        self._shots.clear()
        self._bad_shots = 0
        self.model = None

    @property
    def complete(self) -> bool:
        """Whether there are shots enough, over enough of the breathing cycle, to steer by."""
        model = self.model
        return (
            model is not None
            and len(self._shots) >= self._correlation.modelling_shots
            and model.phase_coverage >= self._correlation.phase_coverage
        )

    def take(
        self,
        shot: FiducialShot,
        couch_mm: Triple | None,
        breathing: BreathingState | None,
        span: BreathingRange | None,
    ) -> Taken:
        """Take a shot with couch position, breathing state and its range at exposure."""
        taken = Taken()
        if couch_mm is None or breathing is None or span is None:
            what = "couch position" if couch_mm is None else "breathing state"
            taken.outputs.append(
                Notice(shot.t_ns, "warning", f"shot {shot.shot_id}: {what} at exposure unknown")
            )
            return taken
        located = locate(
            shot,
            couch_mm,
            self._imager.fiducials_mm,
            self._orientation,
            self._imager.rigid_residual_mm,
        )
        if isinstance(located, str):
            self._bad_shots += 1
            taken.outputs.append(Notice(shot.t_ns, "warning", f"shot {shot.shot_id}: {located}"))
            if self._bad_shots >= 2:
                taken.fiducials_moved = f"{self._bad_shots} shots in a row: {located}"
            return taken
        self._bad_shots = 0
        taken.used = True
        residual = self._residual(shot, breathing, located.position_mm, taken)
        self._shots.append(
            Shot(shot.ticks, breathing.amplitude_mm, breathing.velocity_mm_s, located.position_mm)
        )
        del self._shots[: -self._correlation.capacity_shots]
        taken.outputs.append(
            Observation(
                shot.t_ns,
                shot.ticks,
                shot.shot_id,
                located.position_mm,
                breathing.amplitude_mm,
                breathing.velocity_mm_s,
                residual,
                used=True,
            )
        )
        self._refit(shot.t_ns, span, taken)
        return taken

    def _residual(
        self, shot: FiducialShot, breathing: BreathingState, observed: Triple, taken: Taken
    ) -> Triple | None:
        """Compare the shot with what the model says; judge the distance (H07)."""
        if self.model is None:
            return None
        said = self.model.target_at(
            shot.ticks, breathing.amplitude_mm, breathing.velocity_mm_s, 0.0, 0.0, 0.0
        ).position_mm
        distance = math.dist(said, observed)
        settings = self._correlation
        if distance > settings.residual_hold_mm and self.complete:
            taken.model_wrong = (
                f"shot {shot.shot_id} is {distance:.1f} mm off the model, "
                f"limit {settings.residual_hold_mm:g} mm"
            )
        elif distance > settings.residual_rebuild_mm and self.complete:
            taken.model_doubtful = (
                f"shot {shot.shot_id} is {distance:.1f} mm off the model, "
                f"limit {settings.residual_rebuild_mm:g} mm"
            )
        return (observed[0] - said[0], observed[1] - said[1], observed[2] - said[2])

    def _refit(self, t_ns: int, span: BreathingRange, taken: Taken) -> None:
        try:
            model = correlation.fit(self._shots, self._correlation.models, span)
        except ValueError as error:
            if len(self._shots) >= self._correlation.modelling_shots:
                taken.outputs.append(Notice(t_ns, "warning", f"no model: {error}"))
            return
        self.model = model
        taken.outputs.append(_describe(t_ns, model))


def _describe(t_ns: int, model: CorrelationModel) -> ModelRefitted:
    """Sample the model for display, inhaling and exhaling at a typical speed."""
    span = model.highest_mm - model.lowest_mm
    amplitudes = [model.lowest_mm + span * k / (_CURVE_POINTS - 1) for k in range(_CURVE_POINTS)]
    speed = model.scale.speed_mm_s / 1.5

    def at(y: float, v: float) -> Triple:
        return model.target_at(model.fitted_ns, y, v, 0.0, 0.0, 0.0).position_mm

    a, b, c = model.axes
    return ModelRefitted(
        t_ns,
        (a.kind, b.kind, c.kind),
        (a.loo_rms_mm, b.loo_rms_mm, c.loo_rms_mm),
        model.shots,
        model.phase_coverage,
        tuple(amplitudes),
        tuple(at(y, speed) for y in amplitudes),
        tuple(at(y, -speed) for y in amplitudes),
    )
