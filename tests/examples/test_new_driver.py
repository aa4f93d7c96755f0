"""A driver and its twin, each one file and one row, go through the whole program.

The tables are handed over as values. The belt of docs/how-to/write-a-driver.md is configured,
planned, built, served by its twin on a pseudo-terminal, and probed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hal.clock import HostClock
from hal.driver import DriverTable
from hal.messages import BeltSample
from hal.registry import DRIVERS
from sim.registry import TWINS
from sim.twin import TwinTable
from sim.wired_room import wired_room
from tests.examples.line_belt import LINE_BELT
from tests.examples.line_belt_twin import LINE_BELT_TWIN
from tracker.build.room import furnish
from tracker.config import ConfigurationError, altered, parse_configuration
from tracker.live.devices import driver_reference
from tracker.live.devices.device_plan import decode_plan, device_plans, encode_plan
from tracker.live.devices.probe import Probed, probe_all
from tracker.live.devices.room_twins import room_twins

MORE_DRIVERS = DriverTable((*DRIVERS.rows, LINE_BELT))
MORE_TWINS = TwinTable((*TWINS.rows, LINE_BELT_TWIN))


def text_of(link: Path) -> str:
    return f"""
        [belt]
        device = "strap"
        [wires.belt]
        driver = "line-belt"
        address = "serial://{link}"
        [room]
        duration_s = 600.0
        """


def test_without_its_row_the_driver_is_not_known() -> None:
    with pytest.raises(ConfigurationError, match='"line-belt" is not one of bitalino, openigtlink'):
        parse_configuration(text_of(Path("/tmp/belt")))


def test_a_configuration_takes_it_and_keeps_it_when_something_is_changed() -> None:
    read = parse_configuration(text_of(Path("/tmp/belt")), drivers=MORE_DRIVERS)
    changed = altered(read, {"timing": {"latency_ms": 120.0}})
    (plan,) = device_plans(changed).values()
    assert (plan.section, plan.device, plan.driver) == ("belt", "strap", LINE_BELT)
    assert decode_plan(encode_plan(plan), MORE_DRIVERS) == plan


def test_it_is_probed_against_its_twin_on_a_pseudo_terminal(tmp_path: Path) -> None:
    read = parse_configuration(text_of(tmp_path / "belt"), drivers=MORE_DRIVERS)

    async def together() -> list[Probed]:
        room, twins = furnish(read, None, 1), room_twins(read, twins=MORE_TWINS)
        async with wired_room(room, twins, HostClock()) as wired:
            assert wired.served["belt"].text == f"serial://{tmp_path / 'belt'}"
            passing = asyncio.create_task(wired.run())
            probed = await probe_all(device_plans(read), 1.0, False)
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)
            return probed

    (probed,) = asyncio.run(together())
    assert probed.good, probed.trouble
    assert (probed.device, probed.driver, probed.nominal_hz) == ("strap", "line-belt", 100.0)
    samples = [sample for sample in probed.samples if isinstance(sample, BeltSample)]
    assert len(samples) > 5
    assert len({sample.value_au for sample in samples}) > 1


def test_the_reference_describes_it() -> None:
    page = driver_reference.page(MORE_DRIVERS, MORE_TWINS)
    assert "| [`line-belt`](#line-belt) | breathing belt of the example | belt |" in page
    assert "`tidetrack twin line-belt`" in page
