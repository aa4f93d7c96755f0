"""Find and name the fiducials in one projection, from where they are expected.

One picture says nothing of depth, so the seeds are named by their shape as it is pictured from this
angle: the planned arrangement, shifted within the picture and turned by a few degrees. Every pair
of a candidate and a planned seed proposes a shift. The shift that explains the candidates at the
lowest cost is taken: squared residuals, squared shift and turn against what is expected of them,
and a price for each seed that is not found. A seed that another shift, nearly as cheap, puts
elsewhere is missing. A picture in which too few seeds are left reports none and says why: a wrong
name is worse than no name.
"""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hal.imaging.blobs import fit_blobs, groups
from hal.imaging.seeds import Candidates, SeedLook, find_seeds
from hal.imaging.view import Array, View
from hal.messages import Triple

Picture = NDArray[np.uint16] | NDArray[np.uint8]

_BORDER_PX = 40.0
_NOT_FOUND = -1
_MOST_MOVED = 1.5
"""Radii by which the fit of a picture larger than a seed may leave the middle of the spot."""


class ProjectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The seeds in the patient, and what is expected of them in one projection."""

    diameter_mm: Annotated[float, Meta(gt=0.1, le=10)] = 1.0
    length_mm: Annotated[float, Meta(ge=0, le=30)] = 3.0
    snr: Annotated[float, Meta(ge=3, le=100)] = 7.0
    most: Annotated[int, Meta(ge=2, le=200)] = 16
    """Candidates that are looked at, strongest first."""
    likeness: Annotated[float, Meta(ge=0, lt=1)] = 0.75
    """Least correlation of a seed's picture with the fitted rod."""
    sigma_px: Annotated[float, Meta(gt=0, le=10)] = 0.6
    any_size: bool = False
    """Whether a picture may be larger than a seed, by motion and noise, where it touches none."""
    place_mm: Annotated[float, Meta(gt=0, le=5)] = 0.35
    """Standard deviation of a seed's place in the arrangement (detection, migration)."""
    turn_deg: Annotated[float, Meta(gt=0, le=30)] = 6.0
    """Standard deviation of the arrangement's turn about each axis."""
    residual_mm: Annotated[float, Meta(gt=0, le=10)] = 0.9
    """Largest distance of a seed from its place in the fitted arrangement."""
    missing_cost: Annotated[float, Meta(gt=0, le=200)] = 16.0
    """Cost of a seed that is not found, in squared standard deviations."""
    rival_cost: Annotated[float, Meta(gt=0, le=200)] = 12.0
    """By how much the best naming must beat another one that puts a seed elsewhere."""
    apart_mm: Annotated[float, Meta(gt=0, le=10)] = 1.0
    """Two namings differ if they put a seed further apart than this."""
    least: Annotated[int, Meta(ge=1, le=20)] = 2


class NamedSeeds(NamedTuple):
    """Result of one projection: a place in the picture (pixels) for each planned seed."""

    places_px: tuple[tuple[float, float] | None, ...]
    doubt: str = ""
    """Why none is reported; empty: some are."""
    residual_mm: float = 0.0
    """The largest distance of a reported seed from its place in the arrangement."""


class _Naming(NamedTuple):
    """One way to name the candidates: its cost, and which candidate each seed is."""

    cost: float
    used: tuple[int, ...]
    posed_px: Array
    """Where the fitted arrangement puts every seed."""


