"""Settings of a stereo marker camera: which markers it looks for, and the pose of its two views.

This module holds records only, so that a configuration is read without OpenCV.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hal.messages import Triple


class DiscLook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a disc looks like.

    ``threshold`` 0 finds one itself (Otsu); ``roundness`` is the least share of its bounding
    ellipse that a disc fills and the least ratio of the sides.
    """

    bright: bool = True
    threshold: Annotated[int, Meta(ge=0, le=65_535)] = 0
    least_px: Annotated[float, Meta(gt=0)] = 12.0
    most_px: Annotated[float, Meta(gt=0)] = 4000.0
    roundness: Annotated[float, Meta(gt=0, le=1)] = 0.6
    most: Annotated[int, Meta(ge=1, le=500)] = 50


class ArucoLook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which ArUco markers, in the order of the reported frame, and how large."""

    ids: tuple[int, ...]
    dictionary: Literal["4X4_50", "4X4_100", "5X5_100", "6X6_250", "APRILTAG_36h11"] = "4X4_50"
    side_mm: Annotated[float, Meta(gt=1, le=500)] = 20.0


class MarkerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which markers, and what a located one must satisfy.

    ``arrangement_mm`` are the discs to each other, in any frame (three or more, no two
    distances alike), ``aruco`` instead names them. ``step_mm`` is how far a marker moves at
    most between frames, ``ray_mm`` how far its rays may miss each other, ``margin_px`` how
    much of the picture around the markers is looked at. ``lost_frames`` without any marker
    make the discs be named anew.
    """

    arrangement_mm: tuple[Triple, ...] = ()
    aruco: ArucoLook | None = None
    disc: DiscLook = DiscLook()
    step_mm: Annotated[float, Meta(gt=0, le=200)] = 15.0
    ray_mm: Annotated[float, Meta(gt=0, le=50)] = 1.5
    rigid_mm: Annotated[float, Meta(gt=0, le=50)] = 6.0
    margin_px: Annotated[int, Meta(ge=8, le=1000)] = 64
    lost_frames: Annotated[int, Meta(ge=1, le=1000)] = 10
    timestamps: bool = False
    """Report the camera's nanoseconds as ``ticks`` instead of its frame count."""


class StereoGeometry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two like cameras side by side, both turned to a point ``distance_mm`` in front of them.

    This is the nominal geometry, used until a board calibration replaces it (unverified).
    """

    focal_px: Annotated[float, Meta(ge=100, le=20_000)] = 1600.0
    width_px: Annotated[int, Meta(ge=64, le=8192)] = 640
    height_px: Annotated[int, Meta(ge=64, le=8192)] = 512
    baseline_mm: Annotated[float, Meta(ge=20, le=5000)] = 500.0
    distance_mm: Annotated[float, Meta(ge=100, le=10_000)] = 1500.0
