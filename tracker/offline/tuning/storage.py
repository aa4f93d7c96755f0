"""Open the storage of a study: a file beside the artefact, or a database."""

from __future__ import annotations

import json
import re
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from tracker.offline.tuning.errors import TuningError

_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^\s]*@")
_PASSWORD_KEY = re.compile(r"((?:password|passwd|pwd)=)[^&\s]+", re.IGNORECASE)
KINDS = "a file name, sqlite:///FILE or postgresql://USER@HOST/DATABASE"


def study_file(out: Path) -> Path:
    """Return the file in which a study is kept without ``--storage``."""
    return out.with_suffix(".study.jsonl")


def open_storage(where: str | None, out: Path) -> BaseStorage:
    """Open the storage; raises `TuningError` with one line when that fails."""
    if where is None or "://" not in where:
        file = study_file(out) if where is None else Path(where)
        return _in_file(file)
    kind, _, rest = where.partition("://")
    if kind in ("postgresql", "postgres"):
        return _in_database(where, f"postgresql+psycopg://{rest}")
    if kind == "sqlite" or kind.startswith("postgresql+"):
        return _in_database(where, where)
    raise TuningError(f"--storage {masked(where)}: unknown kind {kind}; give {KINDS}")


def masked(text: str) -> str:
    """Return a text with the passwords of its URLs replaced by ``***``."""
    text = _PASSWORD.sub(r"\1***@", text)
    return _PASSWORD_KEY.sub(r"\1***", text)


def _in_file(file: Path) -> BaseStorage:
    if file.is_dir():
        raise TuningError(f"--storage {file}: is a directory; name a file in it")
    file.parent.mkdir(parents=True, exist_ok=True)
    if not _is_journal(file):
        raise TuningError(f"{file}: is no study of Optuna's; name another file")
    return JournalStorage(JournalFileBackend(str(file)))


def _is_journal(file: Path) -> bool:
    """Return whether a file is a study or does not exist yet."""
    try:
        with file.open("rb") as lines:
            first = lines.readline()
        return not first or "op_code" in json.loads(first)
    except FileNotFoundError:
        return True
    except (ValueError, TypeError, RecursionError):
        return False
    except OSError as error:
        why = error.strerror or str(error)
        raise TuningError(f"--storage {file}: cannot be read: {why}") from None


def _in_database(where: str, url: str) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    shown = masked(where)
    if url.partition("://")[2].partition("/")[0].count("@") > 1:
        raise TuningError(f"--storage {shown}: write an @ within the password as %40")
    try:
        foreign = _foreign_part(url)
        if foreign:
            raise TuningError(
                f"--storage {shown}: is another program's database ({foreign}); name one for "
                "tidetrack alone"
            )
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except ModuleNotFoundError as error:
        raise TuningError(
            f"--storage {shown}: needs the Python package {error.name}; install tidetrack[tune]"
        ) from None
    except RuntimeError:  # the revision of its tables is not one of Optuna's
        raise TuningError(
            f"--storage {shown}: is another program's database, or one of a newer Optuna; "
            "name one for tidetrack alone"
        ) from None
    except (SQLAlchemyError, ValueError, OSError) as error:
        raise TuningError(f"--storage {shown}: cannot be opened: {_first_line(error)}") from None


def _foreign_part(url: str) -> str:
    """Return what in a database Optuna does not make: a table, a view or other columns; or "".

    A table of studies with other columns would be taken for Optuna's, and fail at its first use.
    """
    from optuna.storages._rdb import models
    from sqlalchemy import create_engine, inspect

    own = models.BaseModel.metadata.tables
    engine = create_engine(url)
    try:
        seen = inspect(engine)
        tables = set(seen.get_table_names())
        strange = sorted(tables - set(own) - {"alembic_version"})
        if strange:
            return f"it has the table {' '.join(strange[0].split())}"
        views = sorted(set(seen.get_view_names()) & set(own))
        if views:
            return f"{views[0]} is a view"
        for name in sorted(tables & set(own)):
            missing = {each.name for each in own[name].columns} - {
                column["name"] for column in seen.get_columns(name)
            }
            if missing:
                return f"its table {name} has no column {min(missing)}"
    finally:
        engine.dispose()
    return ""


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return masked(lines[0])
