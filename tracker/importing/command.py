"""`tidetrack import`: look at exported files, propose how to read them, and write recordings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracker.importing.choices import Choices, parse_map, parse_time
from tracker.importing.errors import ImportRefusedError
from tracker.importing.proposal import Proposal, propose
from tracker.importing.readers.table import reader_of
from tracker.importing.separated_text import SEPARATORS
from tracker.importing.source_table import Floats, SourceTable
from tracker.importing.writing import file_name, write

_BARS = "▁▂▃▄▅▆▇█"
_PLOT_S, _PLOT_WIDTH = 30.0, 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an exported file")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument("--yes", action="store_true", help="write what is proposed, do not ask")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.add_argument(
        "--time", default="", metavar="COLUMN[:UNIT]", help="the column of time, and its unit"
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="COLUMN:CHANNEL[:UNIT[:SIGN]]",
        help="what a column is: 'Amp:ext_mm:cm', 'PA:int_ap_mm:mm:-'",
    )
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="COLUMN", help="leave a column out"
    )
    parser.add_argument(
        "--patient", default="", metavar="COLUMN", help="the column that tells patients apart"
    )
    parser.add_argument(
        "--rate-hz", type=float, metavar="R", help="the sampling rate, where no column is the time"
    )
    parser.add_argument("--separator", choices=list(SEPARATORS), help="what is between columns")
    parser.add_argument("--decimal", choices=[".", ","], help="the decimal sign")
    parser.add_argument(
        "--reader", default="", metavar="NAME", help="read the files as this format"
    )


def run(args: argparse.Namespace) -> int:
    """Propose, ask and write; 1 where a person said no, 2 where something is not sure."""
    choices = _choices(args)
    problems: list[str] = []
    written: list[Path] = []
    declined = False
    targets: set[str] = set()
    for path in args.files:
        try:
            reader = reader_of(path, choices.reader)
            tables = reader.read(path, choices)
            proposals = _proposals(path, tables, choices)
            for _, proposal in proposals:
                print(_in_words(path, reader.name, proposal))
                _refuse_questions(path, proposal)
                name = file_name(path, proposal.part)
                if name in targets:
                    raise ImportRefusedError(
                        f"{path}: another file becomes {name}; import it apart"
                    )
                targets.add(name)
            if not (args.yes or _agreed()):
                declined = True
                continue
            for table, proposal in proposals:
                done = write(path, args.out, proposal, reader.name, table.facts, args.overwrite)
                written.append(done)
                print(done)
        except ImportRefusedError as error:
            problems.extend(error.problems)
    if problems:
        raise ImportRefusedError(problems)
    return 1 if declined else 0


def _choices(args: argparse.Namespace) -> Choices:
    time, unit = parse_time(args.time)
    return Choices(
        time=time,
        time_unit=unit,
        channels=tuple(parse_map(text) for text in args.map),
        ignored=tuple(args.ignore),
        patient=args.patient,
        rate_hz=args.rate_hz,
        separator=None if args.separator is None else SEPARATORS[args.separator],
        decimal=args.decimal,
        reader=args.reader,
    )


def _proposals(
    path: Path, tables: Sequence[SourceTable], choices: Choices
) -> list[tuple[SourceTable, Proposal]]:
    """Return every recording of a file; streams without any motion are left out, if others have."""
    found: list[tuple[SourceTable, Proposal]] = []
    problems: list[str] = []
    for table in tables:
        try:
            found += [(table, proposal) for proposal in propose(path, table, choices)]
        except ImportRefusedError as error:
            problems += [
                f"{line} ({table.part})" if table.part else line for line in error.problems
            ]
    if problems:
        raise ImportRefusedError(problems)
    moving = [pair for pair in found if pair[1].channels or len(found) == 1]
    for _, proposal in found:
        if not proposal.channels and len(found) > 1:
            print(f"{path}: {proposal.part}: left out, no column of it is a motion")
    return moving or found


def _refuse_questions(path: Path, proposal: Proposal) -> None:
    part = f" ({proposal.part})" if proposal.part else ""
    if proposal.questions:
        raise ImportRefusedError([f"{path}{part}: {question}" for question in proposal.questions])


def _agreed() -> bool:
    """Ask a person; without a terminal nobody is there to say yes."""
    if not sys.stdin.isatty():
        print("nothing is written: say --yes to import as shown", file=sys.stderr)
        return False
    return input("Import like this? [y/N] ").strip().lower() in ("y", "yes")


def _in_words(path: Path, reader: str, proposal: Proposal) -> str:
    """Return the proposal as a table with a small plot of each channel."""
    times = proposal.times
    part = f", {proposal.part}" if proposal.part else ""
    lines = [f"{path}{part}: read as {reader}"]
    rows = [("column", "channel", "unit", "sign", "")]
    rows.append((times.column or "-", "time_s", times.unit or "?", "", f"from {times.origin}"))
    for at, planned in enumerate(proposal.channels):
        sign = "+" if planned.sign > 0 else "-"
        plot = _plot(times.times_s, proposal.values[:, at]) if not proposal.questions else ""
        rows.append((planned.column, planned.channel, planned.unit, sign, plot))
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)]
        lines.append(("  " + "  ".join(cells) + "  " + row[4]).rstrip())
    if not proposal.questions:
        last = float(times.times_s[-1])
        rate = (len(times.times_s) - 1) / last if last else 0.0
        breath = (
            "no breathing period is found"
            if proposal.period_s is None
            else f"a breath about every {proposal.period_s:.1f} s"
        )
        missing = int(np.isnan(proposal.values).sum())
        lines.append(
            f"  {len(times.times_s)} samples, {last:.1f} s, {rate:.4g} Hz, {missing} values "
            f"missing; {breath}"
        )
    if proposal.unused:
        lines.append("  not used: " + ", ".join(f"{name} ({why})" for name, why in proposal.unused))
    lines += [f"  note: {remark}" for remark in proposal.remarks]
    lines += [f"  note: {p.channel}: {p.why}" for p in proposal.channels if p.why]
    return "\n".join(line.encode("utf-8", "replace").decode() for line in lines)


def _plot(times_s: Floats, values: Floats) -> str:
    """Return the first half minute of a channel as a line of bars."""
    early = times_s <= times_s[0] + _PLOT_S
    times, some = times_s[early], values[early]
    known = np.isfinite(some)
    if known.sum() < 2:
        return ""
    at: Floats = np.linspace(float(times[0]), float(times[-1]), _PLOT_WIDTH)
    shown = np.interp(at, times[known], some[known])
    low, high = float(shown.min()), float(shown.max())
    if high <= low:
        return _BARS[0] * _PLOT_WIDTH
    level = np.round((shown - low) / (high - low) * (len(_BARS) - 1)).astype(int)
    return "".join(_BARS[each] for each in level)
