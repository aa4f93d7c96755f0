"""RSI against programs nobody here wrote: RSIPI's echo server and RSIPI's client.

RSIPI 0.3.0 plays the controller to our driver, and the sensor to our twin, over UDP on the
loopback. Both run in a process of their own, in a folder of their own (they write logs).
"""

from __future__ import annotations

import importlib.util
import json
import math
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hal.errors import LinkError
from hal.events import SendDemand
from hal.messages import ActuatorStatus, Sample
from hal.motion_limits import MotionLimits
from hal.rsi.configuration import EthernetConfiguration, read_ethernet
from hal.rsi.session import RsiSession, RsiSettings
from sim.rsi import ControllerSettings, RobotTwin

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.peer,
    pytest.mark.skipif(
        importlib.util.find_spec("RSIPI") is None,
        reason="RSIPI is not installed: pip install RSIPI==0.3.0",
    ),
]

CONFIGURATION = Path(__file__).parent.parent / "hal" / "rsi" / "RSI_EthernetConfig.xml"

ECHO_SERVER = """
import json, sys
from RSIPI.rsi_echo_server import EchoServer
server = EchoServer(sys.argv[1], delay_ms=int(sys.argv[2]), mode="absolute", timeout_packets=100)
server.start()
print("started", flush=True)
sys.stdin.readline()
running = server.running
server.stop()
print(json.dumps({"running": running, "faulty": server.faulty_packets,
                  "RIst": server.state["RIst"], "DiL": server.state["DiL"]}), flush=True)
"""

CLIENT = """
import json, sys, time
from RSIPI import RSIAPI
if __name__ == "__main__":
    api = RSIAPI(sys.argv[1], rsi_mode="absolute")
    api.start()
    connected = api.client.wait_for_connection(20.0)
    api.motion.update_cartesian(X=1.5, Y=-0.75, Z=2.25)
    time.sleep(1.0)
    print(json.dumps({"connected": connected, "pose": api.motion.get_current_pose()}), flush=True)
    sys.stdin.readline()
    api.stop()
"""


