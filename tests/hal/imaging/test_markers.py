"""Marker cameras on rendered scenes: noise, markers missing, foreign, lost, found again."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from hal.imaging.camera_settings import MarkerSettings
from hal.imaging.image import Image
from hal.imaging.marker_camera import MarkerCamera
from hal.imaging.markers import (
    ArucoFinder,
    DiscLook,
    diagonal_crossing,
    find_discs,
    marker_pose,
)
from hal.messages import BadSample, MarkerFrame
from sim.scene import Light, discs
from tests.hal.imaging.marker_scenes import (
    FACING,
    LOOK,
    MARKERS,
    PAIR,
    PLACE,
    SETTINGS,
    aruco_pair,
    pair_of,
)


def located(camera, points, number, rng) -> Any:
    (answer,) = camera.locate("camera", *pair_of(points, number, rng))
    return answer


def test_discs_are_located_within_a_tenth_of_a_millimetre() -> None:
    rng = np.random.default_rng(1)
    camera = MarkerCamera(PAIR, SETTINGS)
    errors = []
    for number in range(40):
        points = MARKERS + PLACE + [0.0, 2.0 * np.sin(number / 10), 6.0 * np.sin(number / 10)]
        frame: Any = camera.locate("camera", *pair_of(points, number, rng))[0]
        assert isinstance(frame, MarkerFrame)
        assert (frame.t_ns, frame.ticks) == (number, number)
        errors.append(np.array(frame.markers_mm) - points)
        assert max(frame.errors_mm) < 0.1
    noise = np.sqrt(np.mean(np.sum(np.square(errors), axis=2)))
    assert noise <= 0.15, f"3-D noise {noise:.3f} mm"
    assert camera.state == "FOLLOWING"


def test_a_hidden_marker_is_none_and_keeps_its_number_when_it_comes_back() -> None:
    rng = np.random.default_rng(2)
    camera = MarkerCamera(PAIR, SETTINGS)
    points = MARKERS + PLACE
    assert isinstance(located(camera, points, 1, rng), MarkerFrame)
    for number in range(2, 5):
        points = points + [1.0, 0.0, 1.0]
        frame = located(camera, np.delete(points, 1, axis=0), number, rng)
        assert [m is None for m in frame.markers_mm] == [False, True, False, False]
    frame = located(camera, points + [1.0, 0.0, 1.0], 5, rng)
    assert np.array(frame.markers_mm) == pytest.approx(points + [1.0, 0.0, 1.0], abs=0.3)


def test_a_reflection_beside_the_markers_gets_no_number() -> None:
    rng = np.random.default_rng(3)
    camera = MarkerCamera(PAIR, SETTINGS)
    points = MARKERS + PLACE
    foreign = np.vstack([points, PLACE + [35.0, -35.0, 60.0]])
    for number in (1, 2):
        frame = located(camera, foreign, number, rng)
        assert np.array(frame.markers_mm) == pytest.approx(points, abs=0.3)


def test_markers_not_recognised_are_a_bad_sample() -> None:
    rng = np.random.default_rng(4)
    camera = MarkerCamera(PAIR, SETTINGS)
    for points in (MARKERS[:3] + PLACE, MARKERS * 1.5 + PLACE, MARKERS[:0] + PLACE):
        answer = located(camera, points, 1, rng)
        assert isinstance(answer, BadSample)
        assert answer.what == "markers not recognised"
    assert camera.state == "ACQUIRING"


def test_after_a_long_absence_the_markers_are_named_anew() -> None:
    rng = np.random.default_rng(5)
    camera = MarkerCamera(PAIR, SETTINGS)
    located(camera, MARKERS + PLACE, 1, rng)
    for number in range(2, 2 + SETTINGS.lost_frames):
        frame = located(camera, MARKERS[:0], number, rng)
        assert frame.markers_mm == (None,) * 4
    assert camera.state == "ACQUIRING"
    moved = MARKERS + PLACE + [90.0, 40.0, -80.0]
    frame = located(camera, moved, 20, rng)
    assert np.array(frame.markers_mm) == pytest.approx(moved, abs=0.3)


def test_a_marker_that_jumps_is_not_believed() -> None:
    rng = np.random.default_rng(6)
    camera = MarkerCamera(PAIR, SETTINGS)
    located(camera, MARKERS + PLACE, 1, rng)
    jumped = MARKERS + PLACE
    jumped[2] += [0.0, 30.0, 0.0]
    assert located(camera, jumped, 2, rng).markers_mm[2] is None


def test_pictures_of_another_size_are_a_bad_sample() -> None:
    camera = MarkerCamera(PAIR, SETTINGS)
    small = Image("l", 1, 1, 1, np.zeros((100, 100), dtype=np.uint8))
    (answer,) = camera.locate("camera", small, small)
    assert isinstance(answer, BadSample)


def test_discs_that_cannot_be_told_apart_are_refused_by_the_settings() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        MarkerCamera(PAIR, MarkerSettings(arrangement_mm=((0.0, 0.0, 0.0), (10.0, 0.0, 0.0))))


@pytest.mark.parametrize("bright", [True, False])
def test_dark_discs_on_light_and_light_on_dark(bright: bool) -> None:
    light = Light(ground=30.0, marker=200.0) if bright else Light(ground=200.0, marker=40.0)
    picture = discs(PAIR[0], MARKERS + PLACE, FACING, 12.0, light, np.random.default_rng(7))
    spots = find_discs(picture, DiscLook(bright=bright)).places_px
    expected = PAIR[0].project(MARKERS + PLACE)
    gaps = np.linalg.norm(expected[:, None] - spots[None], axis=2)
    assert len(spots) == 4
    assert gaps.min(axis=1).max() < 0.1


def test_stripes_and_specks_are_no_discs() -> None:
    picture = np.full((300, 400), 20, dtype=np.uint8)
    cv2.line(picture, (20, 20), (200, 30), 220, 5)
    picture[100:102, 100:102] = 220
    assert not len(find_discs(picture, DiscLook()).places_px)
    assert not len(find_discs(picture, DiscLook(), (390, 290, 50, 50)).places_px)


def test_aruco_markers_name_themselves_and_are_located() -> None:
    rng = np.random.default_rng(8)
    camera = MarkerCamera(PAIR, MarkerSettings(aruco=LOOK))
    errors = []
    for number in range(12):
        points = MARKERS[1:] + PLACE + [0.0, 0.3 * number, 0.5 * number]
        images = aruco_pair(points[::-1], LOOK.ids[::-1], number, rng)
        frame: Any = camera.locate("camera", *images)[0]
        errors.append(np.array(frame.markers_mm) - points)
    noise = np.sqrt(np.mean(np.sum(np.square(errors), axis=2)))
    assert noise <= 0.15, f"3-D noise {noise:.3f} mm"


def test_an_aruco_marker_seen_twice_or_not_asked_for_is_not_reported() -> None:
    rng = np.random.default_rng(9)
    points = MARKERS[1:] + PLACE
    left, _ = aruco_pair(points, (3, 3, 20), 1, rng)
    assert ArucoFinder(LOOK).find(left.pixels) == {}


def test_one_camera_alone_knows_where_a_square_marker_is() -> None:
    rng = np.random.default_rng(10)
    points = MARKERS[1:] + PLACE
    left, _ = aruco_pair(points, LOOK.ids, 1, rng)
    corners = ArucoFinder(LOOK).find(left.pixels)[3]
    middle, rotation, error = marker_pose(PAIR[0], corners, LOOK.side_mm)
    assert middle == pytest.approx(points[0], abs=6.0)
    assert abs(rotation[2, 2]) > 0.9
    assert error < 0.5
    assert diagonal_crossing(corners) == pytest.approx(PAIR[0].project(points[:1])[0], abs=0.15)
