"""A stereo pair's calibration on disk: JSON with date, residual and a checksum over the rest.

A file somebody edited by hand, or that a disk half wrote, is refused: geometry a little wrong
would steer the beam beside the tumour and look right on the screen.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal, cast

import msgspec

from hal.imaging.phantom import CalibrationError
from hal.imaging.view import Array, View, pinhole


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
    """What a calibration found: for which device, when (ISO 8601), how well, and the views."""

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
    """The record of a view."""
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


def checksum(content: object) -> str:
    """SHA-256 over the content in canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def write_calibration(path: Path, calibration: PairCalibration) -> None:
    """Write the file; a half-written one never appears under ``path``."""
    content = json.loads(msgspec.json.encode(calibration))
    text = json.dumps({**content, "checksum": checksum(content)}, indent=2) + "\n"
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def read_calibration(path: Path, kind: Literal["xray", "camera"]) -> PairCalibration:
    """Read a file back; raises `CalibrationError` with what is wrong and what to do."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CalibrationError(f"{path}: cannot be read ({error}): calibrate again") from error
    if not isinstance(content, dict):
        raise CalibrationError(f"{path}: not a calibration: calibrate again")
    content = cast("dict[str, object]", content)
    said = content.pop("checksum", None)
    if said != checksum(content):
        raise CalibrationError(f"{path}: checksum does not match its content: calibrate again")
    try:
        calibration = msgspec.convert(content, PairCalibration)
    except msgspec.ValidationError as error:
        raise CalibrationError(f"{path}: {error}: calibrate again") from error
    if calibration.kind != kind:
        raise CalibrationError(f"{path}: is for {calibration.kind}, {kind} expected")
    return calibration
