"""The sections ``[wires.NAME]``: read, refused key by key, kept when something is changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from hal.addresses import host_and_port
from hal.driver import ROLES
from hal.errors import DeviceError
from hal.modbus.driver import ModbusWire
from hal.polaris.driver import PolarisWire
from hal.registry import DRIVERS
from hal.rsi.driver import RsiWire
from sim.twin import other_end
from tracker.build.wire_problems import address_problems, wire_problems
from tracker.config import (
    SHIPPED,
    ConfigurationError,
    altered,
    load_configuration,
    parse_configuration,
)
from tracker.live.devices.device_builder import build_device, conversation_of
from tracker.live.devices.device_plan import decode_plan, device_plans, encode_plan
from tracker.live.devices.room_twins import room_twins
from tracker.wires import read_wires, section_roles, wires_record

ROOM_TWIN = SHIPPED / "room-twin.toml"


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(text, name="f.toml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[wires.camera]\ndriver = "polariss"\naddress = "tcp://a:1"',
            'f.toml: wires.camera.driver: "polariss" is not one of polaris, openigtlink,',
        ),
        ('[wires.camera]\ndriver = "polaris"', "f.toml: wires.camera.address: missing; add it"),
        (
            '[wires.gate]\ndriver = "modbus"\naddress = "tcp://a:1"\nsession = {refresh = 3}',
            "f.toml: wires.gate.session.refresh: unknown key; did you mean "
            "wires.gate.session.refresh_ms?",
        ),
        (
            '[wires.actuator]\ndriver = "rssi"\naddress = "udp://:1"',
            'f.toml: wires.actuator.driver: "rssi" is not one of rsi, gcs, bev-udp, '
            'openigtlink-bev; did you mean "rsi"?',
        ),
        ('[wires.actuator]\naddress = "udp://:1"', "f.toml: wires.actuator.driver: missing;"),
        ('[wires.lamp]\ndriver = "x"', "f.toml: wires.lamp: unknown section;"),
        (
            '[wires.actuator]\ndriver = "rsi"\naddress = "udp://:1"\nethernet = "e.xml"\n'
            "session = {cycle_ns = 5}",
            "f.toml: wires.actuator.session: RSI cycle 5 ns: KUKA has 4 ms",
        ),
        (
            '[wires.linac]\ndriver = "modbus-linac"\naddress = "tcp://a:1"\n'
            "session = {gantry = {register = 3}, counter = 3}",
            "f.toml: wires.linac.session: counter: register 3 is gantry; choose another",
        ),
    ],
)
def test_what_is_wrong_with_a_wire_is_said(text: str, problem: str) -> None:
    (found,) = problems_of(text)
    assert found.startswith(problem)


def test_room_twin_has_every_device_and_survives_being_changed() -> None:
    configuration = load_configuration(ROOM_TWIN)
    assert configuration.wires is not None
    assert list(configuration.wires.devices) == [
        "camera", "belt", "imager", "actuator", "gate",
    ]  # fmt: skip
    changed = altered(configuration, {"wires.gate": {"address": "tcp://10.0.0.1:502"}})
    assert changed.wires is not None
    gate = changed.wires.settings("gate")
    assert isinstance(gate, ModbusWire)
    assert gate.address == "tcp://10.0.0.1:502"
    assert changed.wires.devices["actuator"] == configuration.wires.devices["actuator"]
    assert changed.wires.settings("lamp") is None


def test_every_plan_builds_and_names_its_device() -> None:
    plans = device_plans(load_configuration(ROOM_TWIN))
    for plan in plans.values():
        device = build_device(plan, lambda: 0, lambda event: None)
        assert device.device == plan.device
        assert not device.up
        assert plan.context.role in ROLES
    apart = {section for section, plan in plans.items() if plan.driver.own_process}
    assert apart == {"imager", "actuator"}
    assert isinstance(plans["actuator"].settings, RsiWire)
    # The robot's own limits are those of the guard, not wider.
    assert plans["actuator"].context.limits.speed_mm_s == 250.0
    assert plans["actuator"].context.limits.upper_mm == (40.0, 40.0, 40.0)


def test_angles_that_come_more_seldom_than_their_limit_of_age_are_refused() -> None:
    linac = {"driver": "icom", "address": "tcp://127.0.0.1:1706"}
    slow = altered(load_configuration(ROOM_TWIN), {"wires": {"linac": linac}})
    assert "linac" in device_plans(slow), "nobody needs the angles"
    slow = altered(slow, {"linac": {"enabled": True}})
    with pytest.raises(ConfigurationError) as caught:
        device_plans(slow)
    (problem,) = caught.value.problems
    said = "linac.stale_ms: too small: 200, at least 500 (wires.linac: icom reports every 250 ms);"
    assert said in problem
    assert list(wire_problems(slow)) == [problem]
    assert "linac" in device_plans(altered(slow, {"linac": {"stale_ms": 500.0}}))


def test_the_monitor_waits_as_long_as_the_beam_takes_to_go_off_and_no_longer() -> None:
    shipped = load_configuration(ROOM_TWIN)

    def problems(monitor_ms: float, off_ms: float = 5.0, start: str = "child") -> list[str]:
        changes = {
            "monitor": {"readback_ms": monitor_ms, "start": start},
            "timing": {"latency_ms": 260.0},
            "window": {"on": "target", "off_ms": off_ms},
            "gate": {"readback_ms": 450.0},
        }
        return [line.partition(": ")[2] for line in wire_problems(altered(shipped, changes))]

    assert problems(120.0) == problems(150.0) == problems(350.0, 250.0) == []
    assert problems(450.0, 250.0) == problems(900.0, start="off") == []
    assert problems(200.0) == [
        "monitor.readback_ms: too large: 200, at most 150 (gate.readback_ms, or 150); lower it"
    ]
    assert "too large: 460, at most 450" in problems(460.0, 250.0)[0]
    assert "too small: 200, at least 250 (window.off_ms" in problems(200.0, 250.0)[0]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("udp://127.0.0.1:1706", "icom does not speak over udp; write tcp://…"),
        ("tcp://127.0.0.1", "host and port are needed"),
        ("127.0.0.1:1706", "the kind of wire is not known"),
    ],
)
def test_an_address_that_its_driver_cannot_use_is_found_without_a_run(address, said) -> None:
    linac = {"driver": "icom", "address": address}
    configuration = altered(load_configuration(ROOM_TWIN), {"wires": {"linac": linac}})
    (problem,) = address_problems(configuration)
    assert ": wires.linac" in problem
    assert said in problem
    assert list(address_problems(load_configuration(ROOM_TWIN))) == []


def test_a_plan_reaches_another_process_as_it_is() -> None:
    for plan in device_plans(load_configuration(ROOM_TWIN)).values():
        assert decode_plan(encode_plan(plan)) == plan


def test_an_address_of_another_kind_of_wire_is_refused() -> None:
    plan = device_plans(load_configuration(ROOM_TWIN))["actuator"]
    on_tcp = RsiWire(address="tcp://10.0.0.7:49152", ethernet="rsi-ethernet.xml")
    with pytest.raises(DeviceError, match="rsi does not speak over tcp; write udp://"):
        build_device(replace(plan, settings=on_tcp), lambda: 0, lambda event: None)


def test_a_further_source_has_a_wire_under_its_own_name() -> None:
    table = {"sources": {"second": {"kind": "belt"}, "wrong": 3, "unnamed": {}}}
    roles = section_roles(table)
    assert dict(roles)["second"] == "belt"
    assert "wrong" not in dict(roles)
    assert "unnamed" not in dict(roles)
    record = wires_record(roles, DRIVERS)
    sections = msgspec.convert(
        {
            "second": {"driver": "bitalino", "address": "serial:///dev/b"},
            "gate": {"driver": "modbus", "address": "tcp://a:502"},
        },
        record,
    )
    wires = read_wires(sections, roles, DRIVERS)
    assert [(wire.section, wire.role, wire.driver.name) for wire in wires.devices.values()] == [
        ("second", "belt", "bitalino"),
        ("gate", "gate", "modbus"),
    ]
    assert wires.as_table()["second"]["driver"] == "bitalino"
    with pytest.raises(msgspec.ValidationError, match="polaris"):
        msgspec.convert({"second": {"driver": "polaris", "address": "tcp://a:1"}}, record)


def test_a_configuration_without_wires_cannot_be_run() -> None:
    with pytest.raises(ConfigurationError, match=r"has no \[wires\]; add a section"):
        device_plans(load_configuration(SHIPPED / "couch.toml"))


def test_a_tracker_needs_tool_definitions(tmp_path: Path) -> None:
    plan = device_plans(load_configuration(ROOM_TWIN))["camera"]
    bare = PolarisWire(address="tcp://localhost:8765")
    with pytest.raises(DeviceError, match="no tool definition"):
        conversation_of(replace(plan, settings=bare))
    (tmp_path / "a.rom").write_bytes(b"NDI" * 20)
    named = PolarisWire(address="tcp://localhost:8765", roms=("a.rom",))
    here = msgspec.structs.replace(plan.context, folder=str(tmp_path))
    conversation_of(replace(plan, settings=named, context=here))


def test_the_room_serves_the_other_end_of_every_wire() -> None:
    assert other_end("serial:///tmp/camera?baud=9600") == "pty:///tmp/camera"
    assert other_end("udp://:49152") == "udp://127.0.0.1:49152"
    assert other_end("udp://10.0.0.7:49152") == "udp://:49152"
    assert other_end("tcp://127.0.0.1:502") == "tcp://127.0.0.1:502"
    twins = room_twins(load_configuration(ROOM_TWIN))
    assert {section: twin.row.driver for section, twin in twins.items()} == {
        "camera": "polaris",
        "belt": "bitalino",
        "imager": "gige-xray",
        "actuator": "rsi",
        "gate": "modbus",
    }


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.1:", ":3956", "a:0", "a:70000", "a:x"])
def test_an_address_of_a_panel_is_host_and_port(text: str) -> None:
    with pytest.raises(DeviceError, match="write host:port"):
        host_and_port(text)
    assert host_and_port("panel.local:3956") == ("panel.local", 3956)