@contextmanager
def peer(source: str, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A peer program running in ``folder``; it ends when its standard input gets a line."""
    script = folder / "peer.py"
    script.write_text(source, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, script.name, *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def line_of(process: subprocess.Popen[str], opens_with: str) -> str:
    """The first line of output that opens so; the peers also print news."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(opens_with):
            return line
    return pytest.fail(f"the peer ended without saying {opens_with!r}")


def last_word(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Tell the peer to end, and take its summary."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return json.loads(line_of(process, "{"))


def prepared(folder: Path) -> tuple[Path, EthernetConfiguration]:
    """The tests' configuration with a port that is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = CONFIGURATION.read_text(encoding="utf-8").replace("49152", str(port))
    path = folder / "RSI_EthernetConfig.xml"
    path.write_text(text, encoding="utf-8")
    return path, read_ethernet(text)


def answer(
    session: RsiSession,
    port: int,
    seconds: float,
    demand: Callable[[float], tuple[float, float, float]],
    spoil: Callable[[bytes], bytes] = lambda reply: reply,
) -> list[Sample]:
    """Serve the controller like a link does, with demands 100 times a second."""
    samples: list[Sample] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", port))
        begun = time.monotonic_ns()
        session.begin(0)
        demanded_ns = 0
        while (now_ns := time.monotonic_ns() - begun) < seconds * 1e9:
            if session.ready and now_ns - demanded_ns >= 10_000_000:
                session.obey(SendDemand(now_ns, "robot", demand(now_ns * 1e-9)), now_ns)
                demanded_ns = now_ns
            samples += session.wake(now_ns)
            if select.select([wire], [], [], 0.002)[0]:
                data, sender = wire.recvfrom(65536)
                samples += session.receive(data, time.monotonic_ns() - begun)
                if reply := session.data_to_send():
                    wire.sendto(spoil(reply), sender)
    return samples


@pytest.mark.parametrize("cycle_ms", [4, 12])
def test_driver_moves_the_echo_server(tmp_path: Path, cycle_ms: int) -> None:
    path, ethernet = prepared(tmp_path)
    settings = RsiSettings(cycle_ns=cycle_ms * 1_000_000, silence_cycles=500)
    session = RsiSession("robot", ethernet, MotionLimits(), settings)

    def ramp(now_s: float) -> tuple[float, float, float]:
        share = min(now_s / 1.5, 1.0)
        return (5.0 * share, -2.0 * share, 3.0 * math.sin(math.pi * share))

    with peer(ECHO_SERVER, tmp_path, str(path), str(cycle_ms)) as server:
        line_of(server, "started")
        samples = answer(session, ethernet.port, 2.5, ramp)
        said = last_word(server)
    assert said["running"]
    assert said["faulty"] <= 50  # a loaded machine is late now and then; beyond 100 it breaks off
    assert session.cycles > 2.5 / (cycle_ms * 1e-3) / 6  # it waits between cycles
    assert said["RIst"]["X"] == pytest.approx(5.0, abs=1e-3)
    assert said["RIst"]["Y"] == pytest.approx(-2.0, abs=1e-3)
    assert said["RIst"]["Z"] == pytest.approx(0.0, abs=1e-3)
    statuses = [sample for sample in samples if isinstance(sample, ActuatorStatus)]
    assert len(statuses) == len(samples)
    assert statuses[-1].position_mm == pytest.approx((5.0, -2.0, 0.0), abs=0.01)
    assert max(status.position_mm[2] for status in statuses) == pytest.approx(3.0, abs=0.05)


def test_echo_server_breaks_off_on_wrong_ipocs_and_the_driver_says_so(tmp_path: Path) -> None:
    path, ethernet = prepared(tmp_path)
    settings = RsiSettings(silence_cycles=200)
    session = RsiSession("robot", ethernet, MotionLimits(), settings)
    with peer(ECHO_SERVER, tmp_path, str(path), "4") as server:
        line_of(server, "started")
        with pytest.raises(LinkError, match="RSITimeout"):
            answer(
                session,
                ethernet.port,
                8.0,
                lambda _now_s: (1.0, 0.0, 0.0),
                lambda reply: reply.replace(b"</IPOC>", b"7</IPOC>"),
            )
        said = last_word(server)
    assert not said["running"]
    assert said["faulty"] == 101
    assert said["RIst"]["X"] == 0.0


def test_client_moves_our_controller_twin(tmp_path: Path) -> None:
    path, ethernet = prepared(tmp_path)
    twin = RobotTwin("twin", ethernet, ControllerSettings(timeout_packets=1000, restart_ns=0))
    connected_cycles = 0
    with (
        peer(CLIENT, tmp_path, str(path)) as client,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire,
    ):
        wire.connect(("127.0.0.1", ethernet.port))
        begun = time.monotonic_ns()
        twin.begin(0)
        assert client.stdout is not None
        while (now_ns := time.monotonic_ns() - begun) < 30e9:
            twin.wake(now_ns)
            if telegram := twin.data_to_send():
                try:
                    wire.send(telegram)
                except ConnectionRefusedError:
                    continue  # nobody listens yet
            due_ns = (twin.wake_ns or now_ns) - (time.monotonic_ns() - begun)
            ready = select.select([wire, client.stdout], [], [], max(due_ns, 0) * 1e-9)[0]
            if wire in ready:
                try:
                    twin.receive(wire.recv(65536), time.monotonic_ns() - begun)
                    connected_cycles += 1
                except ConnectionRefusedError:
                    continue
            elif ready:
                break
        said = json.loads(line_of(client, "{"))
    assert said["connected"]
    assert connected_cycles > 100
    assert twin.asked_mm == (1.5, -0.75, 2.25)
    assert twin.text.startswith("RSIPI")
    x, y, z = ControllerSettings().start_mm
    assert said["pose"]["X"] == pytest.approx(x + 1.5)
    assert said["pose"]["Y"] == pytest.approx(y - 0.75)
    assert said["pose"]["Z"] == pytest.approx(z + 2.25)
    assert twin.ready
