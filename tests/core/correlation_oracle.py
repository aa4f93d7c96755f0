"""The correlation model worked out the long way, to compare `tracker.core.target.correlation` with.

Baseline and slope wander from shot to shot, and each of their steps is an unknown of its own beside
the coefficients. The posterior follows from normal equations with the inverse prior covariances.
To leave a shot out, the model is fitted again without it. Nothing is shared with the code but the
definitions: features, priors, the noises and wanders that are tried, and how fits are weighed.
"""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import NamedTuple

import numpy as np

NOISES_MM = (0.2, 0.5, 1.0, 2.0)
WANDERS_MM_PER_ROOT_S = (0.02, 0.1, 0.25)
FEATURES = {
    "linear": (0, 1),
    "quadratic": (0, 1, 2),
    "dual": (0, 1, 4, 5),
    "velocity": (0, 1, 3),
    "pls": (0, 6, 7),
}


class Axis(NamedTuple):
    """What the fit of one axis comes to."""

    kind: str
    beta: np.ndarray
    covariance: np.ndarray
    noise_mm: float
    wander_mm2_per_s: float
    loo_rms_mm: float


def features_of(y, v):
    """1, u, u^2, w, s, s u of every shot and two empty columns; s = tanh(2 w)."""
    u = (y - (y.min() + y.max()) / 2.0) / ((y.max() - y.min()) / 2.0)
    w = v / max(0.5, 1.5 * math.sqrt(np.mean(v * v)))
    s = np.tanh(2.0 * w)
    return np.column_stack([np.ones(len(y)), u, u * u, w, s, s * u, 0.0 * u, 0.0 * u])


class Unknowns:
    """Coefficients, and the steps of baseline and slope between shots, as one linear model."""

    def __init__(self, design, times_s, prior, noise, wander):
        n, k = design.shape
        gaps = np.diff(times_s)
        reached = np.tril(np.ones((n, n)))[:, 1:]  # which steps a shot has seen
        self.rows = np.hstack([design, reached, reached * design[:, 1:2]])
        variances = np.concatenate([prior**2, wander**2 * gaps, 0.25 * wander**2 * gaps])
        self.information = np.diag(1.0 / variances)
        self.noise = noise
        # The coefficients at the last shot: baseline and slope with all their steps.
        self.last = np.zeros((k, k + 2 * (n - 1)))
        self.last[:, :k] = np.eye(k)
        self.last[0, k : k + n - 1] = 1.0
        self.last[1, k + n - 1 :] = 1.0

    def posterior(self, target, keep):
        rows = self.rows[keep]
        inverse = np.linalg.inv(self.information + rows.T @ rows / self.noise**2)
        return inverse @ rows.T @ target[keep] / self.noise**2, inverse

    def left_out(self, target, i):
        """The error of shot i and its variance when it is foretold from the others."""
        mean, covariance = self.posterior(target, np.arange(len(target)) != i)
        row = self.rows[i]
        return target[i] - row @ mean, row @ covariance @ row + self.noise**2


def fits_of(kind, every, without, times_s, target):
    """Each noise and wander that is likely: its score, and what the fit of one kind comes to."""
    chosen = list(FEATURES[kind])
    n, k = len(target), len(chosen)
    prior = max(target.std(), 0.3) * np.array([0.0, 2.0, 0.4, 0.4, 0.4, 0.4, 2.0, 2.0])
    prior[0] = 30.0
    found = []
    for noise, wander in itertools.product(NOISES_MM, WANDERS_MM_PER_ROOT_S):
        model = Unknowns(every[:, chosen], times_s, prior[chosen], noise, wander)
        errors, variances = np.array([model.left_out(target, i) for i in range(n)]).T
        likely = np.sum(errors**2 / variances + np.log(variances))
        if kind == "pls":
            unseen = [
                Unknowns(design[:, chosen], times_s, prior[chosen], noise, wander)
                for design in without
            ]
            errors = np.array([unseen[i].left_out(target, i)[0] for i in range(n)])
        score = np.sum(errors**2 / variances + np.log(variances))
        excess = max(1.0, np.sum(errors**2 / variances) / max(1, n - k - 1))
        mean, inverse = model.posterior(target, np.full(n, True))
        beta, covariance = np.zeros(8), np.zeros((8, 8))
        beta[chosen] = model.last @ mean
        covariance[np.ix_(chosen, chosen)] = excess * model.last @ inverse @ model.last.T
        rms = math.sqrt(np.mean(errors**2))
        axis = Axis(kind, beta, covariance, noise * math.sqrt(excess), wander**2 * excess, rms)
        found.append((likely, score, axis))
    best = min(likely for likely, _, _ in found)
    return [(score, axis) for likely, score, axis in found if likely <= best + 6.0]


def axis_of(kinds, every, without, times_s, target):
    """Average every kind that there are two more shots for than features, as a mixture."""
    arrays = (every, times_s, target, *without)
    return _axis_of(kinds, *(np.ascontiguousarray(each).tobytes() for each in arrays))


@cache
def _axis_of(kinds, *arrays):
    """The same, kept: the tests ask for it again for every mutant."""
    every, times_s, target, *without = (np.frombuffer(each) for each in arrays)
    every, *without = (each.reshape(-1, 8) for each in (every, *without))
    fits = []
    for kind in kinds:
        if len(target) >= len(FEATURES[kind]) + 2 and (kind != "pls" or without):
            fits += fits_of(kind, every, without, times_s, target)
    costs = np.array([score + len(FEATURES[axis.kind]) - 2.0 for score, axis in fits])
    weights = np.exp((costs.min() - costs) / 2.0)
    weights /= weights.sum()
    axes = [axis for _, axis in fits]
    betas = np.array([axis.beta for axis in axes])
    beta = np.average(betas, axis=0, weights=weights)
    outer = [axis.covariance + np.outer(axis.beta - beta, axis.beta - beta) for axis in axes]
    covariance = np.average(np.array(outer), axis=0, weights=weights)
    return Axis(
        axes[int(np.argmin(costs))].kind,
        beta,
        covariance,
        math.sqrt(sum(w * axis.noise_mm**2 for w, axis in zip(weights, axes, strict=True))),
        sum(w * axis.wander_mm2_per_s for w, axis in zip(weights, axes, strict=True)),
        math.sqrt(sum(w * axis.loo_rms_mm**2 for w, axis in zip(weights, axes, strict=True))),
    )
