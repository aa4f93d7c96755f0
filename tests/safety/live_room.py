"""A room on real wires and a run in it, each its own process, for tests that freeze and kill them.

The session is ready soon and the tolerance wide: what is shown is the beam, not the tracking.
"""

from __future__ import annotations

import bisect
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.live.processes import written as wired_room
from tracker.journal import read_journal

REPOSITORY = Path(__file__).parent.parent.parent
LIMIT_S = 180.0
"""A first start compiles; on a busy machine that takes a while."""
BEAM_ON = "TRACKING   beam on"

QUICK: dict[str, dict[str, Any]] = {
    "fusion": {"learning_s": 2.0},
    "correlation": {
        "modelling_shots": 4,
        "modelling_interval_s": 0.5,
        "phase_coverage": 0.0,
        "extrapolation": 2.0,
    },
    "gating": {"tolerance_mm": 20.0},
    "room": {"duration_s": 3600.0},
    "service": {"enabled": False},
}


def written(folder: Path, changes: dict[str, dict[str, Any]] | None = None) -> Path:
    """The shipped room with wires of its own and a session that is ready at once."""
    return wired_room(folder, QUICK, changes)


class Process:
    """A `tidetrack` command and what it has said so far."""

    def __init__(self, *arguments: object) -> None:
        self.lines: list[str] = []
        self.began_ns = time.monotonic_ns()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tracker", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=REPOSITORY,
        )
        self._new = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def send(self, number: signal.Signals) -> int:
        """Send a signal; the moment it was sent, on the system's monotonic clock."""
        at_ns = time.monotonic_ns()
        self._process.send_signal(number)
        return at_ns

    def until(
        self, enough: str | Callable[[str], bool], count: int = 1, within_s: float = LIMIT_S
    ) -> None:
        """Wait for so many lines that are enough; fails with what was said instead."""
        matches = (lambda line: enough in line) if isinstance(enough, str) else enough
        end_s = time.monotonic() + within_s
        with self._new:
            while sum(map(matches, self.lines)) < count:
                left_s = end_s - time.monotonic()
                told = "\n".join(self.lines[-40:])
                assert left_s > 0, f"not said within {within_s:g} s:\n{told}"
                assert self._reader.is_alive(), f"ended:\n{told}"
                self._new.wait(min(left_s, 0.5))

    def wait(self, within_s: float = 20.0) -> int:
        """Wait for its end and give its exit code."""
        try:
            return self._process.wait(within_s)
        finally:
            self._reader.join(within_s)

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

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._new:
                self.lines.append(line.rstrip())
                self._new.notify_all()


@contextmanager
def process(*arguments: object) -> Iterator[Process]:
    """A `tidetrack` command for as long as the context lasts."""
    started = Process(*arguments)
    try:
        yield started
    finally:
        started.end()


@contextmanager
def room(file: Path) -> Iterator[Path]:
    """The room of a configuration on its wires; gives where its truth is recorded."""
    truth = file.parent / "truth.mcap"
    with process("room", file, "--truth", truth, "--priority", 10) as served:
        served.until("ready")
        yield truth


def run_arguments(file: Path, journal: Path) -> tuple[object, ...]:
    """A run in that room, by the scripted operator."""
    return ("run", file, "--journal", journal, "--operator", "auto", "--no-self-test")


def children_of(pid: int) -> set[int]:
    """The processes a process started."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return {int(text) for text in found.read_text().split()} if found.exists() else set()


class Beam(NamedTuple):
    """When the beam was on at the gate, every 10 ms, by the room's own process."""

    t_ns: list[int]
    """On the system's monotonic clock."""
    on: list[bool]

    def at(self, t_ns: int) -> bool:
        """Whether it was on at the newest sample before a moment."""
        return self.on[bisect.bisect_right(self.t_ns, t_ns) - 1]

    def off_after_ms(self, t_ns: int) -> float:
        """How long after a moment the first sample without beam is; 0: it was off already."""
        if not self.at(t_ns):
            return 0.0
        for index in range(bisect.bisect_right(self.t_ns, t_ns), len(self.t_ns)):
            if not self.on[index]:
                return (self.t_ns[index] - t_ns) / 1e6
        raise AssertionError("the beam stayed on to the end of the record")

    def ever_on(self, from_ns: int, to_ns: int) -> bool:
        """Whether there was beam at any sample between two moments."""
        first, last = bisect.bisect_left(self.t_ns, from_ns), bisect.bisect_left(self.t_ns, to_ns)
        return any(self.on[first:last])


def beam_of(truth: Path) -> Beam:
    """The beam in a room's record."""
    journal = read_journal(truth)
    start_ns = int(journal.header.further["monotonic_start_ns"])
    records = [entry.record for entry in journal.entries() if entry.kind == "truth"]
    return Beam([r.t_ns + start_ns for r in records], [r.beam_on for r in records])
