"""A hung daemon is killed and started again by its service manager, and comes up IDLE.

The manager is a twin of systemd as far as `config/tidetrack.service` needs one: it listens on a
socket like systemd's, kills what is silent for ``WatchdogSec``, and starts it again.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.machine_load import MachineLoad
from tests.live.processes import ROOT, serving_room
from tests.live.test_service_unit import UNIT
from tests.live.web.stand import configured
from tracker.api.keys import new_key
from tracker.api.schema import Role, State
from tracker.client import Client
from tracker.core import session
from tracker.live.ready_file import read_ready

pytestmark = pytest.mark.realtime

LIMIT_S = 180.0
QUIET_S = 3.0
"""For so long nothing may move by itself after a restart."""


def of_unit(name: str) -> str:
    """A setting of the unit as it is shipped."""
    found = re.search(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


class Manager:
    """Starts, listens, kills, starts again; a context manager."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self._arguments = [sys.executable, "-m", "tracker", *map(str, arguments)]
        self._watchdog_s = float(of_unit("WatchdogSec"))
        self._again_s = float(of_unit("RestartSec"))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._log = (folder / "log").open("w")
        self.heard: list[tuple[float, str]] = []
        self.killed: list[float] = []
        self._ended = threading.Event()
        self.process = self._start()
        self._thread = threading.Thread(target=self._watch, name="service manager")

    def said(self, text: str) -> list[float]:
        """When it was said."""
        return [at_s for at_s, words in list(self.heard) if words == text]

    def stop(self) -> int:
        """As ``systemctl stop``: SIGTERM, and no restart."""
        self._ended.set()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(float(of_unit("TimeoutStopSec")))

    def __enter__(self) -> Manager:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self._thread.join(10.0)
        self._socket.close()
        self._log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": self._socket.getsockname(),
            "WATCHDOG_USEC": str(round(1e6 * self._watchdog_s)),
        }
        return subprocess.Popen(
            self._arguments, stdout=self._log, stderr=self._log, cwd=ROOT, env=environment
        )

    def _watch(self) -> None:
        alive_s: float | None = None  # the watchdog counts from READY=1
        while not self._ended.is_set() or select.select([self._socket], [], [], 0)[0]:
            if select.select([self._socket], [], [], 0.05)[0]:
                text = self._socket.recv(4096).decode()
                self.heard.append((time.monotonic(), text))
                if text in ("READY=1", "WATCHDOG=1"):
                    alive_s = self.heard[-1][0]
            elif alive_s is not None and time.monotonic() - alive_s > self._watchdog_s:
                if self._ended.is_set():
                    return
                self.process.send_signal(getattr(signal, of_unit("WatchdogSignal")))
                self.process.wait()
                self.killed.append(time.monotonic())
                alive_s = None
                time.sleep(self._again_s)
                self.process = self._start()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A room on its wires, and the configuration of its controller."""
    file = configured(tmp_path, {"console": {"start": "off"}})
    with serving_room(file, tmp_path / "truth.mcap"):
        yield file


@pytest.mark.slow
def test_a_hung_loop_is_restarted_and_comes_up_idle(room: Path, tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    key = new_key(tmp_path / "keys", "oscar", [Role.OPERATOR])
    with (
        MachineLoad() as load,
        Manager(
            tmp_path, "run", room, "--no-self-test", "--priority", 20, "--ready-file", file
        ) as manager,
    ):
        until(lambda: manager.said("READY=1"))
        first = read_ready(file)
        assert track(first.requests, key) == first.run_id
        pairs = list(itertools.pairwise(manager.said("WATCHDOG=1")))
        period_s = float(of_unit("WatchdogSec")) / 3
        assert len(pairs) > 5
        for before_s, at_s in pairs:
            taken_s = load.taken_ms(round(before_s * 1e9), round(at_s * 1e9)) / 1e3
            assert at_s - before_s > 0.5 * period_s - taken_s, "no more than is needed"
            assert at_s - before_s < 2.0 * period_s + taken_s, "one may be lost"

        hung_s = time.monotonic()
        manager.process.send_signal(signal.SIGSTOP)
        until(lambda: manager.killed)
        killed_s = manager.killed[0]
        taken_s = load.taken_ms(round(hung_s * 1e9), round(killed_s * 1e9)) / 1e3
        assert max(manager.said("WATCHDOG=1")) < hung_s + 0.1 + taken_s, "what hangs is silent"
        assert 1.0 < killed_s - hung_s < 4.0 + taken_s

        until(lambda: len(manager.said("READY=1")) == 2)
        second = read_ready(file)
        assert second.run_id != first.run_id
        with Client(second.requests, key) as client:
            assert client.hello().run_id == second.run_id
            until_s = time.monotonic() + QUIET_S
            for state in client.states(silence_s=5.0):
                assert state.session == session.SessionState.IDLE
                assert not state.beam.permitted
                if time.monotonic() > until_s and all(device.up for device in state.devices):
                    break
                assert time.monotonic() < until_s + LIMIT_S, state.devices
        assert track(second.requests, key) == second.run_id, "a person can begin anew"

        assert manager.stop() == 0
        until(lambda: manager.said("STOPPING=1"))
        assert manager.killed == [killed_s]


def track(requests: str, key: Path) -> str:
    """Ask until it tracks; gives the run's identity."""
    with Client(requests, key) as client:
        run_id = client.hello().run_id
        asked_s = 0.0
        for state in within(client):
            if state.session == session.SessionState.TRACKING and state.beam.permitted:
                return run_id
            wish = {"IDLE": "model", "READY": "start", "HOLDING": "resume"}.get(state.session)
            down = any(not device.up for device in state.devices)
            if wish in state.allowed and not down and time.monotonic() - asked_s > 1.0:
                asked_s = time.monotonic()
                client.ask(wish)
    raise AssertionError


def within(client: Client) -> Iterator[State]:
    """States, for so long."""
    until_s = time.monotonic() + LIMIT_S
    for state in client.states(silence_s=5.0):
        yield state
        assert time.monotonic() < until_s, state


def until(seen: Callable[[], object]) -> None:
    """Wait for something."""
    until_s = time.monotonic() + LIMIT_S
    while not seen():
        assert time.monotonic() < until_s
        time.sleep(0.02)
