"""The stereo camera calibrated from rendered pictures of a ChArUco board and a chessboard."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from hal.imaging.board import Board, calibrate_stereo, charuco_board, corner_places_mm, find_corners
from hal.imaging.phantom import CalibrationError
from hal.imaging.triangulation import triangulate
from sim.scene import Light, finish, flat_pattern, stereo_camera

PAIR = stereo_camera(focal_px=800.0, size_px=(640, 512), baseline_mm=250.0, distance_mm=700.0)


def pattern_of(board: Board) -> np.ndarray:
    if board.kind == "charuco":
        size = (board.columns * 30, board.rows * 30)
        return charuco_board(board).generateImage(size).astype(np.uint8)
    cells = np.indices((board.rows, board.columns)).sum(axis=0) % 2 * np.uint8(255)
    return np.kron(cells.astype(np.uint8), np.ones((16, 16), dtype=np.uint8))


def pictures(board: Board, count: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    light, pattern = Light(noise=1.5), pattern_of(board)
    size = (board.columns * board.square_mm, board.rows * board.square_mm)
    for _ in range(count):
        matrix, _ = cv2.Rodrigues(rng.uniform(-0.5, 0.5, 3) * [1.0, 1.0, 0.4])
        turn = np.asarray(matrix, dtype=np.float64)
        middle = np.array([*rng.uniform(-35.0, 35.0, 2), 700.0 + rng.uniform(-80.0, 80.0)])
        corner = middle - turn[:, 0] * size[0] / 2.0 - turn[:, 1] * size[1] / 2.0
        yield tuple(
            finish(
                flat_pattern(v, pattern, corner, turn[:, 0], turn[:, 1], size, light, rng),
                light,
                rng,
            )
            for v in PAIR
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["charuco", "chessboard"])
def test_a_board_calibrates_the_pair(kind) -> None:
    board = Board(kind=kind, columns=9, rows=6, square_mm=25.0, marker_mm=18.0)
    found = calibrate_stereo(list(pictures(board, 14, 3)), board)
    assert found.residual_px < 0.3
    left, right = found.views
    assert left.focal_px == pytest.approx(800.0, rel=0.01)
    assert np.linalg.norm(right.source_mm) == pytest.approx(250.0, rel=0.01)
    points = np.random.default_rng(1).uniform(-60.0, 60.0, (100, 3)) + [0.0, 0.0, 700.0]
    located = triangulate(left, right, *(v.project(points) for v in PAIR)).points_mm
    # Distances between points: what a marker's motion is measured by.
    step = np.linalg.norm(np.diff(located, axis=0), axis=1)
    truth = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert np.abs(step / truth - 1.0).max() < 0.01


def test_a_chessboard_that_looks_the_same_upside_down_is_refused() -> None:
    grey = np.full((512, 640), 90, dtype=np.uint8)
    with pytest.raises(CalibrationError, match="upside down"):
        calibrate_stereo([(grey, grey)], Board(kind="chessboard", columns=9, rows=7))


def test_corners_are_numbered_as_they_lie_on_the_board() -> None:
    board = Board(columns=5, rows=4, square_mm=40.0, marker_mm=28.0)
    (picture, _), *_ = pictures(board, 1, 5)
    corners = find_corners(picture, board)
    assert sorted(corners.numbers) == list(range(12))
    places = corner_places_mm(board)[corners.numbers]
    flat = np.column_stack([places[:, :2], np.ones(12)])
    affine, *_ = np.linalg.lstsq(flat, corners.places_px, rcond=None)
    assert np.abs(flat @ affine - corners.places_px).max() < 15.0


def test_pictures_without_a_board_calibrate_nothing() -> None:
    grey = np.full((512, 640), 90, dtype=np.uint8)
    for kind in ("charuco", "chessboard"):
        with pytest.raises(CalibrationError, match="0 of 3"):
            calibrate_stereo([(grey, grey)] * 3, Board(kind=kind, rows=6))
