"""Run `tidetrack tune`: fit a predictor to an archive, one subject left out at a time."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from tracker.artefact import save_artefact
from tracker.build.recording_notes import tell_notes
from tracker.offline.tuning.archive import Archive, load_archive
from tracker.offline.tuning.errors import TuningError
from tracker.offline.tuning.problem import TuningProblem
from tracker.offline.tuning.space import ranges_of
from tracker.offline.workers import open_farm

if TYPE_CHECKING:
    from tracker.offline.tuning.search import Progress

NEEDS = ("optuna",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="recordings, or folders of them"
    )
    parser.add_argument(
        "--latency-ms", type=float, required=True, metavar="L", help="the room's timing.latency_ms"
    )
    parser.add_argument(
        "--rate-hz", type=float, required=True, metavar="R", help="the room's prediction.learn_hz"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the artefact, TOML"
    )
    parser.add_argument(
        "--predictor", default="mix", metavar="NAME", help="predictor to tune (default mix)"
    )
    parser.add_argument(
        "--trials",
        type=int,
        default=200,
        metavar="N",
        help="total number, earlier runs included (200)",
    )
    parser.add_argument(
        "--workers", type=int, metavar="W", help="processes on this machine (default: its cores)"
    )
    parser.add_argument("--dask", metavar="ADDRESS", help="run on this dask scheduler's workers")
    parser.add_argument(
        "--storage", metavar="URL", help="where the study is kept (default: a file beside --out)"
    )
    parser.add_argument(
        "--study", metavar="NAME", help="the study's name (default: from its settings)"
    )
    parser.add_argument(
        "--range",
        action="append",
        default=[],
        metavar="NAME=LOW:HIGH",
        help="search a parameter in this range; LOW = HIGH keeps it fixed",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the search (default 1)")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="the page (default: --out with .html)"
    )


def run(args: argparse.Namespace) -> int:
    """Check everything, search, write artefact and page, and print the table."""
    _check(args)
    ranges = ranges_of(args.predictor, args.range)
    archive = load_archive(args.paths, args.rate_hz)
    tell_notes(note for trace in archive.traces for note in trace.notes)
    problem = TuningProblem(args.predictor, args.latency_ms, args.rate_hz, archive, ranges)
    print(describe(archive, args.rate_hz))

    from tracker.offline.tuning import study as studies
    from tracker.offline.tuning.page import page
    from tracker.offline.tuning.result import artefact_of, in_words, result_of
    from tracker.offline.tuning.search import Search
    from tracker.offline.tuning.storage import open_storage

    storage = open_storage(args.storage, args.out)
    study = studies.open_study(storage, problem, args.seed, args.study)
    again = studies.take_over(study)
    before = len(studies.finished(study))
    print(f"study {study.study_name}: {before} of {args.trials} trials done")
    if again:
        print(f"{again} trials that were not finished are tried again")
    try:
        if before < args.trials:
            with open_farm(problem.job, args.workers, args.dask) as farm, progress_bar() as tell:
                start = time.perf_counter()
                try:
                    Search(problem, study, farm, args.trials).run(tell)
                finally:
                    done = len(studies.finished(study)) - before
                    spent_s = time.perf_counter() - start
                    kept = f"{done} trials in {spent_s:.1f} s, {done / spent_s:.2f} a second"
            print(kept)
    except KeyboardInterrupt:
        kept = len(studies.finished(study))
        print(f"{kept} of {args.trials} trials are kept; the same command goes on", file=sys.stderr)
        raise
    finally:
        studies.let_go(study)
    result = result_of(problem, study)
    save_artefact(args.out, artefact_of(result))
    report: Path = args.report or args.out.with_suffix(".html")
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(page(result), encoding="utf-8")
    print(in_words(result))
    print(args.out)
    print(report)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse impossible arguments before anything is read or opened."""
    problems: list[str] = []
    for option, value, low, high in (
        ("--latency-ms", args.latency_ms, 1.0, 800.0),
        ("--rate-hz", args.rate_hz, 2.0, 100.0),
        ("--trials", args.trials, 1, 1_000_000),
        ("--workers", 1 if args.workers is None else args.workers, 1, 512),
        ("--seed", args.seed, 0, 1_000_000),
    ):
        if not low <= value <= high:
            problems.append(f"{option} {value:g}: is outside {low:g} to {high:g}")
    if args.dask is not None and args.workers is not None:
        problems.append("--workers: has no meaning with --dask, whose workers it takes; leave it")
    if args.out.is_dir() or args.out.suffix != ".toml":
        problems.append(f"--out {args.out}: is to be a file; name it like {args.out.stem}.toml")
    needed = (*NEEDS, "distributed") if args.dask else NEEDS
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        what = " and ".join(missing)
        problems.append(f"tidetrack tune: needs the package {what}; pip install 'tidetrack[tune]'")
    if problems:
        raise TuningError(problems)
    args.out.parent.mkdir(parents=True, exist_ok=True)


def describe(archive: Archive, rate_hz: float) -> str:
    """Return the found traces in words, so that a person can check the subjects."""
    lines = [f"{len(archive.traces)} recordings of {len(archive.subjects)} subjects:"]
    for subject in archive.subjects:
        names = ", ".join(trace.name for trace in archive.of(subject))
        lines.append(f"  {subject}: {names}")
    slower = [trace for trace in archive.traces if trace.rate_hz < 0.95 * rate_hz]
    if slower:
        rates = sorted({f"{trace.rate_hz:.3g}" for trace in slower}, key=float)
        lines.append(
            f"{len(slower)} of them are slower than {rate_hz:g} Hz and are used at their own rate "
            f"({', '.join(rates)} Hz): the artefact says less about {rate_hz:g} Hz than it could"
        )
    return "\n".join(lines)


@contextmanager
def progress_bar() -> Generator[TellProgress]:
    """Return a progress bar on standard error; without a terminal only its end is shown."""
    bar = Bar(
        TextColumn("tuning"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[best]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        yield TellProgress(bar)


class TellProgress:
    """Moves the bar."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("tuning", total=None, best="")

    def __call__(self, progress: Progress) -> None:
        """Show the progress of a search."""
        best = ""
        if progress.best is not None:
            best = f"best {progress.best - 1.0:+.1%}"
        self._bar.update(self._task, completed=progress.finished, total=progress.wanted, best=best)
