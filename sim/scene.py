"""Draw what a stereo marker camera sees: discs, ArUco markers and boards, with noise.

Discs are drawn as the projection of circles in space, each pixel the share of it they cover;
flat patterns are warped by the homography of their plane. Nothing here finds anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hal.imaging.camera_settings import StereoGeometry
from hal.imaging.stereo_geometry import stereo_views
from hal.imaging.view import Array, View
from hal.messages import Triple

Picture = NDArray[np.uint8]
_SUB = 4
_ANGLE = np.linspace(0.0, 2.0 * np.pi, 96, endpoint=False)
_TOWARDS = np.array([0.0, 0.0, -1.0])
_FIELDS = 8
"""The number of noise pictures, which are used in turn."""


@dataclass(frozen=True, slots=True)
class Light:
    """Grey levels and noise of the picture; ``blur_px`` is the lens."""

    ground: float = 30.0
    marker: float = 200.0
    noise: float = 2.0
    blur_px: float = 0.7


def stereo_camera(
    focal_px: float = 1600.0,
    size_px: tuple[int, int] = (1280, 1024),
    baseline_mm: float = 500.0,
    distance_mm: float = 1500.0,
    distortion: tuple[float, ...] = (),
) -> tuple[View, View]:
    """Return the views of `hal.imaging.stereo_geometry` by their numbers."""
    geometry = StereoGeometry(
        focal_px=focal_px,
        width_px=size_px[0],
        height_px=size_px[1],
        baseline_mm=baseline_mm,
        distance_mm=distance_mm,
    )
    return stereo_views(geometry, distortion)


def _finish(picture: NDArray[np.float32], light: Light, rng: np.random.Generator) -> Picture:
    if light.blur_px > 0.0:
        picture = cv2.GaussianBlur(picture, (0, 0), light.blur_px).astype(np.float32)
    noisy = picture + light.noise * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(noisy + 0.5, 0.0, 255.0).astype(np.uint8)


def disc_cover(
    view: View, centre: Array, normal: Array, diameter_mm: float, margin_px: int = 2
) -> tuple[int, int, NDArray[np.float32]] | None:
    """Return the share of each pixel that a disc covers, as left, top and patch.

    Returns ``None`` where the picture cuts the disc off.
    """
    normal = normal / np.linalg.norm(normal)
    first = np.cross(normal, [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    rim = np.cos(_ANGLE)[:, None] * first + np.sin(_ANGLE)[:, None] * second
    outline = view.project(centre + diameter_mm / 2.0 * rim)
    low = np.floor(outline.min(axis=0)).astype(int) - margin_px
    high = np.ceil(outline.max(axis=0)).astype(int) + margin_px + 1
    if np.any(low < 0) or high[0] > view.width_px or high[1] > view.height_px:
        return None
    width, height = high - low
    fine = np.zeros((height * _SUB * 2, width * _SUB * 2), dtype=np.uint8)
    # Pixel centres are whole numbers; a fine pixel is an eighth, drawn to a sixteenth of it.
    points: Array = ((outline - low + 0.5) * _SUB * 2 - 0.5) * 16.0
    corners: NDArray[np.int32] = np.rint(points).astype(np.int32)
    cv2.fillPoly(fine, [corners], 255, shift=4)
    coarse = cv2.resize(fine, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    return int(low[0]), int(low[1]), coarse.astype(np.float32) / np.float32(255.0)


def discs(
    view: View,
    centres_mm: Array,
    normal: Array,
    diameter_mm: float,
    light: Light,
    rng: np.random.Generator,
) -> Picture:
    """Draw bright discs of one size on a dark ground, all facing along ``normal``."""
    share = np.zeros((view.height_px, view.width_px), dtype=np.float32)
    for centre in centres_mm:
        cover = disc_cover(view, centre, normal, diameter_mm)
        if cover is not None:
            left, top, coarse = cover
            patch = share[top : top + coarse.shape[0], left : left + coarse.shape[1]]
            np.maximum(patch, coarse, out=patch)
    return _finish(light.ground + (light.marker - light.ground) * share, light, rng)


class DiscPictures:
    """Draws pictures of discs quickly: noise is drawn once, and each disc only in its own patch.

    All discs face the left camera; positions are in its frame.
    """

    def __init__(
        self, views: tuple[View, View], diameter_mm: float, seed: int, light: Light | None = None
    ) -> None:
        self._views = views
        self._diameter_mm = diameter_mm
        self._light = light or Light()
        self._rng = np.random.default_rng([seed, 0x4D])
        shape = (_FIELDS, views[0].height_px, views[0].width_px)
        noise = self._rng.standard_normal(shape, dtype=np.float32)
        self._fields = self._light.ground + self._light.noise * noise
        self._plain = np.clip(self._fields + 0.5, 0.0, 255.0).astype(np.uint8)

    def draw(self, side: int, places_mm: Sequence[Triple | None]) -> Picture:
        """Return one side's picture; a marker that is ``None`` is hidden."""
        light, number = self._light, int(self._rng.integers(_FIELDS))
        picture = self._plain[number].copy()
        for place in places_mm:
            if place is None:
                continue
            cover = disc_cover(
                self._views[side], np.array(place), _TOWARDS, self._diameter_mm, margin_px=5
            )
            if cover is None:
                continue
            left, top, share = cover
            if light.blur_px > 0.0:
                share = cv2.GaussianBlur(share, (0, 0), light.blur_px)
            rows, columns = slice(top, top + share.shape[0]), slice(left, left + share.shape[1])
            lit = self._fields[number, rows, columns] + (light.marker - light.ground) * share
            patch = picture[rows, columns]
            np.maximum(patch, np.clip(lit + 0.5, 0.0, 255.0).astype(np.uint8), out=patch)
        return picture


def flat_pattern(
    view: View,
    pattern: Picture,
    corner_mm: Array,
    across: Array,
    down: Array,
    size_mm: tuple[float, float],
    light: Light,
    rng: np.random.Generator,
    picture: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Lay a printed pattern into the picture.

    ``corner_mm`` is its top left, ``across`` and ``down`` are unit vectors along its edges.
    Distortion of the lens is not drawn.
    """
    if picture is None:
        picture = np.full((view.height_px, view.width_px), light.marker, dtype=np.float32)
    edges = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    places = corner_mm + edges[:, :1] * size_mm[0] * across + edges[:, 1:] * size_mm[1] * down
    rows, columns = pattern.shape
    source = (edges * [columns, rows] - 0.5).astype(np.float32)
    fine = 4
    target = ((view.project(places) + 0.5) * fine - 0.5).astype(np.float32)
    homography = cv2.getPerspectiveTransform(source, target)
    size = (view.width_px * fine, view.height_px * fine)
    # A pattern much finer than the picture would alias: shrink it to the picture's scale first.
    warped = cv2.warpPerspective(pattern, homography, size, flags=cv2.INTER_AREA)
    mask = cv2.warpPerspective(np.full_like(pattern, 255), homography, size)
    small = (view.width_px, view.height_px)
    inked = cv2.resize(warped, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    share = cv2.resize(mask, small, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    ink = light.ground + (light.marker - light.ground) * inked / 255.0
    laid = picture * (1.0 - share) + (ink - light.ground) + light.ground * share
    return laid.astype(np.float32)


def finish(picture: NDArray[np.float32], light: Light, rng: np.random.Generator) -> Picture:
    """Blur a picture made with `flat_pattern`, add noise and convert it to eight bits."""
    return _finish(picture, light, rng)
