"""Partial least squares: what several markers, each moving in its own way, say of the target.

The chest's common amplitude is one number; belly and breastbone seldom move in step. Latent
variables are the weighted sums of marker displacements that vary most along with the target (Wold,
Sjostrom & Eriksson 2001; NIPALS for all three axes at once), at most as many as shots can
bear. Each is scaled to about 1 at the ends of the shots' range.

Where a latent variable is wanted and the markers are not known (a moment ahead), it is what
amplitude and velocity lead to expect, by regression over the shots, plus what it was apart
from that at last.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST = 2
"""Latent variables."""
FEWEST_MARKERS = 2
_NOISE_MM = 0.3
"""A marker that moves less than this is not blown up by scaling."""
_RIDGE = 1e-3


class Latents(NamedTuple):
    """How latent variables follow from markers, and what amplitude and velocity say of them.

    ``centre`` (markers,), ``weights`` (markers, MOST): from displacements in mm. ``expected``
    (3, MOST): of 1, (y - middle) / half range and v / speed.
    """

    centre: Array
    weights: Array
    expected: Array

    def of(self, markers_mm: Array) -> Array:
        """The latent variables of displacements (..., markers)."""
        return np.asarray((markers_mm - self.centre) @ self.weights, np.float64)


def latents_of(markers_mm: Array, targets_mm: Array, scaled: Array) -> Latents:
    """Find them from shots: displacements (n, m), targets (n, 3), scaled y and v (n, 2).

    Those there is nothing to find of are zero.
    """
    centre = markers_mm.mean(axis=0)
    size = np.sqrt(markers_mm.var(axis=0) + _NOISE_MM**2)
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
