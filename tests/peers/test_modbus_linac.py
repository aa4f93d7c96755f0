"""The linac's angles over Modbus: pymodbus reads the twin, and is the device that the driver reads.

pymodbus does its own conversions, so signs and the order of words are compared with another's.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import subprocess
import sys
from typing import Any, Literal

import pytest

from hal.clock import HostClock
from hal.events import LinkChanged
from hal.link import Link
from hal.messages import LinacStatus, Sample
from hal.modbus.linac_registers import AngleRegister, LinacRegisters, UnitsRegister
from hal.modbus.linac_session import ModbusLinacSession
from hal.transports import Tcp
from sim.modbus_linac import ModbusLinacTwin
from sim.serve import serve
from tests.peers.peer_process import CLIENTS, client

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.peer,
    pytest.mark.skipif(
        importlib.util.find_spec("pymodbus") is None,
        reason="pymodbus is not installed: pip install pymodbus",
    ),
]


def registers(order: Literal["big", "little"]) -> LinacRegisters:
    return LinacRegisters(
        word_order=order,
        gantry=AngleRegister(register=0),
        collimator=AngleRegister(register=1, signed=True),
        table=AngleRegister(register=2, words=2, signed=True, factor=0.001),
        monitor_units=UnitsRegister(register=4),
    )


@pytest.mark.parametrize("order", ["big", "little"])
def test_pymodbus_reads_the_twin(order: Literal["big", "little"]) -> None:
    async def run() -> dict[str, Any]:
        twin = ModbusLinacTwin(registers(order))
        twin.show(LinacStatus("linac", 0, 270.5, 300.0, 355.25, 1234.56), 0)
        async with serve(twin, "tcp://127.0.0.1:0", HostClock()) as served:
            port = int(served.text.rsplit(":", 1)[1])
            return await client("modbus_linac", {"port": port, "order": order})

    assert asyncio.run(run()) == {
        "gantry": 2705,
        "collimator": -600,
        "table": -4750,
        "units": 123456,
        "unknown": 2,
        "holding": 1,
    }


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def test_the_driver_reads_a_device_made_of_pymodbus() -> None:
    port = free_port()
    given = {"port": port, "registers": [2705, 64936, 65535, 60786, 1, 57920]}
    program = [sys.executable, str(CLIENTS / "modbus_linac.py"), json.dumps(given)]
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    heard: list[Sample | LinkChanged] = []

    async def read() -> None:
        session = ModbusLinacSession("linac", registers("big"))
        link = Link("linac", session, Tcp("127.0.0.1", port), HostClock(), heard.append)
        running = asyncio.create_task(link.run())
        async with asyncio.timeout(20):
            while len(heard) < 6:  # noqa: ASYNC110  what is waited for is another program's doing
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])

    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline().strip() == "serving"
        asyncio.run(read())
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)
    told = [sample for sample in heard if not isinstance(sample, LinkChanged)]
    assert len(told) >= 5
    for sample in told:
        assert isinstance(sample, LinacStatus), sample
        assert sample.gantry_deg == pytest.approx(270.5)
        assert sample.collimator_deg == pytest.approx(300.0)
        assert sample.table_deg == pytest.approx(355.25)
        assert sample.monitor_units == pytest.approx(1234.56)
