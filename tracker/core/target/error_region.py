"""How large the region is that holds the target with 95 % probability."""

from __future__ import annotations

import math

from hal.messages import Triple

_Z95 = 1.6448536269514722


def radius95_mm(variance_mm2: Triple) -> float:
    """Give the radius (mm) a Gaussian error with these axis variances stays within at 95 %.

    The squared length is matched by a scaled chi-square of the same mean and variance
    (Satterthwaite 1946), whose quantile follows Wilson & Hilferty 1931; within 2 % of exact.
    """
    a, b, c = variance_mm2
    mean = a + b + c
    if mean <= 0.0:
        return 0.0
    squares = a * a + b * b + c * c
    dof = mean * mean / squares
    k = 2.0 / (9.0 * dof)
    quantile = dof * (1.0 - k + _Z95 * math.sqrt(k)) ** 3
    return math.sqrt(mean / dof * quantile)
