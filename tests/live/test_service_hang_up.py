"""Clients that hang up amid a flood of requests; in a process of its own, which must not end."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.processes import ROOT
from tracker.api.keys import ClientKey, client_key, new_key
from tracker.api.schema import Role

pytestmark = pytest.mark.realtime

LONGER_THAN_A_HEARTBEAT_S = 6.5
SERVER = """
import sys, time
from pathlib import Path
from tracker.api.keys import server_key
from tracker.live.service.sockets import Sockets
from tracker.daemon_settings import Service

settings = Service(requests="tcp://127.0.0.1:*", publish="tcp://127.0.0.1:*")
sockets = Sockets(settings, server_key(Path(sys.argv[1])), lambda public, host: True)
print(sockets.requests_at, flush=True)
asked = None
while asked is None:
    sockets.let_in(8)
    asked = sockets.asked()
sys.stdin.readline()  # they have hung up; what is said to them now finds nobody
until_s = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until_s:
    sockets.answer(asked.sender, b"{}")
    time.sleep(0.01)
sockets.close()
print("alive", flush=True)
"""
FLOOD = """
import sys, zmq
with zmq.Context() as context, context.socket(zmq.DEALER) as flood:
    flood.linger, flood.sndhwm = 0, 100_000
    flood.curve_serverkey, flood.curve_publickey, flood.curve_secretkey = (
        each.encode() for each in sys.argv[2:]
    )
    flood.connect(sys.argv[1])
    for _ in range(50_000):
        flood.send(b"x" * 200)
    flood.poll(1000, zmq.POLLOUT)
    print("sent", flush=True)
    sys.stdin.readline()
"""


def test_a_flood_that_hangs_up_leaves_the_daemon_alive(tmp_path: Path) -> None:
    """Its requests wait, its answers cannot be sent, and time goes by: libzmq issue 4364."""
    key: ClientKey = client_key(new_key(tmp_path / "keys", "oscar", [Role.OPERATOR]))
    with ExitStack() as stack:
        server = started(stack, SERVER, tmp_path / "keys", LONGER_THAN_A_HEARTBEAT_S)
        address = line(server)
        flood = started(stack, FLOOD, address, key.server, key.public, key.secret)
        assert line(flood) == "sent"
        flood.kill()
        flood.wait()
        said, _ = server.communicate("\n", timeout=LONGER_THAN_A_HEARTBEAT_S + 10.0)
        assert (server.returncode, said) == (0, "alive\n")


def started(stack: ExitStack, script: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs a script, and does not outlive the test."""
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
    )
    stack.callback(process.kill)
    return process


def line(process: subprocess.Popen[str]) -> str:
    """The next line it says."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip()