class ProjectionFinder:
    """Finds a known arrangement of seeds in single projections; stateless between pictures."""

    def __init__(
        self, planned_mm: tuple[Triple, ...], settings: ProjectionSettings | None = None
    ) -> None:
        """Take the planned seeds in the fixed frame, around the target's reference point."""
        if not planned_mm:
            raise ValueError("planned_mm is empty: name at least one fiducial")
        self.planned_mm = np.array(planned_mm, dtype=np.float64)
        self.settings = ProjectionSettings() if settings is None else settings
        self._arms = self.planned_mm - self.planned_mm.mean(axis=0)

    def find(
        self, picture: Picture, view: View, expected_mm: Triple, sigma_mm: float
    ) -> NamedSeeds:
        """Find the seeds; the target is expected at ``expected_mm`` give or take ``sigma_mm``.

        Seeds further than four times ``sigma_mm`` (but at least 6 mm) are not looked for.
        """
        if picture.shape[:2] != (view.height_px, view.width_px):
            return self._none(
                f"picture of {picture.shape[1]} x {picture.shape[0]} pixels, calibrated for "
                f"{view.width_px} x {view.height_px}"
            )
        places = self.planned_mm + np.array(expected_mm)
        pixel_mm = float(view.pixel_mm(places.mean(axis=0)[None])[0])
        reach_mm = max(6.0, 4.0 * sigma_mm)
        expected_px = view.project(places)
        look = SeedLook(
            radius_px=self.settings.diameter_mm / 2.0 / pixel_mm,
            length_px=self.settings.length_mm / pixel_mm,
            snr=self.settings.snr,
            most=self.settings.most,
        )
        seen = self._candidates(picture, expected_px, reach_mm / pixel_mm, look)
        if not len(seen.places_px):
            return self._none("nothing in the picture looks like a seed")
        turns = self._turns(view, places, pixel_mm)
        namings = self._namings(seen.places_px, expected_px, turns, pixel_mm, reach_mm, sigma_mm)
        if not namings:
            return self._none("no part of the picture looks like the arrangement")
        best = min(namings, key=lambda naming: naming.cost)
        sure = self._undisputed(best, namings, seen.places_px, pixel_mm)
        return self._measured(best, sure, seen, look, turns, expected_px, pixel_mm)

    def _none(self, doubt: str) -> NamedSeeds:
        return NamedSeeds((None,) * len(self.planned_mm), doubt)

    def _candidates(
        self, picture: Picture, expected_px: Array, reach_px: float, look: SeedLook
    ) -> Candidates:
        """Look for seeds around where they are expected; several peaks of one spot are one."""
        low = expected_px.min(axis=0) - reach_px - _BORDER_PX
        high = expected_px.max(axis=0) + reach_px + _BORDER_PX
        x, y, width, height = (int(v) for v in (*low, *(high - low)))
        seen = find_seeds(picture, look, (x, y, width, height))
        kept: list[int] = []
        for index, middle in enumerate(seen.middles_px):
            if all(np.linalg.norm(middle - seen.middles_px[k]) > look.radius_px for k in kept):
                kept.append(index)
        return Candidates(
            seen.middles_px[kept], seen.middles_px[kept], seen.snr[kept], seen.flat,
            seen.offset_px, seen.noise, seen.dropped,
        )  # fmt: skip

    def _turns(self, view: View, places: Array, pixel_mm: float) -> Array:
        """Return how each seed moves in the picture (mm) by one radian about each axis."""
        moved = np.empty((len(places), 2, 3))
        for axis, direction in enumerate(np.eye(3)):
            arms = np.asarray(np.cross(direction, self._arms), dtype=np.float64)
            shifted = places + 0.01 * arms
            moved[:, :, axis] = (view.project(shifted) - view.project(places)) * pixel_mm / 0.01
        return moved

    def _namings(
        self,
        candidates_px: Array,
        expected_px: Array,
        turns: Array,
        pixel_mm: float,
        reach_mm: float,
        sigma_mm: float,
    ) -> list[_Naming]:
        """Return every way of naming that a candidate and a planned seed propose together."""
        reach_px = reach_mm / pixel_mm
        near_px = (self.settings.residual_mm + self._widest_turn_mm(turns)) / pixel_mm
        found: dict[tuple[int, ...], _Naming] = {}
        for place in candidates_px:
            for expected in expected_px:
                shift = place - expected
                if np.linalg.norm(shift) > reach_px:
                    continue
                used = _assigned(candidates_px, expected_px + shift, near_px)
                if used in found:
                    continue
                found[used] = self._judged(
                    used, candidates_px, expected_px, turns, pixel_mm, sigma_mm
                )
        return [each for each in found.values() if np.isfinite(each.cost)]

    def _widest_turn_mm(self, turns: Array) -> float:
        """Return how far the likely turns move a seed in the picture."""
        turn = np.radians(self.settings.turn_deg)
        return float(np.sqrt((turns**2).sum(axis=(1, 2)).max())) * turn

    def _judged(
        self,
        used: tuple[int, ...],
        candidates_px: Array,
        expected_px: Array,
        turns: Array,
        pixel_mm: float,
        sigma_mm: float,
    ) -> _Naming:
        """Fit shift and turn to one naming, leave out what does not fit, and give its cost."""
        settings = self.settings
        named = [seed for seed, which in enumerate(used) if which >= 0]
        while True:
            off_mm = (candidates_px[[used[seed] for seed in named]] - expected_px[named]) * pixel_mm
            fit = _fit(off_mm, turns[named], sigma_mm, settings)
            apart = np.linalg.norm(off_mm - _moved(fit, turns[named]), axis=1)
            if len(named) < 2 or apart.max() <= settings.residual_mm:
                break
            named.pop(int(apart.argmax()))
        kept = tuple(which if seed in named else _NOT_FOUND for seed, which in enumerate(used))
        shift, turn = fit[:2], fit[2:]
        cost = float((apart**2).sum()) / settings.place_mm**2
        cost += float(shift @ shift) / max(sigma_mm, 0.3) ** 2
        cost += float(turn @ turn) / np.radians(settings.turn_deg) ** 2
        cost += settings.missing_cost * (len(used) - len(named))
        return _Naming(cost, kept, expected_px + _moved(fit, turns) / pixel_mm)

    def _undisputed(
        self, best: _Naming, namings: list[_Naming], candidates_px: Array, pixel_mm: float
    ) -> NDArray[np.bool_]:
        """Return which seeds no other naming, nearly as cheap, puts elsewhere."""
        settings = self.settings
        sure = np.array([which >= 0 for which in best.used])
        for other in namings:
            if other.used == best.used or other.cost > best.cost + settings.rival_cost:
                continue
            apart = np.linalg.norm(other.posed_px - best.posed_px, axis=1) * pixel_mm
            differs = np.array(other.used) != np.array(best.used)
            sure &= ~(differs & (apart > settings.apart_mm) & (np.array(other.used) >= 0))
        return sure

    def _measured(
        self,
        best: _Naming,
        sure: NDArray[np.bool_],
        seen: Candidates,
        look: SeedLook,
        turns: Array,
        expected_px: Array,
        pixel_mm: float,
    ) -> NamedSeeds:
        """Fit the pictures of the named seeds, and leave out those that fail a check."""
        settings = self.settings
        used = np.array(best.used)
        places, good = _fitted(seen, used, best.posed_px, look, settings)
        good &= sure
        good &= ~_exchangeable(best.posed_px, used, look)
        residual = np.zeros(len(good))
        while good.sum() >= min(settings.least, len(good)):
            off_mm = (places[good] - expected_px[good]) * pixel_mm
            fit = _fit(off_mm, turns[good], 100.0, settings)
            residual[:] = 0.0
            residual[good] = np.linalg.norm(off_mm - _moved(fit, turns[good]), axis=1)
            if residual.max() <= settings.residual_mm:
                reported = tuple(
                    (float(x), float(y)) if ok else None
                    for (x, y), ok in zip(places, good, strict=True)
                )
                return NamedSeeds(reported, "", float(residual.max()))
            good[residual.argmax()] = False
        least = min(settings.least, len(good))
        return self._none(f"{int(good.sum())} seeds could be named for sure, {least} needed")


