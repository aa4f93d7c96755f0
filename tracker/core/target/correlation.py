"""Fit the correlation model: from surrogate to target, learned from shots.

The model of each axis is  T = phi(y, v) . beta + d(t) + s(t) u + noise.  phi are the features of
the model's kind, u is the scaled amplitude. Baseline d and slope s wander as Wiener processes, so a
shot says less the older it is, a shot at full inhale says little of exhale, and the model says how
unsure it has become since the last one. With at most a few dozen shots this is a Gaussian process
with a finite basis, and it is solved exactly (Rasmussen & Williams 2006, 2.7). The leave-one-out
errors come from the same inverse (5.4.2). They weigh the kinds, noises and wanders, which are then
averaged. Where these disagree, the model is unsure.

The kinds are: *linear* and *quadratic* in the amplitude y; *dual*, one line for inhaling and one
for exhaling, joined over slow velocities (Seppenwoolde 2007 models hysteresis by two curves);
*velocity*, linear in y and dy/dt, which is a lag (PMC3701090 uses y(t), y(t - tau)); *pls*, where
there are several markers, linear in two latent variables of the markers
(`tracker.core.target.latent`). The leave-one-out errors of *pls* use latent variables that were
found without the shot that is left out.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.messages import Triple
from tracker.core.surrogate.breathing import BreathingRange
from tracker.core.target import correlation_kernel as kernel
from tracker.core.target.latent import FEWEST_MARKERS, MOST, Latents, latents_of
from tracker.core.target.target_state import TargetState

Array = NDArray[np.float64]

KINDS: tuple[str, ...] = ("linear", "quadratic", "dual", "velocity", "pls")
"""Kinds that a model may use."""

_NOTHING = np.zeros(MOST)

PHASE_BINS = 8
"""Bins of the breathing cycle."""

_FEATURES_OF = {
    "linear": (0, 1),
    "quadratic": (0, 1, 2),
    "dual": (0, 1, 4, 5),
    "velocity": (0, 1, 3),
    "pls": (0, 6, 7),
}
"""The kernel's features that each kind uses."""
_NOISES_MM = (0.2, 0.5, 1.0, 2.0)
"""Standard deviations of the noise that are tried."""
_WANDERS_MM_PER_ROOT_S = (0.02, 0.1, 0.25)
"""Wanders of the baseline that are tried."""
_CHOICES = np.array([*itertools.product(_NOISES_MM, _WANDERS_MM_PER_ROOT_S)])[:, :, None, None]
"""Each noise with each wander, shape (12, 2, 1, 1)."""
_SLOPE_WANDER = 0.5
"""Wander of the slope (mm at the end of the range) as a share of the baseline's."""
_JUMP_S = 900.0
"""Time that a confirmed jump of the baseline counts as: the baseline may wander that long."""
_COST_OF_COMPLEXITY = 1.0
"""What each further feature adds to the score: prior odds of e to the half."""
_UNLIKELY = 6.0
"""Noises and wanders whose score is more above the best are left out; their weight is e^-3."""
_PRIOR_MM = 30.0
"""Prior standard deviation of the baseline."""
_PRIORS = (0.0, 2.0, 0.4, 0.4, 0.4, 0.4, 2.0, 2.0)
"""Prior standard deviations of the other features, in units of the observed spread."""


class Shot(NamedTuple):
    """One observation of the target with the surrogate at the moment of exposure."""

    exposed_ns: int
    amplitude_mm: float
    velocity_mm_s: float
    target_mm: Triple
    epoch: int = 0
    """Number of jumps of the baseline that shots had confirmed by then."""
    markers_mm: tuple[float, ...] = ()
    """Displacement of each marker along its own breathing direction."""


@dataclass(frozen=True, slots=True)
class AxisModel:
    """The fitted model of one axis: coefficients with covariance, and the noise that remains."""

    kind: str
    """The kind; for an average of several, the one with the most weight."""
    beta: Array
    """Shape (8,): one coefficient a feature, zero for those that no kind uses."""
    covariance: Array
    """Shape (8, 8)."""
    noise_mm: float
    wander_mm2_per_s: float
    loo_rms_mm: float


