"""Run `tidetrack report`: rebuild a session's page and summary from its journal."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tracker.core.machine.kinds.table import judges_in_beams_eye
from tracker.journal import Header, Journal, read_journal
from tracker.report.errors import errors_of
from tracker.report.page import SessionPage, page
from tracker.report.records import Records, collect
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
    parser.add_argument("journal", type=Path, metavar="SESSION.mcap", help="the journal")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write (default: beside the journal)"
    )


def run(args: argparse.Namespace) -> int:
    """Write report.html and summary.json, and print their paths."""
    journal = read_journal(args.journal)
    if journal.torn:
        print(f"{args.journal}: {journal.torn.describe()}")
    directory = args.journal.parent if args.out is None else args.out
    path, summary = _write(journal, directory)
    summary_path = directory / "summary.json"
    summary_path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(f"{path}\n{summary_path}")
    return 0


def _write(journal: Journal, directory: Path) -> tuple[Path, dict[str, Any]]:
    records, digest = collect(journal)
    summary = summary_of(records, about_of(journal, digest))
    notice = f"The journal is not whole: {journal.torn.describe()}." if journal.torn else ""
    return save_report(directory, records, summary, journal.header, notice), summary
