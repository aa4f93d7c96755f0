"""A structure drawn as closed outlines, slice by slice, as a planning system exports it.

Between two slices the nearer one counts. Several outlines of one slice cut holes into each other
(even-odd rule). A margin is added with the distance to the drawn region, on a grid of 1 mm.
"""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec
import numpy as np
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from hal.messages import Triple
from tracker.dose.dose_error import DoseError
from tracker.dose.shapes import Mask, Points

GRID_MM = 1.0
MOST_CELLS = 40_000_000
LONE_SLICE_MM = 3.0
"""Thickness of a structure that is drawn on one slice only."""


class ContourSlice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One closed outline: where its slice lies (superior), and its corners (left, anterior), mm."""

    at_mm: float
    outline_mm: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        flat = (self.at_mm, *(value for corner in self.outline_mm for value in corner))
        if not all(math.isfinite(value) for value in flat):
            raise DoseError("outline_mm has a value that is no finite number")
        if len(self.outline_mm) < 3:
            raise DoseError(f"outline_mm has {len(self.outline_mm)} corners; at least 3 are needed")


class Contours(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="contours"):
    """A region between closed outlines, with ``margin_mm`` added on every side."""

    slices: tuple[ContourSlice, ...]
    margin_mm: float = 0.0

    def __post_init__(self) -> None:
        if not self.slices:
            raise DoseError("slices of contours are empty; give at least one outline")
        if not (math.isfinite(self.margin_mm) and 0.0 <= self.margin_mm <= 50.0):
            raise DoseError(f"margin_mm of contours is {self.margin_mm:g}; it must be 0 to 50")

    def bounds(self) -> tuple[Triple, Triple]:
        """Return the lowest and the highest corner of a box around the region, mm."""
        corners = np.array([corner for each in self.slices for corner in each.outline_mm])
        levels, half = _levels(self)
        (left, anterior), (right, front) = corners.min(axis=0), corners.max(axis=0)
        more = self.margin_mm
        return (
            (float(left) - more, float(levels[0]) - half - more, float(anterior) - more),
            (float(right) + more, float(levels[-1]) + half + more, float(front) + more),
        )

    def contains(self, points: Points) -> Mask:
        """Return for each point whether it is inside."""
        if not self.margin_mm:
            return _drawn(self, points)
        low, distance = _distance(msgspec.structs.replace(self, margin_mm=0.0), self.margin_mm)
        places = ((points - low) / GRID_MM).T
        found: NDArray[np.float64] = map_coordinates(distance, places, order=1, cval=np.inf)
        return found <= self.margin_mm

    def grown(self, margin_mm: float) -> Contours:
        """Return the region with ``margin_mm`` added on every side."""
        return msgspec.structs.replace(self, margin_mm=self.margin_mm + margin_mm)


def _levels(contours: Contours) -> tuple[NDArray[np.float64], float]:
    """Return the slices' places in order, and half the usual distance between them."""
    levels = np.array(sorted({each.at_mm for each in contours.slices}), dtype=np.float64)
    steps = np.diff(levels)
    return levels, (float(np.median(steps)) if len(steps) else LONE_SLICE_MM) / 2.0


def _drawn(contours: Contours, points: Points) -> Mask:
    """Return for each point whether it is inside the outlines of the nearest slice."""
    levels, half = _levels(contours)
    after = np.clip(np.searchsorted(levels, points[:, 1]), 1, max(len(levels) - 1, 1))
    nearest = after - 1
    if len(levels) > 1:
        nearest += points[:, 1] - levels[after - 1] > levels[after] - points[:, 1]
    inside = np.zeros(len(points), dtype=bool)
    near = np.abs(points[:, 1] - levels[nearest]) <= half + 1e-9
    for index, level in enumerate(levels.tolist()):
        here = np.flatnonzero(near & (nearest == index))
        for each in contours.slices if len(here) else ():
            if each.at_mm == level:
                corners = np.array([*each.outline_mm, each.outline_mm[0]])
                inside[here] ^= Outline(corners).contains_points(points[here][:, [0, 2]])
    return inside


@lru_cache(maxsize=8)
def _distance(contours: Contours, reach_mm: float) -> tuple[Points, NDArray[np.float64]]:
    """Return the grid's first point, and each grid point's distance from the drawn region, mm."""
    bottom, top = (np.array(corner) for corner in contours.bounds())
    low = bottom - reach_mm - 2.0 * GRID_MM
    counts = np.ceil((top - low + reach_mm + 2.0 * GRID_MM) / GRID_MM).astype(int) + 1
    cells = int(np.prod(counts))
    if cells > MOST_CELLS:
        raise DoseError(f"a structure of {cells} mm³ is too large for a margin; draw a smaller one")
    axes = [low[k] + GRID_MM * np.arange(int(counts[k]), dtype=np.float64) for k in range(3)]
    grid = np.empty((*counts.tolist(), 3))
    grid[..., 0] = axes[0][:, None, None]
    grid[..., 1] = axes[1][None, :, None]
    grid[..., 2] = axes[2][None, None, :]
    inside = _drawn(contours, grid.reshape(-1, 3)).reshape(counts)
    if not inside.any():
        raise DoseError("a structure is smaller than 1 mm; draw a larger one")
    distance: NDArray[np.float64] = distance_transform_edt(~inside, sampling=GRID_MM)
    return low, distance
