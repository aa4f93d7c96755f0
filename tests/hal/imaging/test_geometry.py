"""Views, rays, triangulation and rigid fits, in numbers that no wrong sign or axis survives."""

from __future__ import annotations

import numpy as np
import pytest

from hal.imaging.rigid import fit_pose, fit_poses, residuals_mm
from hal.imaging.triangulation import all_pairs, millimetres_per_pixel, triangulate
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from sim.scene import stereo_camera

PAIR = nominal_pair(XrayGeometry())
SPOTS = np.array([[3.0, 20.0, 50.0], [-41.0, 7.0, -13.0], [11.0, -29.0, 5.0]])


def test_the_isocentre_is_in_the_middle_of_both_panels() -> None:
    for view in PAIR:
        assert view.project(np.zeros((1, 3)))[0] == pytest.approx([511.5, 511.5])


def test_sources_hang_above_the_couch_left_one_toward_plus_x() -> None:
    reach = 2650.0 / np.sqrt(2.0)
    assert PAIR[0].source_mm == pytest.approx([reach, 0.0, reach])
    assert PAIR[1].source_mm == pytest.approx([-reach, 0.0, reach])


def test_a_point_falls_where_the_drawing_says() -> None:
    # 10 mm toward the gantry goes up in both pictures, by 10 mm times 3680/2650 over 0.388 mm.
    up = 10.0 * 3680.0 / 2650.0 / 0.388
    for view in PAIR:
        assert view.project(np.array([[0.0, 10.0, 0.0]]))[0] == pytest.approx([511.5, 511.5 - up])
    # 10 mm up is nearer both sources and across the pictures in opposite directions.
    left, right = (view.project(np.array([[0.0, 0.0, 10.0]]))[0] for view in PAIR)
    assert left[0] - 511.5 == pytest.approx(-(right[0] - 511.5))
    aside = 10.0 / np.sqrt(2.0)
    assert left[0] == pytest.approx(511.5 - aside * 3680.0 / (2650.0 - aside) / 0.388)


@pytest.mark.parametrize("pair", [PAIR, stereo_camera(distortion=(-0.1, 0.05, 1e-3, -5e-4, 0.0))])
def test_triangulation_undoes_projection(pair) -> None:
    points = SPOTS + pair[0].source_mm * 0.0
    if pair is not PAIR:
        points = SPOTS + [0.0, 0.0, 1500.0]
    left, right = pair
    found = triangulate(left, right, left.project(points), right.project(points))
    assert found.points_mm == pytest.approx(points, abs=1e-4)
    assert found.ray_distance_mm.max() < 1e-4
    assert found.reprojection_px.max() < 1e-4


def test_noise_of_a_quarter_pixel_costs_what_theory_says() -> None:
    rng = np.random.default_rng(5)
    points = rng.uniform(-30.0, 30.0, (4000, 3))
    left, right = PAIR
    found = triangulate(
        left,
        right,
        left.project(points) + rng.normal(0.0, 0.25, (4000, 2)),
        right.project(points) + rng.normal(0.0, 0.25, (4000, 2)),
    )
    spread = (found.points_mm - points).std(axis=0)
    # 0.279 mm a pixel at the isocentre: 0.07 / sqrt(2) along Y (seen twice), 0.07 in the plane.
    assert spread == pytest.approx([0.070, 0.049, 0.070], rel=0.08)


def test_all_pairs_holds_the_true_ones_on_its_diagonal() -> None:
    left, right = PAIR
    points, miss = all_pairs(left, right, left.project(SPOTS), right.project(SPOTS))
    assert points.shape == (3, 3, 3)
    assert np.abs(np.diagonal(points).T - SPOTS).max() < 1e-6
    assert np.diagonal(miss).max() < 1e-6
    assert miss[0, 1] > 5.0


def test_a_pixel_is_worth_what_the_magnification_says() -> None:
    worth = millimetres_per_pixel(*PAIR, np.zeros((1, 3)))
    assert worth == pytest.approx([0.388 * 2650.0 / 3680.0])


def test_the_best_pose_is_found_and_is_never_a_mirror() -> None:
    turn = fit_pose(np.eye(3), np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    assert turn.rotation == pytest.approx(
        np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    )
    assert turn.angle_deg == pytest.approx(90.0)
    mirrored = SPOTS * [-1.0, 1.0, 1.0]
    four, four_mirrored = (np.vstack([s, [[7.0, 8.0, -9.0]]]) for s in (SPOTS, mirrored))
    four_mirrored[3, 0] *= -1.0
    assert np.linalg.det(fit_pose(four, four_mirrored).rotation) == pytest.approx(1.0)
    assert residuals_mm(four, four_mirrored).max() > 3.0


@pytest.mark.parametrize("count", [1, 2])
def test_few_points_turn_as_little_as_they_can(count: int) -> None:
    planned = SPOTS[:count]
    moved = planned + [1.0, -2.0, 3.0]
    rotations, shifts = fit_poses(planned[None], moved[None])
    assert rotations[0] == pytest.approx(np.eye(3), abs=1e-9)
    assert shifts[0] == pytest.approx([1.0, -2.0, 3.0])
