"""The daemon with devices of the test's own: recording, failing, being late, stopping in order."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hal.clock import HostClock
from hal.events import Command, LinkChanged, Request, SendHold, SendStop, Tick
from hal.messages import ActuatorStatus, BeamStatus, BeltSample, Sample
from tracker.config import SHIPPED, load_configuration
from tracker.journal import JournalError, JournalWriter, make_header, read_journal
from tracker.live.daemon import Daemon
from tracker.live.devices.device import DeviceFigures, HandOver
from tracker.live.operators import Nobody, Scripted
from tracker.offline.replay import engine_from_configuration, replay

pytestmark = pytest.mark.realtime

CONFIGURATION = load_configuration(SHIPPED / "room-twin.toml")
ROLES = {"camera": "camera", "belt": "belt", "actuator": "robot", "gate": "gate"}


class FakeDevice:
    """A device in memory: `give` hands over, `obeyed` keeps what it was told."""

    def __init__(self, device: str, hand_over: HandOver) -> None:
        self.device = device
        self.up = False
        self.give = hand_over
        self.obeyed: list[Command] = []
        self.trouble: Exception | None = None

    async def run(self) -> None:
        self.up = True
        self.give(LinkChanged(self.device, 0, True))
        while self.trouble is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        raise self.trouble

    def obey(self, command: Command) -> None:
        self.obeyed.append(command)

    def figures(self) -> DeviceFigures:
        return DeviceFigures(device=self.device)


class Stand:
    """A daemon, its fake devices, its journal and what it said."""

    def __init__(self, folder: Path, operator: Any = None, ends_at: str = "") -> None:
        """``ends_at``: words of a line after which the run is ended."""
        self._ends_at = ends_at
        self.path = folder / "live.mcap"
        self.said: list[str] = []
        self.devices: dict[str, FakeDevice] = {}
        self.clock = HostClock()
        self.journal = JournalWriter(
            self.path, make_header(CONFIGURATION.text), durability="process"
        )

        def make(role: str, hand_over: HandOver) -> FakeDevice:
            self.devices[role] = FakeDevice(ROLES[role], hand_over)
            return self.devices[role]

        self.daemon = Daemon(
            CONFIGURATION,
            self.journal,
            self.clock,
            ROLES,
            make,
            operator or Nobody(),
            self._say,
        )

    def _say(self, line: str) -> None:
        self.said.append(line)
        if self._ends_at and self._ends_at in line:
            self.daemon.end()

    def run(self, *acts: tuple[float, Callable[[], object]], seconds: float = 60.0) -> None:
        """Run it and do each act at its time."""

        async def together() -> None:
            loop = asyncio.get_running_loop()
            timers = [loop.call_later(at_s, act) for at_s, act in acts]
            try:
                await self.daemon.run(seconds)
            finally:
                for timer in timers:
                    timer.cancel()

        with self.journal:
            asyncio.run(together())

    def recorded(self, kind: type) -> list[Any]:
        return [e.record for e in read_journal(self.path).entries() if isinstance(e.record, kind)]

    def commands(self, role: str, kind: type) -> list[Command]:
        return [c for c in self.devices[role].obeyed if isinstance(c, kind)]


def test_sigterm_holds_stops_and_closes_the_journal_in_order(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.run((0.2, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    (stop,) = stand.recorded(Request)
    assert (stop.name, stop.who) == ("stop", "system")
    assert stand.commands("gate", SendHold)
    ticks = stand.recorded(Tick)
    assert ticks[-1].t_ns - stop.t_ns > 300_000_000, "the end is recorded too"
    journal = read_journal(stand.path)
    assert journal.torn is None
    outcome = replay(journal, engine_from_configuration(journal.header.configuration))
    assert outcome.differing == 0
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_ticks_keep_their_schedule_and_skip_what_was_missed(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.run((0.3, lambda: time.sleep(0.125)), seconds=0.8)
    ticks = stand.recorded(Tick)
    assert all(tick.due_ns % 10_000_000 == 0 for tick in ticks)
    assert all(tick.t_ns >= tick.due_ns for tick in ticks)
    due = [tick.due_ns for tick in ticks]
    assert due == sorted(set(due))
    late = max(tick.t_ns - tick.due_ns for tick in ticks)
    assert late > 100_000_000, "lateness is an input of the engine"
    figures = stand.daemon.figures()
    assert figures.skipped_ticks >= 10
    assert figures.ticks == len(ticks)


def test_no_record_no_beam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(tmp_path)

    def full(data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill() -> None:
        file = stand.journal._file
        monkeypatch.setattr(stand.journal, "_file", Full(file, full))

    with pytest.raises(JournalError, match="No space left"):
        stand.run((0.2, fill))
    assert isinstance(stand.commands("gate", SendHold)[-1], SendHold)
    assert stand.commands("actuator", SendStop)
    assert any("controller failed" in line for line in stand.said)


class Full:
    """The file of a disk that is full."""

    def __init__(self, file: Any, write: Callable[[object], int]) -> None:
        self._file, self.write = file, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_defect_of_the_engine_ends_the_run_with_beam_and_motion_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(tmp_path)
    engine = stand.daemon._engine

    def broken(event: object) -> list[object]:
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError):
        stand.run((0.1, lambda: monkeypatch.setattr(engine, "handle", broken)))
    assert stand.commands("gate", SendHold)
    assert stand.commands("actuator", SendStop)
    assert read_journal(stand.path).torn is None


def test_a_defect_of_a_driver_ends_the_run_too(tmp_path: Path) -> None:
    stand = Stand(tmp_path)

    def fail() -> None:
        stand.devices["belt"].trouble = ZeroDivisionError("in the driver")

    with pytest.raises(ZeroDivisionError, match="in the driver"):
        stand.run((0.1, fail))
    assert stand.commands("gate", SendHold)


def test_what_arrives_is_recorded_in_the_order_it_was_handled(tmp_path: Path) -> None:
    stand = Stand(tmp_path)

    def arrive() -> None:
        now = stand.clock()
        samples: list[tuple[str, Sample]] = [
            ("belt", BeltSample("belt", now, 0, 500.0)),
            ("gate", BeamStatus("gate", now - 5, False)),
            ("actuator", ActuatorStatus("robot", now - 9, (0.0, 0.0, 0.0))),
        ]
        for role, sample in samples:
            stand.devices[role].give(sample)

    stand.run((0.1, arrive), seconds=0.3)
    kinds = [type(e.record).__name__ for e in read_journal(stand.path).entries()]
    at = kinds.index("BeltSample")
    assert kinds[at : at + 3] == ["BeltSample", "BeamStatus", "ActuatorStatus"]


def test_the_scripted_operator_waits_for_every_device(tmp_path: Path) -> None:
    stand = Stand(tmp_path, Scripted(settle_ns=100_000_000), "session: IDLE to MODELLING")
    stand.run()
    names = [request.name for request in stand.recorded(Request)]
    assert names == ["model", "stop"]
    absent = Scripted()
    state = stand.daemon.state
    assert all(absent.wish(t, state, False) is None for t in range(0, 10**10, 10**8))
