"""Compute recursive least squares with forgetting that stays regular for hours.

Exponential forgetting alone lets the inverse second moment grow without bound in directions the
patient does not excite, and rounding destroys it after some hours. Here every sample also
brings one pseudo-sample, "weight i is zero", for one feature i after the other. In the mean
this is ridge regression with a constant penalty at the cost of one more rank-one update: the
inverse is bounded from above by the penalty and from below by the memory, it is kept symmetric
to the bit, and rounding errors fade with the memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.compiled import compiled

Reals = NDArray[np.float64]

_OUT_OF_SCALE = 1e9


@compiled
def _gain(inverse: Reals, features: Reals, gain: Reals) -> None:
    """Write the product of ``inverse`` (n, n) and ``features`` (n,) to ``gain`` (n,).

    Four rows are added at a time, one after the other: the sum of a column is then loaded and
    stored a quarter as often, and it has the same bits as row by row.
    """
    size = features.size
    whole = size - size % 4
    gain[:] = 0.0
    for row in range(0, whole, 4):
        first, second = features[row], features[row + 1]
        third, fourth = features[row + 2], features[row + 3]
        for column in range(size):
            total = gain[column] + first * inverse[row, column]
            total += second * inverse[row + 1, column]
            total += third * inverse[row + 2, column]
            gain[column] = total + fourth * inverse[row + 3, column]
    for row in range(whole, size):
        feature = features[row]
        for column in range(size):
            gain[column] += feature * inverse[row, column]


@compiled
def absorb(
    inverse: Reals,
    weights: Reals,
    features: Reals,
    target: Reals,
    forgetting: float,
    pulled: int,
    penalty: float,
    gain: Reals,
    pull: Reals,
) -> bool:
    """Do one recursive step in place: ``target`` (outputs,) was seen with ``features`` (n,).

    ``inverse`` (n, n) is the inverse of the regularised second moment of the features, with
    samples of age a weighing ``forgetting ** a``; ``weights`` (n, outputs). ``penalty`` is the
    precision of the pseudo-sample "weight ``pulled`` is zero". ``gain``, ``pull`` (n,): work
    space. Returns False when the inverse cannot serve these features; nothing changes and the
    caller restarts it.
    """
    size = features.size
    _gain(inverse, features, gain)
    surprise = 0.0
    for row in range(size):
        surprise += features[row] * gain[row]
    if not 0.0 <= surprise <= _OUT_OF_SCALE:
        return False
    share = 1.0 / (forgetting + surprise)
    older = 1.0 / forgetting
    for row in range(size):
        pull[row] = (inverse[pulled, row] - gain[pulled] * gain[row] * share) * older
    pull_share = penalty / (1.0 + penalty * pull[pulled])
    for output in range(target.size):
        error = target[output]
        for row in range(size):
            error -= weights[row, output] * features[row]
        error *= share
        for row in range(size):
            weights[row, output] += gain[row] * error
        back = weights[pulled, output] * pull_share
        for row in range(size):
            weights[row, output] -= pull[row] * back
    for row in range(size):
        first = gain[row]
        second = pull[row]
        for column in range(size):
            # each product of two gains comes first: it is the same number for [column, row]
            inverse[row, column] = (
                inverse[row, column] - first * gain[column] * share
            ) * older - second * pull[column] * pull_share
    return True


@compiled
def restart(inverse: Reals, precision: float) -> None:
    """Reset the inverse to equal ``precision`` for every weight; the weights are kept."""
    inverse[:, :] = 0.0
    for row in range(inverse.shape[0]):
        inverse[row, row] = 1.0 / precision
