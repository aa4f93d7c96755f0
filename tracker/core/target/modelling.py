"""Build the correlation model from shots: keep the newest ones, and refit at each of them.

A shot that is far off a complete model is not believed at once: a cough or a wrong fiducial would
spoil the model for minutes. It is set aside, and the beam is held until other shots decide. If a
shot from the same part of the breath fits the model, the one set aside is dropped. A shot from
another part of the breath decides nothing, because a model may be right at inhale alone. If a
second shot is far off too, the target has really moved: both shots start a new epoch of the
baseline, and one more shot must agree with the rebuilt model. If the two are off in opposite
directions, no baseline moved but the relation changed: the older shots are forgotten, and a whole
model is made anew while the beam is held.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from hal.messages import FiducialShot, Triple
from tracker.core.frames import Orientation
from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.target import correlation
from tracker.core.target.correlation import CorrelationModel, Shot
from tracker.core.target.drift import Drift
from tracker.core.target.observation import LocatedTarget, locate
from tracker.core.target.shot_result import ShotResult
from tracker.core.target.target_model import XrayShot
from tracker.core.target.target_state import TargetState
from tracker.core.types import ModelRefitted, Notice, Observation

_CURVE_POINTS = 15
"""Points of the curves that show the model."""
_SURPRISES = 8
"""Latest shots from which the inflation of the variances is found."""
_FEWEST_SURPRISES = 4
"""Shots that it takes to inflate at all."""
_LARGEST_SURPRISE = 9.0
"""The most one shot counts: a shot far off is set aside anyway, and must not widen the region."""
_SAME_PART = 0.15
"""Share of the breathing cycle: about one of its eight bins to either side."""
_REBUILT = 2
"""Shots that show a drift; they begin a new epoch of the baseline."""


class _SetAside(NamedTuple):
    """A shot that was far off the model, by ``off_mm``, and its part of the breathing cycle."""

    shot: Shot
    off_mm: Triple
    phase: float


class Modelling:
    """The shots that count, and the model they make."""

    _shots: list[Shot]
    _bad_shots: int
    _aside: _SetAside | None
    _made: bool
    """The model has once been complete; wider breaths later do not undo that."""
    _anew: bool
    """The relation has changed: the model is being made of new shots alone."""
    _epoch: int
    model: CorrelationModel | None

    def __init__(self, settings: Controller) -> None:
        """Start without a shot."""
        self._imager = settings.imager
        self._correlation = settings.correlation
        self._orientation: Orientation = settings.session.orientation
        self._drift = Drift(settings.imager.drift_mm)
        self._surprises: deque[float] = deque(maxlen=_SURPRISES)
        self.forget()

    def forget(self) -> None:
        """Drop all shots and the model."""
        self._shots = []
        self._bad_shots = 0
        self._aside = None
        self._made = self._anew = False
        self._epoch = 0
        self._drift.forget()
        self._surprises.clear()
        self.model = None

    def remember(self, breathing: BreathingState) -> None:
        """Note nothing: the model needs the breathing at the shots alone."""

    @property
    def suspect_phase(self) -> float | None:
        """The part of the breath of the shot that is set aside; ``None``: there is none."""
        return None if self._aside is None else self._aside.phase

    @property
    def complete(self) -> bool:
        """Whether there are shots enough, over enough of the breathing cycle, to steer by."""
        model = self.model
        return (
            model is not None
            and len(self._shots) >= self._correlation.modelling_shots
            and model.phase_coverage >= self._correlation.phase_coverage
        )

    def add_shot(
        self,
        shot: XrayShot,
        couch_mm: Triple | None,
        breathing: BreathingState | None,
        span: BreathingRange | None,
    ) -> ShotResult:
        """Judge a shot and learn from it; the other arguments are those at its exposure."""
        result = ShotResult()
        if not isinstance(shot, FiducialShot):
            words = f"shot {shot.shot_id}: one projection does not locate the target; not used"
            result.outputs.append(Notice(shot.t_ns, "warning", words))
            return result
        if couch_mm is None or breathing is None or span is None:
            what = "couch position" if couch_mm is None else "breathing state"
            result.outputs.append(
                Notice(shot.t_ns, "warning", f"shot {shot.shot_id}: {what} at exposure unknown")
            )
            return result
        located = self._located(shot, couch_mm, result)
        if located is None:
            return result
        result.judged = True
        new = Shot(
            shot.ticks,
            breathing.amplitude_mm,
            breathing.velocity_mm_s,
            located.position_mm,
            self._epoch,
            breathing.markers_mm,
        )
        expected = self._expected(new)
        residual = None if expected is None else _apart(new.target_mm, expected.position_mm)
        self._made = self._made or self.complete
        # While a model is being made, a shot cannot be judged by it.
        off = None if self._anew or not self._made else residual
        if expected is not None and off is not None:
            self._surprises.append(_surprise(off, expected.variance_mm2))
        result.used = self._believe(shot, new, off, span, result)
        result.outputs.append(
            Observation(
                t_ns=shot.t_ns,
                exposed_ns=shot.ticks,
                shot_id=shot.shot_id,
                position_mm=located.position_mm,
                amplitude_mm=new.amplitude_mm,
                velocity_mm_s=new.velocity_mm_s,
                residual_mm=residual,
                used=result.used,
            )
        )
        if result.used:
            self._learn(shot.t_ns, new, off, span, result)
        return result

    def _located(
        self, shot: FiducialShot, couch_mm: Triple, result: ShotResult
    ) -> LocatedTarget | None:
        """Return the target that a shot shows; two shots in a row that show none are a fault."""
        located = locate(
            shot,
            couch_mm,
            self._imager.fiducials_mm,
            self._orientation,
            self._imager.rigid_residual_mm,
            self._imager.rotation_deg,
        )
        if not isinstance(located, str):
            self._bad_shots = 0
            return located
        self._bad_shots += 1
        result.outputs.append(Notice(shot.t_ns, "warning", f"shot {shot.shot_id}: {located}"))
        if self._bad_shots >= 2:
            result.fiducials_moved = f"{self._bad_shots} shots in a row: {located}"
        return None

    def _expected(self, new: Shot) -> TargetState | None:
        """Return the model's target at the moment of a shot; ``None`` while there is no model."""
        if self.model is None:
            return None
        y, v = new.amplitude_mm, new.velocity_mm_s
        apart = self.model.apart(y, v, new.markers_mm)
        return self.model.target_at(new.exposed_ns, y, v, 0.0, 0.0, 0.0, apart)

    def _believe(
        self,
        shot: FiducialShot,
        new: Shot,
        off: Triple | None,
        span: BreathingRange,
        result: ShotResult,
    ) -> bool:
        """Add a shot to those that count, or set it aside (H07); return whether it counts.

        ``off`` is its residual (mm), ``None`` while no model can judge it.
        """
        if self._anew:
            self._anew = not self.complete
            made_of = f"of {len(self._shots)} shots so far"
            result.model_wrong = f"the model is made anew, {made_of}"
            self._shots.append(new)
            return True
        limit_mm, name = self._correlation.residual_hold_mm, f"shot {shot.shot_id}"
        phase = span.phase(new.amplitude_mm, new.velocity_mm_s)
        off_mm = 0.0 if off is None else math.hypot(*off)
        aside, self._aside = self._aside, None
        if off is None or off_mm <= limit_mm:
            self._judge_set_aside(shot, aside, phase, result)
            self._judge_near(name, off_mm, result)
            self._shots.append(new)
            return True
        result.model_wrong = f"{name} is {off_mm:.1f} mm off the model, limit {limit_mm:g} mm"
        if aside is None:
            self._aside = _SetAside(new, off, phase)
            return False
        if sum(a * b for a, b in zip(off, aside.off_mm, strict=True)) <= 0.0:
            self._anew = True
            self._shots.clear()
        self._epoch += 1
        self._drift.forget()
        self._surprises.clear()  # the target moved: that says nothing of the variances
        self._shots += [each._replace(epoch=self._epoch) for each in (aside.shot, new)]
        return True

    def _judge_set_aside(
        self, shot: FiducialShot, aside: _SetAside | None, phase: float, result: ShotResult
    ) -> None:
        """Drop the shot set aside if this one, which fits, is from the same part of the breath."""
        if aside is None:
            return
        name = f"shot {shot.shot_id}"
        if near(phase, aside.phase):
            words = f"{name} fits the model; the one that did not is dropped"
            result.outputs.append(Notice(shot.t_ns, "info", words))
        else:
            self._aside = aside
            result.model_wrong = f"{name} fits the model, but elsewhere in the breath"

    def _judge_near(self, name: str, off_mm: float, result: ShotResult) -> None:
        """Say whether a shot that fits is near the model or makes it doubtful."""
        limit_mm = self._correlation.residual_rebuild_mm
        if off_mm > limit_mm:
            result.model_doubtful = (
                f"{name} is {off_mm:.1f} mm off the model, limit {limit_mm:g} mm"
            )
        result.agrees = self._aside is None and off_mm <= limit_mm

    def _learn(
        self, t_ns: int, new: Shot, off: Triple | None, span: BreathingRange, result: ShotResult
    ) -> None:
        """Forget the oldest shots beyond the capacity, look for a drift, and refit the model."""
        del self._shots[: -self._correlation.capacity_shots]
        if off is not None:
            result.drifts = self._follow_drift(off)
        self._refit(t_ns, span, result)
        left = self._expected(new)
        if left is not None:
            result.left_mm = math.dist(new.target_mm, left.position_mm)

    def _follow_drift(self, off: Triple) -> str:
        """Rebuild the baseline from the last shots once they show a drift (H10)."""
        if self._drift.add(off):
            self._epoch += 1
            self._shots[-_REBUILT:] = [
                shot._replace(epoch=self._epoch) for shot in self._shots[-_REBUILT:]
            ]
        return self._drift.found

    def _inflation(self) -> float:
        """Return the factor by which variances were too small for the shots that came after.

        A model is chosen because it fits the shots it has, so it says too little of the next one.
        The residuals of shots that the model had not learned yet are the honest measure.
        """
        if len(self._surprises) < _FEWEST_SURPRISES:
            return 1.0
        return max(1.0, sum(self._surprises) / len(self._surprises))

    def _refit(self, t_ns: int, span: BreathingRange, result: ShotResult) -> None:
        try:
            model = correlation.fit(self._shots, self._correlation.models, span, self._inflation())
        except ValueError as error:
            if len(self._shots) >= self._correlation.modelling_shots:
                result.outputs.append(Notice(t_ns, "warning", f"no model: {error}"))
            return
        self.model = model
        result.outputs.append(_describe(t_ns, model))


def _apart(a: Triple, b: Triple) -> Triple:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _surprise(residual_mm: Triple, variance_mm2: Triple) -> float:
    """Return the mean over the axes of residual squared by variance: 1 where variances are right.

    A model's variance is never zero, because its noise is not.
    """
    shares = (r * r / v for r, v in zip(residual_mm, variance_mm2, strict=True))
    return min(_LARGEST_SURPRISE, sum(shares) / 3.0)


def near(phase: float, other: float) -> bool:
    """Tell whether two moments are from the same part of the breathing cycle (both 0 to 1)."""
    apart = abs(phase - other)
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
        t_ns=t_ns,
        kinds=(a.kind, b.kind, c.kind),
        loo_rms_mm=(a.loo_rms_mm, b.loo_rms_mm, c.loo_rms_mm),
        shots=model.shots,
        phase_coverage=model.phase_coverage,
        curve_amplitude_mm=tuple(amplitudes),
        curve_inhale_mm=tuple(at(y, speed) for y in amplitudes),
        curve_exhale_mm=tuple(at(y, -speed) for y in amplitudes),
    )
