"""Find markers in a camera picture: round discs by their grey-value centroid, or ArUco markers.

A disc's middle is the centroid of the light above the ground around it, which uses every pixel
of its edge and is good to a fiftieth of a pixel; an ArUco marker's is where the diagonals of
its refined corners cross, which perspective does not move, and it carries its own name.
"""

# pyright: basic
# (OpenCV types every picture as a matrix of anything: there is nothing to be strict about.)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from hal.imaging.camera_settings import ArucoLook, DiscLook
from hal.imaging.image import Pixels
from hal.imaging.seeds import Region
from hal.imaging.view import Array, View

_PROFILES = 24


@dataclass(frozen=True, slots=True, eq=False)
class Spots:
    """Middles of discs (n x 2, pixels) and their areas (n, square pixels), largest first."""

    places_px: Array
    areas_px2: Array


def find_discs(pixels: Pixels, look: DiscLook, region: Region | None = None) -> Spots:
    """Find discs in a grey picture, or in a part of it."""
    rows, columns = pixels.shape[:2]
    x0, y0, width, height = region if region is not None else (0, 0, columns, rows)
    x1, y1 = min(columns, max(0, x0) + width), min(rows, max(0, y0) + height)
    x0, y0 = max(0, x0), max(0, y0)
    part = pixels[y0:y1, x0:x1]
    if part.shape[0] < 8 or part.shape[1] < 8:
        return Spots(np.zeros((0, 2)), np.zeros(0))
    if not look.bright:
        part = cv2.bitwise_not(part)
    level = float(look.threshold) if look.threshold else _otsu(part)
    mask = (part > level).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found: list[tuple[float, float, float]] = []
    wide, high, area = (
        stats[1:, k].astype(float)
        for k in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA)
    )
    fits = (area >= look.least_px) & (area <= look.most_px)
    fits &= np.minimum(wide, high) >= look.roundness * np.maximum(wide, high)
    fits &= area >= look.roundness * np.pi / 4.0 * wide * high
    for index in np.nonzero(fits)[0]:
        left, top = int(stats[index + 1, cv2.CC_STAT_LEFT]), int(stats[index + 1, cv2.CC_STAT_TOP])
        box = (left, top, int(wide[index]), int(high[index]))
        middle = _centroid(part, box)
        if middle is not None:
            found.append((float(area[index]), middle[0] + x0, middle[1] + y0))
    found.sort(reverse=True)
    table = np.array(found[: look.most]).reshape(-1, 3)
    return Spots(table[:, 1:], table[:, 0])


