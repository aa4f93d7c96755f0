"""No record, no beam: full disk, read-only, failing and slow writes, a full queue, a lost recorder.

Real file systems where the machine lets us mount one; everywhere: whatever was acknowledged is in
the journal, the journal is whole up to a tear, and the run ends in order with the reason told.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hal.clock import HostClock
from hal.events import RecordingState, Request, SendHold, Tick
from hal.messages import BeltSample
from tests.live.test_daemon import CONFIGURATION, ROLES, FakeDevice, HandOver
from tracker.daemon_settings import SessionRecords
from tracker.journal import (
    JournalError,
    JournalWriter,
    Recorder,
    make_header,
    open_journal,
    read_journal,
    verify,
)
from tracker.journal.recorder import MB
from tracker.live.daemon import Daemon
from tracker.live.operators import Nobody
from tracker.live.recording_progress import RecordingProgress, recorded

pytestmark = pytest.mark.realtime

MS = 1_000_000
HOLD_MS = 200.0
HEADER = make_header("x = 1")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A file system of so many bytes, in memory; skips where none may be mounted."""
    folders: list[Path] = []

    def mount(size: int) -> Path:
        folder = tmp_path / f"disk{len(folders)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=True)


def until(true: Callable[[], bool], within_s: float = 60.0) -> None:
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.002)


def sample(number: int) -> BeltSample:
    return BeltSample("belt", number * MS, number, 512.25)


def events_of(path: Path) -> list[int]:
    """The numbers of the belt samples in a journal, up to its tear."""
    records = [entry.record for entry in read_journal(path).entries()]
    return [record.ticks for record in records if isinstance(record, BeltSample)]


# The recorder by itself. --------------------------------------------------------------------------


def test_what_goes_through_a_recorder_is_the_same_file(tmp_path: Path) -> None:
    plain, through = tmp_path / "plain.mcap", tmp_path / "through.mcap"
    writers = (
        JournalWriter(plain, HEADER),
        JournalWriter(through, HEADER, file=Recorder(open_journal(through))),
    )
    for writer in writers:
        with writer:
            for number in range(2500):
                writer.event(sample(number))
            writer.close({"ended": "well"})
    assert plain.read_bytes() == through.read_bytes()
    assert verify(through).torn is None
    assert set(tmp_path.iterdir()) == {plain, through}, "the reserve has no name"


def test_a_stalled_disk_delays_acknowledgement_and_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "slow.mcap"
    recorder = Recorder(open_journal(path))
    watch = RecordingProgress(recorder, HOLD_MS)
    with JournalWriter(path, HEADER, file=recorder) as writer:
        writer.flush()
        until(lambda: recorder.acknowledged == recorder.sent)
        assert not watch.changes(0)
        os.kill(recorder.pid, signal.SIGSTOP)
        states: list[RecordingState] = []
        for number in range(20_000):  # 2 s of events, and more than the pipe holds
            writer.event(sample(number))  # would wait for ever if it waited for the disk
            writer.flush()
            states += watch.changes(number * 100_000)
        assert recorder.acknowledged < recorder.sent - MB
        (state,) = states
        assert not state.ok
        assert HOLD_MS * MS < state.t_ns <= (HOLD_MS + 10) * MS
        os.kill(recorder.pid, signal.SIGCONT)
        back: list[RecordingState] = []
        until(lambda: bool(back.extend(watch.changes(2001 * MS)) or back))
        assert back[0].ok
    assert events_of(path) == list(range(20_000))


def test_a_full_queue_ends_it_and_leaves_no_gap(tmp_path: Path) -> None:
    path = tmp_path / "full.mcap"
    recorder = Recorder(open_journal(path), queue_bytes=MB)
    watch = RecordingProgress(recorder, HOLD_MS)
    writer = JournalWriter(path, HEADER, file=recorder)
    os.kill(recorder.pid, signal.SIGSTOP)
    number = 0
    while not watch.failure:
        writer.event(sample(number))
        writer.flush()
        number += 1
        assert number < 200_000
    assert "queue is full" in watch.failure
    assert recorder.lost
    writer.event(sample(number))
    os.kill(recorder.pid, signal.SIGCONT)
    with pytest.raises(JournalError, match="cannot be written"):
        writer.close()
    kept = events_of(path)
    assert kept == list(range(len(kept)))
    assert len(kept) > 1000
    torn = read_journal(path).torn
    assert torn is not None
    assert "after" in torn.describe()


