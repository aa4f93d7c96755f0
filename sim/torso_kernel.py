# pyright: basic
"""The arithmetic of the simulated torso, compiled: its height, its motion, and rays that meet it.

Everything is in the patient frame (+X left, +Y superior, +Z anterior), in millimetres. The skin is
half an ellipse across, with a hollow between chest and belly. It moves with the motion of some
driving points: each part of it moves as the points near it along the body do, and less at the
flanks.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HALF_WIDTH, CROWN, BASE, HOLLOW, HALF_LENGTH, COUCH = range(6)
"""Indices of the shape: half width, height above the base, the base's height, depth of the hollow,
half of the torso's length, height of the couch top."""
_SPREAD_MM = 55.0
"""How far along the body a driving point carries the skin with it."""
_OUTSIDE_MM = 110.0
"""How quickly the motion dies away beyond the outermost points."""
_STEPS = 6


@njit(cache=True)
def height(x: float, y: float, shape: Floats) -> float:
    """Return the height of the resting skin, or of the couch beside it."""
    across = x / shape[HALF_WIDTH]
    if abs(across) >= 0.98 or abs(y) > shape[HALF_LENGTH]:
        return shape[COUCH]
    hollow = shape[HOLLOW] * math.exp(-(((y - 20.0) / 60.0) ** 2))
    return shape[BASE] + (shape[CROWN] - hollow) * math.sqrt(1.0 - across * across)


@njit(cache=True)
def motion(
    x: float, y: float, shape: Floats, along_mm: Floats, moved_mm: Floats, out: Floats
) -> None:
    """Write the displacement (3,) of the skin at (x, y); points at ``along_mm`` have ``moved_mm``.

    ``along_mm`` (points,) ascends.
    """
    out[:] = 0.0
    total = 0.0
    for k in range(along_mm.size):
        weight = math.exp(-0.5 * ((y - along_mm[k]) / _SPREAD_MM) ** 2) + 1e-9
        total += weight
        for axis in range(3):
            out[axis] += weight * moved_mm[k, axis]
    beyond = max(along_mm[0] - y, y - along_mm[along_mm.size - 1], 0.0)
    across = min(abs(x) / shape[HALF_WIDTH], 1.0)
    share = math.exp(-0.5 * (beyond / _OUTSIDE_MM) ** 2) * math.sqrt(1.0 - across * across)
    for axis in range(3):
        out[axis] *= share / total


@njit(cache=True)
def normal_at(x: float, y: float, shape: Floats, out: Floats) -> None:
    """Write the unit normal (3,) of the resting skin, pointing anterior."""
    step = 0.5
    out[0] = -(height(x + step, y, shape) - height(x - step, y, shape)) / (2.0 * step)
    out[1] = -(height(x, y + step, shape) - height(x, y - step, shape)) / (2.0 * step)
    out[2] = 1.0
    length = math.sqrt(out[0] ** 2 + out[1] ** 2 + 1.0)
    for axis in range(3):
        out[axis] /= length


@njit(cache=True)
def _on_torso(x, y, shape):
    return abs(x) < 0.98 * shape[HALF_WIDTH] and abs(y) <= shape[HALF_LENGTH]


@njit(cache=True)
def trace(
    origin: Floats,
    rays: Floats,
    shape: Floats,
    along_mm: Floats,
    moved_mm: Floats,
    depth: Floats,
    cosine: Floats,
) -> None:
    """Write the depth of every pixel, and the cosine between its ray and the skin's normal.

    ``origin`` (3,) is the camera, ``rays`` (rows, columns, 3) go through the pixels with length 1
    along the camera's axis, so that the way along a ray is the depth. ``depth`` holds where a ray
    met the surface before, or 0. The way is improved by Newton's method.
    """
    moved, normal = np.zeros(3), np.zeros(3)
    for row in range(rays.shape[0]):
        for column in range(rays.shape[1]):
            rx, ry, rz = rays[row, column]
            way = depth[row, column]
            if way == 0.0:
                way = (shape[BASE] + shape[CROWN] - origin[2]) / rz
            slope = 1.0
            for _ in range(_STEPS):
                x, y, z = origin[0] + way * rx, origin[1] + way * ry, origin[2] + way * rz
                motion(x, y, shape, along_mm, moved_mm, moved)
                if not _on_torso(x - moved[0], y - moved[1], shape):
                    way = (shape[COUCH] - origin[2]) / rz
                    normal[0], normal[1], normal[2] = 0.0, 0.0, 1.0
                    slope = rz
                    break
                normal_at(x - moved[0], y - moved[1], shape, normal)
                gap = z - height(x - moved[0], y - moved[1], shape) - moved[2]
                slope = normal[0] * rx + normal[1] * ry + normal[2] * rz
                step = -gap * normal[2] / slope
                way += step
                if abs(step) < 1e-4:
                    break
            depth[row, column] = way
            cosine[row, column] = abs(slope) / math.sqrt(rx * rx + ry * ry + rz * rz)
