"""The noise of a depth camera, and what may come between it and the skin.

Sizes: a published depth camera reached 0.03 +/- 0.13 mm at 0.56 m and 0.65 +/- 0.6 mm at 1.1 m
after averaging; recordings of the mean depth of a chest at 1 m have a white noise of 0.3 to 1.8 mm
above 1 Hz. So part of the noise is shared by neighbouring pixels and does not average away; here it
is drawn anew for each cell of the picture in each picture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_EDGE_MM = 40.0
"""Neighbouring pixels whose depths differ by more lie on an edge."""


class DepthNoise(NamedTuple):
    """The noise at 1 m; it grows with the square of the distance."""

    pixel_mm: float = 2.5
    """Standard deviation of one pixel on its own."""
    cell_mm: float = 0.4
    """The same of what all pixels of a cell share in one picture."""
    cell_px: int = 48
    missing: float = 0.02
    """Share of pixels without depth, for a surface that faces the camera."""
    missing_steep: float = 0.3
    """The same added for a surface seen along itself."""
    flying: float = 0.5
    """Share of the pixels at an edge that lie somewhere between both sides."""
    outliers: float = 0.002
    """Share of pixels that lie anywhere."""
    scale_mm: float = 1.0
    """Millimetres of one count."""


class Hidden(NamedTuple):
    """What covers the skin, in fractions of the picture's width and height."""

    left: float
    top: float
    right: float
    bottom: float
    nearer_mm: float
    """So much nearer to the camera than the skin; 10 mm: a blanket, 100 mm: an arm."""


def cover(depth_mm: Floats, hidden: Hidden) -> Floats:
    """Return the picture with a flat object before the skin."""
    rows, columns = depth_mm.shape
    covered = depth_mm.copy()
    part = (
        slice(max(0, round(hidden.top * rows)), max(0, round(hidden.bottom * rows))),
        slice(max(0, round(hidden.left * columns)), max(0, round(hidden.right * columns))),
    )
    if covered[part].size:
        covered[part] = np.median(depth_mm[part]) - hidden.nearer_mm
    return covered


def measured(
    depth_mm: Floats, cosine: Floats, noise: DepthNoise, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Return the counts of a depth camera for true depths (mm); 0: no depth."""
    shape = depth_mm.shape
    growth = (depth_mm / 1000.0) ** 2
    seen = depth_mm + noise.pixel_mm * growth * rng.standard_normal(shape, dtype=np.float32)
    cells = [-(-size // noise.cell_px) for size in shape]
    shared = np.kron(rng.standard_normal(cells), np.ones((noise.cell_px, noise.cell_px)))
    seen += noise.cell_mm * growth * shared[: shape[0], : shape[1]]
    chance = rng.random(shape, dtype=np.float32)
    step = np.zeros(shape)
    step[:, 1:] = np.diff(depth_mm, axis=1)
    down = np.zeros(shape)
    down[1:] = np.diff(depth_mm, axis=0)
    step = np.where(np.abs(step) >= np.abs(down), step, down)
    flying = (np.abs(step) > _EDGE_MM) & (chance < noise.flying)
    seen = np.where(flying, depth_mm - step * (chance / max(noise.flying, 1e-9)), seen)
    anywhere = rng.random(shape, dtype=np.float32)
    seen = np.where(anywhere < noise.outliers, 300.0 + 2000.0 * chance, seen)
    steep = np.clip(1.0 - cosine, 0.0, 1.0)
    missing = (noise.missing * np.maximum(growth, 0.25)) + noise.missing_steep * steep
    counts = np.clip(np.rint(seen / noise.scale_mm), 0, 65_535)
    gone = rng.random(shape, dtype=np.float32) < missing
    return np.where(gone, 0, counts).astype(np.uint16)
