"""What a format is: one row, with the function that writes a session in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tracker.exporting.session_tables import SessionTables

ABOUT_FILE = "session.json"


class ExportFormat(NamedTuple):
    """One format. ``write`` puts files into a new, empty folder; it raises `ExportError`."""

    name: str
    does: str
    write: Callable[[SessionTables, Path], None]


def about_session(session: SessionTables) -> dict[str, Any]:
    """Return what a reader needs besides the numbers: units, frames, versions and the seed."""
    header = session.header
    torn = session.torn
    return {
        "session": session.name,
        "times": "nanoseconds since the start of the run",
        "frames": {
            "patient": "+X left, +Y superior, +Z anterior, from the reference position",
            "fixed": "IEC 61217: +Y toward the gantry, +Z up, from the isocentre",
            "camera": "the camera's own",
            "picture": "of the X-ray picture, scaled to the isocentre",
            "machine axes": "those along which the machine moves",
        },
        "seed": header.seed,
        "versions": header.versions,
        "configuration_sha256": header.configuration_sha256,
        "further": header.further,
        "torn": "" if torn is None else torn.describe(),
        "tables": {
            table.name: {
                "about": table.about,
                "kind": table.kind,
                "time": table.time,
                "rows": table.rows,
                "columns": {
                    column.name: {"unit": column.unit, "frame": column.frame}
                    for column in table.columns
                },
            }
            for table in session.tables
        },
    }


def write_about(session: SessionTables, folder: Path) -> None:
    """Write `ABOUT_FILE` into a folder."""
    text = json.dumps(about_session(session), indent=1, ensure_ascii=False)
    (folder / ABOUT_FILE).write_text(text + "\n", encoding="utf-8")
