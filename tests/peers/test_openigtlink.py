"""OpenIGTLink against the C++ library's own examples, a program using all of it, and pyigtl.

Debian's ``openigtlink-examples`` are compiled against ``libopenigtlink-dev`` 1.11 once, into
``build/peers``. ``Speaker`` (tests/peers/openigtlink) says and hears every type we use.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import json
import math
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hal.clock import HostClock
from hal.events import Command, SendDemand
from hal.messages import ActuatorStatus, MarkerFrame, Sample
from hal.motion_limits import MotionLimits
from hal.openigtlink.bev_session import IgtlBevSession, IgtlBevSettings
from hal.openigtlink.codec import IgtlGarbled, IgtlPacket, StreamReader, encode
from hal.openigtlink.contents import (
    Content,
    IgtlText,
    IgtlTool,
    Position,
    QuaternionData,
    QuaternionTool,
    Sensor,
    StartTracking,
    Status,
    StopTracking,
    TrackingData,
    Transform,
)
from hal.openigtlink.publication import DISABLED, Publication
from hal.openigtlink.server import serve
from hal.openigtlink.session import IgtlSession, IgtlSettings
from sim.openigtlink import IgtlTwin
from sim.openigtlink_bev import IgtlBevTwin
from sim.serve import serve as sim_serve

pytestmark = [pytest.mark.realtime, pytest.mark.peer]

SOURCES = Path(__file__).parent / "openigtlink"
BUILT = Path(__file__).parent.parent.parent / "build" / "peers" / "openigtlink"
TURNED = (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
"""A turn about z by 90 degrees, in the wire's column order."""

PYIGTL_SERVER = """
import sys, time
import numpy as np
import pyigtl
server = pyigtl.OpenIGTLinkServer(port=int(sys.argv[1]), local_server=True)
for tick in range(1000):
    while not server.is_connected():
        time.sleep(0.01)
    for name, x in (("Chest", 1.5), ("Belly", -4.25)):
        matrix = np.eye(4)
        matrix[:3, 3] = (x, 2.0, 3.0)
        message = pyigtl.TransformMessage(matrix, timestamp=1.7e9 + tick * 0.02, device_name=name)
        message.header_version = int(sys.argv[2])
        if message.header_version == 2:
            message.metadata = {"TransformStatus": "OK"}
        server.send_message(message, wait=True)
"""

PYIGTL_CONTROLLER = """
import sys, time
import numpy as np
import pyigtl
server = pyigtl.OpenIGTLinkServer(port=int(sys.argv[1]), local_server=True)
matrix = np.eye(4)
for tick in range(2000):
    for message in server.get_latest_messages():
        straight = np.array_equal(message.matrix[:3, :3], np.eye(3))
        if message.device_name == "BevDemand" and straight:
            matrix[:3, 3] = message.matrix[:3, 3]
    if server.is_connected():
        answer = pyigtl.TransformMessage(
            matrix, timestamp=1.7e9 + tick * 0.01, device_name="BevPosition"
        )
        server.send_message(answer)
    time.sleep(0.01)
"""
"""A controller that goes at once where the last demand asked it to."""


