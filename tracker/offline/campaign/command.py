"""`tidetrack campaign`: run thousands of seeded closed loops with mishaps and report on them."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from tracker.build.recording_notes import tell_notes
from tracker.build.room import shortest_run_s
from tracker.config import SHIPPED, Configuration, ConfigurationError, load_configuration
from tracker.offline.campaign import kinds
from tracker.offline.campaign.errors import CampaignError
from tracker.offline.campaign.figures import Tally, digest_of, tally
from tracker.offline.campaign.ledger import (
    CampaignIdentity,
    Head,
    Ledger,
    Made,
    code_sha256,
    commit,
    read_ledger,
)
from tracker.offline.campaign.page import page
from tracker.offline.campaign.patients import PatientArchive, load_archive
from tracker.offline.campaign.record import RunRecord
from tracker.offline.campaign.replay import replay_command, replay_run
from tracker.offline.campaign.run_farm import RunJob, carry_out
from tracker.offline.campaign.table import in_words, markdown
from tracker.offline.signals import stop_signals
from tracker.offline.workers import open_farm

PAIRS = 200
COUCH = SHIPPED / "couch.toml"
MACHINES = SHIPPED / "machines"
_SPARE_S = 5.0
VERDICTS = ("every limit is kept", "outside its limits")
"""By exit code."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--faults",
        nargs="+",
        default=["all"],
        metavar="NAME",
        help="KIND, KIND.TWIN, several joined by +, clean, or all: clean and every kind (default)",
    )
    parser.add_argument(
        "--pairs",
        nargs="?",
        type=int,
        const=PAIRS,
        default=0,
        metavar="N",
        help=f"and N pairs of kinds ({PAIRS}), one seed each",
    )
    parser.add_argument(
        "--seeds", type=int, default=10, metavar="N", help="seeds for each fault (10)"
    )
    parser.add_argument("--first-seed", type=int, default=1, metavar="S", help="the first seed (1)")
    parser.add_argument(
        "--minutes", type=float, default=5.0, metavar="M", help="length of each run (5)"
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=COUCH,
        metavar="FILE",
        help="the configuration (default: the shipped couch.toml)",
    )
    parser.add_argument(
        "--machines",
        nargs="+",
        metavar="NAME",
        help="instead of --config: these files of config/machines one after the other, or all; "
        "each has figures and ledger of its own",
    )
    parser.add_argument(
        "--recordings",
        type=Path,
        metavar="DIR",
        help="recorded patients, one for every second seed (default: generated ones alone)",
    )
    parser.add_argument(
        "--recorded", action="store_true", help="with --recordings: no generated patients"
    )
    parser.add_argument(
        "--workers", type=int, metavar="W", help="processes on this machine (default: its cores)"
    )
    parser.add_argument("--dask", metavar="ADDRESS", help="run on this dask scheduler's workers")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures; the ledger is kept beside it"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write campaign.html and its table there; with --replay journal and report",
    )
    parser.add_argument(
        "--so-far", action="store_true", help="run nothing; show the figures of the ledger"
    )
    parser.add_argument(
        "--replay", metavar="FAULT:SEED", help="do one run again, with journal and report"
    )


def run(args: argparse.Namespace) -> int:
    """Check everything, run what is not in the ledger yet, and print the table."""
    _check(args)
    if args.machines is None:
        return _campaign(args, _figures_file(args))
    names = machines_of(args.machines)
    results = [_campaign_on(name, args) for name in names]
    print(
        "\n".join(
            f"{name}: {VERDICTS[result]}" for name, result in zip(names, results, strict=True)
        )
    )
    return max(results)


def machines_of(names: list[str]) -> list[str]:
    """Return the machines that are named, each once; raises `CampaignError` for an unknown one."""
    known = sorted(path.stem for path in MACHINES.glob("*.toml"))
    unknown = [name for name in names if name not in (*known, "all")]
    if unknown:
        raise CampaignError(
            f"--machines {unknown[0]}: is no file of config/machines; name some of "
            f"{', '.join(known)}, or all"
        )
    return list(dict.fromkeys(known if "all" in names else names))


