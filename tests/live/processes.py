"""The command in processes of its own: started, waited for, read line by line, ended by SIGTERM."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tracker.cli import main
from tracker.config import SHIPPED, altered, load_configuration
from tracker.core.session import SessionState
from tracker.live.ready_file import ReadyProgram, read_ready

ROOT = Path(__file__).parent.parent.parent
LIMIT_S = 180.0
"""How long anything is waited for: a first start compiles, and a busy machine is slow."""
BEAM_ON = f"{SessionState.TRACKING.value}   beam on"
"""In the line a run writes each second."""

SOON: dict[str, dict[str, Any]] = {
    "fusion": {"learning_s": 4.0},
    "correlation": {
        "modelling_shots": 5,
        "modelling_interval_s": 1.1,
        "phase_coverage": 0.4,
        "extrapolation": 1.0,
    },
    "gating": {"tolerance_mm": 8.0},
    "room": {"duration_s": 400.0},
    "service": {"enabled": False},
}
"""A session that is soon ready."""


_FIRST_PORT, _LAST_PORT = 20_000, 32_000
"""Below the ports that systems give to outgoing connections."""
_next_port = itertools.count(os.getpid() * 97)


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> list[int]:
    """Ports that nobody has; each call gives others, and so does each process."""
    found: list[int] = []
    while len(found) < count:
        port = _FIRST_PORT + next(_next_port) % (_LAST_PORT - _FIRST_PORT)
        with socket.socket(socket.AF_INET, kind) as held:
            try:
                held.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


def written(
    folder: Path,
    soon: dict[str, dict[str, Any]] = SOON,
    changes: dict[str, dict[str, Any]] | None = None,
) -> Path:
    """The shipped room with wires of its own and a session that is soon ready."""
    left, right, robot = free_ports(3, socket.SOCK_DGRAM)
    (gate,) = free_ports(1)
    wires: dict[str, dict[str, Any]] = {
        "wires.camera": {"address": f"serial://{folder}/camera"},
        "wires.belt": {"address": f"serial://{folder}/belt"},
        "wires.imager": {"left": f"127.0.0.1:{left}", "right": f"127.0.0.1:{right}"},
        "wires.actuator": {"address": f"udp://:{robot}"},
        "wires.gate": {"address": f"tcp://127.0.0.1:{gate}"},
    }
    configuration = altered(load_configuration(SHIPPED / "room-twin.toml"), soon | wires)
    for section, keys in (changes or {}).items():
        configuration = altered(configuration, {section: keys})
    file = folder / "room.toml"
    file.write_text(configuration.text)
    (folder / "rsi-ethernet.xml").write_bytes((SHIPPED / "rsi-ethernet.xml").read_bytes())
    return file


def children_of(pid: int) -> set[int]:
    """The processes that any thread of another has started and not yet taken leave of."""
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            found.update(map(int, thread.read_text().split()))
    return found


class Process:
    """A `tidetrack` command in a process of its own, what it has said so far, and its ready file.

    Its lines are read all the time, so that its pipe is never full.
    """

    def __init__(self, *arguments: object) -> None:
        self.lines: list[str] = []
        self.began_ns = time.monotonic_ns()
        self._folder = Path(tempfile.mkdtemp(prefix="ready-"))
        self.ready_file = self._folder / "ready.json"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tracker", *map(str, arguments)]
            + ["--ready-file", str(self.ready_file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        self._new = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="lines of a process")
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def ready(self, within_s: float = LIMIT_S) -> ReadyProgram:
        """Wait for its ready file and return what that says."""
        end_s = time.monotonic() + within_s
        while not self.ready_file.exists():
            self._expect_alive(end_s, f"not ready within {within_s:g} s")
            time.sleep(0.02)
        return read_ready(self.ready_file)

    def until(
        self, enough: str | Callable[[str], bool], count: int = 1, within_s: float = LIMIT_S
    ) -> None:
        """Wait for ``count`` lines that are enough; fails with what was said instead."""
        matches = (lambda line: enough in line) if isinstance(enough, str) else enough
        end_s = time.monotonic() + within_s
        with self._new:
            while sum(map(matches, self.lines)) < count:
                self._expect_alive(end_s, f"not said within {within_s:g} s")
                self._new.wait(0.5)

    def send(self, number: signal.Signals) -> int:
        """Send a signal; the moment it was sent, on the system's monotonic clock."""
        at_ns = time.monotonic_ns()
        self._process.send_signal(number)
        return at_ns

    def wait(self, within_s: float = 60.0) -> int:
        """Wait for its end and give its exit code."""
        try:
            return self._process.wait(within_s)
        finally:
            self._reader.join(within_s)

    def stop(self) -> int:
        """Have it end in order, as SIGTERM does; gives its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def end(self) -> None:
        """Whatever state it is in, it is gone afterwards."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(10.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(10.0)
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self._folder)

    def _expect_alive(self, end_s: float, otherwise: str) -> None:
        said = "\n".join(self.lines[-40:])
        assert self._process.poll() is None or self._reader.is_alive(), f"ended:\n{said}"
        assert time.monotonic() < end_s, f"{otherwise}:\n{said}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._new:
                self.lines.append(line.rstrip())
                self._new.notify_all()


@contextmanager
def process(*arguments: object) -> Iterator[Process]:
    """A command for as long as the context lasts, for tests that freeze and kill it."""
    started = Process(*arguments)
    try:
        yield started
    finally:
        started.end()


@contextmanager
def tidetrack(*arguments: object) -> Iterator[Process]:
    """A command for as long as the context lasts; if all went well, it must stop with code 0."""
    with process(*arguments) as started:
        yield started
        if started.returncode is None:
            assert started.stop() == 0, "\n".join(started.lines[-40:])


@contextmanager
def serving_room(file: Path, truth: Path, *options: object) -> Iterator[Process]:
    """The simulated room of a configuration, ready on its wires."""
    with tidetrack("room", file, "--truth", truth, "--priority", 10, *options) as room:
        room.ready()
        yield room


class BeamRun(NamedTuple):
    """A run with beam that has ended, and what it left behind."""

    journal: Path
    truth: Path
    figures: dict[str, Any]

    def devices(self) -> dict[str, dict[str, Any]]:
        """The measured figures of each device, by its name."""
        return {device["device"]: device for device in self.figures["devices"]}

    def rms_mm(self) -> tuple[float, float]:
        """Root mean square distance of beam and target while tracking, and without tracking."""
        file = self.journal.with_suffix(".score.json")
        assert main(["score", str(self.journal), str(self.truth), "--json", str(file)]) == 0
        summary = json.loads(file.read_text())
        return summary["tracked"]["rms_mm"], summary["untracked"]["rms_mm"]


def with_beam(
    file: Path,
    folder: Path,
    seconds: int = 1,
    meanwhile: Callable[[Process], None] = lambda run: None,
) -> BeamRun:
    """Run a configuration and its room until there were so many seconds of beam, then stop both.

    ``meanwhile`` is called with the run while the beam is on.
    """
    journal, truth, figures = (folder / n for n in ("live.mcap", "truth.mcap", "figures.json"))
    options = ("--journal", journal, "--figures", figures, "--operator", "auto", "--priority", 20)
    with serving_room(file, truth) as room:
        with tidetrack("run", file, *options, "--no-self-test") as run:
            run.until(BEAM_ON, seconds)
            meanwhile(run)
        assert run.returncode == 0
    assert room.returncode == 0
    return BeamRun(journal, truth, json.loads(figures.read_text()))
