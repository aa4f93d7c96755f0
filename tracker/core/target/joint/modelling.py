"""Make the joint model of one patient from shots of any kind, and judge each later shot by it.

While the model is being made, shots are gathered; it is made once there are enough, over enough of
the breathing cycle. From then on each shot corrects it. A shot that is far off holds the beam until
a later one is near; that the target may have jumped meanwhile, or the image be wrong, is in the
model's own error region.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hal.messages import FiducialShot, Triple
from tracker.core.frames import Orientation
from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.target.correlation import PHASE_BINS
from tracker.core.target.drift import Drift
from tracker.core.target.error_region import radius95_mm
from tracker.core.target.joint.filter_bank import Foretold
from tracker.core.target.joint.model import JointModel, Measurement, SurrogateMoment
from tracker.core.target.projection import MeasuredTarget, measure_pair, measure_projection
from tracker.core.target.shot_result import ShotResult
from tracker.core.target.target_model import XrayShot
from tracker.core.target.target_state import TargetState
from tracker.core.types import ModelRefitted, Notice, Observation

Array = NDArray[np.float64]

_NOTHING = np.zeros(0)
_CURVE_POINTS = 15
_NAME = ("joint", "joint", "joint")


class JointTarget:
    """The joint model as the controller asks it; positions are in the patient frame."""

    def __init__(self, model: JointModel) -> None:
        """Take the model, whose bank has been made."""
        self._model = model
        self._lowest_mm, self._highest_mm = math.inf, -math.inf

    def cover(self, y: float) -> None:
        """Note the amplitude of a shot."""
        self._lowest_mm, self._highest_mm = min(self._lowest_mm, y), max(self._highest_mm, y)

    def apart(self, y: float, v: float, markers_mm: tuple[float, ...]) -> Array:
        """Return nothing: the model takes amplitude and velocity alone."""
        return _NOTHING

    def target_at(
        self,
        t_ns: int,
        y: float,
        v: float,
        y_variance: float,
        v_variance: float,
        cross: float,
        apart: Array | None = None,
    ) -> TargetState:
        """Return the target for a surrogate state with its variances and covariance."""
        surrogate = SurrogateMoment(y, v, y_variance, cross, v_variance)
        found = self._model.at(t_ns, surrogate)
        assert found is not None
        velocity = self._model.velocity_at(t_ns, surrogate)
        return TargetState(_triple(found.mean), _triple(velocity), _variances(found))

    def extrapolation(self, y: float, breathing_mm: float = 0.0) -> float:
        """Return how far ``y`` lies outside the range of the shots, as a share of that range.

        If the range of breathing is larger, it is a share of that.
        """
        span = max(self._highest_mm - self._lowest_mm, breathing_mm, 1e-6)
        return max(0.0, self._lowest_mm - y, y - self._highest_mm) / span


class JointModelling:
    """Gathers shots, makes the joint model, and lets each later shot correct it."""

    def __init__(self, settings: Controller) -> None:
        """Start without a shot."""
        self._imager = settings.imager
        self._correlation = settings.correlation
        self._orientation: Orientation = settings.session.orientation
        self._drift = Drift(settings.imager.drift_mm)
        # Shots that come as often as a drift asks for are followed, and depend on each other.
        self._seldom = settings.imager.interval_s > settings.imager.drift_interval_s
        self.forget()

    def forget(self) -> None:
        """Drop all shots and the model."""
        self._joint = JointModel()
        self._target: JointTarget | None = None
        self._breaths: list[tuple[float, float]] = []
        self._bad_shots = 0
        self._newest_ns = -1
        self._drift.forget()

    @property
    def model(self) -> JointTarget | None:
        """The model; ``None`` until there is one."""
        return self._target

    @property
    def complete(self) -> bool:
        """Whether the model may steer: it is made only when it may."""
        return self._target is not None

    @property
    def suspect_phase(self) -> float | None:
        """Nothing: doubt does not wait for a part of the breath."""
        return None

    def remember(self, breathing: BreathingState) -> None:
        """Note the breathing at a tick, in the order of time."""
        self._joint.remember(breathing.t_ns, breathing.amplitude_mm, breathing.velocity_mm_s)

    def add_shot(
        self,
        shot: XrayShot,
        couch_mm: Triple | None,
        breathing: BreathingState | None,
        span: BreathingRange | None,
    ) -> ShotResult:
        """Judge a shot and learn from it; the other arguments are those at its exposure."""
        result = ShotResult()
        if couch_mm is None or breathing is None or span is None:
            what = "couch position" if couch_mm is None else "breathing state"
            words = f"shot {shot.shot_id}: {what} at exposure unknown"
            result.outputs.append(Notice(shot.t_ns, "warning", words))
            return result
        if shot.ticks <= self._newest_ns:
            words = f"shot {shot.shot_id}: not used, it was exposed before the last one used"
            result.outputs.append(Notice(shot.t_ns, "warning", words))
            return result
        moment = _moment_of(breathing)
        said = self._joint.at(shot.ticks, moment)
        expected = (0.0, 0.0, 0.0) if said is None else _triple(said.mean)
        found = self._measured(shot, couch_mm, expected, result)
        if found is None:
            return result
        result.judged = result.used = True
        self._newest_ns = shot.ticks
        measurement = Measurement(
            shot.ticks, shot.t_ns, found.rows, found.measured_mm, found.variance_mm2
        )
        if said is None:
            self._gather(shot, measurement, moment, span, result)
        else:
            self._correct(shot, found, measurement, moment, said, result)
        residual = None if said is None else _apart(found.position_mm, expected)
        result.outputs.append(
            Observation(
                t_ns=shot.t_ns,
                exposed_ns=shot.ticks,
                shot_id=shot.shot_id,
                position_mm=found.position_mm,
                amplitude_mm=breathing.amplitude_mm,
                velocity_mm_s=breathing.velocity_mm_s,
                residual_mm=residual,
                used=True,
            )
        )
        return result

    def _measured(
        self, shot: XrayShot, couch_mm: Triple, expected_mm: Triple, result: ShotResult
    ) -> MeasuredTarget | None:
        """Return what a shot measures; two shots in a row that measure nothing are a fault."""
        imager, orientation = self._imager, self._orientation
        if isinstance(shot, FiducialShot):
            found = measure_pair(shot, couch_mm, imager, orientation)
        else:
            found = measure_projection(shot, couch_mm, imager, orientation, expected_mm)
        if not isinstance(found, str):
            self._bad_shots = 0
            return found
        self._bad_shots += 1
        result.outputs.append(Notice(shot.t_ns, "warning", f"shot {shot.shot_id}: {found}"))
        if self._bad_shots >= 2:
            result.fiducials_moved = f"{self._bad_shots} shots in a row: {found}"
        return None

    def _gather(
        self,
        shot: XrayShot,
        measurement: Measurement,
        moment: SurrogateMoment,
        span: BreathingRange,
        result: ShotResult,
    ) -> None:
        """Keep a shot, and make the model once there are enough."""
        self._joint.gather(measurement, moment)
        self._breaths.append((moment.amplitude_mm, moment.velocity_mm_s))
        bins = {int(span.phase(y, v) * PHASE_BINS) for y, v in self._breaths}
        coverage = len(bins) / PHASE_BINS
        enough = len(self._breaths) >= self._correlation.modelling_shots
        if not enough or coverage < self._correlation.phase_coverage or not self._joint.make():
            return
        self._joint.begin_to_judge()
        target = JointTarget(self._joint)
        for y, _ in self._breaths:
            target.cover(y)
        self._target = target
        result.agrees = True
        result.outputs.append(self._described(shot.t_ns, measurement.exposed_ns, target, coverage))

    def _correct(
        self,
        shot: XrayShot,
        found: MeasuredTarget,
        measurement: Measurement,
        moment: SurrogateMoment,
        said: Foretold,
        result: ShotResult,
    ) -> None:
        """Let a shot correct the model, and say how it lies to it."""
        off = _apart(found.position_mm, _triple(said.mean))
        off_mm = math.hypot(*off)
        self._joint.learn(measurement, moment)
        if self._target is not None:
            self._target.cover(moment.amplitude_mm)
        limits, name = self._correlation, f"shot {shot.shot_id}"
        if off_mm > limits.residual_hold_mm:
            limit = f"limit {limits.residual_hold_mm:g} mm"
            result.model_wrong = f"{name} is {off_mm:.1f} mm off the model, {limit}"
        elif off_mm > limits.residual_rebuild_mm:
            limit = f"limit {limits.residual_rebuild_mm:g} mm"
            result.model_doubtful = f"{name} is {off_mm:.1f} mm off the model, {limit}"
        elif self._joint.in_doubt:
            words = "the target may have moved, or a shot be wrong"
            result.model_doubtful = f"{name} is {off_mm:.1f} mm off the model; {words}"
        result.agrees = not result.model_wrong and not result.model_doubtful
        if self._seldom:
            self._drift.add(off)
            result.drifts = self._drift.found
        left = self._joint.at(shot.ticks, moment)
        if left is not None:
            gradient = measurement.rows[:, :3]
            apart = gradient @ (np.array(found.position_mm) - left.mean)
            result.left_mm = float(np.linalg.norm(apart))

    def _described(
        self, t_ns: int, made_ns: int, target: JointTarget, coverage: float
    ) -> ModelRefitted:
        """Sample the model for display, inhaling and exhaling at a typical speed."""
        middle, half, speed = self._joint.scale.tolist()
        steps = [2.0 * k / (_CURVE_POINTS - 1) - 1.0 for k in range(_CURVE_POINTS)]
        amplitudes = [middle + half * step for step in steps]
        inhale, exhale = (
            tuple(target.target_at(made_ns, y, v, 0.0, 0.0, 0.0).position_mm for y in amplitudes)
            for v in (speed / 1.5, -speed / 1.5)
        )
        a, b, c = target.target_at(made_ns, middle, 0.0, 0.0, 0.0, 0.0).variance_mm2
        return ModelRefitted(
            t_ns=t_ns,
            kinds=_NAME,
            loo_rms_mm=(math.sqrt(a), math.sqrt(b), math.sqrt(c)),
            shots=len(self._breaths),
            phase_coverage=coverage,
            curve_amplitude_mm=tuple(amplitudes),
            curve_inhale_mm=inhale,
            curve_exhale_mm=exhale,
        )


def _moment_of(breathing: BreathingState) -> SurrogateMoment:
    return SurrogateMoment(
        breathing.amplitude_mm,
        breathing.velocity_mm_s,
        breathing.amplitude_variance,
        breathing.cross_variance,
        breathing.velocity_variance,
    )


def _triple(values: Array) -> Triple:
    x, y, z = values.tolist()
    return (x, y, z)


def _apart(a: Triple, b: Triple) -> Triple:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _variances(found: Foretold) -> Triple:
    """Return the variances of the axes, enlarged so that they give the whole region's radius.

    The axes' errors depend on each other; taken as independent they would make the region of
    95 % too small.
    """
    a, b, c = _triple(np.diagonal(found.covariance))
    d, e, f = np.linalg.eigvalsh(found.covariance).tolist()
    larger = (radius95_mm((max(d, 0.0), e, f)) / radius95_mm((a, b, c))) ** 2
    return (a * larger, b * larger, c * larger)
