"""A long session with the console page open in a browser: lateness, latency, leases, memory.

    python -m tests.live.long_run --minutes 10 --priority 20
    python -m tests.live.long_run --machine gate --minutes 5    # also --machine mlc

A real room and a real run on wires, started from the page as a person would. Exits with 1 when a
lease was missed, a demand came late, memory grew, or the journal does not replay. With
``--machine`` it is a run of that machine on its own wires, without the page (`machine_run`).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.live.machine_load import MachineLoad
from tests.live.machine_run import MACHINE_WIRES, measure_machine
from tests.live.processes import children_of
from tests.live.undisturbed import Undisturbed, read_run, replayed
from tests.live.web.stand import FIGURES, Stand, stand
from tests.live.web.walk import browser, press, seen
from tracker.live.run_figures import RunFigures

DEMAND_MS = 5.0
GROWTH = 0.02
LOOK_S = 10.0
SETTLED = 0.2
"""From this share of the time on, memory may grow no more."""


class Memory(NamedTuple):
    """Resident memory of the processes by name, in MB, at a moment."""

    at_s: float
    resident_mb: dict[str, float]


class LongRun(NamedTuple):
    """What was measured."""

    figures: RunFigures
    journal: Undisturbed
    replay: str
    memory: list[Memory]
    errors: list[str]
    """Of the page's console."""
    stale: int
    """Looks at which the page was not live."""
    exit_code: int | None
    taken_ms: float
    """How long, in all, the machine kept a waiting program from a processor."""
    starved: bool
    """Whether it did for so long at once that the run may have had to hold."""

    @property
    def settled(self) -> Memory:
        """The look from which memory must be flat: minute 2 of ten."""
        after_s = SETTLED * self.memory[-1].at_s
        return next(each for each in self.memory if each.at_s >= after_s)

    @property
    def growth(self) -> dict[str, float]:
        """By process: from `settled` to the end, as a share."""
        first, last = self.settled.resident_mb, self.memory[-1].resident_mb
        return {name: last[name] / first[name] - 1.0 for name in last if name in first}

    def wrong(self, growth: float = GROWTH) -> list[str]:
        """What should not be."""
        demand_ms = self.figures.tick.p99_us / 1e3
        found = [
            *(f"page: {error}" for error in self.errors),
            *([f"the run ended with {self.exit_code}"] * (self.exit_code != 0)),
        ]
        if demand_ms > DEMAND_MS + self.taken_ms:
            found.append(f"tick to demand p99 {demand_ms:.1f} ms")
        if not self.taken_ms:
            found += [f"lease ran out at {at:.2f} s" for at in self.journal.lapses]
            found += ["the gate says a lease lapsed"] * bool(self.journal.lapsed_at_gate)
            found += [f"the page was not live at {self.stale} looks"] * bool(self.stale)
        if self.growth["run"] > growth:
            found.append(f"memory of the run grew by {100 * self.growth['run']:.1f} %")
        if not self.replay.startswith("identical"):
            found.append(f"replay: {self.replay}")
        return found

    def describe(self) -> str:
        """For people."""
        figures, first, last = self.figures, self.settled, self.memory[-1]
        lines = [
            f"tick lateness     {figures.lateness.describe()}, {figures.skipped_ticks} skipped",
            f"  while tracking  {self.journal.describe()}",
            f"tick to demand    {figures.tick.describe()}",
            f"sample to demand  {figures.sample_to_demand.describe()}",
            f"beam permitted {self.journal.tracked_s:.1f} s; leases missed"
            f" {len(self.journal.lapses)}; at the gate {self.journal.lapsed_at_gate}; holds"
            f" {self.journal.holds or 'none'}; faults {self.journal.faults or 'none'}",
            f"resident memory in MB after {first.at_s:.0f} s and {last.at_s:.0f} s:",
            *(
                f"  {name:<16} {first.resident_mb[name]:7.1f} {last.resident_mb[name]:7.1f}"
                f"  {100 * share:+.2f} %"
                for name, share in self.growth.items()
            ),
            f"replay: {self.replay}",
            f"the machine kept a waiting program from a processor for {self.taken_ms:.0f} ms",
            *(f"WRONG: {each}" for each in self.wrong()),
        ]
        return "\n".join(lines)


