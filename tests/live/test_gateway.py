"""What OpenIGTLink clients see of a run: real clients on a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from hal.clock import HostClock
from hal.events import Event, Tick
from hal.messages import ActuatorStatus, BeamStatus
from hal.openigtlink.codec import IgtlPacket, StreamReader
from hal.openigtlink.contents import IgtlText, Sensor, Status, Transform, position_of
from hal.openigtlink.driver import IgtlGatewaySettings as Settings
from tests.live.processes import free_ports
from tracker.config import SHIPPED, ConfigurationError, load_configuration
from tracker.core.session import SessionState
from tracker.core.types import (
    FaultChanged,
    Output,
    SessionChanged,
    TargetEstimate,
    TargetPrediction,
)
from tracker.live.service.gateway import IgtlGateway, beside, gateway_of

pytestmark = pytest.mark.realtime

CONTROLLER = load_configuration(SHIPPED / "couch.toml").controller
NO_COVARIANCE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
MS = 1_000_000


async def heard(reader: asyncio.StreamReader, enough: int) -> list[IgtlPacket]:
    stream, found = StreamReader(), list[IgtlPacket]()
    async with asyncio.timeout(5.0):
        while len(found) < enough:
            data = await reader.read(65536)
            assert data, found
            found += [item for item in stream.feed(data) if isinstance(item, IgtlPacket)]
    return found


def seen(*each: tuple[Event, Sequence[Output]], first: int = 0) -> list[IgtlPacket]:
    """What a client is sent: ``first`` of ``each`` happen before it connects, the rest after."""

    async def together() -> list[IgtlPacket]:
        port = free_ports(1)[0]
        said: list[str] = []
        gateway = IgtlGateway(
            Settings(listen=f"127.0.0.1:{port}"), CONTROLLER, HostClock(), said.append
        )
        async with gateway.open():
            for event, outputs in each[:first]:
                gateway.observe(event, outputs)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            packets = await heard(reader, 2)  # the state it finds
            for event, outputs in each[first:]:
                gateway.observe(event, outputs)
            gateway.observe(BeamStatus("gate", 10**12, True), [])  # the last one told, always
            while packets[-1].device_name != "Beam":
                packets += await heard(reader, 1)
            writer.close()
            await writer.wait_closed()
        assert said == [f"gateway: OpenIGTLink at 127.0.0.1:{port}"]
        return packets

    return asyncio.run(together())


def test_target_prediction_and_couch_are_sent_in_their_frames_and_at_their_times() -> None:
    at_ns = 1_000 * MS
    estimate = TargetEstimate(at_ns, (1.0, -2.0, 3.0), NO_COVARIANCE)
    prediction = TargetPrediction(at_ns, at_ns + 150 * MS, (4.0, 5.0, 6.0), NO_COVARIANCE)
    couch = ActuatorStatus("couch", at_ns, (0.5, 1.5, -2.5))
    packets = seen((couch, []), (Tick(at_ns, at_ns), [estimate, prediction]))
    transforms = {p.device_name: p for p in packets if isinstance(p.content, Transform)}
    places = {
        name: position_of(p.content.matrix)
        for name, p in transforms.items()
        if isinstance(p.content, Transform)
    }
    # Head first, supine: the patient's axes are those of the table.
    assert places == {
        "Couch": (0.5, 1.5, -2.5),
        "Target": (1.0, -2.0, 3.0),
        "Prediction": (4.0, 5.0, 6.0),
    }
    apart_ns = transforms["Prediction"].unix_ns - transforms["Target"].unix_ns
    assert apart_ns == pytest.approx(150 * MS, abs=2)


def test_a_client_that_comes_late_is_told_the_newest_state_with_its_faults() -> None:
    packets = seen(
        (Tick(0, 0), [SessionChanged(5 * MS, "READY", SessionState.TRACKING, "start")]),
        (
            Tick(0, 0),
            [
                FaultChanged(9 * MS, "surrogate stale", True, "hold", "120 ms, limit 100 ms"),
                SessionChanged(9 * MS, "TRACKING", SessionState.HOLDING, "fault: hold"),
            ],
        ),
        first=2,
    )
    status, text = packets[0].content, packets[1].content
    assert isinstance(status, Status)
    assert status.code == 15, "disabled: the beam is held"
    assert text == IgtlText("HOLDING: surrogate stale 120 ms, limit 100 ms")
    assert packets[-1].content == Sensor((1.0,))


def test_a_gateway_that_breaks_says_so_once_and_the_run_goes_on() -> None:
    said: list[str] = []

    async def together() -> None:
        gateway = IgtlGateway(
            Settings(listen=f"127.0.0.1:{free_ports(1)[0]}"), CONTROLLER, HostClock(), said.append
        )
        async with gateway.open():
            nonsense = ActuatorStatus("couch", 0, (float("nan"), 0.0, 0.0))
            for _ in range(3):
                gateway.observe(nonsense, [])

    asyncio.run(together())
    assert len(said) == 2
    assert said[1].startswith("warning: gateway sends nothing more: ProtocolError")


def test_a_port_that_is_taken_is_named() -> None:
    async def never() -> None:
        raise AssertionError("opened")

    async def together() -> None:
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
            gateway = IgtlGateway(
                Settings(listen=f"127.0.0.1:{port}"), CONTROLLER, HostClock(), lambda text: None
            )
            await beside(gateway, never())

    with pytest.raises(ConfigurationError, match=r"wires.gateway.listen: 127.0.0.1:\d+: "):
        asyncio.run(together())


def test_where_none_is_configured_nothing_listens() -> None:
    configuration = load_configuration(SHIPPED / "room-twin.toml")
    assert gateway_of(configuration, HostClock(), print) is None
    ran: list[bool] = []

    async def run() -> None:
        ran.append(True)

    asyncio.run(beside(None, run()))
    assert ran == [True]