def test_a_recorder_that_dies_is_found_and_what_it_acknowledged_is_there(tmp_path: Path) -> None:
    path, short = tmp_path / "killed.mcap", tmp_path / "short.mcap"
    with JournalWriter(short, HEADER) as writer:
        writer.event(sample(0))
    recorder = Recorder(open_journal(path))
    watch = RecordingProgress(recorder, HOLD_MS)
    writer = JournalWriter(path, HEADER, file=recorder)
    for number in range(500):
        writer.event(sample(number))
        writer.flush()
    until(lambda: recorder.acknowledged > short.stat().st_size)
    os.kill(recorder.pid, signal.SIGKILL)
    until(lambda: bool(watch.changes(0)) or bool(watch.failure))
    assert "ended" in watch.failure
    assert path.stat().st_size >= recorder.acknowledged
    with pytest.raises(JournalError, match="ended"):
        writer.close()
    kept = events_of(path)
    assert len(kept) > 1
    assert kept == list(range(len(kept)))


def test_a_full_disk_leaves_room_for_the_end(mounted: Callable[[int], Path]) -> None:
    path = mounted(2 * MB) / "full.mcap"
    recorder = Recorder(open_journal(path), reserve_bytes=MB // 2)
    watch = RecordingProgress(recorder, HOLD_MS)
    number = 0
    with JournalWriter(path, HEADER, file=recorder) as writer:
        while not watch.failure:
            writer.event(sample(number))
            writer.flush()
            number += 1
            time.sleep(0.0002)
            assert number < 100_000
        assert "No space left" in watch.failure
        assert not recorder.lost
        (state,) = watch.changes(number * MS)
        writer.event(state)
        writer.close({"ended": watch.failure})
    journal = read_journal(path)
    assert journal.torn is None
    assert journal.closing == {"ended": "No space left on device"}
    assert events_of(path) == list(range(number))
    assert [e.record for e in journal.entries() if isinstance(e.record, RecordingState)] == [state]


def test_a_disk_too_full_for_the_reserve_refuses_the_start(
    mounted: Callable[[int], Path],
) -> None:
    path = mounted(MB) / "none.mcap"
    settings = SessionRecords(reserve_mb=4)
    with (
        pytest.raises(JournalError, match=r"No space left on device.*make room"),
        recorded(path, HEADER, settings),
    ):
        pass
    assert not path.exists()


def test_a_read_only_disk_refuses_the_start(mounted: Callable[[int], Path]) -> None:
    folder = mounted(MB)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    with (
        pytest.raises(JournalError, match="Read-only file system"),
        recorded(folder / "none.mcap", HEADER, SessionRecords()),
    ):
        pass


# A whole run on it. -------------------------------------------------------------------------------


class Stand:
    """A daemon with devices in memory whose journal goes through a recorder."""

    def __init__(self, path: Path, settings: SessionRecords, ends_at: str = "") -> None:
        """``ends_at``: words of a line after which the run is ended."""
        self._ends_at = ends_at
        self.path = path
        self.settings = settings
        self.said: list[str] = []
        self.devices: dict[str, FakeDevice] = {}

    @property
    def ended_by_itself(self) -> bool:
        """Whether something else than the length of the run ended it."""
        return not any("s are over" in line for line in self.said)

    def run(self, *acts: tuple[float, Callable[[Recorder], object]], seconds: float = 60.0) -> None:
        """Run it and do each act at its time, counted from the first tick."""
        timers: list[asyncio.TimerHandle] = []

        def after_tick(now_ns: int) -> None:
            if not timers:
                loop = asyncio.get_running_loop()
                timers.extend(loop.call_later(at_s, act, recorder) for at_s, act in acts)

        def make(role: str, hand_over: HandOver) -> FakeDevice:
            self.devices[role] = FakeDevice(ROLES[role], hand_over)
            return self.devices[role]

        def say(line: str) -> None:
            self.said.append(line)
            if self._ends_at and self._ends_at in line:
                daemon.end()

        with recorded(self.path, make_header(CONFIGURATION.text), self.settings) as (writer, disk):
            recorder = disk.recorder
            daemon = Daemon(
                CONFIGURATION,
                writer,
                HostClock(),
                ROLES,
                make,
                Nobody(),
                say,
                after_tick=(after_tick,),
                disk=disk,
            )

            async def together() -> None:
                try:
                    await daemon.run(seconds)
                finally:
                    for timer in timers:
                        timer.cancel()

            asyncio.run(together())

    def recorded(self, kind: type) -> list[Any]:
        entries = read_journal(self.path).entries()
        return [entry.record for entry in entries if isinstance(entry.record, kind)]


def fill(folder: Path) -> None:
    """Leave no byte on a file system."""
    with contextlib.suppress(OSError), (folder / "other").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_disk_that_fills_up_stops_the_run_in_order_with_the_reason_in_the_journal(
    mounted: Callable[[int], Path],
) -> None:
    folder = mounted(8 * MB)
    stand = Stand(folder / "live.mcap", SessionRecords(reserve_mb=1))
    with pytest.raises(JournalError, match="No space left on device"):
        stand.run((0.2, lambda recorder: fill(folder)))
    assert stand.ended_by_itself
    journal = read_journal(stand.path)
    assert journal.torn is None
    states = stand.recorded(RecordingState)
    assert [(s.ok, "No space left" in s.detail) for s in states] == [(False, True)]
    (stop,) = stand.recorded(Request)
    assert stop.name == "stop"
    assert any(isinstance(command, SendHold) for command in stand.devices["gate"].obeyed)


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process or a child of it may grow beyond ``size`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_error_stops_the_run_in_order_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "live.mcap"
    stand = Stand(path, SessionRecords(reserve_mb=0))
    with JournalWriter(tmp_path / "header.mcap", make_header(CONFIGURATION.text)) as empty:
        empty.flush()
        limit = (tmp_path / "header.mcap").stat().st_size + 8000
    with largest_file(limit), pytest.raises(JournalError, match=os.strerror(errno.EFBIG)):
        stand.run()
    assert stand.ended_by_itself
    assert path.stat().st_size == limit, "to the last byte there was room for"
    torn = read_journal(path).torn
    assert torn is not None
    assert torn.records > 20
    assert any("stopping" in line for line in stand.said)
    assert any(isinstance(command, SendHold) for command in stand.devices["gate"].obeyed)


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """An ext4 file system that goes read-only at an error, and where to write to cause one."""
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16 * MB)
    for command in (
        ["mkfs.ext4", "-q", str(image)],
        ["mount", "-o", "loop,errors=remount-ro", str(image), str(folder)],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip(f"no {command[0]} here")
        if done.returncode:
            pytest.skip(f"no ext4 can be mounted here: {done.stderr.strip()}")
    (source,) = [
        line.split()[0]
        for line in Path("/proc/mounts").read_text().splitlines()
        if line.split()[1] == str(folder)
    ]
    yield folder, Path("/sys/fs/ext4") / Path(source).name / "trigger_fs_error"
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_turns_read_only_stops_the_run_in_order(ext4: tuple[Path, Path]) -> None:
    folder, trigger = ext4
    if not trigger.exists():
        pytest.skip("this kernel causes no error of a file system on demand")
    path = folder / "live.mcap"
    stand = Stand(path, SessionRecords(reserve_mb=1))
    with pytest.raises(JournalError, match="Read-only file system"):
        stand.run((0.4, lambda recorder: trigger.write_text("1")))
    assert stand.ended_by_itself
    torn = read_journal(path).torn
    assert torn is not None
    assert torn.records > 20
    assert any("stopping" in line for line in stand.said)
    assert any("Read-only file system" in line for line in stand.said)
    assert any(isinstance(command, SendHold) for command in stand.devices["gate"].obeyed)


def test_a_write_stall_of_two_seconds_delays_no_tick_and_is_in_the_journal(tmp_path: Path) -> None:
    settings = SessionRecords(hold_after_ms=700)
    stand = Stand(tmp_path / "live.mcap", settings, "all is on disk again")
    stand.run(
        (0.3, lambda recorder: os.kill(recorder.pid, signal.SIGSTOP)),
        (2.3, lambda recorder: os.kill(recorder.pid, signal.SIGCONT)),
    )
    states = stand.recorded(RecordingState)
    assert [state.ok for state in states] == [False, True]
    ticks: list[Tick] = stand.recorded(Tick)
    during = [tick for tick in ticks if 300 * MS < tick.t_ns - ticks[0].t_ns < 2300 * MS]
    assert len(during) > 20, "a run that waited for the disk would have none"
    assert max(tick.t_ns - tick.due_ns for tick in during) < 1000 * MS, "half of the stall"
    assert verify(stand.path).torn is None


def test_a_recorder_that_dies_stops_the_run_in_order(tmp_path: Path) -> None:
    stand = Stand(tmp_path / "live.mcap", SessionRecords())
    with pytest.raises(JournalError, match="the process that writes the journal ended"):
        stand.run((0.3, lambda recorder: os.kill(recorder.pid, signal.SIGKILL)))
    assert stand.ended_by_itself
    assert any("stopping" in line for line in stand.said)
    torn = read_journal(stand.path).torn
    assert torn is not None
    assert torn.records > 10