def measure(
    folder: Path, seconds: float, options: Sequence[object], *, soon: bool = False
) -> LongRun:
    """A session of so many seconds with beam; ``soon``: after a model of a few shots."""
    changes: dict[str, dict[str, Any]] = {"room": {"duration_s": seconds + 120.0}}
    errors: list[str] = []
    memory: list[Memory] = []
    stale = 0
    with (
        stand(folder, changes, options, soon=soon) as at,
        browser(folder) as page,
        MachineLoad() as load,
    ):
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        browser_itself = page.context.new_cdp_session(page)
        begin(page, at)
        began_s, began_ns = time.monotonic(), time.monotonic_ns()
        for number in itertools.count(1):
            passed_s = time.monotonic() - began_s
            browser_itself.send("HeapProfiler.collectGarbage")
            heap_mb = browser_itself.send("Runtime.getHeapUsage")["usedSize"] / 1e6
            memory.append(Memory(passed_s, {**resident(at), "page's heap": heap_mb}))
            if passed_s >= seconds:
                break
            page.wait_for_timeout(1e3 * (min(number * LOOK_S, seconds) - passed_s))
            stale += page.locator("body.stale").count()
        page.keyboard.press("F10")
        seen(page, "#state:text('Stopped')")
        journal = at.journal
        ended_ns = time.monotonic_ns()
    everything = read_run(journal, [(0, sys.maxsize)])
    stopped = [held for held in everything.holds if not held.endswith(": stop")]
    return LongRun(
        figures=msgspec.json.decode((folder / FIGURES).read_bytes(), type=RunFigures),
        journal=everything._replace(holds=stopped),
        replay=replayed(journal),
        memory=memory,
        errors=errors,
        stale=stale,
        exit_code=at.run.returncode,
        taken_ms=load.taken_ms(began_ns, ended_ns),
        starved=load.starved(began_ns, ended_ns),
    )


def begin(page: Any, at: Stand) -> None:
    """Log in, model, start, as a person does."""
    page.goto(at.ready.page)
    page.fill("#token", at.token)
    page.keyboard.press("Enter")
    seen(page, "#connect[data-all=yes]")
    press(page, "F2", "#do-model", "#state:text('Modelling')")
    seen(page, "#state:text('Ready')")
    seen(page, "#do-start:enabled")
    press(page, "F4", "#do-start", "#state:text('Tracking')")
    seen(page, "[data-beam=permitted]")


def resident(at: Stand) -> dict[str, float]:
    """Of the run and of each process it has started, by what they are."""
    pids = {"run": at.run.pid}
    for pid in sorted(children_of(at.run.pid)):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            name = kind(words)
            pids[f"{name} {len(pids)}" if name in pids else name] = pid
    found: dict[str, float] = {}
    for name, pid in pids.items():
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    found[name] = int(line.split()[1]) / 1024
    return found


def kind(words: list[str]) -> str:
    """What a process of the run does, by its command line."""
    for part, name in (("console", "page server"), ("recording_process", "recorder")):
        if any(part in word for word in words):
            return name
    modules = [word for word in words if word.startswith("tracker.")]
    return modules[0].rpartition(".")[2] if modules else words[-2]


def main(arguments: list[str]) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="with beam (default 10)")
    parser.add_argument("--priority", type=int, default=0, help="of the run, as for tidetrack run")
    parser.add_argument("--machine", choices=sorted(MACHINE_WIRES), help="without the page")
    args = parser.parse_args(arguments)
    if args.machine is not None:
        return measure_one(args.machine, 60.0 * args.minutes, ("--priority", args.priority))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = measure(Path(folder), 60.0 * args.minutes, ("--priority", args.priority))
    print(run.describe())
    return 1 if run.wrong() else 0


def measure_one(machine: str, seconds: float, options: Sequence[object]) -> int:
    """Measure one kind of machine and tell."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = measure_machine(Path(folder), machine, seconds, options, soon=False)
    print(run.describe())
    return 1 if run.wrong() or run.slow() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
