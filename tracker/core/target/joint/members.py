"""The members of the joint model's bank: the same filter with different assumptions.

No single assumption suits every patient. The bank holds filters that differ in the features they
use, in how fast the baseline wanders and in how large a residual they expect. Sizes are shares of
the patient's own motion, so that one table serves all patients.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.target.joint import kernel
from tracker.core.target.joint.shape import POPULATION

Array = NDArray[np.float64]


class Features(NamedTuple):
    """The weights of the features that a member uses: prior sizes and wander, by component."""

    prior: tuple[float, ...]
    """Prior standard deviation, as a share of the motion: u, w, u^2, u w, w^2, u lagged."""
    wander: tuple[float, ...]
    """Wander, in units of `WANDER`."""


class Residual(NamedTuple):
    """The short-lived residual: sizes as shares of the motion, and time constants."""

    relaxing: float
    relaxing_s: float
    swinging: float
    swinging_s: float


class Member(NamedTuple):
    """One member's assumptions."""

    features: Features
    residual: Residual
    baseline_mm_per_root_s: float


WANDER = 0.006
"""Wander of a feature's weight (share of the motion per root second)."""
LAG_S = 0.8
"""How far back the lagged amplitude lies."""
QUADRATIC = Features((1.0, 0.5, 0.3), (1.0, 1.0, 0.5))
LAGGED = Features((1.0, 0.5, 0.3, 0.3, 0.3, 0.7), (1.0, 1.0, 0.5, 0.5, 0.5, 1.0))
SMALL = Residual(0.05, 2.0, 0.05, 12.0)
MIDDLE = Residual(0.15, 2.0, 0.15, 12.0)
LARGE = Residual(0.5, 2.0, 0.5, 15.0)
MEMBERS: tuple[Member, ...] = (
    *(Member(f, r, 0.05) for f in (QUADRATIC, LAGGED) for r in (SMALL, MIDDLE, LARGE)),
    *(Member(f, r, 0.2) for f in (QUADRATIC, LAGGED) for r in (SMALL, MIDDLE)),
)
"""The bank; sizes and time constants were chosen on recordings of other subjects than they are
judged on (`tests.target.images`). The optimum is flat."""

_BASELINE_MM = 5.0
_POPULATION_SHARE = 0.03
_RELAXING_MM = 0.15
_WHITE_MM = 0.1


class Bank(NamedTuple):
    """All members as the kernels take them; ``K`` members."""

    active: NDArray[np.int64]
    tau: Array
    noise: Array
    white: Array
    covariance: Array
    """(K, 30, 30): the covariance that a member starts with."""


def bank_of(size_mm: float, shape: Array, members: tuple[Member, ...] = MEMBERS) -> Bank:
    """Return the bank for a patient whose target moves ``size_mm`` for u = 1.

    ``shape`` (3, 3), of trace 1, says along which directions.
    """
    k = len(members)
    motion = size_mm**2 * ((1.0 - _POPULATION_SHARE) * shape + _POPULATION_SHARE * POPULATION)
    active = np.zeros(k, np.int64)
    tau = np.zeros((k, kernel.COMPONENTS))
    noise = np.zeros((k, kernel.COMPONENTS, 3, 3))
    start = np.zeros((k, kernel.COMPONENTS, 3, 3))
    for i, member in enumerate(members):
        features, residual = member.features, member.residual
        active[i] = kernel.FIRST_FEATURE + len(features.prior)
        start[i, kernel.BASELINE] = _BASELINE_MM**2 * np.eye(3)
        noise[i, kernel.BASELINE] = member.baseline_mm_per_root_s**2 * np.eye(3)
        tau[i, kernel.RELAXING] = residual.relaxing_s
        relaxing = residual.relaxing**2 * motion + _RELAXING_MM**2 * np.eye(3)
        start[i, kernel.RELAXING] = noise[i, kernel.RELAXING] = relaxing
        for component in (kernel.SWINGING, kernel.SWINGING_TOO):
            tau[i, component] = residual.swinging_s
            start[i, component] = noise[i, component] = residual.swinging**2 * motion
        pairs = zip(features.prior, features.wander, strict=True)
        for component, (prior, wander) in enumerate(pairs, kernel.FIRST_FEATURE):
            start[i, component] = prior**2 * motion
            noise[i, component] = (WANDER * wander) ** 2 * motion
    covariance = np.zeros((k, kernel.SIZE, kernel.SIZE))
    for component in range(kernel.COMPONENTS):
        block = slice(3 * component, 3 * component + 3)
        covariance[:, block, block] = start[:, component]
    return Bank(active, tau, noise, np.full(k, _WHITE_MM**2), covariance)


def period_of(amplitudes: Array, step_s: float) -> float:
    """Return the breathing period (s): the highest line of the spectrum between 0.1 and 0.6 Hz."""
    centred = amplitudes - amplitudes.mean()
    points = 8 * len(centred)
    frequencies = np.fft.rfftfreq(points, step_s)
    power = np.abs(np.fft.rfft(centred * np.hanning(len(centred)), points)) ** 2
    power[(frequencies < 0.1) | (frequencies > 0.6)] = 0.0
    return 1.0 / max(float(frequencies[power.argmax()]), 0.1)


def weights_of(scores: Array) -> Array:
    """Return the weights that belong to logarithmic scores; they add up to 1."""
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def log_mean(weights: Array, logs: Array) -> float:
    """Return the logarithm of a weighted mean of densities given by their logarithms."""
    highest = float(logs.max())
    return highest + math.log(max(float(weights @ np.exp(logs - highest)), 1e-300))
