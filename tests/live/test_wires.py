"""The sections of wires: read with the configuration, refused key by key, kept when changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from hal.errors import DeviceError
from tracker.config import (
    SHIPPED,
    ConfigurationError,
    altered,
    load_configuration,
    parse_configuration,
)
from tracker.live.devices.device_builder import build_device, conversation_of
from tracker.live.devices.device_plan import device_plans
from tracker.live.devices.pictures import host_and_port
from tracker.live.devices.twin_places import other_end, places_of
from tracker.wires import Modbus, Polaris, Rsi, configured

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
            'f.toml: wires.actuator.driver: "rssi" is not one of rsi, gcs; did you mean "rsi"?',
        ),
        ('[wires.actuator]\naddress = "udp://:1"', "f.toml: wires.actuator.driver: missing;"),
        ('[wires.lamp]\ndriver = "x"', "f.toml: wires.lamp: unknown section;"),
        (
            '[wires.actuator]\ndriver = "rsi"\naddress = "udp://:1"\nethernet = "e.xml"\n'
            "session = {cycle_ns = 5}",
            "f.toml: RSI cycle 5 ns: KUKA has 4 ms",
        ),
    ],
)
def test_what_is_wrong_with_a_wire_is_said(text: str, problem: str) -> None:
    (found,) = problems_of(text)
    assert found.startswith(problem)


def test_room_twin_has_every_device_and_survives_being_changed() -> None:
    configuration = load_configuration(ROOM_TWIN)
    assert configuration.wires is not None
    assert list(configured(configuration.wires)) == [
        "camera", "belt", "imager", "actuator", "gate",
    ]  # fmt: skip
    changed = altered(configuration, {"wires.gate": {"address": "tcp://10.0.0.1:502"}})
    assert changed.wires is not None
    gate = changed.wires.gate
    assert isinstance(gate, Modbus)
    assert gate.address == "tcp://10.0.0.1:502"
    assert changed.wires.actuator == configuration.wires.actuator


def test_every_order_builds_and_names_its_device() -> None:
    orders = device_plans(load_configuration(ROOM_TWIN))
    for role, order in orders.items():
        device = build_device(order, lambda: 0, lambda event: None)
        assert device.device == order.device
        assert not device.up
        assert role in ("camera", "belt", "imager", "actuator", "gate")
    assert {role for role, order in orders.items() if order.apart} == {"imager", "actuator"}
    assert isinstance(orders["actuator"].wire, Rsi)
    # The robot's own limits are those of the guard, not wider.
    assert orders["actuator"].limits.speed_mm_s == 250.0
    assert orders["actuator"].limits.upper_mm == (40.0, 40.0, 40.0)


def test_a_configuration_without_wires_cannot_be_run() -> None:
    with pytest.raises(ConfigurationError, match=r"has no \[wires\]; add a section"):
        device_plans(load_configuration(SHIPPED / "couch.toml"))


def test_a_tracker_needs_tool_definitions(tmp_path: Path) -> None:
    order = device_plans(load_configuration(ROOM_TWIN))["camera"]
    bare = Polaris(address="tcp://localhost:8765")
    with pytest.raises(DeviceError, match="no tool definition"):
        conversation_of(replace(order, wire=bare))
    (tmp_path / "a.rom").write_bytes(b"NDI" * 20)
    named = Polaris(address="tcp://localhost:8765", roms=("a.rom",))
    conversation_of(replace(order, wire=named, folder=str(tmp_path)))


def test_the_room_serves_the_other_end_of_every_wire() -> None:
    assert other_end("serial:///tmp/camera?baud=9600") == "pty:///tmp/camera"
    assert other_end("udp://:49152") == "udp://127.0.0.1:49152"
    assert other_end("udp://10.0.0.7:49152") == "udp://:49152"
    assert other_end("tcp://127.0.0.1:502") == "tcp://127.0.0.1:502"
    places = places_of(load_configuration(ROOM_TWIN))
    assert {role: place.driver for role, place in places.items()} == {
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
