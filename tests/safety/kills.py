"""Kill a live run at random moments: beam off at the gate, journal whole, restart IDLE.

    python -m tests.safety.kills --count 200 --seed 1 --json out/kills.json

A room stands on its wires in one process for the whole campaign; runs in it are started and
killed (SIGKILL) one after the other, half of them somewhere between start and tracking, half with
the beam on. The beam is measured by the room's own record; each journal is read to its tear, and
each run is the restart after the kill before.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from hal.events import SendPermit
from tests.live.machine_load import MachineLoad
from tests.live.processes import BEAM_ON, Process, children_of
from tests.safety.live_room import Beam, beam_of, room, run_arguments, written
from tracker.core.types import SessionChanged
from tracker.journal import JournalError, read_journal, verify

MS = 1_000_000
LIMIT_MS = 250.0
BEFORE_S = 12.0
"""Kills before tracking are spread over this much time from the start of the process."""
WITH_BEAM_S = 1.5


class Kill(msgspec.Struct):
    """One kill and what was found after it."""

    number: int
    with_beam: bool
    """Whether the run was waited for until it had beam."""
    at_ns: int
    after_start_s: float
    bytes_before: int
    """Size of the journal just before the kill: what was acknowledged by then, at least."""
    records: int = 0
    unrecorded_ms: float | None = None
    """From the last event in the journal to the kill; ``None``: it had none yet."""
    tear: str = ""
    first_state: str = ""
    beam_off_ms: float | None = None
    """``None``: there was no beam."""
    taken_ms: float = 0.0
    """How long the machine kept a waiting program from a processor around the kill."""
    wrong: list[str] = msgspec.field(default_factory=list)


def kill_one(file: Path, number: int, chance: random.Random) -> Kill:
    """Start a run, kill it at a moment of its own, read its journal."""
    journal = file.parent / f"kill-{number:03}.mcap"
    run = Process(*run_arguments(file, journal))
    try:
        with_beam = chance.random() < 0.5
        if with_beam:
            run.until(BEAM_ON)
            time.sleep(chance.uniform(0.0, WITH_BEAM_S))
        else:
            time.sleep(chance.uniform(0.0, BEFORE_S))
        children = children_of(run.pid)
        size = journal.stat().st_size if journal.exists() else 0
        at_ns = run.send(signal.SIGKILL)
        killed = Kill(number, with_beam, at_ns, (at_ns - run.began_ns) / 1e9, size)
        run.wait()
    finally:
        run.end()
    _wait_for_end(children)
    _read(journal, killed)
    journal.unlink(missing_ok=True)
    return killed


def _wait_for_end(children: set[int]) -> None:
    """A dead daemon's children end by themselves; the recorder once all is written."""
    until_s = time.monotonic() + 10.0
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < until_s, f"children of a dead daemon live on: {children}"
        time.sleep(0.02)


def _read(path: Path, killed: Kill) -> None:
    """Is the journal whole as far as it was acknowledged, and did the run begin IDLE?"""
    if not path.exists():
        return
    if path.stat().st_size < killed.bytes_before:
        killed.wrong.append("the journal is shorter than before the kill")
    try:
        journal = read_journal(path)
        checked = verify(path)
    except JournalError as error:
        if killed.bytes_before or "empty" not in str(error):
            killed.wrong.append(str(error))
        return
    killed.records = checked.records
    killed.tear = "" if checked.torn is None else checked.torn.describe()
    if checked.torn is None:
        killed.wrong.append("a killed run's journal has an end")
    start_ns = int(journal.header.further["monotonic_start_ns"])
    for entry in journal.entries():
        killed.unrecorded_ms = (killed.at_ns - start_ns - entry.handled_ns) / MS
        record: Any = entry.record
        if isinstance(record, SessionChanged) and not killed.first_state:
            killed.first_state = record.before
            if (record.before, record.trigger) != ("IDLE", "model"):
                killed.wrong.append(f"began {record.before}, {record.trigger}")
        elif isinstance(record, SendPermit) and not killed.first_state:
            killed.wrong.append("a permit before any session")


def judge(kills: list[Kill], beam: Beam, load: MachineLoad) -> None:
    """Lay the kills beside the room's record of the beam, and what the machine took meanwhile."""
    for killed in kills:
        around_ns = round(LIMIT_MS) * MS
        killed.taken_ms = load.taken_ms(killed.at_ns - around_ns, killed.at_ns + around_ns)
        if not beam.at(killed.at_ns):
            continue
        killed.beam_off_ms = beam.off_after_ms(killed.at_ns)
        if killed.beam_off_ms > LIMIT_MS + killed.taken_ms:
            killed.wrong.append(f"beam off after {killed.beam_off_ms:.0f} ms")
        off_ns = killed.at_ns + round(killed.beam_off_ms * MS)
        if beam.ever_on(off_ns, killed.at_ns + 2_000 * MS):
            killed.wrong.append("beam again within 2 s of the kill")


def campaign(count: int, seed: int, folder: Path) -> list[Kill]:
    """So many kills in one room."""
    chance = random.Random(seed)
    file = written(folder)
    kills: list[Kill] = []
    with MachineLoad() as load, room(file) as truth:
        for number in range(count):
            killed = kill_one(file, number, chance)
            kills.append(killed)
            print(
                f"{number + 1}/{count}: after {killed.after_start_s:.2f} s, "
                f"{killed.records} records {killed.tear} {killed.wrong or ''}",
                flush=True,
            )
        time.sleep(0.7)
    judge(kills, beam_of(truth), load)
    return kills


def spread(values: list[float]) -> dict[str, float]:
    """Median, 95th percentile and largest."""
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "max": round(ordered[-1], 1),
    }


def figures(kills: list[Kill]) -> dict[str, Any]:
    """What the campaign found."""
    off = [k.beam_off_ms for k in kills if k.beam_off_ms is not None]
    unrecorded = [k.unrecorded_ms for k in kills if k.unrecorded_ms is not None]
    return {
        "kills": len(kills),
        "beam_off_ms": spread(off) if off else None,
        "journals": sum(k.records > 0 for k in kills),
        "torn_within_a_record": sum("torn" in k.tear for k in kills),
        "last_event_before_kill_ms": spread(unrecorded) if unrecorded else None,
        "began_idle": sum(k.first_state == "IDLE" for k in kills),
        "wrong": {k.number: k.wrong for k in kills if k.wrong},
    }


def main() -> int:
    """Run the campaign; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        kills = campaign(args.count, args.seed, Path(folder))
    found = figures(kills)
    print(json.dumps(found, indent=1))
    if args.json is not None:
        whole = {"figures": found, "kills": msgspec.to_builtins(kills)}
        args.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
