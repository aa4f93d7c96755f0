"""The self-test before a start, and the check that a marker plate is seen where it is."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from hal.messages import BeamStatus, MarkerFrame, Triple
from hal.sealed import write_sealed
from tracker.config import SHIPPED, Configuration, ConfigurationError, altered, load_configuration
from tracker.live.devices.arrangement import (
    EXCHANGES,
    Arrangement,
    CameraErrors,
    advice,
    errors_mm,
    exchanged,
    marker_cameras,
    named,
    pose_sha256,
    refuse_symmetric,
)
from tracker.live.devices.device_plan import DevicePlan, device_plans
from tracker.live.devices.probe import Probed
from tracker.live.devices.self_test import BEFORE, LISTENING

PLATE: tuple[Triple, ...] = ((100.0, -40.0, 15.0), (-60.0, 70.0, 25.0), (20.0, 90.0, -50.0))
NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize("turn", EXCHANGES[1:], ids=named)
def test_every_exchange_of_axes_or_signs_is_found_and_named(turn: Any) -> None:
    seen = [exchanged(place, turn) for place in PLATE]
    assert max(errors_mm(seen, PLATE)) > 2.0
    said = advice(seen, PLATE, 2.0, "camera")
    assert said.startswith("it would be with ")
    assert "correct camera.rotation_deg" in said
    back = next(t for t in EXCHANGES if named(t) in said)
    assert [exchanged(place, back) for place in seen] == [list(p) and tuple(p) for p in PLATE]


def test_what_no_exchange_explains_says_so() -> None:
    seen = [(x + 9.0, y, z) for x, y, z in PLATE]
    assert advice(seen, PLATE, 2.0, "camera").startswith("no exchange")


@pytest.mark.parametrize(
    "plate",
    [
        PLATE[:2],
        ((50.0, 50.0, 0.0), (-50.0, 50.0, 0.0), (-50.0, -50.0, 0.0)),  # flat: Z may be mirrored
        ((40.0, 40.0, 40.0), (10.0, 10.0, 10.0), (-20.0, -20.0, -20.0)),  # any axes exchanged
    ],
)
def test_a_plate_on_which_an_axis_could_hide_is_refused(plate: tuple[Triple, ...]) -> None:
    with pytest.raises(ConfigurationError, match="arrangement_mm"):
        refuse_symmetric(plate, 2.0)


def test_the_plate_of_these_tests_is_not() -> None:
    refuse_symmetric(PLATE, 2.0)


def configured(folder: Path, **keys: object) -> Configuration:
    """The room's configuration with keys of [self_test], as if it lay in ``folder``."""
    shipped = altered(load_configuration(SHIPPED / "room-twin.toml"), {"self_test": dict(keys)})
    path = folder / "room.toml"
    path.write_text(shipped.text)
    return load_configuration(path)


def before(check: str, configuration: Configuration, folder: Path) -> tuple[bool, str]:
    (found,) = BEFORE[check](configuration, folder, NOW)
    return found


def test_a_disk_with_too_little_space_is_refused(tmp_path: Path) -> None:
    shipped = load_configuration(SHIPPED / "room-twin.toml")
    assert before("disk", altered(shipped, {"records": {"least_free_mb": 10}}), tmp_path)[0]
    full = altered(shipped, {"records": {"least_free_mb": 1_000_000}})
    passed, text = before("disk", full, tmp_path)
    assert not passed
    assert "1000000 are needed" in text


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    shipped = load_configuration(SHIPPED / "room-twin.toml")
    assert before("journal", shipped, tmp_path)[0]
    assert not before("journal", shipped, tmp_path / "nowhere")[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("age_days", "off_mm", "other_pose", "passed", "says"),
    [
        (0.5, 0.4, False, True, "0 days old"),
        (0.97, 0.4, False, True, "due soon"),
        (1.5, 0.4, False, False, "limit 1"),
        (-2.0, 0.4, False, False, "in the future"),
        (0.5, 3.0, False, False, "3.0 mm off"),
        (0.5, 0.4, True, False, "another camera pose"),
    ],
)
def test_the_arrangement_check_is_new_good_and_of_this_pose(
    tmp_path: Path, age_days: float, off_mm: float, other_pose: bool, passed: bool, says: str
) -> None:
    wanted = configured(tmp_path, arrangement_file="plate.json", arrangement_mm=PLATE)
    digest = "0" * 64 if other_pose else pose_sha256(wanted, wanted.controller.camera)
    seen = CameraErrors(device="camera", errors_mm=(0.1, off_mm, 0.2), pose_sha256=digest)
    made = (NOW - datetime.timedelta(days=age_days)).isoformat()
    write_sealed(tmp_path / "plate.json", Arrangement(made=made, tolerance_mm=2.0, cameras=(seen,)))
    judged, text = before("arrangement", wanted, tmp_path)
    assert (judged, says in text) == (passed, True), text


