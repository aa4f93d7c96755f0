"""Names for pictures: seeds missing, foreign, exchanged, alike; never a wrong name in silence."""

from __future__ import annotations

import numpy as np
import pytest

from hal.imaging.constellation import Reading, Rules, read_constellation
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from tests.hal.imaging.campaign import arrangement, turn

PAIR = nominal_pair(XrayGeometry())
FOUR = np.array([[0.0, 0.0, 0.0], [20.0, 9.0, -4.0], [-11.0, 17.0, 8.0], [5.0, -14.0, 13.0]])


def read(planned, left, right, **changes) -> Reading | str:
    rules = Rules(**{"least": 3, **changes})
    return read_constellation(planned, PAIR, left, right, rules, np.zeros(3), 12.0)


def pictures(points, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return [v.project(points) + rng.normal(0.0, noise, (len(points), 2)) for v in PAIR]


def test_shuffled_pictures_get_their_names_back() -> None:
    left, right = pictures(FOUR + [3.0, -5.0, 2.0])
    found = read(FOUR, left[[2, 0, 3, 1]], right[[1, 3, 2, 0]])
    assert isinstance(found, Reading)
    assert found.left.tolist() == [1, 3, 0, 2]
    assert found.right.tolist() == [3, 0, 2, 1]
    assert found.points_mm == pytest.approx(FOUR + [3.0, -5.0, 2.0], abs=0.2)


def test_a_fiducial_missing_in_one_view_is_missing() -> None:
    left, right = pictures(FOUR)
    found = read(FOUR, left, right[[0, 1, 3]])
    assert isinstance(found, Reading)
    assert found.found.tolist() == [True, True, False, True]


def test_foreign_metal_gets_no_name() -> None:
    clip = np.array([[-20.0, -6.0, -9.0], [9.0, 3.0, 20.0]])
    left, right = pictures(np.vstack([clip, FOUR]))
    found = read(FOUR, left, right)
    assert isinstance(found, Reading)
    assert found.left.tolist() == [2, 3, 4, 5]


def test_a_migrated_fiducial_is_kept_within_the_gate_and_missing_beyond() -> None:
    for shift, kept in ((1.5, True), (4.0, False)):
        moved = FOUR.copy()
        moved[1] += [0.0, shift, 0.0]
        found = read(FOUR, *pictures(moved))
        assert isinstance(found, Reading)
        assert bool(found.found[1]) is kept


def test_what_lies_otherwise_than_planned_is_refused() -> None:
    squeezed = FOUR * [1.0, 1.0, 0.4] + [0.0, 0.0, 3.0]
    squeezed[2] += [9.0, -6.0, 0.0]
    assert isinstance(read(FOUR, *pictures(squeezed)), str)


def test_an_arrangement_that_looks_the_same_turned_is_refused() -> None:
    angle = np.radians([90.0, 210.0, 330.0])
    triangle = np.column_stack([15.0 * np.cos(angle), 15.0 * np.sin(angle), [0.0, 0.0, 0.0]])
    said = read(triangle, *pictures(triangle), turn_deg=180.0)
    assert isinstance(said, str)
    assert "ambiguous" in said


def test_the_turn_limit_tells_such_an_arrangement_apart() -> None:
    angle = np.radians([90.0, 210.0, 330.0])
    triangle = np.column_stack([15.0 * np.cos(angle), 15.0 * np.sin(angle), [0.0, 0.0, 0.0]])
    assert isinstance(read(triangle, *pictures(triangle), turn_deg=15.0), Reading)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_pictures_are_no_reading(count: int) -> None:
    left, right = pictures(FOUR)
    assert isinstance(read(FOUR, left[:count], right[:count]), str)


def test_one_blob_may_be_two_seeds_that_touch_in_one_view() -> None:
    along = PAIR[0].source_mm / np.linalg.norm(PAIR[0].source_mm)
    points = FOUR.copy()
    points[3] = points[0] + 18.0 * along
    left, right = pictures(points, noise=0.0)
    assert np.linalg.norm(left[0] - left[3]) < 1.0
    found = read(points, left[:3], right)
    assert isinstance(found, Reading)
    assert found.left.tolist() == [0, 1, 2, 0]


def test_hundreds_of_drawn_shots_bear_no_wrong_name() -> None:
    rng = np.random.default_rng(12)
    wrong = named = seen = refused = 0
    for _ in range(800):
        count = int(rng.integers(3, 6))
        planned = arrangement(rng, count)
        points = planned @ turn(rng, 8.0).T + rng.uniform(-12.0, 12.0, 3)
        points = points + rng.normal(0.0, 0.15, points.shape)
        foreign = points.mean(axis=0) + rng.uniform(-35.0, 35.0, (int(rng.integers(0, 4)), 3))
        everything = np.vstack([points, foreign])
        sides, truth = [], []
        for view in PAIR:
            shown = rng.random(len(everything)) > 0.06
            order = rng.permutation(np.nonzero(shown)[0])
            sides.append(view.project(everything[order]) + rng.normal(0, 0.1, (len(order), 2)))
            truth.append(order)
        found = read(planned, *sides)
        if isinstance(found, str):
            refused += 1
            continue
        for index in range(count):
            visible = index in truth[0] and index in truth[1]
            seen += visible
            if found.left[index] >= 0:
                named += 1
                left, right = truth[0][found.left[index]], truth[1][found.right[index]]
                off = np.linalg.norm(found.points_mm[index] - points[index])
                wrong += (left != index or right != index) and off > 1.0
    assert wrong == 0
    assert named / seen > 0.9
    assert refused < 140
