"""Compare what two checkouts make of the same sessions, event by event, and how fast they are.

    python -m tests.same_outputs BASE [--data DIR] [--only NAME ...] [--speed N]

BASE is another checkout of this project (``git worktree add ../base COMMIT``). Each checkout
simulates the demo, three recorded patients with couch and robot, and three mishaps; the journals
are compared record by record. Wording of notices and of a fault's detail may differ and is listed;
every other difference is an error. ``--speed N`` runs the demo N times in each checkout, in turn,
and prints the ratio of the realtime factors. They are measured in processor time, because other
programs on the machine lengthen a run and not its processor time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mcap.reader import make_reader

HERE = Path(__file__).parent.parent
RECORDINGS = ("lark_091", "lark_092", "lark_093")
MISHAPS = (
    "cough:1",
    "freeze.camera:2",
    "clock_step.belt:1",
    "target_shift:4",
    "runaway:5",
    "stalled_loop:1",
)
WORDS = {"FaultChanged": "detail", "Notice": "text"}
"""Fields that hold a sentence for people, by type of record."""


BY_PROCESSOR_TIME = (
    "import sys, time; time.perf_counter = time.process_time; "
    "from tracker.cli import main; sys.exit(main())"
)
"""The program with its realtime factor measured in processor time; any version reads that clock."""


class Run(NamedTuple):
    """One session: its name, and the arguments of the command but for where the journal goes."""

    name: str
    arguments: tuple[str, ...]
    mishap: bool = False


def runs(data: Path) -> Iterator[Run]:
    """Every session to compare."""
    yield Run("demo", ("simulate", "--config", "config/demo.toml"))
    for recording, machine in itertools.product(RECORDINGS, ("couch", "robot")):
        trace = str(data / "interact_lark" / f"{recording}.csv")
        yield Run(
            f"{recording}-{machine}", ("simulate", trace, "--config", f"config/{machine}.toml")
        )
    for mishap in MISHAPS:
        yield Run(mishap.replace(":", "-"), ("campaign", "--replay", mishap), mishap=True)


def carry_out(
    checkout: Path, run: Run, folder: Path, program: Sequence[str] = ("-m", "tracker")
) -> tuple[Path, float]:
    """Run one session in a checkout; give its journal and the realtime factor it reached."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *program, *run.arguments]
    if run.mishap:
        command += ["--report", str(folder)]
    else:
        command += ["--journal", str(folder / "session.mcap"), "--json", str(folder / "s.json")]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{checkout}: {run.name} ended with {done.returncode}: {done.stderr}")
    (journal,) = folder.rglob("*.mcap")
    summary = folder / "s.json"
    factor = json.loads(summary.read_text())["realtime_factor"] if summary.exists() else 0.0
    return journal, factor


def records(journal: Path) -> Iterator[dict[str, Any]]:
    """Every event, output and truth of a journal, in the order it was written."""
    with journal.open("rb") as stream:
        for _, channel, message in make_reader(stream).iter_messages(log_time_order=False):
            if not channel.topic.endswith("seal"):
                yield json.loads(message.data)


def without_words(record: dict[str, Any]) -> dict[str, Any]:
    """The record without the sentence it holds for people."""
    field = WORDS.get(record["type"])
    return record if field is None else {k: v for k, v in record.items() if k != field}


def masked(text: str) -> str:
    """A sentence with its numbers masked."""
    return re.sub(r"-?\d+(\.\d+)?", "#", text)


class Compared(NamedTuple):
    """What a comparison found: records equal, sentences that differ, and the first difference."""

    equal: int
    reworded: Counter[tuple[str, str]]
    difference: str


def compare(old: Path, new: Path) -> Compared:
    """Hold two journals against each other, record by record, up to the first difference."""
    equal, reworded = 0, Counter[tuple[str, str]]()
    for a, b in itertools.zip_longest(records(old), records(new)):
        if a is None or b is None:
            return Compared(equal, reworded, f"one journal ends; the other goes on: {a or b}")
        if a["type"] == b["type"] == "Truth":
            # What only the simulator knows: one checkout may know more of it than the other.
            a, b = ({k: r[k] for k in a.keys() & b.keys()} for r in (a, b))
        if a == b:
            equal += 1
        elif without_words(a) == without_words(b):
            field = WORDS[a["type"]]
            reworded[masked(a[field]), masked(b[field])] += 1
        else:
            return Compared(equal, reworded, f"before: {a}\n  now:    {b}")
    return Compared(equal, reworded, "")


def speed(base: Path, count: int, folder: Path) -> None:
    """Time the demo with its journal in both checkouts, in turn; print the ratio."""
    demo = next(runs(Path()))
    factors: dict[Path, list[float]] = {base: [], HERE: []}
    for number in range(count):
        for checkout, found in factors.items():
            where = folder / f"{number}-{checkout == HERE}"
            _, factor = carry_out(checkout, demo, where, ("-c", BY_PROCESSOR_TIME))
            found.append(factor)
    medians = [statistics.median(found) for found in factors.values()]
    for (checkout, found), median in zip(factors.items(), medians, strict=True):
        listed = " ".join(f"{each:.1f}" for each in found)
        print(f"{checkout.name}: realtime factor {median:.1f} (median of {listed})")
    print(f"ratio {medians[1] / medians[0]:.2f}")


def main() -> int:
    """Compare both checkouts; 1 when an output differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path, metavar="BASE")
    parser.add_argument("--data", type=Path, default=HERE.parent / "shared" / "data")
    parser.add_argument("--only", nargs="+", default=None, metavar="NAME")
    parser.add_argument("--speed", type=int, default=0, metavar="N")
    args = parser.parse_args()
    base, failed = args.base.resolve(), False
    with tempfile.TemporaryDirectory() as name:
        if args.speed:
            speed(base, args.speed, Path(name))
            return 0
        for run in runs(args.data.resolve()):
            if args.only and run.name not in args.only:
                continue
            folder = Path(name) / run.name
            journals = [
                carry_out(checkout, run, folder / side)[0]
                for checkout, side in ((base, "before"), (HERE, "now"))
            ]
            found = compare(*journals)
            failed = failed or bool(found.difference)
            verdict = "DIFFERS" if found.difference else "equal"
            print(f"{run.name}: {verdict}, {found.equal} records equal", flush=True)
            for (before, now), times in found.reworded.items():
                print(f"  reworded {times} times: {before!r} -> {now!r}")
            if found.difference:
                print(f"  {found.difference}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
