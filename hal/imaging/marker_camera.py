"""Locate markers from a stereo pair of pictures; a marker keeps its number.

Discs look alike: the known arrangement names them once, then each is followed by where it was
(`ACQUIRING`, `FOLLOWING`). ArUco markers name themselves. The error reported for a marker is
how far its rays miss their pictures, in millimetres at its distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from hal.imaging.camera_settings import MarkerSettings
from hal.imaging.constellation import Rules, read_constellation
from hal.imaging.image import Image
from hal.imaging.markers import (
    ArucoFinder,
    diagonal_crossing,
    find_discs,
)
from hal.imaging.seeds import Region
from hal.imaging.triangulation import millimetres_per_pixel, triangulate
from hal.imaging.view import Array, View
from hal.messages import BadSample, MarkerFrame, Sample

_FAR = 1e6


class MarkerCamera:
    """Locates markers in one picture pair after the other; the space is the left camera's."""

    def __init__(self, views: tuple[View, View], settings: MarkerSettings) -> None:
        if settings.aruco is None and len(settings.arrangement_mm) < 3:
            raise ValueError(
                f"{len(settings.arrangement_mm)} discs in arrangement_mm: at least 3 are needed "
                "to tell one from the other"
            )
        self.views = views
        self.settings = settings
        self._aruco = ArucoFinder(settings.aruco) if settings.aruco is not None else None
        self._planned = np.array(settings.arrangement_mm, dtype=np.float64).reshape(-1, 3)
        self._places: Array | None = None
        self._unseen = 0
        self._regions: list[Region | None] = [None, None]

    @property
    def state(self) -> str:
        """ACQUIRING while the markers are not known, FOLLOWING then."""
        return "ACQUIRING" if self._places is None else "FOLLOWING"

    def locate(self, device: str, left: Image, right: Image) -> list[Sample]:
        """Return one `MarkerFrame`, or the `BadSample` that says why there is none."""
        for view, image in zip(self.views, (left, right), strict=True):
            if image.pixels.shape[:2] != (view.height_px, view.width_px):
                size = f"{image.pixels.shape[1]} x {image.pixels.shape[0]} pixels"
                return [BadSample(device, left.t_ns, "picture size", size)]
        if self._aruco is not None:
            pictures = self._named_pictures(self._aruco, left, right)
        else:
            pictures = self._followed_pictures(left, right)
        if isinstance(pictures, str):
            return [BadSample(device, left.t_ns, "markers not recognised", pictures)]
        return [self._frame(device, left, *pictures)]

    def _named_pictures(
        self, finder: ArucoFinder, left: Image, right: Image
    ) -> tuple[Array, Array]:
        """Return pictures of the middles (k x 2 each) of ArUco markers; NaN where not seen."""
        pictures: list[Array] = []
        for side, image in enumerate((left, right)):
            found = finder.find(image.pixels, self._regions[side])
            missing = np.full(2, np.nan)
            pictures.append(
                np.array(
                    [
                        diagonal_crossing(found[name]) if name in found else missing
                        for name in finder.look.ids
                    ]
                )
            )
        return pictures[0], pictures[1]

    def _followed_pictures(self, left: Image, right: Image) -> tuple[Array, Array] | str:
        """Return the discs' pictures (k x 2 each), NaN where not seen; a sentence while unnamed."""
        spots = [
            find_discs(image.pixels, self.settings.disc, region).places_px
            for image, region in zip((left, right), self._regions, strict=True)
        ]
        if self._places is None:
            rules = Rules(
                search_mm=500.0,
                ray_mm=self.settings.ray_mm,
                residual_mm=self.settings.rigid_mm,
                turn_deg=180.0,
                least=len(self._planned),
            )
            # Arrangements are looked for from a metre away: the search centre is mid-volume.
            shift = self._middle(spots) - self._planned.mean(axis=0)
            reading = read_constellation(
                self._planned, self.views, spots[0], spots[1], rules, shift, 0.0
            )
            if isinstance(reading, str):
                return reading
            return spots[0][reading.left], spots[1][reading.right]
        return (
            self._nearest(self.views[0], spots[0], self._places),
            self._nearest(self.views[1], spots[1], self._places),
        )

    def _middle(self, spots: list[Array]) -> Array:
        """Return about where all spots are, from their mean pictures."""
        if not len(spots[0]) or not len(spots[1]):
            return np.zeros(3)
        means = [s.mean(axis=0, keepdims=True) for s in spots]
        return triangulate(*self.views, means[0], means[1]).points_mm[0]

    def _nearest(self, view: View, spots: Array, places: Array) -> Array:
        """Assign to each marker the spot nearest to its last place, no spot twice; NaN: none."""
        pictures = np.full((len(places), 2), np.nan)
        if not len(spots):
            return pictures
        expected = view.project(places)
        reach = self.settings.step_mm / view.pixel_mm(places)
        gaps = np.linalg.norm(expected[:, None] - spots[None], axis=2)
        cost = np.where(gaps <= reach[:, None], gaps, _FAR)
        rows, columns = linear_sum_assignment(cost)
        close = cost[rows, columns] < _FAR
        pictures[rows[close]] = spots[columns[close]]
        return pictures

    def _frame(self, device: str, left: Image, left_px: Array, right_px: Array) -> MarkerFrame:
        """Triangulate, check, remember, report."""
        count = len(left_px)
        seen = np.isfinite(left_px[:, 0]) & np.isfinite(right_px[:, 0])
        places, errors = np.full((count, 3), np.nan), np.zeros(count)
        if seen.any():
            met = triangulate(*self.views, left_px[seen], right_px[seen])
            scale = millimetres_per_pixel(*self.views, met.points_mm)
            places[seen], errors[seen] = met.points_mm, met.reprojection_px * scale
            near = met.ray_distance_mm <= self.settings.ray_mm
            if self._places is not None and self._aruco is None:
                moved = np.linalg.norm(met.points_mm - self._places[seen], axis=1)
                near &= moved <= self.settings.step_mm
            seen[seen] = near
        self._remember(seen, places)
        markers = tuple(
            (float(p[0]), float(p[1]), float(p[2])) if ok else None
            for p, ok in zip(places, seen, strict=True)
        )
        ticks = left.ticks if self.settings.timestamps else left.number
        return MarkerFrame(device, left.t_ns, ticks, markers, tuple(errors.tolist()))

    def _remember(self, seen: NDArray[np.bool_], places: Array) -> None:
        """Keep where markers are; the unseen move with the seen. Forget after a long absence."""
        self._unseen = 0 if seen.any() else self._unseen + 1
        if self._unseen >= self.settings.lost_frames:
            self._places, self._regions = None, [None, None]
            return
        if not seen.any():
            return
        if self._places is None:
            if not seen.all():
                return
            self._places = places.copy()
        else:
            shift = np.nanmean(np.where(seen[:, None], places - self._places, np.nan), axis=0)
            self._places = np.where(seen[:, None], places, self._places + shift)
        self._regions = [self._region(view, self._places) for view in self.views]

    def _region(self, view: View, places: Array) -> Region:
        pictures = view.project(places)
        margin = self.settings.margin_px
        if self.settings.aruco is not None:
            margin += int(self.settings.aruco.side_mm / float(view.pixel_mm(places).min()))
        low = np.floor(pictures.min(axis=0)).astype(int) - margin
        high = np.ceil(pictures.max(axis=0)).astype(int) + margin
        return (int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
