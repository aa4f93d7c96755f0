"""A room on real wires and a run in it, each its own process, for tests that freeze and kill them.

The session is ready soon and the tolerance wide: what is shown is the beam, not the tracking.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.live.processes import serving_room
from tests.live.processes import written as wired_room
from tracker.journal import read_journal

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


@contextmanager
def room(file: Path) -> Iterator[Path]:
    """The room of a configuration on its wires; gives where its truth is recorded."""
    truth = file.parent / "truth.mcap"
    with serving_room(file, truth):
        yield truth


def run_arguments(file: Path, journal: Path) -> tuple[object, ...]:
    """A run in that room, by the scripted operator, with the priority the unit gives it."""
    options = ("--operator", "auto", "--no-self-test", "--priority", 20)
    return ("run", file, "--journal", journal, *options)


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
