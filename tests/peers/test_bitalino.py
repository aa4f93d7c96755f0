"""The BITalino twin read by BITalino's own Python client (GPL: a test peer only), TCP and pty."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import math
from typing import Any

import pytest

from hal.clock import HostClock
from hal.messages import BeltSample
from sim.bitalino import BitalinoTwin
from sim.serve import serve
from tests.peers.peer_process import client

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.peer,
    pytest.mark.skipif(
        importlib.util.find_spec("bitalino") is None, reason="the bitalino client is not installed"
    ),
]


async def acquired(wire: str, settings: dict[str, Any]) -> dict[str, Any]:
    clock = HostClock()

    async def breathe() -> None:
        while True:
            value = 500 + 200 * math.sin(2 * math.pi * clock() / 4e9)
            served.show(BeltSample("room", clock(), 0, value))
            await asyncio.sleep(0.005)

    async with serve(BitalinoTwin(free_running=True), wire, clock) as served:
        place = served.text.removeprefix("tcp://").removeprefix("serial://")
        breathing = asyncio.create_task(breathe())
        try:
            return await client("bitalino", settings | {"address": place})
        finally:
            breathing.cancel()
            await asyncio.wait([breathing])


@pytest.mark.parametrize(("rate_hz", "channels"), [(100, [1, 2]), (1000, [1, 2, 3, 4, 5, 6])])
@pytest.mark.parametrize("wire", ["tcp://127.0.0.1:0", "pty:"])
def test_client_reads_every_sample_right(wire: str, rate_hz: int, channels: list[int]) -> None:
    settings = {"rate_hz": rate_hz, "channels": channels, "samples": rate_hz}
    result = asyncio.run(acquired(wire, settings))
    assert "BITalino_v5.1" in str(result["version"])
    rows: list[list[int]] = result["rows"]
    assert [row[0] for row in rows] == [i % 16 for i in range(rate_hz)], "sequence without a gap"
    belt = [row[5] for row in rows]
    assert max(abs(b - a) for a, b in itertools.pairwise(belt)) < 150
    assert 290 <= min(belt) < max(belt) <= 710
    assert {tuple(row[6:]) for row in rows} == {(512, 512, 512, 32, 32)[: len(channels) - 1]}
    assert 0.6 < result["took_s"] < 4.0
