"""A live run tracks with any surrogate sources: none of them is required by name."""

from __future__ import annotations

import pytest

from hal.events import Event, LinkChanged
from hal.messages import BadSample
from tests.live.memory_room import MemoryRoom
from tests.live.processes import SOON
from tracker.config import SHIPPED, altered, parse_configuration
from tracker.live.devices.device_plan import device_plans
from tracker.live.devices.health import DeviceHealths

OTHER_WIRES = """
[wires.actuator]
driver = "gcs"
address = "tcp://127.0.0.1:50000"

[wires.gate]
driver = "modbus"
address = "tcp://127.0.0.1:502"
"""
TWO_BELTS = """
[sources.lower]
kind = "belt"

[wires.belt]
driver = "lsl"
session = {name = "belt"}

[wires.lower]
driver = "bitalino"
address = "serial:///dev/lower"
session = {largest_step_au = 24}
"""
TWO_CAMERAS = """
[sources.second]
kind = "markers"
rate_hz = 50.0

[wires.camera]
driver = "openigtlink"
address = "tcp://127.0.0.1:18944"
session = {tools = ["abdomen", "arch", "chest"]}

[wires.second]
driver = "polaris"
address = "serial:///dev/second"
blank_tools = 3
"""


@pytest.mark.parametrize(
    ("sources", "without", "devices"),
    [(TWO_BELTS, "camera", {"belt", "lower"}), (TWO_CAMERAS, "belt", {"camera", "second"})],
    ids=["belts", "cameras"],
)
def test_a_room_is_tracked_and_each_source_reports_its_health(
    sources: str, without: str, devices: set[str]
) -> None:
    file = SHIPPED / "couch.toml"
    text = file.read_text(encoding="utf-8") + OTHER_WIRES + sources
    soon = {name: SOON[name] for name in ("fusion", "correlation", "gating")}
    configuration = altered(
        parse_configuration(text, path=file),
        {**soon, without: {"enabled": False}, "room": {"duration_s": 60.0}},
    )
    run = MemoryRoom(configuration)
    plans = device_plans(configuration)
    healths = DeviceHealths(
        configuration.controller, {section: plan.device for section, plan in plans.items()}
    )

    def observe(event: Event) -> None:
        match event:
            case LinkChanged():
                healths.link(event)
            case BadSample():
                healths.bad(event)
            case _:
                healths.sample(event)

    run.onlookers.append(observe)
    while not run.beam_on:
        run.advance(1.0)
        assert run.now_ns < 40e9, (run.state, run.raised())
    found = {one.device: one for one in healths.all(run.now_ns) if one.device in devices}
    assert found.keys() == devices
    for device, health in found.items():
        source = next(
            source
            for source in configuration.controller.surrogate_sources().values()
            if source.device == device
        )
        assert health.up
        assert health.bad == 0
        assert health.rate_hz == pytest.approx(source.rate_hz, rel=0.1)
        assert health.latency_ms is not None
    assert healths.newest_breath_ns is not None
