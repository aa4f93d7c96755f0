"""Recursive least squares with forgetting that stays regular for ever.

Exponential forgetting alone lets the inverse covariance grow without bound in directions the
patient does not excite, and rounding then destroys it after some hours. Here every sample also
brings one pseudo-sample, "weight i is zero", for one feature i after the other. In the mean
this is ridge regression with a constant penalty, (A + rho N I) W = B with N the memory in samples,
at the cost of one more rank-one update: the inverse is bounded from above by the penalty and
from below by the memory, it is kept symmetric to the bit, and rounding errors fade with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.compiled import compiled

Reals = NDArray[np.float64]

_OUT_OF_SCALE = 1e9


@compiled
def absorb(
    inverse: Reals, weights: Reals, features: Reals, target: Reals, forgetting: float, gain: Reals
) -> float:
    """One recursive step: ``target`` (outputs,) was seen with ``features`` (n,); in place.

    ``inverse`` (n, n) is the inverse of the regularised second moment of the features,
    ``weights`` (n, outputs). Returns the features' squared size in the metric of the inverse;
    when it is not a sensible number nothing is changed and the caller restarts the inverse.
    """
    size = features.size
    gain[:size] = 0.0
    for row in range(size):
        feature = features[row]
        for column in range(size):
            gain[column] += feature * inverse[row, column]
    surprise = 0.0
    for row in range(size):
        surprise += features[row] * gain[row]
    if not 0.0 <= surprise <= _OUT_OF_SCALE:
        return -1.0
    share = 1.0 / (forgetting + surprise)
    outputs = target.size
    for output in range(outputs):
        error = target[output]
        for row in range(size):
            error -= weights[row, output] * features[row]
        error *= share
        for row in range(size):
            weights[row, output] += gain[row] * error
    older = 1.0 / forgetting
    for row in range(size):
        first = gain[row]
        for column in range(size):
            # the product of both gains first: it is the same number for [column, row]
            inverse[row, column] = (inverse[row, column] - first * gain[column] * share) * older
    return surprise


@compiled
def pull_to_zero(
    inverse: Reals, weights: Reals, feature: int, strength: float, gain: Reals
) -> None:
    """The pseudo-sample "weight ``feature`` is zero" with precision ``strength``; in place."""
    size = inverse.shape[0]
    share = strength / (1.0 + strength * inverse[feature, feature])
    for row in range(size):
        gain[row] = inverse[feature, row]
    for output in range(weights.shape[1]):
        pulled = weights[feature, output] * share
        for row in range(size):
            weights[row, output] -= gain[row] * pulled
    for row in range(size):
        first = gain[row]
        for column in range(size):
            inverse[row, column] -= first * gain[column] * share


@compiled
def restart(inverse: Reals, precision: float) -> None:
    """Forget what the inverse knew: equal ``precision`` for every weight; weights are kept."""
    inverse[:, :] = 0.0
    for row in range(inverse.shape[0]):
        inverse[row, row] = 1.0 / precision
