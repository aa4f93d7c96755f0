"""A stereo pair's calibration on disk: JSON with date, residual and a checksum over the rest.

A file that was edited by hand or only partly written is refused: a small error in the geometry
would steer the beam beside the tumour and would not be visible on the screen.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Literal

import msgspec

from hal.imaging.phantom import CalibrationError
from hal.imaging.view import Array, View, pinhole
from hal.sealed import SealError, read_sealed, write_sealed

RESIDUAL_PX = 0.5
"""Largest residual that calibration accepts; a file with a larger one is refused."""


class StoredView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of one `hal.imaging.view.View`."""

    name: str
    width_px: int
    height_px: int
    camera_matrix: tuple[tuple[float, ...], ...]
    rotation: tuple[tuple[float, ...], ...]
    translation_mm: tuple[float, ...]
    distortion: tuple[float, ...] = ()


class PairCalibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Result of a calibration: device, date (ISO 8601), residual, and the views."""

    kind: Literal["xray", "camera"]
    device: str
    made: str
    residual_px: float
    left: StoredView
    right: StoredView

    @property
    def views(self) -> tuple[View, View]:
        """Both views, ready for use."""
        return _revive(self.left), _revive(self.right)


def _revive(stored: StoredView) -> View:
    return pinhole(
        stored.name,
        stored.camera_matrix,
        stored.rotation,
        stored.translation_mm,
        (stored.width_px, stored.height_px),
        stored.distortion,
    )


def _rows(matrix: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)


def store(view: View) -> StoredView:
    """Return the record of a view."""
    return StoredView(
        view.name,
        view.width_px,
        view.height_px,
        _rows(view.camera_matrix),
        _rows(view.rotation),
        tuple(view.translation_mm.tolist()),
        tuple(view.distortion.tolist()),
    )


def pair_calibration(
    kind: Literal["xray", "camera"],
    device: str,
    made: str,
    residual_px: float,
    views: tuple[View, View],
) -> PairCalibration:
    """Put a calibration together; ``made`` is the date and time, the caller's."""
    return PairCalibration(kind, device, made, residual_px, store(views[0]), store(views[1]))


def write_calibration(path: Path, calibration: PairCalibration) -> None:
    """Write the file; a half-written one never appears under ``path``."""
    write_sealed(path, calibration)


def read_calibration(
    path: Path,
    kind: Literal["xray", "camera"],
    device: str = "",
    residual_px: float = RESIDUAL_PX,
) -> PairCalibration:
    """Read a file back; raises `CalibrationError` with what is wrong and what to do.

    ``device`` is whose it must be (empty: anybody's), ``residual_px`` how well it must hold.
    """
    try:
        found = read_sealed(path, PairCalibration)
    except SealError as error:
        raise CalibrationError(f"{error}: calibrate again") from error
    if found.kind != kind:
        raise CalibrationError(f"{path}: is for {found.kind}, {kind} expected")
    if device and found.device != device:
        raise CalibrationError(f"{path}: is that of {found.device}, {device} expected")
    try:
        datetime.datetime.fromisoformat(found.made)
    except ValueError:
        text = f"{path}: made {found.made!r} is no date (ISO 8601): calibrate again"
        raise CalibrationError(text) from None
    if not 0.0 <= found.residual_px <= residual_px:
        raise CalibrationError(
            f"{path}: residual {found.residual_px:.2f} px, at most {residual_px:g}: calibrate again"
        )
    return found
