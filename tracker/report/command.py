"""Run `tidetrack report`: make a session's page and summary, or the physicist's report."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tracker.config import load_configuration
from tracker.core.machine.kinds.table import judges_in_beams_eye
from tracker.journal import Header, Journal, read_journal
from tracker.report.errors import errors_of
from tracker.report.page import SessionPage, page
from tracker.report.physicist.fraction import FractionReport
from tracker.report.physicist.verdict import answer_of, overall
from tracker.report.physicist.write import write_physicist
from tracker.report.records import Records, collect
from tracker.report.report_error import ReportError
from tracker.report.setting import setting_of
from tracker.report.summary import about_of, summary_of


def report_page(
    records: Records,
    summary: dict[str, Any],
    header: Header,
    notice: str = "",
    sections: tuple[str, ...] = (),
) -> str:
    """Return the report as HTML, from gathered records and further sections in HTML."""
    setting = setting_of(header.configuration)
    errors = errors_of(
        records, setting.orientation, in_beams_eye=judges_in_beams_eye(setting.actuator)
    )
    return page(SessionPage(records, errors, summary, header, setting, notice, sections))


def save_report(
    directory: Path,
    records: Records,
    summary: dict[str, Any],
    header: Header,
    notice: str = "",
    sections: tuple[str, ...] = (),
) -> Path:
    """Write ``report.html`` into ``directory``, which is made if need be; returns its path."""
    html = report_page(records, summary, header, notice, sections)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


def write_report(journal_path: Path, directory: Path) -> Path:
    """Write the report of a journal; returns the page's path. Raises `JournalError`."""
    path, _ = _write(read_journal(journal_path), directory)
    return path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "journals", type=Path, nargs="+", metavar="SESSION.mcap",
        help="the journal; with --physicist several fractions of one patient, in their order",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write (default: beside the journal)"
    )
    parser.add_argument(
        "--physicist", action="store_true",
        help="write the physicist's report: HTML, PDF, JSON, CSV; exit code 1 if a limit is broken",
    )  # fmt: skip
    parser.add_argument(
        "--tolerances", type=Path, metavar="CONFIG",
        help="with --physicist: use the [report] section of this file, not the session's own",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Write the report's files, and print their paths."""
    journals: list[Path] = args.journals
    directory = journals[0].parent if args.out is None else args.out
    if args.physicist:
        return _physicist(journals, directory, args.tolerances)
    if len(journals) > 1:
        raise ReportError(
            f"{len(journals)} journals were given; a session's page is of one. Add --physicist for"
            " the report over fractions"
        )
    if args.tolerances is not None:
        raise ReportError("--tolerances belongs to the physicist's report; add --physicist")
    journal = read_journal(journals[0])
    if journal.torn:
        print(f"{journal.path}: {journal.torn.describe()}")
    path, summary = _write(journal, directory)
    summary_path = directory / "summary.json"
    summary_path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(f"{path}\n{summary_path}")
    return 0


def _physicist(journals: list[Path], directory: Path, tolerances: Path | None) -> int:
    rules = None if tolerances is None else load_configuration(tolerances).operation.report
    paths, fractions = write_physicist(journals, directory, rules, _say)
    for path in paths:
        print(path)
    return 1 if any(overall(each.judged) == "fail" for each in fractions) else 0


def _say(report: FractionReport) -> None:
    said = report.never_tracked or answer_of(report.judged)
    print(f"{report.name}: {overall(report.judged)}. {said}")
    torn = report.session.journal.torn
    if torn:
        print(f"{report.name}: {torn.describe()}")


def _write(journal: Journal, directory: Path) -> tuple[Path, dict[str, Any]]:
    records, digest = collect(journal)
    summary = summary_of(records, about_of(journal, digest))
    notice = f"The journal is not whole: {journal.torn.describe()}." if journal.torn else ""
    return save_report(directory, records, summary, journal.header, notice), summary
