"""Write a session as one MAT file (version 5): a struct for each table, a field for each column.

MATLAB, Octave and `scipy.io.loadmat` read it. Times stay 64-bit integers. ``units`` and ``frames``
hold the same structs with the unit and the frame of each column.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from tracker.exporting.columns import Array, ExportColumn
from tracker.exporting.export_error import ExportError
from tracker.exporting.formats.format_row import ExportFormat, about_session
from tracker.exporting.session_tables import SessionTables

MOST_BYTES: Final = 2**31 - 1
"""The largest variable of the format."""
LONGEST_NAME: Final = 63


def write(session: SessionTables, folder: Path) -> None:
    """Write ``NAME.mat`` into ``folder``; raises `ExportError` for a session that is too large."""
    from scipy.io import savemat

    content: dict[str, Any] = {
        table.name: {column.name: _matlab(column) for column in table.columns}
        for table in session.tables
    }
    for table in session.tables:
        size = sum(column.values.nbytes for column in table.columns)
        if size > MOST_BYTES:
            raise ExportError(
                f"{session.name}: table {table.name} has {size} bytes, a MAT file takes at most "
                f"{MOST_BYTES} each; export to parquet"
            )
        too_long = [c.name for c in table.columns if len(c.name) > LONGEST_NAME]
        if too_long:
            raise ExportError(
                f"{session.name}: column {too_long[0]} of {table.name} has a name longer than "
                f"{LONGEST_NAME} characters; export to parquet"
            )
    for fact in ("unit", "frame"):
        content[f"{fact}s"] = {
            table.name: {column.name: getattr(column, fact) for column in table.columns}
            for table in session.tables
        }
    facts = about_session(session)
    del facts["tables"]
    content["about"] = json.dumps(facts)
    path = folder / f"{session.name}.mat"
    cast(Any, savemat)(
        os.fspath(path), content, long_field_names=True, do_compression=True, oned_as="column"
    )


def _matlab(column: ExportColumn) -> Array:
    """Return a column as MATLAB has it: texts become a cell array."""
    if column.values.dtype != object:
        return column.values
    cells = np.empty((len(column.values), 1), dtype=object)
    cells[:, 0] = column.values
    return cells


MAT = ExportFormat("mat", "one MAT file with a struct for each kind of record", write)
