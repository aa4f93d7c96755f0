"""A depth picture as a camera delivered it, the same for every camera, wire and recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Depths = NDArray[np.uint16] | NDArray[np.float32]
_TYPES = ("uint16", "float32")


@dataclass(frozen=True, slots=True, eq=False)
class DepthPicture:
    """Depth along the camera's axis (rows x columns), and when it was taken.

    A pixel's depth is ``scale_mm`` times its value plus ``offset_mm``. A pixel of the value
    ``invalid`` has no depth; of a picture of floating-point numbers, neither has one that is not
    finite. ``number``, ``ticks`` and ``t_ns`` are as of `hal.imaging.image.Image`.
    """

    device: str
    t_ns: int
    number: int
    ticks: int
    values: Depths
    scale_mm: float = 1.0
    offset_mm: float = 0.0
    invalid: float = 0.0

    def depth_mm(self) -> NDArray[np.float64]:
        """Return the depth of every pixel in mm, NaN where there is none."""
        values = np.asarray(self.values, dtype=np.float64)
        missing = (values == self.invalid) | ~np.isfinite(values)
        return np.where(missing, np.nan, values * self.scale_mm + self.offset_mm)


def picture_problem(values: NDArray[Any], width_px: int, height_px: int) -> str:
    """Return what is wrong with the values of a depth picture; empty when nothing is."""
    if values.dtype.name not in _TYPES:
        return f"type {values.dtype}, uint16 or float32 needed"
    if values.shape != (height_px, width_px):
        shape = " x ".join(str(size) for size in values.shape[::-1])
        return f"{shape} pixels, {width_px} x {height_px} configured"
    return ""
