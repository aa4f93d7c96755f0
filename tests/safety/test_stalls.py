"""Stalls of loop, journal, imaging and monitor, 50 to 2,000 ms, in one run on real wires.

A process that is stopped (SIGSTOP) is what a stall looks like from everywhere else: the daemon's
loop, the process that writes the journal (a write that does not return), the one that takes the
pictures. Where beam must go it is gone in time at the gate; the journal says why, and is whole.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hal.events import LinkChanged, RecordingState, Tick
from tests.live.machine_load import MachineLoad
from tests.live.processes import BEAM_ON, Process, children_of, process
from tests.safety.live_room import Beam, beam_of, room, run_arguments, written
from tracker.core.types import FaultChanged
from tracker.journal import read_journal, verify
from tracker.offline.replay import engine_from_configuration, replay

pytestmark = pytest.mark.realtime

MS = 1_000_000
LOOP_MS = (50, 150, 600)
LAST_LOOP_MS = 2000
"""After it the session may be over; how tracking returns is not shown here."""
JOURNAL_MS = (50, 400, 2000)
IMAGING_MS = (50, 500, 2000)
CALM_S = 0.6


def named(run: Process, words: str) -> int:
    """The run's child whose command line holds these words."""
    for pid in children_of(run.pid):
        if words in Path(f"/proc/{pid}/cmdline").read_text():
            return pid
    raise AssertionError(f"no child is {words}")


def imaging(run: Process) -> int:
    """The child that takes the pictures: of the devices' processes, the one that gives way."""
    for pid in children_of(run.pid):
        command = Path(f"/proc/{pid}/cmdline").read_text()
        if "tracker.live.devices.process" in command and os.getpriority(os.PRIO_PROCESS, pid) == 5:
            return pid
    raise AssertionError("no process takes pictures")


class Stall(NamedTuple):
    """What was stopped, for how long it was wanted, and when on the monotonic clock."""

    what: str
    wanted_ms: int
    from_ns: int
    to_ns: int


def stall(run: Process, what: str, pid: int, wanted_ms: int, last: bool = False) -> Stall:
    """Stop a process so long, then (unless ``last``) wait until there is beam again for a while."""
    from_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(wanted_ms / 1000)
    to_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGCONT)
    time.sleep(CALM_S)
    if last:
        return Stall(what, wanted_ms, from_ns, to_ns)
    beam_lines = sum(BEAM_ON in line for line in run.lines)
    run.until(BEAM_ON, beam_lines + 1)
    return Stall(what, wanted_ms, from_ns, to_ns)


class Shown(NamedTuple):
    """The stalls of a run, the beam in the room, and the run's journal."""

    stalls: list[Stall]
    killed_ns: int
    """When the monitor was killed."""
    beam: Beam
    journal: Path
    load: MachineLoad

    def late_ms(self, each: Stall) -> float:
        """What the machine itself took around a stall; the limits are wider by that much."""
        return self.load.taken_ms(each.from_ns - 100 * MS, each.to_ns + 500 * MS)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("stalls")
    file, journal = written(folder), folder / "live.mcap"
    stalls: list[Stall] = []
    with MachineLoad() as load, room(file) as truth:
        with process(*run_arguments(file, journal)) as run:
            run.until(BEAM_ON, 2)
            recorder, pictures = named(run, "recording_process"), imaging(run)
            stalls += [stall(run, "loop", run.pid, ms) for ms in LOOP_MS]
            stalls += [stall(run, "journal", recorder, ms) for ms in JOURNAL_MS]
            stalls += [stall(run, "imaging", pictures, ms) for ms in IMAGING_MS]
            killed_ns = time.monotonic_ns()
            os.kill(named(run, "tracker.live.dead_man.monitor"), signal.SIGKILL)
            run.until("fault: monitor lost: over")
            run.until(BEAM_ON, sum(BEAM_ON in line for line in run.lines) + 2)
            stalls.append(stall(run, "loop", run.pid, LAST_LOOP_MS, last=True))
            run.send(signal.SIGTERM)
            assert run.wait() == 0
        time.sleep(0.6)
    return Shown(stalls, killed_ns, beam_of(truth), journal, load)


def of(shown: Shown, what: str) -> list[Stall]:
    return [each for each in shown.stalls if each.what == what]


def recorded(shown: Shown, kind: type, from_ns: int, to_ns: int) -> list[Any]:
    """Records of a type, by the moment of the event that was being handled."""
    journal = read_journal(shown.journal)
    start_ns = int(journal.header.further["monotonic_start_ns"])
    return [
        entry.record
        for entry in journal.entries()
        if isinstance(entry.record, kind) and from_ns <= entry.handled_ns + start_ns <= to_ns
    ]


