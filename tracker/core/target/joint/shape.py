"""Estimate how far and in which directions the target moves, from images of any geometry.

The first images give a Gaussian density of the target: its mean and covariance are found by
expectation maximisation over the coordinates that each image measured, as the density of the
monoscopic method (Poulsen 2008) is. A shape known from populations stands in for the directions
that few images say little of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SIZES = np.array([0.3, 1.0, 0.45])
_TURNED = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -0.5], [0.0, -0.5, 1.0]])
_POPULATION = _TURNED * np.outer(_SIZES, _SIZES)
POPULATION: Array = _POPULATION / np.trace(_POPULATION)
"""Usual shape of breathing motion (left, superior, anterior), of trace 1: mostly along the body,
and what goes up goes back."""
_ROUNDS = 40


def linearised(rows: Array, about: Array) -> tuple[Array, Array]:
    """Return coordinates at ``about`` (m,) and their derivatives (m, 3), for rows (m, 8)."""
    bottom = rows[:, 4:7] @ about + rows[:, 7]
    seen = (rows[:, :3] @ about + rows[:, 3]) / bottom
    return seen, (rows[:, :3] - seen[:, None] * rows[:, 4:7]) / bottom[:, None]


def shape_of_motion(
    rows: list[Array], measured: list[Array], variances: list[Array], prior_images: float
) -> tuple[Array, Array]:
    """Return mean (3,) in mm and covariance (3, 3) in mm^2 of the target over some images.

    All images measure the same number of coordinates. The population's shape counts as
    ``prior_images`` images.
    """
    row, z, noise = np.array(rows), np.array(measured), np.array(variances)
    n, m = z.shape
    mean, covariance = np.zeros(3), 9.0 * POPULATION + 0.25 * np.eye(3)
    for _ in range(_ROUNDS):
        bottom = row[:, :, 4:7] @ mean + row[:, :, 7]
        seen = (row[:, :, :3] @ mean + row[:, :, 3]) / bottom
        gradient = (row[:, :, :3] - seen[:, :, None] * row[:, :, 4:7]) / bottom[:, :, None]
        crossed = gradient @ covariance
        s = crossed @ gradient.transpose(0, 2, 1) + noise[:, :, None] * np.eye(m)
        gain = np.linalg.solve(s, crossed).transpose(0, 2, 1)
        means = mean + np.einsum("nij,nj->ni", gain, z - seen)
        own = np.asarray((covariance - gain @ crossed).sum(axis=0), np.float64)
        mean = means.sum(axis=0) / (n + 0.2)
        off = means - mean
        own = (off.T @ off + own) / n
        covariance = (n * own + prior_images * np.trace(own) * POPULATION) / (n + prior_images)
    return mean, covariance
