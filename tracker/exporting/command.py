"""Run `tidetrack export`: a recorded session in a format that other programs read."""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker.dicom import export_command as dicom_command
from tracker.exporting.formats.table import FORMATS
from tracker.exporting.write_session import export_session

DICOM = "dicom"
"""The format whose sub-command has further arguments: it also sends to archives."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments: one sub-command for each format."""
    formats = parser.add_subparsers(dest="to", required=True, metavar="FORMAT")
    for row in FORMATS:
        each = formats.add_parser(row.name, help=row.does, description=row.does, allow_abbrev=False)
        each.add_argument("session", type=Path, metavar="SESSION.mcap", help="the journal")
        each.add_argument(
            "--out", type=Path, metavar="DIR", required=True, help="a new folder for the files"
        )
        each.add_argument(
            "--named", action="store_true",
            help="keep the names of patient, plan and persons; without it they are withheld",
        )  # fmt: skip
    dicom_command.add_arguments(formats)


def run(args: argparse.Namespace) -> int:
    """Export the session and print what was written."""
    if args.to == DICOM:
        return dicom_command.run(args)
    session, files = export_session(args.session, args.to, args.out, named=args.named)
    if session.torn is not None:
        print(f"{args.session}: {session.torn.describe()}")
    rows = sum(table.rows for table in session.tables)
    print(f"{args.out}: {len(files)} files, {len(session.tables)} kinds of record, {rows} records")
    return 0
