"""A conversation in a process of its own: what passes, what happens when it is killed or ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

import tracker
from hal.clock import HostClock
from hal.events import LinkChanged, SendDemand
from hal.gcs.driver import GcsWire
from hal.messages import ActuatorStatus, Sample
from hal.registry import DRIVERS
from sim.gcs import GcsTwin
from sim.serve import serve
from tracker.config import SHIPPED, load_configuration
from tracker.live.devices.device_plan import DevicePlan, device_plans
from tracker.live.devices.process_link import ProcessLink
from tracker.live.own_process import process_environment

pytestmark = pytest.mark.realtime

PLAN = device_plans(load_configuration(SHIPPED / "room-twin.toml"))["actuator"]


def couch_at(address: str) -> DevicePlan:
    context = msgspec.structs.replace(PLAN.context, device="couch")
    return replace(
        PLAN, driver=DRIVERS.row("gcs"), settings=GcsWire(address=address), context=context
    )


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_commands_go_samples_come_and_a_killed_process_is_started_again() -> None:
    clock = HostClock()
    heard: list[Sample | LinkChanged] = []
    twin = GcsTwin("couch")
    pids: list[int] = []

    def ups() -> list[bool]:
        return [event.up for event in heard if isinstance(event, LinkChanged)]

    async def scenario() -> ProcessLink:
        async with serve(twin, "tcp://127.0.0.1:0", clock) as served:
            link = ProcessLink(couch_at(served.text), clock, heard.append)
            task = asyncio.create_task(link.run())
            await until(lambda: link.up)
            assert link.pid is not None
            pids.append(link.pid)
            for step in range(30):
                link.obey(SendDemand(clock(), "couch", (0.0, 0.02 * step, 0.0)))
                await asyncio.sleep(0.01)
            await until(lambda: twin.position["Y"] > 0.2)
            await until(lambda: any(isinstance(event, ActuatorStatus) for event in heard))
            os.kill(link.pid, signal.SIGKILL)
            await until(lambda: not link.up)
            link.obey(SendDemand(clock(), "couch", (0.0, 0.0, 0.0)))
            assert link.counts.refused_commands == 1
            await until(lambda: link.up)
            assert link.pid is not None
            pids.append(link.pid)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return link

    link = asyncio.run(scenario())
    assert ups() == [True, False, True, False]
    assert len(set(pids)) == 2
    assert not any(alive(pid) for pid in pids)
    figures = link.figures()
    assert figures.counts.samples > 0
    assert "Physik Instrumente" in figures.identity


def test_a_process_that_cannot_be_built_is_reported_by_its_silence(tmp_path: Path) -> None:
    heard: list[Sample | LinkChanged] = []

    async def scenario() -> None:
        plan = couch_at("tcp://127.0.0.1:1")  # nobody listens there
        link = ProcessLink(plan, HostClock(), heard.append)
        task = asyncio.create_task(link.run())
        await until(lambda: bool(heard))
        assert not link.up
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert isinstance(heard[0], LinkChanged)
    assert "tcp://127.0.0.1:1" in heard[0].detail


def test_another_process_runs_the_same_program_wherever_it_is_started(tmp_path: Path) -> None:
    # -S: what is installed is not found, so that only the environment can lead there.
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import tracker; print(tracker.__file__)"],
        cwd=tmp_path,
        env=process_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == tracker.__file__
