"""Run `tidetrack qa`: one test, the morning's set, or the history."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from tracker.config import SHIPPED, Configuration, load_configuration
from tracker.offline.qa.evaluation import QA_TESTS, QaRun
from tracker.offline.qa.history import QaEntry, append, read
from tracker.offline.qa.known_motion import KnownTarget, from_motion, from_truth
from tracker.offline.qa.qa_error import QaError
from tracker.offline.qa.qa_sheet import QaResult, daily_sheet, history_sheet, sheet_of_test
from tracker.offline.qa.twin_runs import INTERRUPTIONS, RunKind, run_phantom
from tracker.report.physicist.files import judged_values, rounded, write_sheet
from tracker.report.physicist.gathered import GatheredSession, gather
from tracker.report.physicist.verdict import FigureLimit, answer_of, judge
from tracker.tolerance_settings import QA_FIGURES, QaRules, QaTest

_ALL: tuple[QaTest, ...] = tuple(QA_TESTS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name in _ALL:
        _arguments_of(what.add_parser(name, help=QA_TESTS[name].does, allow_abbrev=False), name)
    daily = "all tests on the twin room; under 5 minutes"
    _arguments_of(what.add_parser("daily", help=daily, allow_abbrev=False), "daily")
    shown = "the results so far, with a chart of each figure"
    _arguments_of(what.add_parser("history", help=shown, allow_abbrev=False), "history")


def _arguments_of(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="CONFIG", default=SHIPPED / "couch.toml",
        help="the room, and the tolerances in its [qa] section (default: the shipped couch.toml)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("out/qa"), help="default: out/qa"
    )
    parser.add_argument(
        "--history", type=Path, metavar="FILE", help="default: the one in [qa], qa/history.jsonl"
    )
    if name == "history":
        return
    parser.add_argument("--seed", type=int, default=1, help="of the twin room (default 1)")
    if name == "daily":
        return
    parser.add_argument(
        "--journal", type=Path, metavar="SESSION.mcap",
        help="judge this session, recorded with a phantom, instead of the twin room",
    )  # fmt: skip
    parser.add_argument(
        "--motion", metavar="MOTION",
        help="the phantom's motion: a CSV (t_s, lr_mm, si_mm, ap_mm) or sine:MM:SECONDS",
    )  # fmt: skip
    if name == "interruption":
        parser.add_argument(
            "--at", metavar="SECONDS", help="when devices were interrupted, as 60,85.5"
        )


def run(args: argparse.Namespace) -> int:
    """Run what was asked for; return 1 if a figure is beyond its limit."""
    configuration = load_configuration(args.config)
    rules = configuration.operation.qa
    history = Path(rules.history) if args.history is None else args.history
    if args.what == "history":
        return _history(history, args.out)
    if args.seed < 0:
        raise QaError(f"--seed {args.seed}: is negative; give 0 or more")
    began = time.monotonic()
    if args.what == "daily":
        tests = _ALL
        runs = _twin_runs(configuration, args.seed, args.out)
    else:
        tests = (cast(QaTest, args.what),)
        runs = _given_run(args) or _twin_runs(configuration, args.seed, args.out)
    results = [_result(test, rules, runs) for test in tests]
    for result in results:
        append(history, _entry(result, runs(result.test).session))
        print(f"{result.test}: {result.verdict}. {answer_of(result.judged)}")
    for path in _write(results, args.what, history, args.out):
        print(path)
    if args.what == "daily":
        print(f"{len(results)} tests in {time.monotonic() - began:.0f} s")
    return 1 if any(result.verdict != "pass" for result in results) else 0


Runs = Callable[[QaTest], QaRun]


class _Done(NamedTuple):
    kind: RunKind
    run: QaRun


def _twin_runs(configuration: Configuration, seed: int, directory: Path) -> Runs:
    """Return a function that runs the phantom that a test needs, each phantom once."""
    done: list[_Done] = []

    def run_of(test: QaTest) -> QaRun:
        kind = QA_TESTS[test].run
        for each in done:
            if each.kind == kind:
                return each.run
        journal = run_phantom(configuration, kind, seed, directory / f"phantom-{kind}.mcap")
        session = gather(journal)
        moments = [each.at_s for each in INTERRUPTIONS]
        found = QaRun(session, from_truth(session), moments if kind == "faults" else ())
        done.append(_Done(kind, found))
        return found

    return run_of


def _given_run(args: argparse.Namespace) -> Runs | None:
    """Return the run of a journal that was given; ``None`` for the twin room."""
    if args.journal is None:
        if args.motion is not None:
            raise QaError("--motion belongs to a session on hardware; add --journal SESSION.mcap")
        return None
    session = gather(args.journal)
    known: KnownTarget
    if args.motion is None:
        known = from_truth(session)
    else:
        known = from_motion(args.motion, session)
    found = QaRun(session, known, _moments(getattr(args, "at", None)))
    return lambda test: found


def _moments(text: str | None) -> Sequence[float]:
    if text is None:
        return ()
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise QaError(f"--at {text}: is no list of seconds, such as 60,85.5") from None


def _result(test: QaTest, rules: QaRules, runs: Runs) -> QaResult:
    run = runs(test)
    figures = QA_TESTS[test].evaluate(run)
    limits = [
        FigureLimit(row.figure, row.limit, row.remedy, row.source)
        for row in rules.tolerances
        if row.test == test
    ]
    if not limits:
        raise QaError(f"[qa] tolerances has no row for the test {test}; add one")
    session = run.session
    header = session.journal.header
    identity = (
        ("test", test),
        ("known motion", run.known.source),
        ("machine", session.setting.actuator),
        ("journal", session.path.name),
        ("SHA-256 of the journal", session.sha256),
        ("SHA-256 of the configuration", header.configuration_sha256),
        ("made with", ", ".join(f"{k} {v}" for k, v in sorted(header.versions.items()))),
    )
    return QaResult(test, figures, judge(figures.figures, limits, QA_FIGURES), identity)


def _entry(result: QaResult, session: GatheredSession) -> QaEntry:
    header = session.journal.header
    return QaEntry(
        when=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        test=result.test,
        verdict=result.verdict,
        machine=session.setting.actuator,
        source=dict(result.identity)["known motion"],
        journal_sha256=session.sha256,
        configuration_sha256=header.configuration_sha256,
        version=importlib.metadata.version("tidetrack"),
        figures=rounded(result.figures.figures),
        limits={each.figure: each.limit for each in result.judged},
    )


def _write(results: Sequence[QaResult], what: str, history: Path, directory: Path) -> list[Path]:
    """Write the page of each test, and of the morning's set."""
    past = read(history)
    paths: list[Path] = []
    for result in results:
        paths += write_sheet(
            sheet_of_test(result, past), _values(result), None, directory, f"qa-{result.test}",
            pdf=what != "daily",
        )  # fmt: skip
    if what == "daily":
        values = {"tests": [_values(result) for result in results]}
        paths += write_sheet(daily_sheet(results, past), values, None, directory, "qa-daily")
    return paths


def _values(result: QaResult) -> dict[str, object]:
    return {
        "test": result.test,
        "verdict": result.verdict,
        "answer": answer_of(result.judged),
        "identity": dict(result.identity),
        "figures": rounded(result.figures.figures),
        "tolerances": [judged_values(each) for each in result.judged],
    }


def _history(path: Path, directory: Path) -> int:
    past = read(path)
    sheet = history_sheet(past)
    values = {
        "entries": [{name: getattr(e, name) for name in e.__struct_fields__} for e in past.entries],
        "unread_lines": past.unread,
    }
    print(sheet.answer)
    for each in write_sheet(sheet, values, None, directory, "qa-history", pdf=False):
        print(each)
    return 1 if sheet.verdict == "fail" else 0
