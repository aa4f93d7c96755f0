"""`tidetrack verify`: check by their seals that journals are as they were written."""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker.journal import JournalError, verify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("journals", nargs="+", type=Path, metavar="SESSION.mcap")


def run(args: argparse.Namespace) -> int:
    """Print one line for each journal; return 1 when one is changed, damaged or incomplete."""
    good = True
    for path in args.journals:
        if not path.exists():
            raise JournalError(f"{path}: no such file; tidetrack sessions list names the journals")
        try:
            found = verify(path)
        except JournalError as error:
            print(error)
            good = False
            continue
        if found.torn:
            print(f"{path}: torn: {found.torn.describe()}; what is before it holds")
            good = False
        else:
            print(f"{path}: whole: {found.records} records under {found.seals} seals")
    return 0 if good else 1
