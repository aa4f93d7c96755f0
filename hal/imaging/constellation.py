"""Name the seed pictures: compare the known arrangement with all possible pairs of pictures.

Every left picture may belong to every right one whose ray passes near enough; most of those
points are false. Three points whose distances equal those of three planned fiducials give a
pose. The pose predicts where the other fiducials must be. The assignment that explains most
fiducials with the smallest misfit is taken. A fiducial that another assignment places elsewhere
almost as well counts as missing. A shot with too few fiducials is refused: a wrong name is worse
than no name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from hal.imaging.rigid import RigidPose, fit_pose, fit_poses, turn_deg
from hal.imaging.triangulation import all_pairs
from hal.imaging.view import Array, View

_FAR = 1e6
_MOST_TRIALS = 20_000


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tolerances within which points count as the planned arrangement.

    ``search_mm`` is how far the arrangement may be from where it is expected,
    ``ray_mm`` how far two rays may miss each other, ``residual_mm`` how far one fiducial may
    be from its place in the rigid arrangement (migration included), ``least`` how many must
    be found (never more than were planned), ``rival`` the ratio of misfits below which a
    second reading counts, ``doubt_mm`` how far from its place a fiducial may be whose pictures
    might as well belong to something else.
    """

    search_mm: Annotated[float, Meta(gt=0, le=500)] = 30.0
    ray_mm: Annotated[float, Meta(gt=0, le=20)] = 0.8
    residual_mm: Annotated[float, Meta(gt=0, le=20)] = 2.0
    turn_deg: Annotated[float, Meta(gt=0, le=180)] = 15.0
    least: Annotated[int, Meta(ge=1, le=20)] = 3
    rival: Annotated[float, Meta(ge=1, le=20)] = 2.0
    doubt_mm: Annotated[float, Meta(gt=0, le=20)] = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One assignment of the pictures: for each fiducial the index of its left and right picture.

    -1 means not found. ``misfit_mm`` is the root mean square distance from the rigid pose.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    points_mm: Array
    misfit_mm: float
    pose: RigidPose

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which fiducials were found."""
        return self.left >= 0


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """All points where a left and a right ray pass each other, with the pictures they use."""

    where_mm: Array
    miss_mm: Array
    left: NDArray[np.intp]
    right: NDArray[np.intp]


def _possible_points(
    views: tuple[View, View],
    left_px: Array,
    right_px: Array,
    centre: Array,
    reach: float,
    ray_mm: float,
) -> _Points:
    points, miss = all_pairs(views[0], views[1], left_px, right_px)
    near = (miss <= ray_mm) & (np.linalg.norm(points - centre, axis=2) <= reach)
    left, right = np.nonzero(near)
    return _Points(points[left, right], miss[left, right], left, right)


def _triples(distances: Array, planned: Array, tolerance: float) -> NDArray[np.intp]:
    """Return ordered triples of points whose three distances agree with the planned ones; n x 3."""
    first = np.abs(distances - planned[0]) <= tolerance
    second = np.abs(distances - planned[1]) <= tolerance
    third = np.abs(distances - planned[2]) <= tolerance
    for allowed in (first, second, third):
        np.fill_diagonal(allowed, False)
    one, two = np.nonzero(first)
    row, three = np.nonzero(second[one] & third[two])
    return np.column_stack([one[row], two[row], three])


def _trials(planned: Array, points: _Points, rules: Rules, size: int) -> list[tuple[Array, Array]]:
    """Return the poses (turns, shifts) suggested by every subset of ``size`` planned fiducials."""
    where = points.where_mm
    distances = np.linalg.norm(where[:, None] - where[None, :], axis=2)
    trials: list[tuple[Array, Array]] = []
    for subset in combinations(range(len(planned)), size):
        part = planned[list(subset)]
        if size == 1:
            chosen = np.arange(len(where))[:, None]
        elif size == 2:
            apart = float(np.linalg.norm(part[0] - part[1]))
            fits = np.abs(distances - apart) <= rules.residual_mm
            np.fill_diagonal(fits, False)
            chosen = np.column_stack(np.nonzero(fits))
        else:
            sides = np.linalg.norm(part[[0, 0, 1]] - part[[1, 2, 2]], axis=1)
            chosen = _triples(distances, sides, rules.residual_mm)
        if not len(chosen):
            continue
        found = where[chosen]
        turns, shifts = fit_poses(np.broadcast_to(part, found.shape), found)
        put = np.einsum("nij,mj->nmi", turns, part) + shifts[:, None]
        good = np.linalg.norm(put - found, axis=2).max(axis=1) <= rules.residual_mm
        good &= turn_deg(turns) <= rules.turn_deg
        if good.any():
            trials.append((turns[good], shifts[good]))
    return trials


def _assign(
    pose: RigidPose,
    planned: Array,
    views: tuple[View, View],
    points: _Points,
    rules: Rules,
    touching_px: float,
) -> tuple[NDArray[np.intp], Array]:
    """Give each planned fiducial the point that suits it; index (-1: none) and cost, shape k."""
    expected = pose.put(planned)
    gap = np.linalg.norm(expected[:, None] - points.where_mm[None], axis=2)
    cost = gap**2 + points.miss_mm[None] ** 2
    cost = np.where(gap <= rules.residual_mm, cost, _FAR)
    pictures = views[0].project(expected), views[1].project(expected)
    used = points.left, points.right
    while True:
        rows, columns = linear_sum_assignment(cost)
        owner = np.full(len(planned), -1, dtype=np.intp)
        paid = cost[rows, columns]
        owner[rows[paid < _FAR]] = columns[paid < _FAR]
        worst = _conflict(owner, cost, pictures, used, touching_px)
        if worst is None:
            break
        cost[worst, owner[worst]] = _FAR
    return owner, cost[np.arange(len(planned)), owner]


def _conflict(
    owner: NDArray[np.intp],
    cost: Array,
    pictures: tuple[Array, Array],
    used: tuple[NDArray[np.intp], NDArray[np.intp]],
    touching_px: float,
) -> int | None:
    """Return the fiducial that must give up a picture that another one uses.

    Touching seeds may share.
    """
    found = np.nonzero(owner >= 0)[0]
    for one, two in combinations(found.tolist(), 2):
        for picture, use in zip(pictures, used, strict=True):
            same = use[owner[one]] == use[owner[two]]
            if same and np.linalg.norm(picture[one] - picture[two]) > touching_px:
                return one if cost[one, owner[one]] > cost[two, owner[two]] else two
    return None


def _read(
    pose: RigidPose,
    planned: Array,
    views: tuple[View, View],
    points: _Points,
    rules: Rules,
    touching_px: float,
) -> Reading | None:
    """Assign, fit again to what was assigned, assign again; ``None``: too little explained."""
    owner = np.full(len(planned), -1, dtype=np.intp)
    for _ in range(3):
        before = owner
        owner, _cost = _assign(pose, planned, views, points, rules, touching_px)
        found = owner >= 0
        if found.sum() < min(rules.least, len(planned)):
            return None
        pose = fit_pose(planned[found], points.where_mm[owner[found]])
        if np.array_equal(before, owner):
            break
    found = owner >= 0
    put = pose.put(planned)
    misfit = np.linalg.norm(put[found] - points.where_mm[owner[found]], axis=1)
    if misfit.max() > rules.residual_mm or pose.angle_deg > rules.turn_deg:
        return None
    where = np.full((len(planned), 3), np.nan)
    where[found] = points.where_mm[owner[found]]
    left = np.where(found, points.left[owner], -1)
    right = np.where(found, points.right[owner], -1)
    total = misfit**2 + points.miss_mm[owner[found]] ** 2
    return Reading(
        left, right, where, float(np.mean(np.asarray(total, dtype=np.float64))) ** 0.5, pose
    )


def _agreeing(best: Reading, other: Reading, apart_mm: float) -> NDArray[np.bool_]:
    """Return the fiducials two readings put in the same place; shape k."""
    apart = np.linalg.norm(best.points_mm - other.points_mm, axis=1)
    return best.found & other.found & (np.nan_to_num(apart, nan=np.inf) <= apart_mm)


def _rank(reading: Reading) -> tuple[int, float]:
    return (-int(reading.found.sum()), reading.misfit_mm)


def read_constellation(
    planned_mm: Array,
    views: tuple[View, View],
    left_px: Array,
    right_px: Array,
    rules: Rules,
    expected_mm: Array,
    touching_px: float,
) -> Reading | str:
    """Name the pictures after the planned fiducials (k x 3, space of the views).

    ``expected_mm`` is the shift of the arrangement from its plan that is expected,
    ``touching_px`` how near two fiducials may be in a picture to be one blob. The answer is
    the best `Reading`, or a sentence that says why there is none.
    """
    least = min(rules.least, len(planned_mm))
    centre = planned_mm.mean(axis=0) + expected_mm
    radius = float(np.linalg.norm(planned_mm - planned_mm.mean(axis=0), axis=1).max())
    points = _possible_points(
        views, left_px, right_px, centre, rules.search_mm + radius, rules.ray_mm
    )
    if len(points.where_mm) < least:
        return f"{len(points.where_mm)} points seen in both views, at least {least} needed"
    trials = _trials(planned_mm, points, rules, min(3, least))
    if not trials:
        return f"no {min(3, least)} points lie as planned within {rules.residual_mm:g} mm"
    turns = np.concatenate([t for t, _ in trials])
    shifts = np.concatenate([s for _, s in trials])
    middle = planned_mm.mean(axis=0)
    moved = np.einsum("nij,j->ni", turns, middle) + shifts - centre
    near = np.linalg.norm(moved, axis=1) <= rules.search_mm
    turns, shifts = turns[near], shifts[near]
    if len(turns) > _MOST_TRIALS:
        return f"{len(turns)} possible poses, at most {_MOST_TRIALS}: too many seed-like spots"
    readings = _distinct_readings(turns, shifts, planned_mm, views, points, rules, touching_px)
    if not readings:
        return f"no pose explains {least} fiducials within {rules.residual_mm:g} mm"
    readings.sort(key=_rank)
    best = readings[0]
    level = max(best.misfit_mm, 0.15) * rules.rival
    sure = best.found.copy()
    for other in readings[1:]:
        if other.found.sum() >= best.found.sum() and other.misfit_mm <= level:
            sure &= _agreeing(best, other, 1.0)
    if sure.sum() < max(least, min(3, int(best.found.sum()))):
        return (
            f"ambiguous: {len(readings)} readings of {int(best.found.sum())} fiducials within "
            f"{level:.2f} mm agree on {int(sure.sum())}, at least {least} needed"
        )
    best = _only(best, sure)
    sure &= ~_doubtful(best, planned_mm, views, left_px, right_px, rules)
    if sure.sum() < least:
        return (
            f"ambiguous: {int(sure.sum())} of {int(best.found.sum())} fiducials have pictures that "
            f"can belong to nothing else or lie within {rules.doubt_mm:g} mm, {least} needed"
        )
    return _only(best, sure)


def _only(reading: Reading, kept: NDArray[np.bool_]) -> Reading:
    """Return the reading with the other fiducials taken for missing."""
    return replace(
        reading,
        left=np.where(kept, reading.left, -1),
        right=np.where(kept, reading.right, -1),
        points_mm=np.where(kept[:, None], reading.points_mm, np.nan),
    )


def _doubtful(
    reading: Reading,
    planned: Array,
    views: tuple[View, View],
    left_px: Array,
    right_px: Array,
    rules: Rules,
) -> NDArray[np.bool_]:
    """Return fiducials that have another possible partner picture and fit badly.

    A seed hidden in one view may borrow the picture of foreign metal: then the metal's own
    other picture is left over on the same ray. Such a fiducial must lie where the others say.
    """
    found = reading.found
    index = np.nonzero(found)[0]
    left, right = reading.left[index], reading.right[index]
    _, miss = all_pairs(views[0], views[1], left_px, right_px)
    near = miss <= rules.ray_mm
    spare_left = ~np.isin(np.arange(len(left_px)), left)
    spare_right = ~np.isin(np.arange(len(right_px)), right)
    other = (near[left] & spare_right).any(axis=1) | (near[:, right].T & spare_left).any(axis=1)
    other |= (left[:, None] == left).sum(axis=1) > 1
    other |= (right[:, None] == right).sum(axis=1) > 1
    doubtful = np.zeros(len(found), dtype=bool)
    for at in np.nonzero(other)[0]:
        off = _off_its_place(planned[index], reading.points_mm[index], int(at))
        doubtful[index[at]] = off > rules.doubt_mm
    return doubtful


def _off_its_place(planned: Array, points: Array, at: int) -> float:
    """Return how far one point is from where the others put it; infinite where they cannot say."""
    count = len(points)
    if count == 1:
        return np.inf
    if count <= 3:
        # Few points hide most of what moves one of them; the distances that show it weigh more.
        sides = [np.linalg.norm(p - np.roll(p, 1, axis=0), axis=1) for p in (planned, points)]
        return 1.4 * float(np.abs(sides[0] - sides[1]).max())
    others = np.arange(count) != at
    pose = fit_pose(planned[others], points[others])
    return float(np.linalg.norm(pose.put(planned[at : at + 1])[0] - points[at]))


def _distinct_readings(
    turns: Array,
    shifts: Array,
    planned: Array,
    views: tuple[View, View],
    points: _Points,
    rules: Rules,
    touching_px: float,
) -> list[Reading]:
    """Read the pictures by each pose, best supported first; equal readings once."""
    if not len(turns):
        return []
    put = np.einsum("nij,mj->nmi", turns, planned) + shifts[:, None]
    nearest = np.full(put.shape[:2], np.inf)
    for place in points.where_mm:
        np.minimum(nearest, np.linalg.norm(put - place, axis=2), out=nearest)
    support = (nearest <= rules.residual_mm).sum(axis=1)
    misfit = np.where(nearest <= rules.residual_mm, nearest, 0.0).sum(axis=1)
    order = np.lexsort((misfit, -support))
    readings: dict[bytes, Reading] = {}
    for index in order[:60]:
        reading = _read(
            RigidPose(turns[index], shifts[index]), planned, views, points, rules, touching_px
        )
        if reading is not None:
            readings.setdefault(reading.left.tobytes() + reading.right.tobytes(), reading)
    return list(readings.values())
