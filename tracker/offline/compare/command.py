"""`tidetrack compare`: the same breath on every machine, and which of them suits the patient."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from sim.recording import Recording, RecordingError
from tracker.config import ConfigurationError
from tracker.offline.compare.measure import recording_at
from tracker.offline.compare.outcome import TechniqueOutcome
from tracker.offline.compare.page import page
from tracker.offline.compare.table import as_text, cells_of
from tracker.offline.compare.techniques import BY_NAME, TECHNIQUES, Technique
from tracker.offline.compare.verdict import Verdict, judge, sentence
from tracker.offline.compare.work import compared

ALL: Final = "all"
SUFFIXES: Final = (".csv", ".vxp", ".mcap")
LISTS: Final = ("INDEX", "GAPS")
"""Files beside recordings that hold none."""
GENERATED: Final = "generated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "traces",
        nargs="*",
        type=Path,
        metavar="TRACE",
        help="recordings, journals of sessions, or folders of them (default: a generated patient)",
    )
    parser.add_argument(
        "--machines",
        nargs="+",
        default=[ALL],
        choices=[ALL, *BY_NAME],
        metavar="NAME",
        help=f"techniques: all, or some of {', '.join(BY_NAME)}",
    )
    parser.add_argument(
        "--beam-on-s", type=float, default=120.0, metavar="S", help="beam time of the plan"
    )
    parser.add_argument(
        "--tolerance-mm", type=float, default=5.0, metavar="MM", help="of the error, 95 %% of time"
    )
    parser.add_argument("--seed", type=int, default=1, help="random seed of the room (default 1)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: processors)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write compare.html into DIR")


def run(args: argparse.Namespace) -> int:
    """Measure, judge, print and write; 1 when no technique suits any trace."""
    _check(args)
    techniques = TECHNIQUES if ALL in args.machines else tuple(BY_NAME[n] for n in args.machines)
    names, recordings = traces_of(args.traces)
    workers = args.workers or os.cpu_count() or 1
    with progress_bar(len(names) * len(techniques)) as done:
        outcomes = compared(
            recordings, names, techniques,
            beam_on_s=args.beam_on_s, seed=args.seed, workers=workers, done=done,
        )  # fmt: skip
    by_trace = {
        trace: [judge(each, args.tolerance_mm) for each in group]
        for trace, group in groupby(outcomes, key=lambda each: each.trace)
    }
    for trace, verdicts in by_trace.items():
        print(f"{trace}\n{as_text([cells_of(v) for v in verdicts])}\n{sentence(verdicts)}\n")
    _write(args, by_trace, techniques)
    return 0 if any(v.suits for verdicts in by_trace.values() for v in verdicts) else 1


def traces_of(paths: Sequence[Path]) -> tuple[list[str], list[Recording | None]]:
    """Return the traces with a name each; raises `ConfigurationError` that says what is wrong.

    Without a path there is one generated patient. In a folder, files that are no trace of a target
    are left out, and said.
    """
    if not paths:
        return [GENERATED], [None]
    names: list[str] = []
    recordings: list[Recording | None] = []
    for path in paths:
        inside = _files_in(path) if path.is_dir() else [path]
        for file in inside:
            try:
                found = recording_at(file)
            except RecordingError as error:
                if not path.is_dir():
                    raise
                print(f"left out: {error}", file=sys.stderr)
                continue
            if path.is_dir() and found.kind == "external":
                continue  # nothing in it tells where the target was
            name = file.stem if file.stem not in names else f"{file.parent.name}/{file.stem}"
            names.append(name)
            recordings.append(found)
    if not names:
        raise ConfigurationError(
            [f"{', '.join(map(str, paths))}: no trace with a target; name recordings that have one"]
        )
    return names, recordings


def _files_in(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and file.name.isascii()
        and file.stem.upper() != file.stem
    )


def _check(args: argparse.Namespace) -> None:
    limits = (
        ("--beam-on-s", args.beam_on_s, 1.0, 3600.0),
        ("--tolerance-mm", args.tolerance_mm, 0.1, 50.0),
        ("--seed", args.seed, 0, 2**31),
        ("--workers", 1 if args.workers is None else args.workers, 1, 256),
    )
    wrong = [
        f"{name} {value:g}: allowed {low:g} to {high:g}"
        for name, value, low, high in limits
        if not low <= value <= high
    ]
    if wrong:
        raise ConfigurationError(wrong)


def _write(
    args: argparse.Namespace, by_trace: dict[str, list[Verdict]], techniques: Sequence[Technique]
) -> None:
    """Write what was asked for, and say where."""
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(as_json(args, by_trace, techniques), indent=2) + "\n")
        print(args.json)
    if args.report is not None:
        args.report.mkdir(parents=True, exist_ok=True)
        file = args.report / "compare.html"
        file.write_text(page(by_trace, args.tolerance_mm, args.beam_on_s), encoding="utf-8")
        print(file)


def as_json(
    args: argparse.Namespace, by_trace: dict[str, list[Verdict]], techniques: Sequence[Technique]
) -> dict[str, object]:
    """Return the figures of every technique for every trace, with verdicts and sentences."""
    return {
        "beam_on_s": args.beam_on_s,
        "tolerance_mm": args.tolerance_mm,
        "seed": args.seed,
        "machines": [each.name for each in techniques],
        "traces": {
            trace: {
                "sentence": sentence(verdicts),
                "techniques": {
                    v.outcome.technique: {
                        **_builtins(v.outcome),
                        "margin_mm": v.outcome.margin_mm,
                        "suits": v.suits,
                        "reasons": list(v.reasons),
                    }
                    for v in verdicts
                },
            }
            for trace, verdicts in by_trace.items()
        },
    }


def _builtins(outcome: TechniqueOutcome) -> dict[str, object]:
    return msgspec.to_builtins(outcome)


@contextmanager
def progress_bar(total: int) -> Generator[Callable[[int], None]]:
    """Show a bar while a person looks on; nothing where the output is no terminal."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console

    columns = (TextColumn("comparing"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.update(task, completed=count)
