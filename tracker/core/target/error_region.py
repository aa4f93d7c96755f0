"""Give the size of the region that holds the target with a probability of 95 %."""

from __future__ import annotations

import math

from hal.messages import Triple

_Z95 = 1.6448536269514722
"""The 95 % quantile of the standard normal distribution."""


def radius95_mm(variance_mm2: Triple) -> float:
    """Return the radius (mm) that holds 95 % of a Gaussian error with these axis variances.

    A scaled chi-square of the same mean and variance stands for the squared length (Satterthwaite
    1946); its quantile follows Wilson & Hilferty 1931. The radius is within 2 % of the exact one.
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
