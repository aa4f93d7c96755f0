"""The tables of drivers and twins: each driver has a twin, each twin a driver."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hal.driver import ROLES, AnyDriver, DriverTable, Scheduling
from hal.errors import DeviceError
from hal.registry import DRIVERS
from hal.rsi.driver import RsiWire
from sim.registry import TWINS
from sim.twin import TwinError, TwinRequest
from tracker.live.devices import driver_reference

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "cv2", "scipy", "serial", "pylsl", "pydicom", "pynetdicom", "asyncio")


def test_every_driver_has_a_twin_and_every_twin_a_driver() -> None:
    drivers = [row.name for row in DRIVERS.rows]
    twins = [row.driver for row in TWINS.rows]
    assert sorted(drivers) == sorted(twins)
    names = [row.alone.name for row in TWINS.rows]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", DRIVERS.rows, ids=lambda row: row.name)
def test_a_row_has_known_roles_and_its_twin_is_made_for_its_settings(row: AnyDriver) -> None:
    assert row.roles
    assert set(row.roles) <= set(ROLES)
    assert row.wires
    settings = TWINS.row(row.name).alone.settings(TwinRequest())
    assert type(settings) is row.settings


def test_a_process_of_its_own_and_its_priority_stand_in_the_row() -> None:
    own = {row.name for row in DRIVERS.rows if row.own_process}
    pictures = {"gige-markers", "video-markers", "gige-xray", "dicom-xray"}
    assert own == {"rsi", "lsl", *pictures}
    scheduled = {
        row.name: row.scheduling(TWINS.row(row.name).alone.settings(TwinRequest()))
        for row in DRIVERS.rows
    }
    special = {name: found for name, found in scheduled.items() if found != Scheduling()}
    assert special == {
        "rsi": Scheduling(realtime_priority=50),
        "gige-xray": Scheduling(gives_way=True),
        "dicom-xray": Scheduling(gives_way=True),
    }
    calm = RsiWire(address="udp://:49152", ethernet="e.xml", realtime_priority=0)
    assert DRIVERS.row("rsi").scheduling(calm) == Scheduling()


def test_a_twin_alone_says_where_it_cannot_be() -> None:
    with pytest.raises(TwinError, match="--pty: rsi is on no serial line; RSI is on UDP, give"):
        TWINS.row("rsi").alone.settings(TwinRequest(pty=Path("/tmp/x")))
    with pytest.raises(TwinError, match="--port: LSL finds its streams by name"):
        TWINS.row("lsl").alone.settings(TwinRequest(port=5000))
    camera = TWINS.row("polaris").alone.settings
    assert camera(TwinRequest(pty=Path("/tmp/x"))).address == "pty:///tmp/x"
    assert camera(TwinRequest(port=99)).address == "tcp://127.0.0.1:99"


def test_every_role_can_be_had() -> None:
    assert all(DRIVERS.with_role(role) for role in ROLES)
    assert [row.name for row in DRIVERS.with_role("belt")] == ["bitalino", "openigtlink", "lsl"]


def test_a_driver_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(DeviceError, match='driver "polariss" is not known; choose one of polaris'):
        DRIVERS.row("polariss")
    with pytest.raises(TwinError, match="pigeon: has no twin"):
        TWINS.row("pigeon")
    with pytest.raises(ValueError, match="drivers modbus: named twice"):
        DriverTable((*DRIVERS.rows, DRIVERS.row("modbus")))


def test_the_table_imports_no_camera_picture_or_network_library() -> None:
    script = f"import sys, hal.registry; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_reference_is_that_of_the_table(tmp_path: Path) -> None:
    written = ROOT / "docs" / "reference" / "drivers.md"
    again = tmp_path / "drivers.md"
    assert driver_reference.main([str(again)]) == 0
    command = "python -m tracker.live.devices.driver_reference docs/reference/drivers.md"
    assert written.read_text() == again.read_text(), f"{command} writes it"
    assert driver_reference.main([]) == 2


def test_the_reference_names_every_driver_and_key() -> None:
    text = driver_reference.page()
    for row in DRIVERS.rows:
        assert f"\n## {row.name}\n" in text
        for key in row.settings.__struct_fields__:
            assert f"| `{key}` |" in text
