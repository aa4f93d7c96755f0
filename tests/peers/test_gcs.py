"""The couch's twin driven by PI's own pipython (proprietary: a test peer only) over TCP."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

import pytest

from hal.clock import HostClock
from hal.events import Command, SendDemand, SendStop
from sim.gcs import GcsTwin
from sim.serve import serve
from tests.peers.peer_process import client

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.peer,
    pytest.mark.skipif(
        importlib.util.find_spec("pipython") is None, reason="pipython is not installed"
    ),
]


def test_pipython_drives_the_twin() -> None:
    commands: list[Command] = []

    async def run() -> dict[str, Any]:
        twin = GcsTwin(referenced=False, reference_s=0.5)
        async with serve(twin, "tcp://127.0.0.1:0", HostClock(), commands.append) as served:
            return await client("gcs", {"port": int(served.text.rsplit(":", 1)[1])})

    result = asyncio.run(run())
    assert "C-887" in result["identity"]
    assert result["axes"] == list("XYZUVW")
    assert result["unreferenced"] == 5
    assert 0.3 < result["reference_s"] < 3.0
    assert all(result["referenced"])
    assert result["speed"] == 20
    assert result["lowest"] == -50
    assert result["moving"]
    assert 0.28 < result["took_s"] < 3.0, "5.8 mm at 20 mm/s"
    assert result["position"] == pytest.approx([5, -3, 0], abs=0.01)
    assert result["limit"] == 7
    assert result["fast"] == 8
    assert result["stopped"] == 10
    assert result["still"]
    assert result["last"] == pytest.approx(5.499)
    assert result["moves_per_s"] > 100
    assert any(isinstance(command, SendStop) for command in commands)
    assert [c for c in commands if isinstance(c, SendDemand)][-1].position_mm[0] == 5.499