def _otsu(part: Any) -> float:
    """Return a threshold between ground and light, from every fourth pixel."""
    sample = np.ascontiguousarray(part[::4, ::4])
    level, _ = cv2.threshold(sample, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    darkest, lightest = float(sample.min()), float(sample.max())
    # Where markers are few Otsu may split the noise; halfway up is then the better edge.
    return max(float(level), darkest + 0.35 * (lightest - darkest))


def _centroid(part: Any, box: Region) -> tuple[float, float] | None:
    """Return the centroid of the light above the background in a box; ``None`` at the edge."""
    margin = 3
    left, top, width, height = box
    x0, y0, x1, y1 = left - margin, top - margin, left + width + margin, top + height + margin
    if x0 < 0 or y0 < 0 or x1 > part.shape[1] or y1 > part.shape[0]:
        return None
    patch = part[y0:y1, x0:x1].astype(np.float64)
    rim = np.concatenate([patch[0], patch[-1], patch[1:-1, 0], patch[1:-1, -1]])
    ground = float(np.median(rim))
    noise = 1.4826 * float(np.median(np.abs(rim - ground)))
    light = patch - ground
    # Where it is no brighter than the ground's noise there is no marker, only lever arm.
    light[light < 3.0 * noise + 0.05 * light.max()] = 0.0
    total = float(light.sum())
    if total <= 0.0:
        return None
    across, down = light.sum(axis=0), light.sum(axis=1)
    x = float(across @ np.arange(patch.shape[1])) / total
    y = float(down @ np.arange(patch.shape[0])) / total
    return x + x0, y + y0


class ArucoFinder:
    """Finds ArUco markers by name."""

    def __init__(self, look: ArucoLook) -> None:
        self.look = look
        code = int(getattr(cv2.aruco, f"DICT_{look.dictionary}"))
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        parameters.adaptiveThreshWinSizeMin = 7
        parameters.adaptiveThreshWinSizeMax = 23
        parameters.adaptiveThreshWinSizeStep = 16
        self._detector = cv2.aruco.ArucoDetector(
            cv2.aruco.getPredefinedDictionary(code), parameters
        )

    def find(self, pixels: Pixels, region: Region | None = None) -> dict[int, Array]:
        """Return corners (4 x 2, pixels) of each wanted marker; seen twice counts as not seen."""
        rows, columns = pixels.shape[:2]
        x0, y0, width, height = region if region is not None else (0, 0, columns, rows)
        x1, y1 = min(columns, max(0, x0) + width), min(rows, max(0, y0) + height)
        x0, y0 = max(0, x0), max(0, y0)
        part = np.ascontiguousarray(pixels[y0:y1, x0:x1])
        if part.shape[0] < 16 or part.shape[1] < 16:
            return {}
        if part.dtype == np.uint16:
            part = cv2.convertScaleAbs(part, alpha=255.0 / max(1.0, float(part.max())))
        corners, names, _ = self._detector.detectMarkers(part)
        if names is None:
            return {}
        found: dict[int, Array] = {}
        twice: set[int] = set()
        for name, four in zip(np.ravel(names).tolist(), corners, strict=True):
            if name in found:
                twice.add(int(name))
            elif name in self.look.ids:
                rough = np.asarray(four, dtype=np.float64).reshape(4, 2)
                found[int(name)] = sharpen_corners(part, rough) + (x0, y0)
        return {name: four for name, four in found.items() if name not in twice}


def sharpen_corners(pixels: Any, corners_px: Array) -> Array:
    """Corners (4 x 2) where lines through the four edges cross, each edge seen in many profiles.

    Blur rounds a corner but not a whole edge. Corners stay where they were when their edges
    cannot be followed.
    """
    starts, ends = corners_px, np.roll(corners_px, -1, axis=0)
    along = ends - starts
    lengths = np.linalg.norm(along, axis=1)
    if lengths.min() < 8.0:
        return corners_px
    normals = np.column_stack([along[:, 1], -along[:, 0]]) / lengths[:, None]
    part = np.linspace(0.12, 0.88, _PROFILES)
    feet = starts[:, None] + part[None, :, None] * along[:, None]
    reach = float(np.clip(0.08 * lengths.min(), 2.0, 4.0))
    steps = np.arange(-reach, reach + 0.25, 0.5)
    spots = feet[:, :, None] + steps[None, None, :, None] * normals[:, None, None]
    flat = spots.reshape(4 * _PROFILES, len(steps), 2).astype(np.float32)
    grey = cv2.remap(
        pixels, flat[..., 0], flat[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    slope = np.diff(np.asarray(grey, dtype=np.float64), axis=1)
    # Outside a marker is its light margin: only rises outwards count as edge.
    weight = np.clip(slope, 0.0, None) ** 2
    total = weight.sum(axis=1)
    between = (steps[:-1] + steps[1:]) / 2.0
    offset = (weight @ between / np.maximum(total, 1e-9)).reshape(4, _PROFILES)
    edges = feet + offset[:, :, None] * normals[:, None]
    lines = [_line(edges[k], total.reshape(4, _PROFILES)[k]) for k in range(4)]
    sharp = corners_px.copy()
    for k in range(4):
        (point, way), (other, direction) = lines[k - 1], lines[k]
        cross = way[0] * direction[1] - way[1] * direction[0]
        if abs(cross) < 0.1:
            return corners_px
        gap = other - point
        sharp[k] = point + (gap[0] * direction[1] - gap[1] * direction[0]) / cross * way
    moved = np.linalg.norm(sharp - corners_px, axis=1)
    return sharp if moved.max() <= reach else corners_px


def _line(points: Array, weights: Array) -> tuple[Array, Array]:
    """Return a point and the direction of the line through points (n x 2), without the outliers."""
    keep = weights > 0.1 * np.median(weights)
    middle, way = points.mean(axis=0), np.array([1.0, 0.0])
    for _ in range(2):
        chosen = points[keep] if keep.sum() >= 4 else points
        middle = chosen.mean(axis=0)
        xx, xy, yy = _moments(chosen - middle)
        angle = 0.5 * np.arctan2(2.0 * xy, xx - yy)
        way = np.array([np.cos(angle), np.sin(angle)])
        off = np.abs((points - middle) @ np.array([-way[1], way[0]]))
        keep &= off <= max(0.15, 2.5 * float(np.median(off[keep]))) if keep.any() else True
    return middle, way


def _moments(centred: Array) -> tuple[float, float, float]:
    x, y = centred[:, 0], centred[:, 1]
    return float(x @ x), float(x @ y), float(y @ y)


def diagonal_crossing(corners_px: Array) -> Array:
    """Return where the diagonals of a marker cross (2): the picture of its middle."""
    a, b, c, d = corners_px
    first, second = c - a, d - b
    cross = first[0] * second[1] - first[1] * second[0]
    along = ((b - a)[0] * second[1] - (b - a)[1] * second[0]) / cross
    return a + along * first


def marker_pose(view: View, corners_px: Array, side_mm: float) -> tuple[Array, Array, float]:
    """Return where one camera alone sees a square marker.

    Middle (3, mm) and turn (3 x 3), and how well.

    In the view's own axes; the last is the root mean square reprojection error in pixels.
    ``cv2.solvePnP`` with IPPE for squares; OpenCV 5 has no ``estimatePoseSingleMarkers``.
    """
    half = side_mm / 2.0
    square = np.array(
        [[-half, half, 0.0], [half, half, 0.0], [half, -half, 0.0], [-half, -half, 0.0]]
    )
    distortion = view.distortion if view.distortion.size else np.zeros(5)
    _, turn, shift = cv2.solvePnP(
        square, corners_px, view.camera_matrix, distortion, flags=cv2.SOLVEPNP_IPPE_SQUARE
    )
    again, _ = cv2.projectPoints(square, turn, shift, view.camera_matrix, distortion)
    off = np.asarray(again).reshape(4, 2) - corners_px
    rotation, _ = cv2.Rodrigues(turn)
    error = float(np.sqrt(np.mean(np.sum(off**2, axis=1))))
    middle = np.asarray(shift, dtype=np.float64).ravel()
    return middle, np.asarray(rotation, dtype=np.float64), error
