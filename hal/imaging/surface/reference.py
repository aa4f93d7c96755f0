"""The reference surface of each patch: a smooth surface through the mean of the first pictures.

In a pinhole's rays ``(a, b, 1)`` a plane is linear in inverse depth: ``1 / z = p a + q b + r``, and
its normal is along (p, q, r). A second-order surface in inverse depth follows the curve of a chest
within a patch. It is fitted robustly, so that a flying pixel does not dent it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.imaging.surface.settings import SurfaceRegion, SurfaceSettings
from hal.imaging.view import pinhole

Floats = NDArray[np.float64]
_ROUNDS = 4
_CUT = 3.0
"""Residuals above so many standard deviations are left out of the next round."""


class PatchGrid(NamedTuple):
    """The patches of all regions: their boxes in the picture, and the rays of every pixel."""

    boxes: NDArray[np.int64]
    """Left, top, width, height of each patch (pixels)."""
    regions: tuple[int, ...]
    """The number of the region that each patch belongs to."""
    rays: Floats
    """(a, b) of the ray (a, b, 1) through every pixel, (rows, columns, 2)."""


class ReferenceSurface(NamedTuple):
    """What displacements are measured from."""

    depth_mm: Floats
    """Depth of every pixel of a patch, NaN elsewhere and in patches that cannot be used."""
    along: Floats
    """The normal's share along each pixel's ray, so that ``(z - z_ref) along`` is millimetres."""
    points_mm: Floats
    """The middle of each patch, camera frame, (patches, 3); NaN: it cannot be used."""
    normals: Floats
    """Unit normals toward the camera, (patches, 3)."""


def patch_grid(settings: SurfaceSettings) -> PatchGrid:
    """Cut the regions into patches, row by row, in the order of the settings."""
    lens = settings.lens
    boxes: list[tuple[int, int, int, int]] = []
    numbers: list[int] = []
    for number, region in enumerate(settings.regions):
        found = _boxes(region)
        boxes += found
        numbers += [number] * len(found)
    (fx, fy), (cx, cy) = lens.focal_px, lens.centre_px
    size = (lens.width_px, lens.height_px)
    view = pinhole(
        "depth", [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.eye(3), np.zeros(3), size,
        lens.distortion,
    )  # fmt: skip
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    ideal = view.ideal(np.column_stack([columns.ravel(), rows.ravel()]).astype(np.float64))
    rays = (ideal - np.array([cx, cy])) / np.array([fx, fy])
    shape = (lens.height_px, lens.width_px, 2)
    return PatchGrid(np.array(boxes, dtype=np.int64), tuple(numbers), rays.reshape(shape))


def _boxes(region: SurfaceRegion) -> list[tuple[int, int, int, int]]:
    width, height = region.width_px // region.columns, region.height_px // region.rows
    return [
        (region.left_px + column * width, region.top_px + row * height, width, height)
        for row in range(region.rows)
        for column in range(region.columns)
    ]


def reference_surface(
    grid: PatchGrid, depth_mm: Floats, settings: SurfaceSettings
) -> ReferenceSurface:
    """Fit every patch of a mean depth picture (mm, NaN: no depth)."""
    count = len(grid.boxes)
    depth = np.full(depth_mm.shape, np.nan)
    along = np.zeros(depth_mm.shape)
    points, normals = np.full((count, 3), np.nan), np.full((count, 3), np.nan)
    for index, (left, top, width, height) in enumerate(grid.boxes.tolist()):
        part = (slice(top, top + height), slice(left, left + width))
        found = _fit_patch(grid.rays[part], depth_mm[part], settings)
        if found is None:
            continue
        depth[part], along[part], points[index], normals[index] = found
    return ReferenceSurface(depth, along, points, normals)


def _fit_patch(
    rays: Floats, depth_mm: Floats, settings: SurfaceSettings
) -> tuple[Floats, Floats, Floats, Floats] | None:
    """Return depth, normal's share along the rays, middle and normal; ``None``: no surface."""
    a, b = rays[..., 0], rays[..., 1]
    middle = (float(a.mean()), float(b.mean()))
    half = (float(np.ptp(a)) / 2.0, float(np.ptp(b)) / 2.0)
    x, y = (a - middle[0]) / half[0], (b - middle[1]) / half[1]
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    near_far = (depth_mm >= settings.near_mm) & (depth_mm <= settings.far_mm)
    used = np.isfinite(depth_mm) & near_far
    if used.mean() < settings.valid_share:
        return None
    nearby = float(np.median(depth_mm[used]))
    used &= np.abs(depth_mm - nearby) <= settings.reach_mm
    if used.mean() < settings.valid_share:
        return None
    factors = np.zeros(6)
    deviation = 0.0
    for _ in range(_ROUNDS):
        factors, *_ = np.linalg.lstsq(terms[used], 1.0 / depth_mm[used], rcond=None)
        gap = depth_mm - 1.0 / (terms @ factors)
        deviation = float(np.sqrt(np.mean(gap[used] ** 2)))
        used &= np.abs(gap) <= max(_CUT * deviation, 1.0)
        if used.mean() < settings.valid_share:
            return None
    if deviation > settings.residual_mm:
        return None
    slope = np.array([factors[1] / half[0], factors[2] / half[1]])
    normal = np.array([*slope, factors[0] - slope @ np.array(middle)])
    normal = -normal / np.linalg.norm(normal)  # (p, q, r) points away from the camera
    point = np.array([*middle, 1.0]) / factors[0]
    along = a * normal[0] + b * normal[1] + normal[2]
    return 1.0 / (terms @ factors), along, point, normal
