"""Locate fiducials in a stereo radiograph: find seeds, name them, refine, check.

A fiducial is reported only when both its pictures look like a seed, its rays meet, and it lies
in the rigid arrangement with the others; one that fails a test is missing (``None``). A shot
whose assignment is in doubt reports no fiducial and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hal.imaging.blobs import fit_blobs, groups, sharpen
from hal.imaging.constellation import Reading, Rules, read_constellation
from hal.imaging.rigid import fit_pose
from hal.imaging.seeds import Candidates, Region, SeedLook, find_seeds
from hal.imaging.triangulation import meet
from hal.imaging.view import Array, View
from hal.messages import Triple

Picture = NDArray[np.uint16] | NDArray[np.uint8]


class FiducialSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The seeds in the patient and what a located one must satisfy.

    ``likeness`` is the least correlation of a seed's picture with the fitted rod,
    ``sigma_px`` the largest standard deviation of its middle, ``ray_mm`` how far its two rays
    may miss each other after the fit, ``swap_mm`` by how much the chosen naming of touching
    seeds must beat the exchanged one.
    """

    diameter_mm: Annotated[float, Meta(gt=0.1, le=10)] = 1.0
    length_mm: Annotated[float, Meta(ge=0, le=30)] = 3.0
    snr: Annotated[float, Meta(ge=3, le=100)] = 7.0
    likeness: Annotated[float, Meta(ge=0, lt=1)] = 0.8
    sigma_px: Annotated[float, Meta(gt=0, le=10)] = 0.5
    ray_mm: Annotated[float, Meta(gt=0, le=10)] = 0.6
    swap_mm: Annotated[float, Meta(gt=0, le=10)] = 0.3
    touching_mm: Annotated[float, Meta(gt=0, le=10)] = 0.7
    rules: Rules = Rules()


@dataclass(frozen=True, slots=True)
class LocatedFiducials:
    """Result of a shot: one position for each planned fiducial, or ``None``.

    ``doubt`` says why none.

    ``residual_mm`` and ``ray_mm`` are the largest among the reported; ``confidence`` the least
    likeness of their pictures (0 to 1).
    """

    fiducials_mm: tuple[Triple | None, ...]
    doubt: str = ""
    residual_mm: float = 0.0
    ray_mm: float = 0.0
    turn_deg: float = 0.0
    confidence: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Pictured:
    """Sub-pixel places of the fiducials in one view (k x 2), likeness (k), who is doubtful."""

    places_px: Array
    likeness: Array
    good: NDArray[np.bool_]
    group: NDArray[np.intp]
    alone: NDArray[np.bool_]


def seed_look(view: View, at_mm: Array, settings: FiducialSettings) -> SeedLook:
    """Return a seed's size on a view's panel when it is at ``at_mm``."""
    pixel = float(view.pixel_mm(at_mm[None])[0])
    return SeedLook(
        radius_px=settings.diameter_mm / 2.0 / pixel,
        length_px=settings.length_mm / pixel,
        snr=settings.snr,
    )


def _region(view: View, centre: Array, reach_mm: float) -> Region:
    """Return the part of a picture in which the arrangement must be."""
    middle = view.project(centre[None])[0]
    reach = reach_mm / float(view.pixel_mm(centre[None])[0]) + 40.0
    return (int(middle[0] - reach), int(middle[1] - reach), int(2 * reach), int(2 * reach))


def _picture_fit(
    candidates: Candidates,
    used: NDArray[np.intp],
    posed_px: Array,
    look: SeedLook,
    settings: FiducialSettings,
) -> _Pictured:
    """Fit the assigned seeds of one view, touching ones and their neighbours together."""
    count = len(used)
    starts = np.where((used >= 0)[:, None], candidates.places_px[used], np.nan)
    for index in np.nonzero(used >= 0)[0]:
        # Seeds that share one blob start from where the pose puts them.
        if (used == used[index]).sum() > 1:
            starts[index] = posed_px[index]
    named = np.nonzero(used >= 0)[0]
    spare = np.setdiff1d(np.arange(len(candidates.places_px)), used[named])
    everything = np.vstack([starts[named], candidates.places_px[spare]])
    reach = look.length_px + 2.0 * look.radius_px
    owner = groups(everything, reach)
    places, likeness = np.full((count, 2), np.nan), np.zeros(count)
    good, group = np.zeros(count, dtype=bool), np.full(count, -1, dtype=np.intp)
    alone = np.zeros(count, dtype=bool)
    for number in np.unique(owner[: len(named)]):
        members = np.nonzero(owner == number)[0]
        fit = fit_blobs(
            candidates.flat,
            everything[members] - candidates.offset_px,
            look.radius_px,
            look.length_px,
        )
        if fit is None:
            continue
        for position, member in enumerate(members):
            if member >= len(named):
                continue
            index = named[member]
            places[index] = fit.middles_px[position] + candidates.offset_px
            likeness[index] = fit.likeness[position]
            group[index] = number
            alone[index] = len(members) == 1
            good[index] = (
                fit.likeness[position] >= settings.likeness
                and fit.sigma_px[position] <= settings.sigma_px
                and fit.plausible[position]
            )
    return _Pictured(places, likeness, good, group, alone)


def _misfit(planned: Array, views: tuple[View, View], left: Array, right: Array) -> float:
    """Return the root mean square of rigid residual and ray distance over a naming."""
    points, miss = meet(views[0], views[1], left, right)
    pose = fit_pose(planned, points)
    off = np.sum((pose.put(planned) - points) ** 2, axis=1)
    return float(np.mean(np.asarray(off + miss**2, dtype=np.float64))) ** 0.5


