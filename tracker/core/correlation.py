"""Correlation: from surrogate to target, learned from shots, refitted at each of them.

Per axis the target is  T = phi(y, v) . beta + d(t) + s(t) u + noise:  phi are the features of the
model's kind, u is the scaled amplitude, and baseline d and slope s wander as Wiener processes, so
that a shot says less the older it is, a shot at full inhale says little of exhale, and the model
says how unsure it has become since the last one. With at most a few dozen shots the
whole is a Gaussian process with a finite basis and is solved exactly (Rasmussen & Williams 2006,
2.7); leave-one-out errors come from the same inverse (5.4.2) and choose kind, noise and wander.

Kinds: *linear* and *quadratic* in the amplitude y; *dual*, one line for inhaling and one for
exhaling joined over slow velocities (Seppenwoolde 2007 models hysteresis by two curves);
*velocity*, linear in y and dy/dt, which is a lag (PMC3701090 uses y(t), y(t - tau)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.messages import Triple
from tracker.core.fusion import BreathingRange

Array = NDArray[np.float64]

KINDS: tuple[str, ...] = ("linear", "quadratic", "dual", "velocity")
"""Kinds in the order of preference when they fit equally well."""

PHASE_BINS = 8
"""Bins of the breathing cycle."""

_FEATURES = {"linear": 2, "quadratic": 3, "dual": 4, "velocity": 3}
_NOISES_MM = (0.2, 0.5, 1.0, 2.0)
_WANDERS_MM_PER_ROOT_S = (0.02, 0.1, 0.25)
_SLOPE_WANDER = 0.5
"""The slope's wander (mm at the end of the range) as a share of the baseline's."""
_JUMP_S = 900.0
"""A jump of the baseline counts as so much time in which it could wander."""
_COST_OF_COMPLEXITY = 0.06
"""Share by which leave-one-out error must fall for each further feature."""
_PRIOR_MM = (30.0, 2.0, 0.4, 0.6)
"""Prior standard deviation of offset, slope per scaled unit, and the further features, as
multiples of the observed spread (the offset in millimetres)."""


class Shot(NamedTuple):
    """One observation of the target with the surrogate at the moment of exposure."""

    exposed_ns: int
    amplitude_mm: float
    velocity_mm_s: float
    target_mm: Triple
    epoch: int = 0
    """Counts the jumps of the baseline that shots have confirmed."""


def features(kind: str, y: float, v: float, scale: BreathingRange) -> tuple[float, ...]:
    """Give phi(y, v) of one kind, with y and v scaled to about -1 .. 1 over the shots."""
    u = (y - scale.middle_mm) / scale.half_range_mm
    w = v / scale.speed_mm_s
    if kind == "linear":
        return (1.0, u)
    if kind == "quadratic":
        return (1.0, u, u * u)
    if kind == "velocity":
        return (1.0, u, w)
    side = math.tanh(2.0 * w)
    return (1.0, u, side, side * u)


def gradient(
    kind: str, y: float, v: float, scale: BreathingRange
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give the derivatives of phi by y (per mm) and by v (per mm/s)."""
    u = (y - scale.middle_mm) / scale.half_range_mm
    w = v / scale.speed_mm_s
    du, dw = 1.0 / scale.half_range_mm, 1.0 / scale.speed_mm_s
    if kind == "linear":
        return (0.0, du), (0.0, 0.0)
    if kind == "quadratic":
        return (0.0, du, 2.0 * u * du), (0.0, 0.0, 0.0)
    if kind == "velocity":
        return (0.0, du, 0.0), (0.0, 0.0, dw)
    side = math.tanh(2.0 * w)
    slope = 2.0 * (1.0 - side * side) * dw
    return (0.0, du, 0.0, side * du), (0.0, 0.0, slope, slope * u)