def with_second_camera(folder: Path) -> Configuration:
    """The room with two marker cameras on wires."""
    keys: dict[str, object] = {"arrangement_file": "plate.json", "arrangement_mm": PLATE}
    text = configured(folder, **keys).text
    file = folder / "room.toml"
    file.write_text(
        text + '[sources.second]\nkind = "markers"\nposition_mm = [0.0, 0.0, 1600.0]\n'
        '[wires.second]\ndriver = "polaris"\naddress = "serial:///dev/second"\n'
    )
    return load_configuration(file)


def test_every_marker_camera_with_a_wire_must_have_been_checked(tmp_path: Path) -> None:
    wanted = with_second_camera(tmp_path)
    cameras = marker_cameras(wanted)
    assert list(cameras) == ["camera", "second"]
    seen = [
        CameraErrors(
            device=camera.device, errors_mm=(0.1,), pose_sha256=pose_sha256(wanted, camera)
        )
        for camera in cameras.values()
    ]
    assert seen[0].pose_sha256 != seen[1].pose_sha256
    file = tmp_path / "plate.json"
    for found, passed in ((seen, [True, True]), (seen[:1], [True, False])):
        write_sealed(
            file, Arrangement(made=NOW.isoformat(), tolerance_mm=2.0, cameras=tuple(found))
        )
        lines = list(BEFORE["arrangement"](wanted, tmp_path, NOW))
        assert [each for each, _ in lines] == passed, lines
    assert "second was not checked, but camera" in lines[1][1]


def test_a_room_without_marker_cameras_needs_no_arrangement_check(tmp_path: Path) -> None:
    shipped = configured(tmp_path, arrangement_file="plate.json", arrangement_mm=PLATE)
    wanted = altered(shipped, {"camera": {"enabled": False}})
    passed, text = before("arrangement", wanted, tmp_path)
    assert passed
    assert "no marker camera has a wire" in text


def test_a_missing_arrangement_check_is_refused_with_the_command(tmp_path: Path) -> None:
    wanted = configured(tmp_path, arrangement_file="plate.json", arrangement_mm=PLATE)
    passed, text = before("arrangement", wanted, tmp_path)
    assert not passed
    assert "tidetrack arrangement" in text


def plan_of(section: str) -> DevicePlan:
    return device_plans(load_configuration(SHIPPED / "room-twin.toml"))[section]


def heard(section: str, rate_hz: float, ppm: float = 0.0, *, beam: bool = False) -> Probed:
    """What a device would have sent in three seconds."""
    probed = Probed(plan_of(section))
    probed.connected = True
    for number in range(int(3 * rate_hz)):
        t_ns = round(1e9 * number / rate_hz / (1.0 + 1e-6 * ppm))
        if section == "gate":
            probed.samples.append(BeamStatus("gate", t_ns, beam))
        else:
            probed.samples.append(MarkerFrame("camera", t_ns, number, ((0.0, 0.0, 0.0),)))
    return probed


@pytest.mark.parametrize(
    ("check", "section", "probed", "passed"),
    [
        ("link", "camera", heard("camera", 60.0), True),
        ("link", "camera", heard("camera", 0.0), False),
        ("rate", "camera", heard("camera", 60.0), True),
        ("rate", "camera", heard("camera", 30.0), False),
        ("clock", "camera", heard("camera", 60.0), True),
        ("clock", "camera", heard("camera", 60.0, 5000.0), False),
        ("beam", "gate", heard("gate", 20.0), True),
        ("beam", "gate", heard("gate", 20.0, beam=True), False),
    ],
)
def test_what_a_device_said_is_judged(
    tmp_path: Path, check: str, section: str, probed: Probed, passed: bool
) -> None:
    ((judged, text),) = LISTENING[check](configured(tmp_path), plan_of(section), probed)
    assert judged == passed, text
