"""The monitor reaches the gate as the row of its driver says, and refuses one without."""

from __future__ import annotations

import dataclasses

import pytest

from hal.driver import DriverTable
from hal.errors import LinkError
from hal.modbus.driver import MODBUS, ModbusWire, monitored
from hal.modbus.session import GateSettings
from hal.registry import DRIVERS
from tracker.config import ConfigurationError, parse_configuration
from tracker.live.dead_man.heartbeat import monitor_setup

WIRES = """
[wires.gate]
driver = "modbus"
address = "tcp://10.0.0.7:502"
session = {unit = 3, coil = 4, readback = "input", trip_coil = 9, reset_coil = 11}
"""


def test_the_monitor_is_given_what_the_gate_is_given() -> None:
    setup = monitor_setup(parse_configuration(WIRES), "7")
    assert (setup.host, setup.port, setup.unit, setup.coil) == ("10.0.0.7", 502, 3, 4)
    assert (setup.reads_input, setup.trip_coil, setup.tripped_input) == (True, 9, 1)
    without = WIRES.replace("trip_coil = 9, reset_coil = 11", "coil = 5").replace("coil = 4, ", "")
    assert monitor_setup(parse_configuration(without), "7").trip_coil == 1


def test_a_gate_without_latch_has_none_for_the_monitor() -> None:
    gate = monitored(ModbusWire(address="tcp://a:1", session=GateSettings(trip_coil=None)))
    assert (gate.trip_coil, gate.reset_coil) == (None, 2)


def test_an_address_without_tcp_is_refused() -> None:
    with pytest.raises(LinkError, match=r"serial:///dev/gate: the monitor needs TCP"):
        monitored(ModbusWire(address="serial:///dev/gate"))


def test_a_missing_gate_or_one_the_monitor_cannot_reach_is_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"wires\.gate: missing"):
        monitor_setup(parse_configuration(""), "7")
    rows = tuple(
        dataclasses.replace(row, monitored=None) if row is MODBUS else row for row in DRIVERS.rows
    )
    configuration = parse_configuration(WIRES, drivers=DriverTable(rows))
    with pytest.raises(ConfigurationError) as caught:
        monitor_setup(configuration, "7")
    (problem,) = caught.value.problems
    assert "cannot reach a gate on modbus, but on: none" in problem
    assert 'monitor.start = "off"' in problem