@dataclass(frozen=True, slots=True)
class AxisModel:
    """The fitted model of one axis: coefficients with covariance, and what is left unexplained."""

    kind: str
    beta: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    """Of (beta, baseline and slope at the last shot): two rows more than ``beta`` has."""
    baseline_mm: float
    slope_mm: float
    noise_mm: float
    wander_mm2_per_s: float
    loo_rms_mm: float


def _fit_axis(kind: str, design: Array, times_s: Array, target: Array, prior: Array) -> AxisModel:
    """Fit one axis with one kind; noise and wander by leave-one-out predictive density."""
    n, k = design.shape
    scaled = design[:, 1]
    wiener = np.minimum.outer(times_s - times_s[0], times_s - times_s[0])
    wandering = wiener * (1.0 + _SLOPE_WANDER**2 * np.outer(scaled, scaled))
    spread = (design * prior**2) @ design.T
    best: tuple[float, float, float, Array, Array] | None = None
    for noise in _NOISES_MM:
        for wander in _WANDERS_MM_PER_ROOT_S:
            gram = spread + wander**2 * wandering + noise**2 * np.eye(n)
            inverse = np.asarray(np.linalg.inv(gram), dtype=np.float64)
            variances = 1.0 / np.diag(inverse)
            errors: Array = (inverse @ target) * variances
            # Rewards honest variances, not only small errors.
            score = float(np.sum(errors**2 / variances + np.log(variances)))
            if best is None or score < best[0]:
                best = (score, noise, wander, errors, inverse)
    assert best is not None
    _, noise, wander, errors, inverse = best
    # Joint posterior of (beta, baseline and slope at the last shot).
    last = wander**2 * wiener[:, -1]
    cross = np.column_stack([design * prior**2, last, _SLOPE_WANDER**2 * last * scaled])
    own = np.diag(np.concatenate([prior**2, [last[-1], _SLOPE_WANDER**2 * last[-1]]]))
    mean = cross.T @ inverse @ target
    covariance = own - cross.T @ inverse @ cross
    # Kind, noise and wander were chosen because they fit: what leave-one-out still leaves, per
    # degree of freedom, is the least the variances may claim.
    excess = max(1.0, float(np.sum(errors**2 * np.diag(inverse))) / max(1, n - k - 1))
    covariance = 0.5 * excess * (covariance + covariance.T)
    return AxisModel(
        kind=kind,
        beta=tuple(mean[:k].tolist()),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        baseline_mm=float(mean[k]),
        slope_mm=float(mean[k + 1]),
        noise_mm=noise * math.sqrt(excess),
        wander_mm2_per_s=wander**2 * excess,
        loo_rms_mm=float(np.sqrt(np.mean(errors**2))),
    )


class TargetState(NamedTuple):
    """The target by the model: position (mm), velocity (mm/s) and position variance (mm^2)."""

    position_mm: Triple
    velocity_mm_s: Triple
    variance_mm2: Triple


@dataclass(frozen=True, slots=True)
class CorrelationModel:
    """The model of all three axes with the range it was learned in."""

    axes: tuple[AxisModel, AxisModel, AxisModel]
    scale: BreathingRange
    lowest_mm: float
    highest_mm: float
    phase_coverage: float
    shots: int
    fitted_ns: int

    def target_at(
        self, t_ns: int, y: float, v: float, y_variance: float, v_variance: float, cross: float
    ) -> TargetState:
        """Evaluate the model for a surrogate state with its (co)variances."""
        age_s = max(0.0, (t_ns - self.fitted_ns) * 1e-9)
        position: list[float] = []
        velocity: list[float] = []
        variance: list[float] = []
        for axis in self.axes:
            phi = features(axis.kind, y, v, self.scale)
            by_y, by_v = gradient(axis.kind, y, v, self.scale)
            value = axis.baseline_mm + axis.slope_mm * phi[1]
            slope_y, slope_v = axis.slope_mm * by_y[1], 0.0
            for b, f, dy, dv in zip(axis.beta, phi, by_y, by_v, strict=True):
                value += b * f
                slope_y += b * dy
                slope_v += b * dv
            row = (*phi, 1.0, phi[1])
            own = 0.0
            for a, line in zip(row, axis.covariance, strict=True):
                for b, c in zip(row, line, strict=True):
                    own += a * b * c
            grown = 1.0 + (_SLOPE_WANDER * phi[1]) ** 2
            own += axis.wander_mm2_per_s * age_s * grown + axis.noise_mm**2
            own += slope_y * slope_y * y_variance + slope_v * slope_v * v_variance
            own += 2.0 * slope_y * slope_v * cross
            position.append(value)
            velocity.append(slope_y * v)
            variance.append(own)
        return TargetState(
            (position[0], position[1], position[2]),
            (velocity[0], velocity[1], velocity[2]),
            (variance[0], variance[1], variance[2]),
        )

    def extrapolation(self, y: float) -> float:
        """Say how far ``y`` lies outside the shots' range, as a share of that range."""
        span = max(self.highest_mm - self.lowest_mm, 1e-6)
        return max(0.0, self.lowest_mm - y, y - self.highest_mm) / span