def _assigned(candidates_px: Array, posed_px: Array, near_px: float) -> tuple[int, ...]:
    """Return for each seed the candidate nearest to where it is put; none is used twice."""
    apart = np.linalg.norm(posed_px[:, None] - candidates_px[None], axis=2)
    used = [_NOT_FOUND] * len(posed_px)
    free = apart.copy()
    while True:
        seed, which = np.unravel_index(int(free.argmin()), free.shape)
        if free[seed, which] > near_px:
            return tuple(used)
        used[int(seed)] = int(which)
        free[seed, :] = free[:, which] = np.inf


def _fit(off_mm: Array, turns: Array, sigma_mm: float, settings: ProjectionSettings) -> Array:
    """Return the likeliest shift (2, mm) and turn (3, rad) for the distances ``off_mm`` (k, 2)."""
    k = len(off_mm)
    design = np.zeros((2 * k, 5))
    design[0::2, 0] = design[1::2, 1] = 1.0
    design[:, 2:] = turns.reshape(2 * k, 3)
    sizes = np.array([*(max(sigma_mm, 0.3),) * 2, *(np.radians(settings.turn_deg),) * 3])
    normal = design.T @ design / settings.place_mm**2 + np.diag(sizes**-2.0)
    weighted = design.T @ off_mm.ravel() / settings.place_mm**2
    return np.asarray(np.linalg.solve(normal, weighted), dtype=np.float64)


def _moved(fit: Array, turns: Array) -> Array:
    """Return how far (k, 2, mm) shift and turn move each seed in the picture."""
    return fit[:2] + turns @ fit[2:]


def _fitted(
    seen: Candidates,
    used: NDArray[np.intp],
    posed_px: Array,
    look: SeedLook,
    settings: ProjectionSettings,
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the fitted places (k, 2), touching pictures together, and which of them are good."""
    places = np.full((len(used), 2), np.nan)
    good = np.zeros(len(used), dtype=bool)
    named = np.nonzero(used >= 0)[0]
    spare = np.setdiff1d(np.arange(len(seen.places_px)), used[named])
    everything = np.vstack([seen.places_px[used[named]], seen.places_px[spare]])
    most_px = _MOST_MOVED * look.radius_px
    owner = groups(everything, look.length_px + 2.0 * look.radius_px)
    for number in np.unique(owner[: len(named)]):
        members = np.nonzero(owner == number)[0][:4]
        starts = everything[members] - seen.offset_px
        fit = fit_blobs(seen.flat, starts, look.radius_px, look.length_px)
        if fit is None:
            continue
        moved_px = np.linalg.norm(fit.middles_px - starts, axis=1)
        for position, member in enumerate(members):
            if member >= len(named):
                continue
            seed = named[member]
            places[seed] = fit.middles_px[position] + seen.offset_px
            good[seed] = (
                fit.likeness[position] >= settings.likeness
                and fit.sigma_px[position] <= settings.sigma_px
                and (
                    fit.plausible[position]
                    or (settings.any_size and len(members) == 1 and moved_px[position] <= most_px)
                )
            )
    return places, good


def _exchangeable(posed_px: Array, used: NDArray[np.intp], look: SeedLook) -> NDArray[np.bool_]:
    """Return the seeds whose pictures may lie on each other, so that names could be exchanged."""
    doubtful = np.zeros(len(used), dtype=bool)
    for one, two in combinations(range(len(used)), 2):
        if np.linalg.norm(posed_px[one] - posed_px[two]) < look.length_px + 2.0 * look.radius_px:
            doubtful[[one, two]] = True
    return doubtful
