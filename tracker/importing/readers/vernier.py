"""Read the CSV of Vernier's belts: columns ``Data Set 1:Force(N)``, runs beside each other."""

from __future__ import annotations

import re
from pathlib import Path

from tracker.importing.cell_numbers import is_missing
from tracker.importing.choices import Choices
from tracker.importing.readers.reader import ReaderRow
from tracker.importing.readers.text_table import text_table
from tracker.importing.source_table import SourceColumn, SourceTable

_RUN = re.compile(r"^(data\s*set(?:\s*\d+)?|latest|run\s*\d+|remote data|[^:]{1,40})\s*:\s*(.+)$",
                  re.IGNORECASE)  # fmt: skip
_HEAD = re.compile(
    rb"(?:data\s*set(?:\s*\d+)?|latest|run\s*\d+)\s*:\s*(?:time|force|respiration)", re.IGNORECASE
)


def recognises(path: Path, head: bytes) -> bool:
    """Return whether columns are named after a run, as Vernier's programs name them."""
    return _HEAD.search(head) is not None


def read(path: Path, choices: Choices) -> list[SourceTable]:
    """Read the file; each run is a recording of its own, as long as its time goes on."""
    table = text_table(path, choices)
    runs: dict[str, list[SourceColumn]] = {}
    for column in table.columns:
        found = _RUN.match(column.header)
        run, name = (found[1].strip(), found[2].strip()) if found else ("", column.header)
        runs.setdefault(run, []).append(
            SourceColumn(name, column.unit, column.cells, title=column.shown)
        )
    tables: list[SourceTable] = []
    for run, columns in runs.items():
        rows = [
            row
            for row in range(len(table.lines))
            if not all(is_missing(column.cells[row]) for column in columns)
        ]
        whole = SourceTable(
            tuple(columns), table.lines, "", None, table.decimal, table.facts, table.remarks
        )
        part = run if len(runs) > 1 else ""
        tables.append(whole.select(rows, part))
    return tables


VERNIER = ReaderRow("vernier", "CSV of Vernier's respiration belts", recognises, read)
