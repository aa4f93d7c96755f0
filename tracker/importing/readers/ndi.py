"""Read the CSV of an NDI tracker's own programs: one group of columns for each tool.

A group has a frame number, a state in words and the position ``Tx, Ty, Tz`` in millimetres. A
tool that is not seen has a state other than ``OK``, blank cells, or the number -3.697314E28. The
same names return for each tool, so a number is added to them.
"""

from __future__ import annotations

import re
from pathlib import Path

from tracker.importing.choices import Choices
from tracker.importing.readers.reader import ReaderRow
from tracker.importing.readers.text_table import text_table
from tracker.importing.source_table import SourceColumn, SourceTable

_POSITION = re.compile(r"^t([xyz])(?: (\d+))?$", re.IGNORECASE)
_STATE = re.compile(r"^(?:state|status)(?: (\d+))?$", re.IGNORECASE)
_SEEN = ("ok", "enabled", "valid", "visible")


def recognises(path: Path, head: bytes) -> bool:
    """Return whether the first lines name positions and quaternions as NDI's programs do."""
    words = {word.strip().strip(b'"').lower() for word in re.split(rb"[,;\t\r\n]", head)}
    return {b"tx", b"ty", b"tz"} <= words and bool({b"q0", b"qx", b"frame", b"state"} & words)


def read(path: Path, choices: Choices) -> list[SourceTable]:
    """Read the file; positions of a tool that was not seen are blank."""
    table = text_table(path, choices)
    states: dict[str, SourceColumn] = {}
    for column in table.columns:
        if found := _STATE.match(column.header):
            states.setdefault(found[1] or "1", column)
    columns: list[SourceColumn] = []
    hidden = 0
    for column in table.columns:
        found = _POSITION.match(column.header)
        if found is None:
            columns.append(column)
            continue
        tool = found[2] or "1"
        cells = list(column.cells)
        state = states.get(tool)
        if state is not None:
            for row, word in enumerate(state.cells):
                if word.strip().lower() not in _SEEN:
                    cells[row] = ""
                    hidden += found[1].lower() == "x"
        name = f"tool{tool}_{found[1].lower()}"
        columns.append(SourceColumn(name, column.unit or "mm", cells, title=column.shown))
    kept = [c for c in columns if _STATE.match(c.header) is None]
    remarks = list(table.remarks)
    if hidden:
        remarks.append(f"{hidden} positions are missing: the state of the tool was not OK")
    return [
        SourceTable(
            tuple(kept), table.lines, "", table.rate_hz, table.decimal, table.facts, tuple(remarks)
        )
    ]


NDI = ReaderRow("ndi", "CSV of NDI's tracker programs", recognises, read)