def phase_coverage(shots: list[Shot], breathing: BreathingRange) -> float:
    """Give the share of `PHASE_BINS` bins of the breathing cycle that hold a shot."""
    bins = {int(breathing.phase(s.amplitude_mm, s.velocity_mm_s) * PHASE_BINS) for s in shots}
    return len(bins) / PHASE_BINS


def fit(shots: list[Shot], kinds: tuple[str, ...], breathing: BreathingRange) -> CorrelationModel:
    """Fit every kind to every axis and keep, per axis, the one that leaves one out best.

    ``breathing`` is the range the patient breathes over, of which the shots should cover all parts.
    Needs at least four shots over a range of the surrogate; raises ``ValueError`` otherwise.
    """
    if len(shots) < 4:
        raise ValueError(f"{len(shots)} shots are too few for a model; at least 4 are needed")
    shots = sorted(shots)
    y = np.array([s.amplitude_mm for s in shots])
    v = np.array([s.velocity_mm_s for s in shots])
    times_s = np.array([s.exposed_ns * 1e-9 + _JUMP_S * s.epoch for s in shots])
    low, high = float(y.min()), float(y.max())
    if high - low < 0.2:
        raise ValueError(
            f"the surrogate moved {high - low:.2f} mm between shots; at least 0.2 mm are needed"
        )
    speed = max(float(np.sqrt(np.mean(v**2))) * 1.5, 0.5)
    scale = BreathingRange((low + high) / 2.0, (high - low) / 2.0, speed)
    targets = np.array([s.target_mm for s in shots])
    axes: list[AxisModel] = []
    for axis in range(3):
        target = targets[:, axis]
        spread = max(float(target.std()), 0.3)
        best: AxisModel | None = None
        best_cost = math.inf
        for kind in kinds:
            size = _FEATURES[kind]
            if len(shots) < size + 2:
                continue
            design = np.array([features(kind, a, b, scale) for a, b in zip(y, v, strict=True)])
            multiples = (
                (1.0, _PRIOR_MM[1], *(_PRIOR_MM[2:3] * 2))[:size]
                if kind != "dual"
                else (1.0, _PRIOR_MM[1], _PRIOR_MM[2], _PRIOR_MM[2])
            )
            prior = np.array([_PRIOR_MM[0], *(m * spread for m in multiples[1:])])
            model = _fit_axis(kind, design, times_s, target, prior)
            cost = model.loo_rms_mm * (1.0 + _COST_OF_COMPLEXITY * (size - 2))
            if cost < best_cost:
                best, best_cost = model, cost
        assert best is not None
        axes.append(best)
    return CorrelationModel(
        axes=(axes[0], axes[1], axes[2]),
        scale=scale,
        lowest_mm=low,
        highest_mm=high,
        phase_coverage=phase_coverage(shots, breathing),
        shots=len(shots),
        fitted_ns=shots[-1].exposed_ns,
    )
