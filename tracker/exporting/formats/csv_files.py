"""Write a session as CSV: one file for each table, and one JSON file with units and frames.

Numbers are the shortest text that reads back to the same bits. NaN is an empty cell.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tracker.exporting.columns import ExportColumn
from tracker.exporting.formats.format_row import ExportFormat, write_about
from tracker.exporting.session_tables import SessionTables


def write(session: SessionTables, folder: Path) -> None:
    """Write every table into ``folder``."""
    for table in session.tables:
        with (folder / f"{table.name}.csv").open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(column.name for column in table.columns)
            lines.writerows(zip(*map(_cells, table.columns), strict=True))
    write_about(session, folder)


def _cells(column: ExportColumn) -> Iterable[Any]:
    values = column.values.tolist()
    if column.values.dtype.kind == "f":
        return ("" if value != value else repr(value) for value in values)  # NaN differs from NaN
    if column.values.dtype.kind == "b":
        return ("true" if value else "false" for value in values)
    return values


CSV_FILES = ExportFormat("csv", "one CSV file for each kind of record, with units in JSON", write)
