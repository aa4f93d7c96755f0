"""Open the storage of a study: a file beside the artefact, or a database."""

from __future__ import annotations

import json
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from tracker.offline.tuning.errors import TuningError

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
    raise TuningError(f"--storage {where}: unknown kind {kind}; give {KINDS}")


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
    except (ValueError, TypeError):
        return False


def _in_database(where: str, url: str) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except ModuleNotFoundError as error:
        raise TuningError(
            f"--storage {where}: needs the Python package {error.name}; install tidetrack[tune]"
        ) from None
    except (SQLAlchemyError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TuningError(f"--storage {where}: cannot be opened: {reason}") from None
