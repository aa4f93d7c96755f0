"""Run `tidetrack sessions`: list, show, report, trend, export and prune a folder's sessions."""

from __future__ import annotations

import argparse
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

from tracker.catalogue import Catalogue, CatalogueError, expired
from tracker.config import load_configuration
from tracker.daemon_settings import Operation, SessionRecords
from tracker.journal import JournalError, read_journal, verify
from tracker.report.command import write_report
from tracker.report.physicist.files import figures_csv, trend_values, write_sheet
from tracker.report.physicist.fraction import FractionSummary, read_fraction, summary_of_fraction
from tracker.report.physicist.trend_sheet import outliers_in, trend_sheet
from tracker.report.summary import summarise
from tracker.tolerance_settings import ReportRules


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, does in (
        ("list", "every session, newest first"),
        ("show", "one session: its identity and the numbers of its summary"),
        ("report", "write a session's report beside its journal"),
        ("trend", "charts of the figures over fractions and patients, outliers named"),
        ("export", "one zip: journal, report, summary, and the SHA-256 of each"),
        ("prune", "delete journals older than their retention"),
    ):
        each = what.add_parser(name, help=does, description=does, allow_abbrev=False)
        if name in ("show", "report", "export"):
            each.add_argument(
                "name", metavar="NAME", help="a listed name; last is the newest session"
            )
        if name in ("list", "show"):
            each.add_argument("--json", action="store_true", help="print JSON")
        if name == "trend":
            each.add_argument("--patient", metavar="ID", help="only this patient's sessions")
            each.add_argument(
                "--out", type=Path, metavar="DIR", help="where to write (default: the folder)"
            )
        if name == "export":
            each.add_argument("--out", type=Path, metavar="FILE.zip", required=True)
        if name == "prune":
            each.add_argument("--yes", action="store_true", help="delete; without it, only list")
        place = each.add_mutually_exclusive_group()
        place.add_argument("--folder", type=Path, metavar="DIR", help="default: sessions")
        place.add_argument(
            "--config", type=Path, metavar="CONFIG", help="use the folder in its [records] section"
        )


def run(args: argparse.Namespace) -> int:
    """Run the asked command; raises `CatalogueError` or `JournalError`."""
    operation = Operation() if args.config is None else load_configuration(args.config).operation
    records = operation.records
    folder = args.folder or Path(records.folder)
    if not folder.is_dir():
        raise CatalogueError(f"{folder}: no such folder; name the one the daemon records into")
    with Catalogue(folder) as catalogue:
        if args.what == "trend":
            return _trend(catalogue, args, None if args.config is None else operation.report)
        return _WHAT[args.what](catalogue, args, records)


def _list(catalogue: Catalogue, args: argparse.Namespace, records: SessionRecords) -> int:
    rows = catalogue.rows()
    if args.json:
        print(json.dumps([msgspec.to_builtins(row) for row in rows], indent=2))
        return 0
    width = max([len("session"), *(len(row.name) for row in rows)])
    print(f"{'session':<{width}}  {'started (UTC)':<19}  {'patient':<12}  {'plan':<12}  ended")
    for row in rows:
        print(
            f"{row.name:<{width}}  {row.started[:19]}  {row.patient_id:<12}  {row.plan_id:<12}"
            f"  {row.ending}"
        )
    keep = f"{records.retention_days} days" if records.retention_days else "for ever"
    over = sum(expired(row, records.retention_days) for row in rows)
    print(f"{len(rows)} sessions; kept {keep}, {over} past that")
    return 0


def _show(catalogue: Catalogue, args: argparse.Namespace, records: SessionRecords) -> int:
    row = catalogue.find(args.name)
    summary = summarise(read_journal(catalogue.journal_of(row)))
    shown = {"session": msgspec.to_builtins(row), "summary": summary}
    if args.json:
        print(json.dumps(shown, indent=2))
        return 0
    for name, value in (*shown["session"].items(), *_flat(summary)):
        print(f"{name:<28}{'-' if value is None else value}")
    return 0


