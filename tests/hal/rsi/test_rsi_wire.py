"""The RSI driver in a link, the twin on a socket: real UDP, real time, a second or two."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable

from hal.clock import HostClock
from hal.events import LinkChanged, SendDemand
from hal.link import Link
from hal.messages import ActuatorStatus, BadSample, Sample
from hal.motion_limits import MotionLimits
from hal.rsi.configuration import EthernetConfiguration
from hal.rsi.session import RsiSession, RsiSettings
from hal.transports import Udp
from sim.rsi import ControllerSettings, RobotTwin
from sim.serve import serve


def test_link_and_served_twin_keep_the_cycle(ethernet: EthernetConfiguration) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    heard: list[Sample | LinkChanged] = []
    clock = HostClock()
    # Both ends share one loop on a machine that may be busy: lateness is no error here.
    driver = RsiSettings(cycle_ns=12_000_000, timeout_packets=100_000, silence_cycles=50)
    session = RsiSession("robot", ethernet, MotionLimits(), driver)
    controller = ControllerSettings(cycle_ns=12_000_000, timeout_packets=100_000)
    twin = RobotTwin("twin", ethernet, controller)
    goal = (3.0, -2.0, 1.0)

    async def until(condition: Callable[[], bool]) -> None:
        for _ in range(1000):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"never: {twin.offset_mm}, {heard[-3:]}")

    async def scenario() -> None:
        link = Link("robot", session, Udp("", port), clock, heard.append)
        task = asyncio.create_task(link.run())
        await asyncio.sleep(0.05)
        async with serve(twin, f"udp://127.0.0.1:{port}", clock):
            await until(lambda: link.up)
            for tick in range(100):
                link.obey(SendDemand(clock(), "robot", (math.sin(tick / 16), 0.0, 1.0)))
                await asyncio.sleep(0.01)
            link.obey(SendDemand(clock(), "robot", goal))
            await until(lambda: math.dist(twin.offset_mm, goal) < 1e-3)
            await asyncio.sleep(0.1)
            twin.stop(clock())
            await until(lambda: not link.up)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    changes = [item for item in heard if isinstance(item, LinkChanged)]
    assert [change.up for change in changes[:2]] == [True, False]
    assert "controller lost" in changes[1].detail
    assert not [item for item in heard if isinstance(item, BadSample)]
    statuses = [item for item in heard if isinstance(item, ActuatorStatus)]
    assert len(statuses) > 20
    assert math.dist(statuses[-1].position_mm, goal) < 1e-3