def latest_tick_ms(shown: Shown, each: Stall) -> float:
    ticks = recorded(shown, Tick, each.from_ns, each.to_ns)
    assert len(ticks) > 1
    return max(tick.t_ns - tick.due_ns for tick in ticks) / MS


@pytest.mark.slow
def test_a_stalled_loop_has_no_beam_in_time_and_the_journal_says_why(shown: Shown) -> None:
    for each in of(shown, "loop"):
        lasted_ms = (each.to_ns - each.from_ns) / MS
        taken_ms = shown.late_ms(each)
        assert shown.beam.at(each.from_ns) or taken_ms
        if lasted_ms < 80 and not taken_ms:
            assert all(shown.beam.at(t) for t in range(each.from_ns, each.to_ns + 50 * MS, 10 * MS))
        elif each.wanted_ms >= 150:
            off_ms = shown.beam.off_after_ms(each.from_ns)
            print(f"loop stalled {lasted_ms:.0f} ms: beam off after {off_ms:.0f} ms")
            assert off_ms <= 200.0 + taken_ms
            assert not shown.beam.ever_on(each.from_ns + round(off_ms * MS), each.to_ns)
        soon_ns = each.to_ns + 300 * MS + round(taken_ms * MS)
        faults = recorded(shown, FaultChanged, each.to_ns, soon_ns)
        assert any(f.active and f.fault.startswith("loop") for f in faults), lasted_ms
        if each.wanted_ms >= 600:
            told = recorded(shown, LinkChanged, each.to_ns, soon_ns)
            assert any("controller silent" in t.detail for t in told), "the monitor took it"


@pytest.mark.slow
def test_a_stalled_journal_delays_no_tick_and_holds_within_a_second(shown: Shown) -> None:
    for each in of(shown, "journal"):
        late_ms = latest_tick_ms(shown, each)
        if each.wanted_ms < 700:
            calm_ns = each.to_ns + round(CALM_S * 1e9)  # before the next can show
            told = recorded(shown, RecordingState, each.from_ns, calm_ns)
            assert not told or shown.late_ms(each) > 200.0
            continue
        until_ns = each.to_ns + 2000 * MS + round(shown.late_ms(each) * MS)
        states = recorded(shown, RecordingState, each.from_ns, until_ns)
        off_ms = shown.beam.off_after_ms(each.from_ns)
        print(f"journal stalled {each.wanted_ms} ms: off after {off_ms:.0f} ms, tick {late_ms:.0f}")
        assert off_ms <= 1000.0 + shown.late_ms(each)
        assert late_ms < 200.0 + shown.late_ms(each), (
            "a tick that waited would be late by all of it"
        )
        assert [state.ok for state in states[:2]] == [False, True]
        assert len(states) == 2 or shown.late_ms(each)
        assert "waits" in states[0].detail
        faults = recorded(shown, FaultChanged, each.from_ns, each.to_ns)
        assert any(f.active and f.fault == "not recording" for f in faults)


@pytest.mark.slow
def test_stalled_imaging_delays_no_tick(shown: Shown) -> None:
    for each in of(shown, "imaging"):
        late_ms = latest_tick_ms(shown, each)
        print(f"imaging stalled {each.wanted_ms} ms: latest tick {late_ms:.0f} ms")
        assert late_ms < 200.0 + shown.late_ms(each)


@pytest.mark.slow
def test_a_monitor_that_dies_costs_the_beam_and_is_started_again(shown: Shown) -> None:
    off_ms = shown.beam.off_after_ms(shown.killed_ns)
    print(f"monitor killed: beam off after {off_ms:.0f} ms")
    around = (shown.killed_ns - 100 * MS, shown.killed_ns + 1000 * MS)
    assert off_ms <= 500.0 + shown.load.taken_ms(*around)
    after_ns = shown.killed_ns + 20_000 * MS
    told = [
        t for t in recorded(shown, LinkChanged, shown.killed_ns, after_ns) if t.device == "monitor"
    ]
    assert (told[0].up, told[-1].up) == (False, True)


@pytest.mark.slow
def test_nothing_is_corrupt_and_replay_gives_every_output_again(shown: Shown) -> None:
    assert verify(shown.journal).torn is None
    journal = read_journal(shown.journal)
    outcome = replay(journal, engine_from_configuration(journal.header.configuration))
    assert outcome.differing == 0