def _fit_axis(
    kind: str,
    design: Array,
    times_s: Array,
    target: Array,
    prior: Array,
    without: list[Array] | None = None,
) -> list[tuple[float, AxisModel]]:
    """Return the fits of one kind to one axis, for each likely noise and wander, with their scores.

    A score is minus twice the logarithm of the leave-one-out predictive density, up to a constant.
    ``without`` holds, for each shot, the design whose features were found without that shot.
    """
    n, k = design.shape
    chosen = np.array(_FEATURES_OF[kind])
    scaled = design[:, 1]
    wiener = np.minimum.outer(times_s - times_s[0], times_s - times_s[0])
    wandering = wiener * (1.0 + _SLOPE_WANDER**2 * np.outer(scaled, scaled))
    spread = (design * prior**2) @ design.T
    grams = spread + _CHOICES[:, 1] ** 2 * wandering + _CHOICES[:, 0] ** 2 * np.eye(n)
    inverses = np.asarray(np.linalg.inv(grams), dtype=np.float64)
    variances = 1.0 / np.diagonal(inverses, axis1=1, axis2=2)
    left_out: Array = (inverses @ target) * variances
    # Rewards honest variances, not only small errors.
    scores = np.sum(left_out**2 / variances + np.log(variances), axis=1)
    fits: list[tuple[float, AxisModel]] = []
    for choice in np.flatnonzero(scores <= scores.min() + _UNLIKELY).tolist():
        noise, wander = _CHOICES[choice, :, 0, 0].tolist()
        errors, inverse, spreads = left_out[choice], inverses[choice], variances[choice]
        if without is not None:
            errors = _unseen(without, wander**2 * wiener, noise, target, prior)
        # Kinds, noises and wanders are weighed by their fit, so their variances may be too small.
        # They must not be smaller than the leave-one-out errors per degree of freedom.
        excess = max(1.0, float(np.sum(errors**2 * np.diag(inverse))) / max(1, n - k - 1))
        cross, own = _joint(design, prior, wander**2 * wiener[:, -1])
        covariance = own - cross.T @ inverse @ cross
        beta = np.zeros(kernel.FEATURES)
        beta[chosen] = cross.T @ inverse @ target
        whole = np.zeros((kernel.FEATURES, kernel.FEATURES))
        whole[np.ix_(chosen, chosen)] = 0.5 * excess * (covariance + covariance.T)
        model = AxisModel(
            kind=kind,
            beta=beta,
            covariance=whole,
            noise_mm=noise * math.sqrt(excess),
            wander_mm2_per_s=wander**2 * excess,
            loo_rms_mm=float(np.sqrt(np.mean(errors**2))),
        )
        fits.append((float(np.sum(errors**2 / spreads + np.log(spreads))), model))
    return fits


def _joint(design: Array, prior: Array, wandered: Array) -> tuple[Array, Array]:
    """Return the prior covariance of coefficients with shots (n, k), and of coefficients (k, k).

    The coefficients are those at the last shot. ``wandered`` (n,) is the covariance of the baseline
    at each shot with that at the last one (mm^2).
    """
    cross = design * prior**2
    cross[:, 0] += wandered
    cross[:, 1] += _SLOPE_WANDER**2 * wandered * design[:, 1]
    own = np.diag(prior**2)
    own[0, 0] += wandered[-1]
    own[1, 1] += _SLOPE_WANDER**2 * wandered[-1]
    return cross, own


def _unseen(
    without: list[Array], wandering: Array, noise: float, target: Array, prior: Array
) -> Array:
    """Return the leave-one-out errors (mm) where the features depend on the shots too."""
    errors = np.zeros(len(target))
    for i, design in enumerate(without):
        slope = 1.0 + _SLOPE_WANDER**2 * np.outer(design[:, 1], design[:, 1])
        gram = (design * prior**2) @ design.T + wandering * slope
        others = np.arange(len(target)) != i
        seen = gram[np.ix_(others, others)] + noise**2 * np.eye(len(target) - 1)
        errors[i] = target[i] - gram[i, others] @ np.linalg.solve(seen, target[others])
    return errors


