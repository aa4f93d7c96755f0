"""Read logs in the manner of CyberKnife's Synchrony: stamps and positions apart by blanks.

The logs of markers and of the model have a line of names, perhaps a comment, then the stamp in
seconds and x, y, z of each LED or of the target. Positions are taken as millimetres only where the
name of the file or its header shows such a log; the remark says so.
"""

from __future__ import annotations

import re
from pathlib import Path

from tracker.importing.choices import Choices
from tracker.importing.readers.reader import ReaderRow
from tracker.importing.readers.text_table import text_table
from tracker.importing.source_table import SourceColumn, SourceTable

_NAME = re.compile(
    r"^(?:markers?|predictor|modeler|modelpoints?|cyberheart)[\w. -]*\.(?:log|txt)$", re.I
)
_HEAD = re.compile(rb"\bLED\s*_?\d[\s_.]*X", re.IGNORECASE)
_COORDINATE = re.compile(r"(?:^|[^a-z])([xyz])\s*\d*$", re.IGNORECASE)


def recognises(path: Path, head: bytes) -> bool:
    """Return whether the name or the columns are those of such a log."""
    return _NAME.match(path.name) is not None or _HEAD.search(head) is not None


def read(path: Path, choices: Choices) -> list[SourceTable]:
    """Read the log."""
    table = text_table(path, choices)
    columns: list[SourceColumn] = []
    given = 0
    for column in table.columns:
        if not column.unit and _COORDINATE.search(column.header):
            column = SourceColumn(column.header, "mm", column.cells, title=column.shown)
            given += 1
        columns.append(column)
    remarks = list(table.remarks)
    if given:
        remarks.append(f"{given} positions of a Synchrony log are read as millimetres")
    return [
        SourceTable(
            tuple(columns), table.lines, "", table.rate_hz, table.decimal, table.facts,
            tuple(remarks),
        )
    ]  # fmt: skip


CYBERKNIFE = ReaderRow("cyberknife", "logs in the manner of Synchrony", recognises, read)
