# pyright: basic
"""The arithmetic of one patch, compiled: a robust plane through the displacements of its pixels.

The displacement of a pixel is ``(z - z_ref) g``: its depth less that of the reference surface,
times the reference normal's share along the pixel's ray. Displacements of one patch lie near a
plane in the picture, because breathing lifts and tilts it a little. The plane is fitted by
iterated least squares with Tukey's biweight (Beaton & Tukey 1974), from the median on, with the
median absolute deviation as scale. So flying pixels, holes, an edge and half an arm do not pull it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Depths = NDArray[np.uint16] | NDArray[np.float32]

SHIFT, SIGMA, VALID, INLIERS, RESIDUAL = range(5)
"""Columns of what `fit_patches` finds: displacement (mm), its standard deviation (mm), share of
valid pixels, share of valid pixels that lie on the surface, and their standard deviation (mm)."""
FOUND = 5
_TUKEY = 4.685
_ROUNDS = 4
_SAMPLES = 400
_LEAST_SCALE_MM = 0.3
"""No depth camera measures one pixel better than this."""


@njit(cache=True)
def _start(values, count):
    """Return median and scale of up to `_SAMPLES` of the first ``count`` values."""
    step = max(1, count // _SAMPLES)
    some = np.sort(values[:count:step])
    middle = some[some.size // 2]
    away = np.sort(np.abs(some - middle))
    return middle, max(1.4826 * away[away.size // 2], _LEAST_SCALE_MM)


@njit(cache=True)
def _plane(x, y, e, count, middle, scale):
    """Return the plane (height, slopes) that fits robustly, its inliers, sums of weights."""
    a, b, c = middle, 0.0, 0.0
    cut = _TUKEY * scale
    inliers, weight_sum, square = 0, 0.0, 0.0
    for _ in range(_ROUNDS):
        s = sx = sy = sxx = sxy = syy = se = sxe = sye = square = 0.0
        inliers = 0
        for k in range(count):
            r = (e[k] - a - b * x[k] - c * y[k]) / cut
            if r * r >= 1.0:
                continue
            w = (1.0 - r * r) ** 2
            inliers += 1
            s += w
            sx += w * x[k]
            sy += w * y[k]
            sxx += w * x[k] * x[k]
            sxy += w * x[k] * y[k]
            syy += w * y[k] * y[k]
            se += w * e[k]
            sxe += w * x[k] * e[k]
            sye += w * y[k] * e[k]
            square += w * (r * cut) ** 2
        weight_sum = s
        if inliers < 12:
            break
        mx, my, me = sx / s, sy / s, se / s
        cxx, cxy, cyy = sxx / s - mx * mx, sxy / s - mx * my, syy / s - my * my
        cxe, cye = sxe / s - mx * me, sye / s - my * me
        det = cxx * cyy - cxy * cxy
        if det < 1e-6:  # pixels in a row or a corner only: they say nothing of a tilt
            b, c = 0.0, 0.0
        else:
            b = (cxe * cyy - cye * cxy) / det
            c = (cye * cxx - cxe * cxy) / det
        a = me - b * mx - c * my
    return a, inliers, weight_sum, square


@njit(cache=True)
def fit_patches(
    depth: Depths,
    scale_mm: float,
    offset_mm: float,
    invalid: float,
    reference: Floats,
    along: Floats,
    boxes: Ints,
    limits: Floats,
    out: Floats,
) -> None:
    """Fit every patch of one picture; rows of ``out`` without enough pixels are NaN and zeros.

    ``reference`` (mm, NaN where there is none) and ``along`` are pictures; ``boxes`` (patches, 4)
    holds left, top, width and height; ``limits`` nearest and farthest depth, reach (mm), and how
    many neighbouring pixels share their noise.
    """
    near, far, reach, alike = limits
    for i in range(boxes.shape[0]):
        left, top, width, height = boxes[i]
        out[i, :] = 0.0
        out[i, SHIFT] = np.nan
        out[i, SIGMA] = np.nan
        room = width * height
        x, y, e = np.empty(room), np.empty(room), np.empty(room)
        count, usable = 0, 0
        for row in range(height):
            for column in range(width):
                ref = reference[top + row, left + column]
                if np.isnan(ref):
                    continue
                usable += 1
                value = float(depth[top + row, left + column])
                if value == invalid or not np.isfinite(value):
                    continue
                z = value * scale_mm + offset_mm
                if z < near or z > far:
                    continue
                shift = (z - ref) * along[top + row, left + column]
                if abs(shift) > reach:
                    continue
                x[count] = 2.0 * (column + 0.5) / width - 1.0
                y[count] = 2.0 * (row + 0.5) / height - 1.0
                e[count] = shift
                count += 1
        if usable == 0 or count < 12:
            continue
        middle, scale = _start(e, count)
        a, inliers, weight_sum, square = _plane(x, y, e, count, middle, scale)
        if inliers < 12:
            continue
        # The biweight makes the residuals smaller than they are by about a fifth.
        variance = 1.2 * square / weight_sum
        out[i, SHIFT] = a
        out[i, SIGMA] = np.sqrt(variance * alike / inliers)
        out[i, VALID] = count / usable
        out[i, INLIERS] = inliers / usable
        out[i, RESIDUAL] = np.sqrt(variance)