class CorrelationModel:
    """The model of all three axes with the range it was learned in."""

    def __init__(
        self,
        axes: tuple[AxisModel, AxisModel, AxisModel],
        scale: BreathingRange,
        range_mm: tuple[float, float],
        coverage: float,
        shots: int,
        fitted_ns: int,
        inflation: float = 1.0,
        latents: Latents | None = None,
    ) -> None:
        """Hold what `fit` found; ``range_mm`` is the lowest and highest amplitude of the shots.

        Variances are enlarged by the factor ``inflation``. ``latents`` are the latent variables,
        if there were enough markers for them.
        """
        self.axes = axes
        self.scale = scale
        self.lowest_mm, self.highest_mm = range_mm
        self.phase_coverage = coverage
        self.shots = shots
        self.fitted_ns = fitted_ns
        beta = np.array([axis.beta for axis in axes])
        used = latents is not None and bool(np.any(beta[:, kernel.LATENT :]))
        self._latents = latents if used else None
        self._packed = kernel.pack(
            beta,
            inflation * np.array([axis.covariance for axis in axes]),
            inflation * np.array([(axis.noise_mm**2, axis.wander_mm2_per_s) for axis in axes]),
            np.array(scale),
            np.zeros((3, MOST)) if latents is None else latents.expected,
        )

    def apart(self, y: float, v: float, markers_mm: tuple[float, ...]) -> Array:
        """Return how far the latent variables (MOST,) are from what ``y`` and ``v`` lead to expect.

        Zero without latent variables, or with another number of markers than at the shots.
        """
        latents = self._latents
        if latents is None or len(markers_mm) != len(latents.centre):
            return _NOTHING
        u, w = (y - self.scale.middle_mm) / self.scale.half_range_mm, v / self.scale.speed_mm_s
        expected = latents.expected
        found = latents.of(np.array(markers_mm))
        # Fusion estimates a marker that the camera has lost; the estimate must not lead far away.
        return np.clip(found - expected[0] - u * expected[1] - w * expected[2], -1.0, 1.0)

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
        """Return the target for a surrogate state with its variances and covariance.

        ``apart`` is what `apart` gave at that moment, or at the last one known; ``None``: zero.
        """
        age_s = (t_ns - self.fitted_ns) * 1e-9
        return TargetState(
            *kernel.evaluate(  # pyright: ignore[reportUnknownMemberType]
                self._packed,
                _NOTHING if apart is None else apart,
                max(age_s, 0.0),
                y,
                v,
                y_variance,
                v_variance,
                cross,
                _SLOPE_WANDER,
            )
        )

    def extrapolation(self, y: float, breathing_mm: float = 0.0) -> float:
        """Return how far ``y`` lies outside the range of the shots, as a share of that range.

        If the range of breathing is larger, it is a share of that: few shots seldom meet its ends.
        """
        span = max(self.highest_mm - self.lowest_mm, breathing_mm, 1e-6)
        return max(0.0, self.lowest_mm - y, y - self.highest_mm) / span


def phase_coverage(shots: list[Shot], breathing: BreathingRange) -> float:
    """Return which share of the `PHASE_BINS` bins of the breathing cycle holds a shot."""
    bins = {int(breathing.phase(s.amplitude_mm, s.velocity_mm_s) * PHASE_BINS) for s in shots}
    return len(bins) / PHASE_BINS


def fit(
    shots: list[Shot],
    kinds: tuple[str, ...],
    breathing: BreathingRange,
    inflation: float = 1.0,
) -> CorrelationModel:
    """Fit every kind to every axis, and average the kinds of an axis by their leave-one-out errors.

    ``breathing`` is the range that the patient breathes over; the model says which share of it the
    shots cover. Raises ``ValueError`` for fewer than four shots, and for too small a range of the
    surrogate.
    """
    if len(shots) < 4:
        raise ValueError(f"{len(shots)} shots are too few for a model; at least 4 are needed")
    # A shot that was set aside may get a new epoch after later shots of the old one.
    shots = sorted(shots, key=lambda shot: (shot.epoch, shot.exposed_ns))
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
    every, without, latents = _designs(shots, y, v, scale, targets, kinds)
    axes = [_fit_kinds(kinds, every, without, times_s, targets[:, axis]) for axis in range(3)]
    return CorrelationModel(
        axes=(axes[0], axes[1], axes[2]),
        scale=scale,
        range_mm=(low, high),
        coverage=phase_coverage(shots, breathing),
        shots=len(shots),
        fitted_ns=shots[-1].exposed_ns,
        inflation=inflation,
        latents=latents,
    )


