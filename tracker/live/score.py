"""`tidetrack score`: compare the journal of a live session with the truth its room recorded.

Run and room are processes of one machine. Each counts time from its own start on the same
monotonic clock; the headers of both journals give these starts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec

from tracker.journal import Digest, Journal, JournalError, Truth, read_journal
from tracker.report import save_report, summary_of
from tracker.report.records import Collector, Records
from tracker.report.summary import about_of
from tracker.report.text import describe

START = "monotonic_start_ns"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "session", type=Path, metavar="SESSION.mcap", help="the journal that run recorded"
    )
    parser.add_argument(
        "truth", type=Path, metavar="TRUTH.mcap", help="the truth that room recorded"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary to FILE")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.html into DIR")


def run(args: argparse.Namespace) -> int:
    """Compare both, print the summary and write the files that were asked for."""
    session = read_journal(args.session)
    records, digest = with_truth(session, read_journal(args.truth))
    summary = summary_of(records, about_of(session, digest)._replace(realtime_factor=1.0))
    print(describe(summary))
    if args.json is not None:
        args.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if args.report is not None:
        save_report(args.report, records, summary, session.header)
        print(args.report / "report.html")
    return 0


def with_truth(session: Journal, truth: Journal) -> tuple[Records, str]:
    """Return the records of the session, with the truth in the session's time, and their digest."""
    ahead_ns = start_of(session) - start_of(truth)
    collector, digest = Collector(), Digest()
    last_ns = 0
    for entry in session.entries():
        record: Any = entry.record
        if entry.kind == "event":
            collector.event(record)
            last_ns = max(last_ns, record.t_ns)
        elif entry.kind == "output":
            collector.outputs((record,))
            digest.add_encoded((entry.data,))
    for entry in truth.entries():
        if isinstance(entry.record, Truth) and 0 <= entry.record.t_ns - ahead_ns <= last_ns:
            collector.truth(
                msgspec.structs.replace(entry.record, t_ns=entry.record.t_ns - ahead_ns)
            )
    return collector.records(), digest.hexdigest()


def start_of(journal: Journal) -> int:
    """Return the start of a live recording on the system's monotonic clock, in nanoseconds."""
    try:
        return int(journal.header.further[START])
    except (KeyError, ValueError):
        raise JournalError(
            f"{journal.path}: is no recording of tidetrack run or tidetrack room; give one of each"
        ) from None