def _figures_file(args: argparse.Namespace) -> Path:
    return args.json or (args.report or Path("out")) / "campaign.json"


def _campaign_on(name: str, args: argparse.Namespace) -> int:
    """Run the campaign on one machine, with figures, ledger and report of its own."""
    print(f"\n{name}")
    out = _figures_file(args)
    own = argparse.Namespace(**vars(args))
    own.config = MACHINES / f"{name}.toml"
    own.report = None if args.report is None else args.report / name
    return _campaign(own, out.with_name(f"{out.stem}-{name}{out.suffix}"))


def _campaign(args: argparse.Namespace, out: Path) -> int:
    """Run the campaign with one configuration."""
    configuration = load_configuration(args.config)
    if configuration.room is None:
        raise ConfigurationError([f"{args.config}: has no [room] to simulate; add one"])
    needed_s = shortest_run_s(configuration) + _SPARE_S
    length_s = args.minutes * 60.0
    if length_s < needed_s:
        raise CampaignError(
            f"--minutes {args.minutes:g}: a run needs {needed_s:.0f} s for modelling and tracking"
        )
    archive = load_archive(args.recordings, needed_s)
    tell_notes(note for recording in archive.recordings for note in recording.notes)
    if args.replay is not None:
        return replay_run(args, configuration, archive)
    if args.so_far:
        head, there = read_ledger(out.with_suffix(".jsonl"))
        return _conclude(args, configuration, list(there.values()), head, out)
    names = runs_of(args, kinds.absent_twins(configuration))
    head = Head(
        identity=CampaignIdentity(
            code_sha256=code_sha256(),
            configuration_sha256=configuration.sha256,
            recordings_sha256=archive.sha256,
            minutes=args.minutes,
        ),
        made=Made(
            commit=commit(),
            config=args.config.name,
            recordings=args.recordings.name if args.recordings else "",
        ),
    )
    with Ledger(out.with_suffix(".jsonl"), head) as ledger:
        _do(args, configuration, archive, names, ledger)
        records = [ledger.records[name] for name in names]
    return _conclude(args, configuration, records, head, out)


def runs_of(args: argparse.Namespace, absent: frozenset[str] = kinds.NO_LINAC) -> list[str]:
    """Name every run, seed by seed, so that an unfinished campaign covers every fault.

    ``absent``: the twins that the room does without; what can happen to them alone is left out.
    """
    faults: list[str] = []
    for name in args.faults:
        faults += [kinds.CLEAN, *kinds.possible(absent)] if name == "all" else [name]
    impossible = [name for name in faults if not kinds.can_happen(name, absent)]
    if impossible:
        faults = [name for name in faults if name not in impossible]
        away = " and ".join(sorted(absent))
        print(f"left out: {', '.join(impossible)}; this room does without {away}")
        if not faults:
            raise CampaignError("--faults: none of them can happen in this room; name others")
    names: list[str] = []
    pairs = kinds.pairs(args.pairs, absent)
    for place in range(args.seeds):
        seed = seed_at(args, place)
        names += [f"{fault}:{seed}" for fault in dict.fromkeys(faults)]
        these = range(place, len(pairs), args.seeds)
        names += [f"{pairs[which]}:{seed_at(args, which)}" for which in these]
    return names


def seed_at(args: argparse.Namespace, place: int) -> int:
    """Return the seed at a place in the campaign; the even ones are recorded patients."""
    if not args.recorded:
        return args.first_seed + place
    return args.first_seed + args.first_seed % 2 + 2 * place


