"""Partial least squares: find what several markers, each moving in its own way, say of the target.

The common amplitude of the chest is one number, but belly and breastbone seldom move in step. A
latent variable is a weighted sum of marker displacements. The first is the one that varies most
along with the target, the next does so with what is left (Wold, Sjostrom & Eriksson 2001; NIPALS
for all three axes at once). Each is scaled to about 1 at the ends of the shots' range. There are at
most as many as the shots can determine.

Ahead of time the markers are not known. Then a latent variable is what amplitude and velocity lead
to expect, by regression over the shots, plus how far it last was from that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST = 2
"""Number of latent variables."""
FEWEST_MARKERS = 2
"""Markers that it takes to have any."""
_NOISE_MM2 = 0.3**2
"""Added to the variance of each marker, so that scaling does not enlarge one that is still."""
_RIDGE = 1e-3
"""Ridge penalty of the regression on amplitude and velocity, per shot."""


class Latents(NamedTuple):
    """The way from markers to latent variables, and from amplitude and velocity to them.

    ``centre`` (markers,) and ``weights`` (markers, MOST) are for displacements in mm. ``expected``
    (3, MOST) holds the coefficients of 1, (y - middle) / half range and v / speed.
    """

    centre: Array
    weights: Array
    expected: Array

    def of(self, markers_mm: Array) -> Array:
        """Return the latent variables (..., MOST) of displacements (..., markers)."""
        return np.asarray((markers_mm - self.centre) @ self.weights, np.float64)


def latents_of(markers_mm: Array, targets_mm: Array, scaled: Array) -> Latents:
    """Find the latent variables of shots: displacements (n, m), targets (n, 3), scaled y, v (n, 2).

    Where there is nothing to find, a latent variable is zero.
    """
    centre = markers_mm.mean(axis=0)
    size = np.sqrt(markers_mm.var(axis=0) + _NOISE_MM2)
    left = (markers_mm - centre) / size
    wanted = targets_mm - targets_mm.mean(axis=0)
    rotation = np.zeros((centre.size, MOST))
    loadings = np.zeros((centre.size, MOST))
    for k in range(min(MOST, centre.size)):
        together = left.T @ wanted
        direction = np.linalg.svd(together, full_matrices=False)[0][:, 0]
        scores = left @ direction
        strength = float(scores @ scores)
        if strength < 1e-9:
            break
        loadings[:, k] = left.T @ scores / strength
        left = left - np.outer(scores, loadings[:, k])
        turned = direction.copy()  # from the displacements, not from what is left of them
        for j in range(k):
            turned -= rotation[:, j] * float(loadings[:, j] @ direction)
        rotation[:, k] = turned
    weights = rotation / size[:, None]
    found = (markers_mm - centre) @ weights
    largest = np.abs(found).max(axis=0)
    weights = weights / np.where(largest > 1e-9, largest, 1.0)
    design = np.column_stack([np.ones(len(scaled)), scaled])
    normal = design.T @ design + _RIDGE * len(scaled) * np.eye(3)
    found = design.T @ ((markers_mm - centre) @ weights)
    expected = np.asarray(np.linalg.solve(normal, found), np.float64)
    return Latents(centre, np.asarray(weights, np.float64), expected)
