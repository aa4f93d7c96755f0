"""Modelling: shots into a correlation model, first in first out, refitted at each of them.

A shot far off a complete model is not believed at once: a cough or a wrong fiducial would bend the
model for minutes. It is kept aside and the beam held until others tell: if one from the same part
of the breath fits the model, the first is dropped; if one is far off too, the target really moved,
both are taken as a new epoch of the baseline, and one more shot must agree with the rebuilt model.
Two that are off opposite ways show that no baseline moved but the relation changed: older shots
are forgotten, and a whole model is made anew while the beam is held.
A shot from another part of the breath acquits nothing: a model may be right at inhale alone.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from hal.messages import FiducialShot, Triple
from tracker.core.frames import Orientation
from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.target import correlation
from tracker.core.target.correlation import CorrelationModel, Shot, TargetState
from tracker.core.target.drift import Drift
from tracker.core.target.observation import locate
from tracker.core.types import ModelRefitted, Notice, Observation, Output

_CURVE_POINTS = 15
_SURPRISES = 8
_FEWEST_SURPRISES = 4
_LARGEST_SURPRISE = 9.0
"""A single shot far off is dealt with otherwise; it must not widen the region for minutes."""
_SAME_PART = 0.15
"""Of the breathing cycle: about one of its eight bins to either side."""
_REBUILT = 2
"""Shots that show a drift begin a new epoch of the baseline."""


@dataclass(slots=True)
class Taken:
    """What a shot led to: outputs, and the faults it raises or, when empty, ends."""

    outputs: list[Output] = field(default_factory=list[Output])
    judged: bool = False
    """The fiducials were found and fit the plan, so the shot says something of the model."""
    used: bool = False
    fiducials_moved: str = ""
    model_wrong: str = ""
    model_doubtful: str = ""
    drifts: str = ""
    agrees: bool = False
    """The shot lay near the model before the model learned it."""
    left_mm: float = 0.0
    """What the shot still lies off the model that has learned it."""


class Modelling:
    """The shots that count, and the model they make."""

    def __init__(self, settings: Controller) -> None:
        """Start without a shot."""
        self._imager = settings.imager
        self._correlation = settings.correlation
        self._orientation: Orientation = settings.session.orientation
        self._shots: list[Shot] = []
        self._bad_shots = 0
        self._aside: Shot | None = None
        self._aside_off: Triple = (0.0, 0.0, 0.0)
        self._made = False
        """The model has once been complete; wider breaths later do not undo that."""
        self._anew = False
        """The relation has changed: the model is being made of new shots alone."""
        self.suspect_phase: float | None = None
        """Which part of the breath the shot kept aside is from; ``None``: none is kept."""
        self._epoch = 0
        self._drift = Drift(settings.imager.drift_mm)
        self._surprises: deque[float] = deque(maxlen=_SURPRISES)
        self.model: CorrelationModel | None = None

    def forget(self) -> None:
        """Drop shots and model."""
        self._shots.clear()
        self._bad_shots = 0
        self._aside = self.suspect_phase = None
        self._made = self._anew = False
        self._epoch = 0
        self._drift.forget()
        self._surprises.clear()
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
            self._imager.rotation_deg,
        )
        if isinstance(located, str):
            self._bad_shots += 1
            taken.outputs.append(Notice(shot.t_ns, "warning", f"shot {shot.shot_id}: {located}"))
            if self._bad_shots >= 2:
                taken.fiducials_moved = f"{self._bad_shots} shots in a row: {located}"
            return taken
        self._bad_shots = 0
        taken.judged = True
        amplitude, velocity = breathing.amplitude_mm, breathing.velocity_mm_s
        new = Shot(
            shot.ticks,
            amplitude,
            velocity,
            located.position_mm,
            self._epoch,
            breathing.markers_mm,
        )
        expected = self._expected(new)
        residual = None if expected is None else _apart(new.target_mm, expected.position_mm)
        self._made = self._made or self.complete
        steered_by = self._made and not self._anew
        off_mm = 0.0 if residual is None or not steered_by else math.hypot(*residual)
        phase = span.phase(amplitude, velocity)
        if expected is not None and residual is not None and steered_by:
            self._surprises.append(_surprise(residual, expected.variance_mm2))
        if self._anew:
            self._anew = not self.complete
            taken.model_wrong = f"the model is made anew, of {len(self._shots)} shots so far"
            self._shots.append(new)
            taken.used = True
        else:
            off = residual or (0.0, 0.0, 0.0)
            taken.used = self._believe(shot, new, off, off_mm, phase, taken)
        taken.outputs.append(
            Observation(
                shot.t_ns,
                shot.ticks,
                shot.shot_id,
                located.position_mm,
                amplitude,
                velocity,
                residual,
                taken.used,
            )
        )
        if taken.used:
            del self._shots[: -self._correlation.capacity_shots]
            if residual is not None and steered_by:
                taken.drifts = self._follow_drift(residual)
            self._refit(shot.t_ns, span, taken)
            left = self._expected(new)
            if left is not None:
                taken.left_mm = math.dist(new.target_mm, left.position_mm)
        return taken

    def _follow_drift(self, residual: Triple) -> str:
        """Rebuild the baseline from the last shots once they show a drift (H10)."""
        if self._drift.add(residual):
            self._epoch += 1
            self._shots[-_REBUILT:] = [
                shot._replace(epoch=self._epoch) for shot in self._shots[-_REBUILT:]
            ]
        return self._drift.found

    def _expected(self, new: Shot) -> TargetState | None:
        """Give what the model says of a shot's moment; ``None`` while there is no model."""
        if self.model is None:
            return None
        y, v = new.amplitude_mm, new.velocity_mm_s
        apart = self.model.apart(y, v, new.markers_mm)
        return self.model.target_at(new.exposed_ns, y, v, 0.0, 0.0, 0.0, apart)

    def _inflation(self) -> float:
        """Give by what factor variances were too small for the shots that came after.

        A model that is chosen because it fits the shots it has says too little of the next; what
        the next ones say, before they are learned, is the honest measure.
        """
        if len(self._surprises) < _FEWEST_SURPRISES:
            return 1.0
        return max(1.0, sum(self._surprises) / len(self._surprises))

    def _believe(
        self,
        shot: FiducialShot,
        new: Shot,
        off: Triple,
        off_mm: float,
        phase: float,
        taken: Taken,
    ) -> bool:
        """Take a shot among those that count, or put it aside (H07)."""
        settings = self._correlation
        name = f"shot {shot.shot_id}"
        aside, suspect = self._aside, self.suspect_phase
        self._aside = self.suspect_phase = None
        if off_mm <= settings.residual_hold_mm:
            if aside is not None and suspect is not None:
                if near(phase, suspect):
                    words = f"{name} fits the model; the one that did not is dropped"
                    taken.outputs.append(Notice(shot.t_ns, "info", words))
                else:
                    self._aside, self.suspect_phase = aside, suspect
                    taken.model_wrong = f"{name} fits the model, but elsewhere in the breath"
            if off_mm > settings.residual_rebuild_mm:
                taken.model_doubtful = (
                    f"{name} is {off_mm:.1f} mm off the model, "
                    f"limit {settings.residual_rebuild_mm:g} mm"
                )
            taken.agrees = self._aside is None and off_mm <= settings.residual_rebuild_mm
            self._shots.append(new)
            return True
        taken.model_wrong = (
            f"{name} is {off_mm:.1f} mm off the model, limit {settings.residual_hold_mm:g} mm"
        )
        if aside is None:
            self._aside, self._aside_off, self.suspect_phase = new, off, phase
            return False
        if sum(a * b for a, b in zip(off, self._aside_off, strict=True)) <= 0.0:
            self._anew = True
            self._shots.clear()
        self._epoch += 1
        self._drift.forget()
        self._surprises.clear()  # the target moved: that says nothing of the variances
        self._shots += [each._replace(epoch=self._epoch) for each in (aside, new)]
        return True

    def _refit(self, t_ns: int, span: BreathingRange, taken: Taken) -> None:
        try:
            model = correlation.fit(self._shots, self._correlation.models, span, self._inflation())
        except ValueError as error:
            if len(self._shots) >= self._correlation.modelling_shots:
                taken.outputs.append(Notice(t_ns, "warning", f"no model: {error}"))
            return
        self.model = model
        taken.outputs.append(_describe(t_ns, model))


def _apart(a: Triple, b: Triple) -> Triple:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _surprise(residual_mm: Triple, variance_mm2: Triple) -> float:
    """Give the mean over the axes of residual squared by variance: 1 where variances are right."""
    shares = (r * r / max(v, 1e-6) for r, v in zip(residual_mm, variance_mm2, strict=True))
    return min(_LARGEST_SURPRISE, sum(shares) / 3.0)


def near(phase: float, other: float) -> bool:
    """Tell whether two moments are from the same part of the breathing cycle."""
    apart = abs(phase - other) % 1.0
    return min(apart, 1.0 - apart) <= _SAME_PART


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