@pytest.fixture(scope="session")
def programs() -> Path:
    """The compiled peers; compiling takes some twenty seconds the first time."""
    wanted = {
        "libopenigtlink-dev": Path("/usr/lib/openigtlink/OpenIGTLinkConfig.cmake"),
        "openigtlink-examples": Path("/usr/share/doc/openigtlink-examples/examples"),
    }
    for package, place in wanted.items():
        if not place.exists():
            pytest.skip(f"{package} is not installed: sh tests/peers/setup.sh")
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed: sh tests/peers/setup.sh")
    for command in (["-S", str(SOURCES), "-B", str(BUILT)], ["--build", str(BUILT), "-j2"]):
        done = subprocess.run(["cmake", *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"cmake {command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return BUILT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(program: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A peer, with what it prints on both streams in one."""
    process = subprocess.Popen(
        [program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def connected(port: int) -> socket.socket:
    """A connection to a server that may still be starting."""
    for _ in range(200):
        with suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        time.sleep(0.02)
    return pytest.fail(f"nobody listens on port {port}")


def converse(
    session: IgtlSession, port: int, enough: Callable[[list[Sample]], bool]
) -> list[Sample]:
    """Talk to a server like a link does, until there are enough samples."""
    samples: list[Sample] = []
    begun = time.monotonic_ns()
    with connected(port) as wire:
        session.begin(0)
        while not enough(samples) and time.monotonic_ns() - begun < 20e9:
            if data := session.data_to_send():
                wire.sendall(data)
            data = wire.recv(65536)
            if not data:
                break
            samples += session.receive(data, time.monotonic_ns() - begun)
        session.stop()
        wire.sendall(session.data_to_send())
    assert enough(samples), samples[-3:]
    return samples


def on_its_circle(sample: Sample) -> bool:
    """The examples move tools on x = z = 50 cos φ, y = 50 sin φ."""
    assert isinstance(sample, MarkerFrame)
    for marker in sample.markers_mm:
        assert marker is not None
        x, y, z = marker
        assert x == z
        assert math.hypot(x, y) == pytest.approx(50.0, abs=1e-4)
    return True


def test_library_says_every_type(programs: Path) -> None:
    port = free_port()
    with running(programs / "Speaker", str(port)), connected(port) as wire:
        reader, found = StreamReader(), list[IgtlPacket | IgtlGarbled]()
        while len(found) < 7:
            data = wire.recv(65536)
            assert data
            found += reader.feed(data)
    packets = [item for item in found if isinstance(item, IgtlPacket)]
    assert len(packets) == 7
    assert {packet.unix_ns for packet in packets} == {1_700_000_000_500_000_000}
    transform, position, tracking, quaternions, status, text, sensor = packets
    assert transform.device_name == "Chest"
    assert transform.content == Transform((*TURNED, 1.5, -2.25, 3.125))
    assert isinstance(position.content, Position)
    assert position.content.position_mm == (4.5, -5.25, 6.125)
    assert position.content.quaternion == pytest.approx((0.0, 0.0, 0.6, 0.8))
    assert tracking.content == TrackingData(
        (
            IgtlTool("Marker 0", (*TURNED, 10.0, -20.0, 30.5)),
            IgtlTool("Marker 1", (*TURNED, 11.0, -21.0, 31.5)),
        )
    )
    assert isinstance(quaternions.content, QuaternionData)
    (tool,) = quaternions.content.tools
    assert (tool.name, tool.kind, tool.position_mm) == ("Marker 0", 2, (7.5, -8.25, 9.125))
    assert tool.quaternion == pytest.approx((0.0, 0.6, 0.0, 0.8))
    assert status.content == Status(13, -0x1122334455, "Warm-up", "camera is warming up")
    assert text.content == IgtlText("hello from C++")
    assert sensor.content == Sensor((512.25, -1.5))


def test_library_hears_every_type(programs: Path) -> None:
    contents: dict[str, Content] = {
        "TRANSFORM": Transform((*TURNED, 1.5, -2.25, 3.125)),
        "POSITION": Position((1.5, -2.25, 3.125), (0.0, 0.0, 0.6, 0.8)),
        "TDATA": TrackingData((IgtlTool("Marker 7", (*TURNED, 10.0, -20.0, 30.5)),)),
        "QTDATA": QuaternionData((QuaternionTool("Q", (7.5, -8.25, 9.125), (0.5, 0.5, 0.5, 0.5)),)),
        "STATUS": Status(DISABLED, -7, "HOLDING", "marker stale"),
        "STRING": IgtlText("beam held"),
        "SENSOR": Sensor((512.25, -1.5)),
        "STT_TDATA": StartTracking("TDATA", 20, "Patient"),
    }
    matrix = [0.0, -1.0, 0.0, 1.5, 1.0, 0.0, 0.0, -2.25, 0.0, 0.0, 1.0, 3.125]
    port = free_port()
    with running(programs / "Speaker", str(port)) as speaker:
        with connected(port) as wire:
            for content in contents.values():
                wire.sendall(encode(IgtlPacket("Gateway", 1_700_000_000_500_000_000, content)))
            corrupt = bytearray(encode(IgtlPacket("Gateway", 0, contents["SENSOR"])))
            corrupt[-1] ^= 1
            wire.sendall(corrupt)
            wire.shutdown(socket.SHUT_WR)
            while wire.recv(65536):
                pass  # it says everything first
        assert speaker.stdout is not None
        heard: list[dict[str, Any]] = [
            json.loads(line) for line in speaker.stdout if line.startswith("{")
        ]
    assert [line["type"] for line in heard] == [*contents, "SENSOR"]
    assert [line["crc"] for line in heard] == [True] * 8 + [False]
    assert {line["name"] for line in heard} == {"Gateway"}
    assert (heard[0]["seconds"], heard[0]["fraction"]) == (1_700_000_000, 0x80000000)
    said = {line["type"]: line for line in heard[:8]}
    assert said["TRANSFORM"]["matrix"] == matrix
    assert said["POSITION"]["position"] == [1.5, -2.25, 3.125]
    assert said["POSITION"]["quaternion"] == pytest.approx([0.0, 0.0, 0.6, 0.8])
    assert said["TDATA"]["Marker 7"] == [
        *matrix[:3],
        10.0,
        *matrix[4:7],
        -20.0,
        *matrix[8:11],
        30.5,
    ]
    assert said["QTDATA"]["Q"] == [7.5, -8.25, 9.125, 0.5, 0.5, 0.5, 0.5]
    status = said["STATUS"]
    assert (status["code"], status["subcode"]) == (DISABLED, -7)
    assert (status["error"], status["text"]) == ("HOLDING", "marker stale")
    assert said["STRING"]["text"] == "beam held"
    assert said["SENSOR"]["values"] == [512.25, -1.5]
    assert (said["STT_TDATA"]["resolution"], said["STT_TDATA"]["coordinates"]) == (20, "Patient")


def test_tracker_server_to_driver(programs: Path) -> None:
    port = free_port()
    session = IgtlSession("camera", IgtlSettings(tools=("Tracker",)))
    with running(programs / "TrackerServer", str(port), "50"):
        samples = converse(session, port, lambda found: len(found) >= 50)
    assert all(on_its_circle(sample) for sample in samples)
    assert len({sample.ticks for sample in samples if isinstance(sample, MarkerFrame)}) == 50


@pytest.mark.parametrize(
    ("program", "form"),
    [("TrackingDataServer", "TDATA"), ("QuaternionTrackingDataServer", "QTDATA")],
)
def test_tracking_data_server_to_driver(programs: Path, program: str, form: Any) -> None:
    port = free_port()
    tools = ("Channel 0", "Channel 1", "Channel 2")
    session = IgtlSession("camera", IgtlSettings(tools=tools, ask=form, resolution_ms=20))
    with running(programs / program, str(port)):
        samples = converse(session, port, lambda found: len(found) >= 40)
    assert all(on_its_circle(sample) for sample in samples)


def test_status_and_string_server(programs: Path) -> None:
    port = free_port()
    with running(programs / "StatusServer", str(port)), connected(port) as wire:
        (packet,) = StreamReader().feed(wire.recv(65536))
    assert isinstance(packet, IgtlPacket)
    assert packet.content == Status(1, 128, "OK!", "This is a test to send status message.")
    port = free_port()
    session = IgtlSession("camera", IgtlSettings(tools=("Tracker",)))
    with running(programs / "StringServer", str(port), "20"):
        assert converse(session, port, lambda _found: bool(session.last_text)) == []
    assert session.last_text == "OpenIGTLink"


def test_twin_to_tracking_data_client(programs: Path) -> None:
    twin = IgtlTwin(("Chest", "Belly"))
    output: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        with running(programs / "TrackingDataClient", "127.0.0.1", str(port), "50") as client:
            wire, _ = server.accept()
            with wire:
                wire.settimeout(0.01)
                twin.begin(0)
                begun = time.monotonic_ns()
                while len(twin.heard) < 2 and time.monotonic_ns() - begun < 10e9:
                    now_ns = time.monotonic_ns() - begun
                    with suppress(TimeoutError):
                        twin.receive(wire.recv(4096), now_ns)
                    shown = ((1.5, -2.25, 3.125), (4.0, 5.0, 6.0))
                    twin.show(MarkerFrame("room", now_ns, now_ns // 1_000_000, shown), now_ns)
                    wire.sendall(twin.data_to_send())
            assert client.stdout is not None
            output = client.stdout.read().splitlines()
    first, second = (item.content for item in twin.heard[:2] if isinstance(item, IgtlPacket))
    assert first == StartTracking("TDATA", 20, "Patient")
    assert second == StopTracking("TDATA")
    assert sum("Receiving TDATA" in line for line in output) >= 9
    printed = "\n".join(output)
    assert "Name       : Chest" in printed
    assert "Name       : Belly" in printed
    for number in ("1.5", "-2.25", "3.125"):
        assert number in printed


def test_outlet_to_receive_client(programs: Path) -> None:
    async def scenario() -> str:
        publication = Publication(1_700_000_000_000_000_000, least_period_ns=0)
        async with serve(publication, "127.0.0.1", 0) as outlet:
            client = await asyncio.create_subprocess_exec(
                str(programs / "ReceiveClient"),
                "127.0.0.1",
                str(outlet.port),
                stderr=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for _ in range(500):
                if outlet.clients:
                    break
                await asyncio.sleep(0.01)
            for tick in range(20):
                outlet.send(publication.position("Target", tick * 10_000_000, (1.25, -2.5, 8.75)))
                await asyncio.sleep(0.01)
            outlet.send(publication.state("State", 0, DISABLED, "HOLDING", "marker stale"))
            await asyncio.sleep(0.1)
        stdout, stderr = await asyncio.wait_for(client.communicate(), 10)
        return (stdout + stderr).decode()

    output = asyncio.run(scenario())
    assert output.count("Receiving TRANSFORM") == 20
    assert "-2.5" in output
    assert "Receiving STATUS" in output
    assert "marker stale" in output
    assert "HOLDING: marker stale" in output


@pytest.mark.skipif(
    importlib.util.find_spec("pyigtl") is None,
    reason="pyigtl is not installed: pip install pyigtl==0.3.4",
)
class TestPyigtl:
    """pyigtl 0.3.4, a pure-Python implementation; the only peer here with header version 2."""

    @pytest.mark.parametrize("version", [1, 2])
    def test_outlet_to_client(self, version: int) -> None:
        import pyigtl

        async def scenario() -> Any:
            publication = Publication(1_700_000_000_000_000_000, version=version, least_period_ns=0)
            async with serve(publication, "127.0.0.1", 0) as outlet:
                client = pyigtl.OpenIGTLinkClient("127.0.0.1", outlet.port)
                try:
                    for tick in range(200):
                        outlet.send(
                            publication.position("Target", tick * 10_000_000, (1.25, -2.5, 8.75))
                        )
                        outlet.send(publication.state("State", tick, 1, "TRACKING"))
                        await asyncio.sleep(0.01)
                        found = {m.message_type: m for m in client.get_latest_messages()}
                        if {"TRANSFORM", "STRING"} <= set(found):
                            return found
                finally:
                    await asyncio.to_thread(client.stop)
            return pytest.fail("pyigtl heard nothing")

        found = asyncio.run(scenario())
        assert found["TRANSFORM"].device_name == "Target"
        assert found["TRANSFORM"].header_version == version
        assert found["TRANSFORM"].matrix[:, 3].tolist() == [1.25, -2.5, 8.75, 1.0]
        assert found["STRING"].string == "TRACKING"

    @pytest.mark.parametrize("version", [1, 2])
    def test_server_to_driver(self, version: int) -> None:
        port = free_port()
        session = IgtlSession("camera", IgtlSettings(tools=("Chest", "Belly"), rate_hz=50.0))
        with running(Path(sys.executable), "-c", PYIGTL_SERVER, str(port), str(version)):
            samples = converse(session, port, lambda found: len(found) >= 20)
        frames = [sample for sample in samples if isinstance(sample, MarkerFrame)]
        assert len(frames) == len(samples) >= 20
        assert {frame.markers_mm for frame in frames} == {((1.5, 2.0, 3.0), (-4.25, 2.0, 3.0))}
        steps = {b.ticks - a.ticks for a, b in itertools.pairwise(frames)}
        assert steps == {1}

    def test_a_controller_made_of_pyigtl_gets_demands_and_says_where_it_is(self) -> None:
        port = free_port()
        with running(Path(sys.executable), "-c", PYIGTL_CONTROLLER, str(port)) as controller:
            made = IgtlBevSession("mlc", MotionLimits(), IgtlBevSettings())
            asked = (3.25, -4.5, 0.0)
            reached: list[Sample] = []
            with connected(port) as wire:
                wire.settimeout(20.0)
                made.begin(0)
                for turn in range(1000):
                    reached += made.receive(wire.recv(65536), turn)
                    if made.ready:
                        made.obey(SendDemand(turn, "mlc", asked), turn)
                    wire.sendall(made.data_to_send())
                    last = reached[-1] if reached else None
                    if isinstance(last, ActuatorStatus) and last.position_mm == asked:
                        break
            controller.kill()
        assert all(isinstance(sample, ActuatorStatus) for sample in reached)
        assert reached[-1].position_mm == asked, "the controller went where it was asked to"

    def test_pyigtl_moves_the_twin_of_a_controller(self) -> None:
        import numpy as np
        import pyigtl

        commands: list[Command] = []

        async def scenario() -> Any:
            twin = IgtlBevTwin("mlc", IgtlBevSettings())
            async with sim_serve(twin, "tcp://127.0.0.1:0", HostClock(), commands.append) as at:
                port = int(at.text.rsplit(":", 1)[1])
                client = pyigtl.OpenIGTLinkClient("127.0.0.1", port)
                matrix = np.eye(4)
                matrix[:3, 3] = (1.5, -2.5, 0.0)
                try:
                    for tick in range(400):
                        at.show(ActuatorStatus("mlc", tick * 1_000_000, (0.25, 8.75, 0.0)))
                        found = client.get_latest_messages()
                        if found and commands:
                            return found[-1]
                        if found:
                            client.send_message(
                                pyigtl.TransformMessage(matrix, device_name="BevDemand")
                            )
                        await asyncio.sleep(0.01)
                finally:
                    await asyncio.to_thread(client.stop)
            return pytest.fail("pyigtl and the twin did not meet")

        found = asyncio.run(scenario())
        assert found.device_name == "BevPosition"
        assert found.matrix[:3, 3].tolist() == [0.25, 8.75, 0.0]
        assert isinstance(commands[0], SendDemand)
        assert commands[0].position_mm == (1.5, -2.5, 0.0)
