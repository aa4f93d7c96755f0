"""The iCOM twin, read by pymedphys 0.41: its listener takes the stream from TCP and decodes it."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from hal.clock import HostClock
from hal.icom.session import IcomSettings
from hal.messages import LinacStatus
from sim.icom import IcomTwin
from sim.serve import serve
from tests.peers.peer_process import client

pytestmark = [pytest.mark.realtime, pytest.mark.peer]

MESSAGES = 12


@pytest.mark.skipif(
    importlib.util.find_spec("pymedphys") is None,
    reason="pymedphys is not installed: pip install pymedphys==0.41.0",
)
def test_pymedphys_reads_the_twin(tmp_path: Path) -> None:
    async def run() -> dict[str, Any]:
        twin = IcomTwin(IcomSettings(period_ms=20.0))
        async with serve(twin, "tcp://127.0.0.1:0", HostClock()) as served:
            port = int(served.text.rsplit(":", 1)[1])
            settings = {"port": port, "folder": str(tmp_path), "messages": MESSAGES}
            reading = asyncio.create_task(client("icom", settings))
            while not reading.done():
                if served.connected:
                    # The angles follow from the counter, so each message is known by its own.
                    served.show(of_message(twin.count))
                await asyncio.sleep(0.02)
            return reading.result()

    result = asyncio.run(run())
    sent = [of_message(number) for number in result["counters"]]
    assert result["Gantry"] == [-10.5 + number for number in result["counters"]]
    assert result["Collimator"] == [90.0] * MESSAGES
    assert result["Table Isocentric"] == [-5] * MESSAGES
    assert result["Table Column"] == [0] * MESSAGES
    assert result["Machine ID"] == ["TWIN"] * MESSAGES
    assert result["Delivery MU"] == [status.monitor_units for status in sent]
    units, gantry, collimator = result["delivery"]
    assert units == [number * 0.25 for number in range(MESSAGES)], "what was delivered since"
    assert (gantry, collimator) == (result["Gantry"], result["Collimator"])
    assert result["leaves"] == [MESSAGES, 80, 2]
    assert result["jaws"] == [50.0, 50.0]


def of_message(number: int) -> LinacStatus:
    """What the linac reports in the message with this number."""
    return LinacStatus("linac", 0, (349.5 + number) % 360.0, 90.0, 355.0, 0.25 * number)
