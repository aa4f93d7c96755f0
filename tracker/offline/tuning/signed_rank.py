"""Compute Wilcoxon's signed-rank test: whether paired differences exceed chance.

Optuna's ``WilcoxonPruner`` and SciPy compute the same. They take several milliseconds, mostly for
options that are not used here; scoring a small subject takes no longer. The distribution is exact,
ties included. For more than ``_EXACT`` pairs it is the normal one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_EXACT = 50


def chance(differences: Sequence[float]) -> float:
    """Return the probability of a rank sum as large as found if every sign were random.

    Zeros take up ranks and count half for either side (``zero_method="zsplit"``).
    """
    values = np.asarray(differences, np.float64)
    _, place, count = np.unique(np.abs(values), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(count) - count + 1)[place]  # twice the mean rank: a whole number
    ranks = doubled[values != 0.0]
    found = int(ranks[values[values != 0.0] > 0.0].sum())
    if values.size > _EXACT:
        spread = math.sqrt(float((ranks.astype(np.float64) ** 2).sum()) / 4.0)
        off = (found - float(ranks.sum()) / 2.0) / max(spread, 1e-300)
        return 0.5 * math.erfc(off / math.sqrt(2.0))
    ways = np.zeros(int(ranks.sum()) + 1)
    ways[0] = 1.0
    for rank in ranks.tolist():
        shifted = np.zeros_like(ways)
        shifted[rank:] = ways[:-rank]
        ways = 0.5 * (ways + shifted)
    return float(ways[found:].sum())