def _designs(
    shots: list[Shot],
    y: Array,
    v: Array,
    scale: BreathingRange,
    targets: Array,
    kinds: tuple[str, ...],
) -> tuple[Array, list[Array], Latents | None]:
    """Return the features of all shots, the same found without each shot, and the latent variables.

    Without latent variables the list is empty: no feature then depends on the shots.
    """
    every = _design(y, v, scale)
    counts = {len(shot.markers_mm) for shot in shots}
    if "pls" not in kinds or len(counts) != 1 or min(counts) < FEWEST_MARKERS:
        return every, [], None
    markers = np.array([shot.markers_mm for shot in shots])
    latents = latents_of(markers, targets, every[:, [1, 3]])
    every[:, kernel.LATENT :] = latents.of(markers)
    without: list[Array] = []
    for i in range(len(shots)):
        others = np.arange(len(shots)) != i
        unseen = latents_of(markers[others], targets[others], every[others][:, [1, 3]])
        design = every.copy()
        design[:, kernel.LATENT :] = unseen.of(markers)
        without.append(design)
    return every, without, latents


def _design(y: Array, v: Array, scale: BreathingRange) -> Array:
    """Return the features of every shot, shape (shots, 8); latent variables are zero."""
    none = np.zeros((3, MOST))
    phi = np.zeros((3, kernel.FEATURES))
    rows: list[Array] = []
    for a, b in zip(y.tolist(), v.tolist(), strict=True):
        kernel.features(a, b, *scale, none, _NOTHING, phi)  # pyright: ignore[reportUnknownMemberType]
        rows.append(phi[0].copy())
    return np.array(rows)


def _fit_kinds(
    kinds: tuple[str, ...], every: Array, without: list[Array], times_s: Array, target: Array
) -> AxisModel:
    """Fit one axis with every kind that there are enough shots for."""
    spread = max(float(target.std()), 0.3)
    priors = spread * np.array(_PRIORS)
    priors[0] = _PRIOR_MM
    fits: list[tuple[float, AxisModel]] = []
    for kind in kinds:
        chosen = np.array(_FEATURES_OF[kind])
        latent = kind == "pls"
        if len(target) < len(chosen) + 2 or (latent and not without):
            continue
        unseen = [design[:, chosen] for design in without] if latent else None
        fits += _fit_axis(kind, every[:, chosen], times_s, target, priors[chosen], unseen)
    if not fits:
        raise ValueError(f"no kind of {', '.join(kinds)} can be fitted to {len(target)} shots")
    return _averaged(fits)


def _averaged(fits: list[tuple[float, AxisModel]]) -> AxisModel:
    """Average the fits, weighed by how well each predicts a shot that it has not seen.

    Mean and covariance are those of the mixture: where fits with similar weights lead to different
    positions, the covariance is large (pseudo-BMA; Yao, Vehtari, Simpson & Gelman 2018, 2.2).
    """
    models = [model for _, model in fits]
    further = np.array([len(_FEATURES_OF[model.kind]) - 2 for model in models])
    costs = np.array([score for score, _ in fits]) + _COST_OF_COMPLEXITY * further
    weights: Array = np.exp(-0.5 * (costs - costs.min()))
    weights /= weights.sum()
    betas = np.array([model.beta for model in models])
    beta: Array = weights @ betas
    apart = betas - beta
    within = np.array([model.covariance for model in models])
    noises, wanders, errors = np.array(
        [(model.noise_mm**2, model.wander_mm2_per_s, model.loo_rms_mm**2) for model in models]
    ).T
    return AxisModel(
        kind=models[int(np.argmin(costs))].kind,
        beta=beta,
        covariance=np.tensordot(weights, within, 1) + (weights * apart.T) @ apart,
        noise_mm=math.sqrt(weights @ noises),
        wander_mm2_per_s=float(weights @ wanders),
        loo_rms_mm=math.sqrt(weights @ errors),
    )
