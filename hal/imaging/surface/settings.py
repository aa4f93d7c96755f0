"""Settings of a surface camera: its lens, the regions it follows, what a good patch must satisfy.

This module holds records only, so that a configuration is read without numba or OpenCV.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hal.messages import Pair

Pixel = Annotated[int, Meta(ge=0, le=8191)]
MOST_PATCHES = 24
"""The filter of the controller has one channel for each patch, and its cost grows with them."""


class DepthLens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pinhole of a depth camera, in pixels; x to the right, y down, z into the picture."""

    width_px: Annotated[int, Meta(ge=32, le=8192)] = 640
    height_px: Annotated[int, Meta(ge=32, le=8192)] = 480
    focal_px: Pair = (600.0, 600.0)
    centre_px: Pair = (319.5, 239.5)
    distortion: Annotated[tuple[float, ...], Meta(max_length=14)] = ()
    """OpenCV's coefficients; empty: the pictures are already free of distortion."""


class SurfaceRegion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rectangle of the picture, cut into a grid of patches."""

    name: Annotated[str, Meta(min_length=1, max_length=20)]
    left_px: Pixel
    top_px: Pixel
    width_px: Annotated[int, Meta(ge=8, le=8192)]
    height_px: Annotated[int, Meta(ge=8, le=8192)]
    columns: Annotated[int, Meta(ge=1, le=8)] = 3
    rows: Annotated[int, Meta(ge=1, le=8)] = 2


class SurfaceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The lens, the regions, and the limits of a patch."""

    lens: DepthLens = DepthLens()
    regions: Annotated[tuple[SurfaceRegion, ...], Meta(min_length=1, max_length=8)] = (
        SurfaceRegion(name="chest", left_px=215, top_px=145, width_px=210, height_px=95),
        SurfaceRegion(name="belly", left_px=215, top_px=240, width_px=210, height_px=95),
    )
    near_mm: Annotated[float, Meta(ge=50, le=10_000)] = 300.0
    far_mm: Annotated[float, Meta(ge=100, le=20_000)] = 2500.0
    """A pixel nearer or farther is no skin."""
    reach_mm: Annotated[float, Meta(gt=1, le=200)] = 60.0
    """A pixel further from the reference surface, along its normal, is something else: an arm."""
    speed_mm_s: Annotated[float, Meta(gt=1, le=2000)] = 150.0
    """A patch that moves faster between two pictures is covered or uncovered, not breathing."""
    return_mm: Annotated[float, Meta(gt=0, le=200)] = 15.0
    """A covered patch comes back no further than this from where it was seen last."""
    valid_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """A patch with fewer valid pixels that lie on one surface is not used."""
    residual_mm: Annotated[float, Meta(gt=0, le=50)] = 12.0
    """Largest standard deviation of a patch's pixels about its surface."""
    reference_pictures: Annotated[int, Meta(ge=1, le=300)] = 15
    """The reference surface is the mean of so many pictures."""
    alike_px: Annotated[float, Meta(ge=1, le=100)] = 4.0
    """So many neighbouring pixels share their noise; it raises the noise told of a patch."""
    lost_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """Without any patch for so long, the reference surface is taken anew."""


def settings_problem(settings: SurfaceSettings) -> str:
    """Return what is wrong with the settings, beginning with the key; empty when nothing is."""
    lens = settings.lens
    if min(lens.focal_px) < 20.0:
        return f"lens.focal_px: is {min(lens.focal_px):g}, at least 20 needed; calibrate the camera"
    if settings.far_mm <= settings.near_mm:
        return f"far_mm: is {settings.far_mm:g}, must exceed near_mm {settings.near_mm:g}"
    count = sum(region.columns * region.rows for region in settings.regions)
    if not 3 <= count <= MOST_PATCHES:
        return f"regions: make {count} patches, 3 to {MOST_PATCHES} are possible; change the grids"
    for region in settings.regions:
        right, bottom = region.left_px + region.width_px, region.top_px + region.height_px
        if right > lens.width_px or bottom > lens.height_px:
            return (
                f"regions: {region.name} ends at {right}, {bottom} px, the picture at "
                f"{lens.width_px}, {lens.height_px}; make the region smaller"
            )
        if min(region.width_px // region.columns, region.height_px // region.rows) < 8:
            return f"regions: a patch of {region.name} is narrower than 8 px; use fewer patches"
    return ""
