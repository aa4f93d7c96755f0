"""Calibrate a stereo camera from pictures of a flat board held in many poses.

Each camera is calibrated by itself first. Then both are calibrated together with fixed intrinsics:
the pairs of board views give the pose of one camera to the other. ChArUco boards may be partly
hidden; chessboards must be seen whole.
"""

# pyright: basic
# (OpenCV types every picture as a matrix of anything: there is nothing to be strict about.)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hal.imaging.image import Pixels
from hal.imaging.phantom import CalibrationError
from hal.imaging.view import Array, View, pinhole


class Board(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The board: squares across and down, their side, and for ChArUco the markers' side."""

    kind: Literal["charuco", "chessboard"] = "charuco"
    columns: Annotated[int, Meta(ge=3, le=50)] = 9
    rows: Annotated[int, Meta(ge=3, le=50)] = 7
    square_mm: Annotated[float, Meta(gt=1, le=500)] = 30.0
    marker_mm: Annotated[float, Meta(gt=0.5, le=500)] = 22.0
    dictionary: Literal["4X4_50", "4X4_100", "5X5_100"] = "4X4_50"


class BoardRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a calibration holds."""

    least_views: Annotated[int, Meta(ge=3)] = 8
    least_corners: Annotated[int, Meta(ge=6)] = 12
    residual_px: Annotated[float, Meta(gt=0, le=5)] = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class StereoCalibrated:
    """Both views in the left camera's space, the residual (root mean square) and pairs used."""

    views: tuple[View, View]
    residual_px: float
    pairs: int


@dataclass(frozen=True, slots=True, eq=False)
class Corners:
    """Corners seen in one picture: their numbers (n) and places (n x 2)."""

    numbers: NDArray[np.intp]
    places_px: Array


def charuco_board(board: Board) -> cv2.aruco.CharucoBoard:
    """OpenCV's record of the board, for detection and for printing."""
    code = int(getattr(cv2.aruco, f"DICT_{board.dictionary}"))
    return cv2.aruco.CharucoBoard(
        (board.columns, board.rows),
        board.square_mm,
        board.marker_mm,
        cv2.aruco.getPredefinedDictionary(code),
    )


def corner_places_mm(board: Board) -> Array:
    """Return all inner corners on the board (n x 3, z = 0), numbered along the rows."""
    across, down = board.columns - 1, board.rows - 1
    y, x = np.mgrid[0:down, 0:across]
    flat = np.column_stack([x.ravel(), y.ravel(), np.zeros(across * down)]) + [1.0, 1.0, 0.0]
    return flat * board.square_mm


def find_corners(pixels: Pixels, board: Board) -> Corners:
    """Return the board's corners in a picture; none where it is not recognised."""
    nothing = Corners(np.zeros(0, dtype=np.intp), np.zeros((0, 2)))
    if board.kind == "charuco":
        detector = cv2.aruco.CharucoDetector(charuco_board(board))
        places, numbers, _, _ = detector.detectBoard(pixels)
        if numbers is None or places is None or not len(numbers):
            return nothing
        return Corners(
            np.asarray(numbers).ravel().astype(np.intp),
            np.asarray(places, dtype=np.float64).reshape(-1, 2),
        )
    found, places = cv2.findChessboardCornersSB(pixels, (board.columns - 1, board.rows - 1))
    if not found:
        return nothing
    count = (board.columns - 1) * (board.rows - 1)
    return Corners(np.arange(count), np.asarray(places, dtype=np.float64).reshape(-1, 2))


def _shared(left: Corners, right: Corners) -> tuple[NDArray[np.intp], Array, Array]:
    numbers, first, second = np.intersect1d(left.numbers, right.numbers, return_indices=True)
    return numbers, left.places_px[first], right.places_px[second]


def calibrate_stereo(
    pictures: Sequence[tuple[Pixels, Pixels]], board: Board, rules: BoardRules | None = None
) -> StereoCalibrated:
    """Calibrate from picture pairs of the board; raises `CalibrationError` with what to do."""
    rules = rules if rules is not None else BoardRules()
    if board.kind == "chessboard" and (board.columns + board.rows) % 2 == 0:
        raise CalibrationError(
            f"a chessboard of {board.columns} x {board.rows} looks the same upside down: take one "
            "whose sides add up to an odd number, or a ChArUco board"
        )
    places = corner_places_mm(board).astype(np.float32)
    flat: list[NDArray[np.float32]] = []
    seen: tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]] = ([], [])
    for left, right in pictures:
        numbers, first, second = _shared(find_corners(left, board), find_corners(right, board))
        if len(numbers) >= rules.least_corners:
            flat.append(places[numbers])
            seen[0].append(first.astype(np.float32))
            seen[1].append(second.astype(np.float32))
    if len(flat) < rules.least_views:
        raise CalibrationError(
            f"{len(flat)} of {len(pictures)} picture pairs show at least {rules.least_corners} "
            f"corners to both cameras, {rules.least_views} needed: tilt the board more ways"
        )
    size = (int(pictures[0][0].shape[1]), int(pictures[0][0].shape[0]))
    alone = [cv2.calibrateCamera(flat, side, size, None, None) for side in seen]  # type: ignore[call-overload]
    residual, k1, d1, k2, d2, rotation, shift, _, _ = cv2.stereoCalibrate(
        flat,
        seen[0],
        seen[1],
        alone[0][1],
        alone[0][2],
        alone[1][1],
        alone[1][2],
        size,
        flags=cv2.CALIB_USE_INTRINSIC_GUESS,
    )
    if residual > rules.residual_px:
        raise CalibrationError(
            f"residual {residual:.2f} px over {len(flat)} pairs, at most {rules.residual_px:g}: "
            "is the board flat, its size right, the cameras synchronous?"
        )
    left_view = pinhole("left", np.asarray(k1), np.eye(3), np.zeros(3), size, np.asarray(d1))
    right_view = pinhole(
        "right", np.asarray(k2), np.asarray(rotation), np.asarray(shift), size, np.asarray(d2)
    )
    return StereoCalibrated((left_view, right_view), float(residual), len(flat))
