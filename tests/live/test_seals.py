"""What was measured on the devices is read back with device, date and checksum, or not at all."""

from __future__ import annotations

import datetime
from pathlib import Path

import msgspec
import pytest

from hal.sealed import write_sealed
from tracker.config import SHIPPED, Configuration, altered, load_configuration
from tracker.live.devices.arrangement import Arrangement, CameraErrors, pose_sha256
from tracker.live.devices.self_test import BEFORE

NOW = datetime.datetime(2026, 11, 24, 9, 0, tzinfo=datetime.UTC)
PLATE = [[0.0, 0.0, 0.0], [80.0, 0.0, 0.0], [0.0, 150.0, 0.0], [20.0, 40.0, 60.0]]


def configured(folder: Path) -> Configuration:
    shipped = load_configuration(SHIPPED / "room-twin.toml")
    changes = {"self_test": {"arrangement_mm": PLATE, "arrangement_file": "plate.json"}}
    (folder / "rsi-ethernet.xml").write_bytes((SHIPPED / "rsi-ethernet.xml").read_bytes())
    file = folder / "room.toml"
    file.write_text(altered(shipped, changes).text)
    return load_configuration(file)


@pytest.mark.parametrize(
    ("change", "edit", "said"),
    [
        ({}, ("", ""), ""),
        ({}, ("0.31", "0.13"), "checksum does not match"),
        ({}, ("2026", "2027"), "checksum does not match"),
        ({"device": "camera-2"}, ("", ""), "camera was not checked, but camera-2; check again"),
        ({"made": "2026-11-20T09:00:00+00:00"}, ("", ""), "tidetrack arrangement"),
        ({"errors_mm": (0.1, 2.5, 0.1, 0.1)}, ("", ""), "2.5 mm off, limit 2 mm"),
        ({"pose_sha256": "0"}, ("", ""), "another camera pose"),
    ],
)
def test_the_arrangement_check_is_believed_only_as_it_was_written(
    tmp_path: Path, change: dict[str, object], edit: tuple[str, str], said: str
) -> None:
    configuration = configured(tmp_path)
    changes = dict(change)
    made = str(changes.pop("made", "2026-11-24T07:00:00+00:00"))
    camera = CameraErrors(
        device="camera",
        errors_mm=(0.31, 0.2, 0.4, 0.1),
        pose_sha256=pose_sha256(configuration, configuration.controller.camera),
    )
    cameras = (msgspec.structs.replace(camera, **changes),)
    path = tmp_path / "plate.json"
    write_sealed(path, Arrangement(made=made, tolerance_mm=2.0, cameras=cameras))
    path.write_text(path.read_text().replace(*edit, 1))
    ((passed, text),) = BEFORE["arrangement"](configuration, tmp_path, NOW)
    assert passed == (not said), text
    assert said in text


def test_a_missing_arrangement_check_says_how_to_make_one(tmp_path: Path) -> None:
    ((passed, text),) = BEFORE["arrangement"](configured(tmp_path), tmp_path, NOW)
    assert not passed
    assert "no such file; check again: tidetrack arrangement CONFIG --out" in text