def _report(catalogue: Catalogue, args: argparse.Namespace, records: SessionRecords) -> int:
    path = catalogue.journal_of(catalogue.find(args.name))
    print(write_report(path, path.with_suffix("")))
    return 0


def _trend(catalogue: Catalogue, args: argparse.Namespace, rules: ReportRules | None) -> int:
    """Write trend.html and trend.json of the sessions, the oldest first."""
    rows = sorted(catalogue.rows(), key=lambda row: row.started)
    rows = [row for row in rows if args.patient in (None, row.patient_id)]
    if not rows:
        whose = "" if args.patient is None else f" of patient {args.patient}"
        raise CatalogueError(f"{catalogue.folder}: holds no session{whose}; see sessions list")
    fractions: list[FractionSummary] = []
    unread: list[str] = []
    for row in rows:
        try:
            report = read_fraction(catalogue.journal_of(row), rules)
        except (CatalogueError, JournalError) as error:
            unread.append(str(error))
            continue
        fractions.append(summary_of_fraction(report))
    for line in unread:
        print(f"left out: {line}")
    if not fractions:
        raise CatalogueError(f"{catalogue.folder}: no session can be read; see the lines above")
    subtitle = "all patients" if args.patient is None else f"patient {args.patient}"
    sheet = trend_sheet(fractions, "Trend over fractions", subtitle)
    if unread:
        sheet = sheet._replace(notice=f"{sheet.notice} Left out: {'; '.join(unread)}.".strip())
    outliers = outliers_in(fractions)
    values = trend_values(fractions, outliers) | {"left_out": unread}
    directory = args.out or catalogue.folder
    paths = write_sheet(sheet, values, figures_csv(fractions), directory, "trend", pdf=False)
    print(sheet.answer)
    for each in outliers:
        print(
            f"outlier: {each.session}, patient {each.patient_id}: {each.figure} {each.value:.3g},"
            f" median {each.median:.3g}, score {each.score:+.1f}"
        )
    for path in paths:
        print(path)
    return 0


def _export(catalogue: Catalogue, args: argparse.Namespace, records: SessionRecords) -> int:
    row = catalogue.find(args.name)
    path = catalogue.journal_of(row)
    if args.out.exists():
        raise CatalogueError(f"{args.out}: exists already, nothing was written; name another file")
    found = verify(path)
    page = write_report(path, path.with_suffix(""))
    parts = {
        path.name: path.read_bytes(),
        "report.html": page.read_bytes(),
        "summary.json": json.dumps(summarise(read_journal(path)), indent=2).encode() + b"\n",
        "session.json": json.dumps(msgspec.to_builtins(row), indent=2).encode() + b"\n",
    }
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in parts.items())
    beside = args.out.with_name(args.out.name + ".part")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (*parts.items(), ("SHA256SUMS", sums.encode())):
            archive.writestr(name, data)
    beside.replace(args.out)
    torn = f"; the journal is torn: {found.torn.describe()}" if found.torn else ""
    print(f"{args.out}: {found.records} records, {found.seals} seals hold{torn}")
    return 0


def _prune(catalogue: Catalogue, args: argparse.Namespace, records: SessionRecords) -> int:
    over = [row for row in catalogue.rows() if expired(row, records.retention_days)]
    for row in over:
        if args.yes:
            catalogue.journal_of(row).unlink(missing_ok=True)
            catalogue.forget(row.name)
        print(f"{'deleted' if args.yes else 'to delete'} {row.name}, started {row.started[:10]}")
    if not over:
        print(f"nothing is older than {records.retention_days} days")
    elif not args.yes:
        print("nothing was deleted; add --yes")
    return 0


_WHAT: dict[str, Callable[[Catalogue, argparse.Namespace, SessionRecords], int]] = {
    "list": _list,
    "show": _show,
    "report": _report,
    "export": _export,
    "prune": _prune,
}


def _flat(table: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in table.items():
        if isinstance(value, dict):
            rows += _flat(cast(dict[str, object], value), f"{prefix}{name}.")
        else:
            rows.append((prefix + name, value))
    return rows