class FiducialFinder:
    """Finds a known arrangement of seeds in stereo radiographs.

    ``planned_mm`` are the fiducials in the fixed frame as planned; ``views`` the calibrated
    pair. Stateless between shots: each is read on its own.
    """

    def __init__(
        self,
        views: tuple[View, View],
        planned_mm: tuple[Triple, ...],
        settings: FiducialSettings | None = None,
    ) -> None:
        if not planned_mm:
            raise ValueError("planned_mm is empty: name at least one fiducial")
        self.views = views
        self.planned_mm = np.array(planned_mm, dtype=np.float64)
        self.settings = settings if settings is not None else FiducialSettings()

    def locate(
        self, left: Picture, right: Picture, expected_mm: Triple | None = None
    ) -> LocatedFiducials:
        """Read one pair; ``expected_mm`` is the arrangement's expected shift from its plan.

        With an expectation only the part of the pictures within ``rules.search_mm`` of it is
        looked at; without, the plan itself is expected.
        """
        rules = self.settings.rules
        shift = np.zeros(3) if expected_mm is None else np.array(expected_mm)
        centre = self.planned_mm.mean(axis=0) + shift
        reach = rules.search_mm + float(
            np.linalg.norm(self.planned_mm - self.planned_mm.mean(axis=0), axis=1).max()
        )
        seen: list[Candidates] = []
        looks: list[SeedLook] = []
        for view, picture in zip(self.views, (left, right), strict=True):
            if picture.shape[:2] != (view.height_px, view.width_px):
                return self._none(
                    f"picture of {picture.shape[1]} x {picture.shape[0]} pixels, calibrated for "
                    f"{view.width_px} x {view.height_px}"
                )
            look = seed_look(view, centre, self.settings)
            looks.append(look)
            candidates = find_seeds(picture, look, _region(view, centre, reach))
            seen.append(sharpen(candidates, look.radius_px, look.length_px, self.settings.likeness))
        touching = looks[0].length_px + 2.0 * looks[0].radius_px
        reading = read_constellation(
            self.planned_mm,
            self.views,
            seen[0].places_px,
            seen[1].places_px,
            rules,
            shift,
            touching,
        )
        if isinstance(reading, str):
            return self._none(reading)
        return self._measure(reading, seen, looks)

    def _none(self, doubt: str) -> LocatedFiducials:
        return LocatedFiducials((None,) * len(self.planned_mm), doubt)

    def _measure(
        self, reading: Reading, seen: list[Candidates], looks: list[SeedLook]
    ) -> LocatedFiducials:
        """Refine the positions to a fraction of a pixel, then remove those that fail a check."""
        posed = reading.pose.put(self.planned_mm)
        left, right = (
            _picture_fit(seen[i], used, self.views[i].project(posed), looks[i], self.settings)
            for i, used in enumerate((reading.left, reading.right))
        )
        good = left.good & right.good
        points = np.full((len(good), 3), np.nan)
        miss = np.full(len(good), np.inf)
        if good.any():
            points[good], miss[good] = meet(
                self.views[0], self.views[1], left.places_px[good], right.places_px[good]
            )
        good &= miss <= self.settings.ray_mm
        good &= ~self._exchangeable(good, left, right)
        residual = np.zeros(len(good))
        while good.sum() >= self._least:
            pose = fit_pose(self.planned_mm[good], points[good])
            residual[good] = np.linalg.norm(pose.put(self.planned_mm[good]) - points[good], axis=1)
            limit = np.where(
                left.alone & right.alone,
                self.settings.rules.residual_mm,
                self.settings.touching_mm,
            )
            over = np.where(good, residual - limit, -np.inf)
            if over.max() <= 0.0:
                return self._located(good, points, miss, residual, pose.angle_deg, left, right)
            good[np.argmax(over)] = False
        return self._none(
            f"{int(good.sum())} fiducials passed the checks, at least {self._least} needed"
        )

    @property
    def _least(self) -> int:
        return min(self.settings.rules.least, len(self.planned_mm))

    def _located(
        self,
        good: NDArray[np.bool_],
        points: Array,
        miss: Array,
        residual: Array,
        angle: float,
        left: _Pictured,
        right: _Pictured,
    ) -> LocatedFiducials:
        places = tuple(
            (float(p[0]), float(p[1]), float(p[2])) if ok else None
            for p, ok in zip(points, good, strict=True)
        )
        sure = float(np.minimum(left.likeness, right.likeness)[good].min())
        return LocatedFiducials(
            places, "", float(residual[good].max()), float(miss[good].max()), angle, sure
        )

    def _exchangeable(
        self, good: NDArray[np.bool_], left: _Pictured, right: _Pictured
    ) -> NDArray[np.bool_]:
        """Return touching seeds whose names could be exchanged without being noticed."""
        doubtful = np.zeros(len(good), dtype=bool)
        index = np.nonzero(good)[0]
        if len(index) < 2:
            return doubtful
        planned = self.planned_mm[index]
        places = [left.places_px[index], right.places_px[index]]
        chosen = _misfit(planned, self.views, places[0], places[1])
        for side, pictured in enumerate((left, right)):
            for one, two in combinations(range(len(index)), 2):
                if pictured.group[index[one]] != pictured.group[index[two]]:
                    continue
                swapped = [p.copy() for p in places]
                swapped[side][[one, two]] = swapped[side][[two, one]]
                other = _misfit(planned, self.views, swapped[0], swapped[1])
                if other < chosen + self.settings.swap_mm:
                    doubtful[index[[one, two]]] = True
        return doubtful
