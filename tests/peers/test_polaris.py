"""The Polaris twin read by scikit-surgerynditracker on NDI's ndicapi: TCP and pty, TX and BX."""

# Python peers of this folder: scikit-surgerynditracker 1.0.6, ndicapi 3.7.6, bitalino 1.2.6
# (GPL; PyBluez-bitalino builds against libbluetooth-dev), PIPython 2.11.0.6 (proprietary),
# pymodbus 3.16.1. None of them is needed to run tidetrack. Debian's: see setup.sh.

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from hal.clock import HostClock
from hal.messages import MarkerFrame
from sim.polaris import PolarisTwin
from sim.serve import serve
from tests.peers.peer_process import client

pytest.importorskip("sksurgerynditracker", reason="scikit-surgerynditracker is not installed")
pytest.importorskip("ndicapy", reason="ndicapi is not installed")

pytestmark = [pytest.mark.realtime, pytest.mark.peer]

BX, TX = "Polaris Vega 009", "Polaris Vega 008"
"""Freeze tags by which the client picks its command."""


async def tracked(wire: str, freeze_tag: str, settings: dict[str, Any]) -> dict[str, Any]:
    clock = HostClock()

    async def breathe() -> None:
        while True:
            ticks = clock() * 60 // 10**9
            place = (12.5, -0.25 * ticks, -1500.0)
            served.show(MarkerFrame("t", clock(), ticks, (place,), (0.12,)))
            await asyncio.sleep(1 / 120)

    async with serve(PolarisTwin(freeze_tag), wire, clock) as served:
        if wire.startswith("tcp"):
            settings |= {"ip address": "127.0.0.1", "port": int(served.text.rsplit(":", 1)[1])}
        else:
            settings |= {"serial port": served.text.removeprefix("serial://")}
        breathing = asyncio.create_task(breathe())
        try:
            return await client("polaris", settings)
        finally:
            breathing.cancel()
            await asyncio.wait([breathing])


@pytest.mark.parametrize("freeze_tag", [BX, TX])
@pytest.mark.parametrize("wire", ["tcp://127.0.0.1:0", "pty:"])
def test_client_reads_every_frame_right(wire: str, freeze_tag: str, tmp_path: Path) -> None:
    if wire.startswith("tcp") and shutil.which("ping") is None:
        pytest.skip("the client calls ping, which is not installed (apt iputils-ping)")
    rom = tmp_path / "tool.rom"
    rom.write_bytes(b"NDI\0" + bytes(700))
    kind = "vega" if wire.startswith("tcp") else "polaris"
    settings = {"tracker type": kind, "romfiles": [str(rom)]}
    result = asyncio.run(tracked(wire, freeze_tag, settings))
    assert result["command"] == ("BX:0801" if freeze_tag == BX else "TX:0801")
    seen = {int(frame): values for frame, values in result["seen"].items()}
    assert len(seen) > 10
    assert result["polls"] > 20
    for frame, (x, y, z, error) in seen.items():
        assert (x, y, z) == pytest.approx((12.5, -0.25 * frame, -1500.0), abs=0.006)
        assert error == pytest.approx(0.12, abs=1e-4)
