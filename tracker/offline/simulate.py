"""`tidetrack simulate`: track recorded or generated breathing in the simulated room."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sim.recording import Recording, RecordingError, load_recording
from tracker.build.engine import with_artefact
from tracker.build.recording_notes import tell_notes
from tracker.build.room import furnish, shortest_run_s
from tracker.build.warm_up import warm
from tracker.config import SHIPPED, Configuration, ConfigurationError, altered, load_configuration
from tracker.journal import JournalWriter, make_header
from tracker.offline.closed_loop import ClosedLoop, Finished
from tracker.report import About, save_report, summary_of
from tracker.report.never_tracked import why_never_tracked
from tracker.report.text import describe

_MOST_CHANNELS_SAID = 4
_MOST_LATENCY_MS = 800.0
"""The largest `tracker.core.settings.Timing.latency_ms` takes."""


ShowProgress = Callable[[str], AbstractContextManager[Callable[[float], None] | None]]
"""Shows the progress of what it is given in words, and gives what is told the share done."""


class Wanted(NamedTuple):
    """What to run and which files to write; a path that is ``None`` is not written."""

    configuration: Configuration
    recording: Recording | None
    trace: str
    config: str
    seed: int
    journal: Path | None = None
    report: Path | None = None
    summary: Path | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "trace",
        nargs="?",
        type=Path,
        metavar="TRACE",
        help="a recording: CSV, ExtMarker CSV or .vxp (default: the configuration's own breath)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=SHIPPED / "couch.toml",
        metavar="FILE",
        help="the configuration (default: the shipped couch.toml)",
    )
    parser.add_argument("--seed", type=int, default=1, help="random seed of the room (default 1)")
    parser.add_argument(
        "--latency-ms", type=float, metavar="L", help="latency of both actuator and prediction"
    )
    parser.add_argument("--predictor", metavar="NAME", help="use this predictor instead")
    parser.add_argument(
        "--parameters",
        type=Path,
        metavar="FILE",
        help="an artefact of `tidetrack tune`; refused when it does not fit latency and rate",
    )
    parser.add_argument("--journal", type=Path, metavar="FILE", help="write the journal (MCAP)")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.html into DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary to FILE")


def run(args: argparse.Namespace) -> int:
    """Check everything, run, write what was asked for and print the result.

    Returns 1, and says why, when tracking never began.
    """
    if args.seed < 0:
        raise ConfigurationError([f"--seed {args.seed}: is negative; give 0 or more"])
    configuration = load_configuration(args.config)
    configuration = with_changes(configuration, args.latency_ms, args.predictor)
    if args.parameters is not None:
        configuration = with_artefact(configuration, args.parameters)
    recording = None if args.trace is None else load_recording(args.trace)
    tell_notes(() if recording is None else recording.notes)
    wanted = Wanted(
        configuration,
        recording,
        "generated" if args.trace is None else args.trace.stem,
        str(args.config),
        args.seed,
        args.journal,
        args.report,
        args.json,
    )
    finished, summary = carry_out(wanted)
    why = why_never_tracked(finished.records)
    if why is None:
        print(describe(summary))
    for what in (args.journal, args.json):
        if what is not None:
            print(what)
    if args.report is not None:
        print(args.report / "report.html")
    if why is not None:
        moved = "" if recording is None else f"; {motion_in_words(recording)}"
        named = args.trace or args.config
        print(f"{named}: tracking never began: {why}{moved}", file=sys.stderr)
        return 1
    return 0


def motion_in_words(recording: Recording) -> str:
    """Say how far each channel of a recording moves, for a person who doubts its units."""
    parts: list[str] = []
    for name, values in zip(recording.channels, recording.values.T, strict=True):
        label, _, unit = name.rpartition("_")
        parts.append(f"{label} moves by {float(np.nanmax(values) - np.nanmin(values)):.3g} {unit}")
    more = len(parts) - _MOST_CHANNELS_SAID
    if more > 0:
        parts[_MOST_CHANNELS_SAID:] = [f"and {more} channels more"]
    return f"in the recording {', '.join(parts)}: check channels and units"


def with_changes(
    configuration: Configuration, latency_ms: float | None, predictor: str | None
) -> Configuration:
    """Give the configuration with latency (of controller and room) and predictor replaced."""
    changes: dict[str, dict[str, Any]] = {}
    if latency_ms is not None:
        if not 1.0 <= latency_ms <= _MOST_LATENCY_MS:
            raise ConfigurationError(
                [f"--latency-ms {latency_ms:g}: is outside 1 to {_MOST_LATENCY_MS:g}; choose again"]
            )
        changes["timing"] = {"latency_ms": latency_ms}
        if configuration.room is not None:
            dead_ms = min(configuration.room.actuator.dead_time_ms, 0.2 * latency_ms)
            changes["room.actuator"] = {"latency_ms": latency_ms, "dead_time_ms": dead_ms}
    if predictor is not None:
        changes["prediction"] = {"predictor": predictor, "parameters": {}}
    return altered(configuration, changes) if changes else configuration


def carry_out(
    wanted: Wanted, show_progress: ShowProgress | None = None
) -> tuple[Finished, dict[str, Any]]:
    """Run the closed loop with its journal, and write summary and report.

    ``show_progress`` shows how far it is; without it, a bar on a terminal does. Nothing is opened
    for writing before recording and configuration have proved usable.
    """
    try:
        room = furnish(wanted.configuration, wanted.recording, wanted.seed)
    except ValueError as error:
        if isinstance(error, RecordingError):
            raise
        raise ConfigurationError([f"{wanted.trace} in {wanted.config}: {error}"]) from None
    needed_s = shortest_run_s(wanted.configuration)
    if room.duration_ns * 1e-9 < needed_s:
        raise ConfigurationError(
            [
                f"{wanted.trace}: lasts {room.duration_ns * 1e-9:.1f} s, modelling and some "
                f"tracking need {needed_s:.0f} s; use a longer trace, or fewer modelling shots"
            ]
        )
    for path in (wanted.journal, wanted.summary):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    warm(wanted.configuration)  # compiling, the first time, is no part of the realtime factor
    header = make_header(
        wanted.configuration.text,
        wanted.seed,
        {"trace": wanted.trace, "config": wanted.config, "run": "simulate"},
    )
    opened = (
        nullcontext()
        if wanted.journal is None
        else JournalWriter(wanted.journal, header, overwrite=True)
    )
    show = show_progress or progress_bar
    with opened as journal, show(f"tracking {wanted.trace}") as progress:
        finished = ClosedLoop(wanted.configuration, room, journal).run(progress)
        if journal is not None:
            journal.close({"realtime_factor": f"{finished.realtime_factor:.1f}"})
    about = About(
        trace=wanted.trace,
        config=wanted.config,
        seed=wanted.seed,
        realtime_factor=round(finished.realtime_factor, 1),
        digest=finished.digest,
        orientation=wanted.configuration.controller.session.orientation,
        machine=wanted.configuration.controller.actuator.kind,
    )
    summary = summary_of(finished.records, about)
    if wanted.summary is not None:
        wanted.summary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if wanted.report is not None:
        save_report(wanted.report, finished.records, summary, header)
    return finished, summary


@contextmanager
def progress_bar(what: str) -> Generator[Callable[[float], None] | None]:
    """Show a progress bar if the output is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)
