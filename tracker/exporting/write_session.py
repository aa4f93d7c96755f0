"""Write a session in one format into a new folder: either all of it, or nothing."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tracker.exporting.export_error import ExportError
from tracker.exporting.formats.table import BY_NAME
from tracker.exporting.session_tables import SessionTables, read_tables, without_names
from tracker.report.setting import setting_of


def export_session(
    journal: Path, to: str, folder: Path, *, named: bool = False
) -> tuple[SessionTables, list[Path]]:
    """Write the session of a journal into ``folder``; return its tables and the files.

    ``named``: whether the names of patient, plan and persons stay in it. The folder must not exist
    or be empty. Raises `ExportError`, and `JournalError` for a file that is no journal.
    """
    session = read_tables(journal)
    if not named:
        session = without_names(session, _configured_names(session))
    return session, write_tables(session, to, folder)


def write_tables(session: SessionTables, to: str, folder: Path) -> list[Path]:
    """Write tables in a format into ``folder``; return the files, sorted by name."""
    row = BY_NAME.get(to)
    if row is None:
        raise ExportError(f"format {to}: is not known; choose one of {', '.join(BY_NAME)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder}: exists already, nothing was written; name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        row.write(session, beside)
        beside.chmod(0o755)
        beside.replace(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _configured_names(session: SessionTables) -> tuple[str, str]:
    """Return the identity of patient and plan in the configuration of a journal."""
    setting = setting_of(session.header.configuration)
    return setting.patient_id, setting.plan_id
