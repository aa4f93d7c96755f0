"""Write a session as Apache Parquet: one file for each table, unit and frame with each column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tracker.exporting.export_error import needed_for
from tracker.exporting.formats.format_row import ExportFormat, about_session, write_about
from tracker.exporting.session_tables import SessionTables

SESSION_KEY = b"tidetrack.session"
"""The key of a file's metadata that holds the facts of the session, as JSON."""


def write(session: SessionTables, folder: Path) -> None:
    """Write every table into ``folder``; raises `ExportError` without pyarrow."""
    arrow: Any = needed_for("export parquet", "pyarrow", "export")
    needed_for("export parquet", "pyarrow.parquet", "export")
    facts = about_session(session)
    del facts["tables"]
    for table in session.tables:
        fields = [
            arrow.field(
                column.name,
                arrow.string() if column.values.dtype == object else _type(arrow, column.values),
                metadata={"unit": column.unit, "frame": column.frame},
            )
            for column in table.columns
        ]
        about = {"about": table.about, "kind": table.kind, "time": table.time}
        metadata = {SESSION_KEY: json.dumps(facts).encode()} | {
            key.encode(): text.encode() for key, text in about.items()
        }
        schema = arrow.schema(fields, metadata=metadata)
        arrays = [
            arrow.array(column.values, type=field.type)
            for column, field in zip(table.columns, fields, strict=True)
        ]
        arrow.parquet.write_table(
            arrow.Table.from_arrays(arrays, schema=schema), folder / f"{table.name}.parquet"
        )
    write_about(session, folder)


def _type(arrow: Any, values: Any) -> Any:
    return arrow.from_numpy_dtype(values.dtype)


PARQUET = ExportFormat("parquet", "one Parquet file for each kind of record", write)