def _check(args: argparse.Namespace) -> None:
    problems: list[str] = []
    for option, value, low, high in (
        ("--seeds", args.seeds, 1, 1_000_000),
        ("--first-seed", args.first_seed, 0, 1_000_000_000),
        ("--minutes", args.minutes, 0.5, 1440.0),
        ("--pairs", args.pairs, 0, 10_000),
        ("--workers", 1 if args.workers is None else args.workers, 1, 512),
    ):
        if not low <= value <= high:
            problems.append(f"{option} {value:g}: is outside {low:g} to {high:g}")
    if args.recorded and args.recordings is None:
        problems.append("--recorded: needs the recordings; name their folder with --recordings")
    if args.machines is not None and args.config != COUCH:
        problems.append("--machines: names the configurations itself; leave out --config")
    if args.machines is not None and args.replay is not None:
        problems.append("--replay: does one run; name its file with --config, not --machines")
    if args.dask is not None and args.workers is not None:
        problems.append("--workers: has no meaning with --dask, whose workers it takes; leave it")
    if args.dask is not None and importlib.util.find_spec("distributed") is None:
        problems.append("--dask: needs the package distributed; pip install 'tidetrack[tune]'")
    if problems:
        raise CampaignError(problems)


def _do(
    args: argparse.Namespace,
    configuration: Configuration,
    archive: PatientArchive,
    names: list[str],
    ledger: Ledger,
) -> None:
    missing = [name for name in names if name not in ledger.records]
    if len(missing) < len(names):
        print(f"{len(names) - len(missing)} of {len(names)} runs are in the ledger already")
    if not missing:
        return
    job = RunJob(
        configuration.text,
        archive.recordings,
        args.minutes * 60.0,
        ledger.head.identity.code_sha256,
    )
    start, simulated_s = time.perf_counter(), 0.0
    with open_farm(job, args.workers, args.dask) as farm, progress_bar(len(missing)) as told:
        start = time.perf_counter()
        workers = farm.workers()

        def keep(record: RunRecord) -> None:
            nonlocal simulated_s
            ledger.add(record)
            simulated_s += record.seconds
            told()

        try:
            with stop_signals() as stopped:
                carry_out(missing, farm, keep, stopped)
        except KeyboardInterrupt:
            there = sum(name in ledger.records for name in names)
            print(f"{there} of {len(names)} runs are kept; the same command goes on",
                  file=sys.stderr)  # fmt: skip
            raise
    spent_s = time.perf_counter() - start
    print(
        f"{len(missing)} runs, {simulated_s / 3600.0:.2f} h simulated in {spent_s:.0f} s: "
        f"{simulated_s / spent_s:.0f} x real time, {simulated_s / spent_s / workers:.0f} x for "
        f"each of {workers} workers"
    )


def _conclude(
    args: argparse.Namespace,
    configuration: Configuration,
    records: list[RunRecord],
    head: Head,
    out: Path,
) -> int:
    controller = configuration.controller
    window_mm = controller.window.leave if controller.window.on == "target" else 0.0
    found: Tally = tally(records, controller.imager.interval_s, window_mm=window_mm)
    again = replay_command(args)
    summary = {
        "made": head.made,
        "identity": head.identity,
        "digest": digest_of(records),
        "runs": len(records),
        "hours": round(sum(each.seconds for each in records) / 3600.0, 3),
        "replay": again,
        "rows": found.rows,
        "breaches": found.breaches,
        "worst": found.worst,
    }
    out.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    print(in_words(found, again))
    print(f"digest {summary['digest']}")
    print(out)
    if args.report is not None:
        args.report.mkdir(parents=True, exist_ok=True)
        where = args.report / "campaign.html"
        interval_s = configuration.controller.imager.interval_s
        where.write_text(page(found, records, head, again, interval_s), encoding="utf-8")
        table = args.report / "campaign.md"
        table.write_text(markdown(found), encoding="utf-8")
        print(where)
        print(table)
    return 1 if found.breaches else 0


@contextmanager
def progress_bar(runs: int) -> Generator[Told]:
    """Show a progress bar on standard error; without a terminal only its end."""
    columns = (TextColumn("campaign"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        yield Told(bar, runs)


class Told:
    """Moves the bar by one run."""

    def __init__(self, bar: Bar, runs: int) -> None:
        """Begin at run 0 of all."""
        self._bar = bar
        self._task = bar.add_task("campaign", total=runs)

    def __call__(self) -> None:
        """Count one finished run."""
        self._bar.advance(self._task)
