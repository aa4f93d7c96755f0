"""Keep the catalogue of live sessions: one SQLite file beside the journals, one row a run.

The journals are the record; the catalogue only finds them. It can be deleted: opening it again
takes up every journal of the folder. One daemon at a time records into a folder, which a lock
on the folder keeps; so a row that is still open when the next daemon comes is of one that died.
"""

from __future__ import annotations

import datetime
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from tracker.config import ConfigurationError, parse_configuration
from tracker.journal import Header, JournalError, read_journal

FILE = "catalogue.sqlite"
_LOCK = ".recording"

_SCHEMA = """
create table if not exists sessions (
    name text primary key,
    started text not null,
    ended text,
    ending text not null,
    patient_id text not null,
    plan_id text not null,
    configuration_sha256 text not null
) strict
"""


class CatalogueError(Exception):
    """A folder of sessions cannot be used; one line names the file, the problem and what to do."""


class CatalogueRow(msgspec.Struct, frozen=True, kw_only=True):
    """One session: times in UTC (ISO 8601); ``ending`` is open, closed, or what went wrong."""

    name: str
    started: str
    ended: str | None
    ending: str
    patient_id: str
    plan_id: str
    configuration_sha256: str


class Catalogue:
    """The sessions of one folder, read; a context manager that closes the file."""

    def __init__(self, folder: Path) -> None:
        """Open the folder's catalogue, made if need be; raises `CatalogueError`."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / FILE, timeout=5.0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            self._execute(_SCHEMA)
            self._take_up_strangers()
        except CatalogueError:
            self.close()
            raise

    def _unusable(self, error: Exception) -> CatalogueError:
        why = " ".join(str(error).split())
        return CatalogueError(
            f"{self.folder / FILE}: cannot be used ({why}); check the folder's rights, or move "
            "a damaged catalogue away: it is made again from the journals"
        )

    def _execute(self, statement: str, values: Sequence[str | None] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows; raises `CatalogueError` for a damaged file."""
        try:
            with closing(self._database.execute(statement, values)) as found:
                return found.fetchall()
        # A damaged file may hold bytes that are no text, even in its list of tables.
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise self._unusable(error) from error

    def __enter__(self) -> Self:
        """Return this catalogue, which is already open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._database.close()

    def rows(self) -> list[CatalogueRow]:
        """Return every session, newest first."""
        return [self._row(values) for values in self._select("order by started desc, name desc")]

    def find(self, name: str) -> CatalogueRow:
        """Return the session of that name, or the newest for ``last``; raises `CatalogueError`."""
        where = "order by started desc, name desc limit 1" if name == "last" else "where name = ?"
        found = self._select(where, *(() if name == "last" else (name,)))
        if not found:
            raise CatalogueError(
                f"{self.folder}: no session {name}; tidetrack sessions list names them"
            )
        return self._row(found[0])

    def journal_of(self, row: CatalogueRow) -> Path:
        """Return the path of a session's journal."""
        return self.folder / f"{row.name}.mcap"

    def forget(self, name: str) -> None:
        """Remove a session's row; the journal is the caller's to delete first."""
        self._execute("delete from sessions where name = ?", (name,))

    def put(self, row: CatalogueRow) -> None:
        """Write a session's row, new or in place of its old one."""
        names = CatalogueRow.__struct_fields__
        self._execute(
            f"insert or replace into sessions ({', '.join(names)}) "
            f"values ({', '.join('?' * len(names))})",
            [getattr(row, name) for name in names],
        )

    def _select(self, rest: str, *values: str) -> list[tuple[Any, ...]]:
        names = ", ".join(CatalogueRow.__struct_fields__)
        return self._execute(f"select {names} from sessions {rest}", values)

    def _row(self, values: tuple[Any, ...]) -> CatalogueRow:
        fields = dict(zip(CatalogueRow.__struct_fields__, values, strict=True))
        try:
            row = msgspec.convert(fields, CatalogueRow)
            datetime.datetime.fromisoformat(row.started)
        except ValueError as error:  # msgspec.ValidationError is one
            raise self._unusable(error) from error
        return row

    def _take_up_strangers(self) -> None:
        known = {row.name for row in self.rows()}
        for path in sorted(self.folder.glob("*.mcap")):
            if path.stem not in known:
                self._take_up(path)

    def _take_up(self, path: Path) -> None:
        try:
            journal = read_journal(path)
        except JournalError as error:
            ending, identity = str(error), ("", "", "")
        else:
            ending = f"torn: {journal.torn.describe()}" if journal.torn else "closed"
            identity = _identity_of(journal.header)
        modified = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
        patient, plan, digest = identity
        self.put(
            CatalogueRow(
                name=path.stem,
                started=_iso(modified),
                ended=None,
                ending=ending,
                patient_id=patient,
                plan_id=plan,
                configuration_sha256=digest,
            )
        )


class CataloguedRecording:
    """A folder while a daemon records into it: nobody else may, and its rows are kept.

    A context manager that notes how the run ended; ``died`` are runs that could not note it.
    """

    def __init__(self, folder: Path) -> None:
        """Lock the folder and note runs that died; raises `CatalogueError` when it is in use."""
        self.catalogue = Catalogue(folder)
        self._lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self.catalogue.close()
            raise CatalogueError(
                f"{folder}: another daemon records here; stop it, or name another folder"
            ) from None
        self.died = tuple(self._note_the_dead())
        self._current: CatalogueRow | None = None

    def __enter__(self) -> Self:
        """Return this recording, whose folder is already locked."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Note the end of the run, and unlock the folder."""
        self.end("closed" if error is None else f"failed: {type(error).__name__}: {error}")

    def new(self, stem: str) -> Path:
        """Return a free path for a journal, named after ``stem`` and the time (UTC)."""
        return self.catalogue.folder / f"{stem}-{_now():%Y%m%d-%H%M%S}.mcap"

    def begin(self, path: Path, header: Header) -> None:
        """Record that a journal was begun."""
        patient, plan, digest = _identity_of(header)
        self._current = CatalogueRow(
            name=path.stem,
            started=_iso(_now()),
            ended=None,
            ending="open",
            patient_id=patient,
            plan_id=plan,
            configuration_sha256=digest,
        )
        self.catalogue.put(self._current)

    def end(self, ending: str) -> None:
        """Record how the run ended, and unlock the folder; a second call does nothing."""
        if self._current is not None:
            self.catalogue.put(
                msgspec.structs.replace(self._current, ended=_iso(_now()), ending=ending)
            )
            self._current = None
        self.catalogue.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _note_the_dead(self) -> Iterator[CatalogueRow]:
        for row in self.catalogue.rows():
            if row.ending != "open":
                continue
            path = self.catalogue.journal_of(row)
            try:
                torn = read_journal(path).torn
                ending = f"died: {torn.describe()}" if torn else "died"
            except (JournalError, OSError) as error:
                ending = f"died: {error}"
            died = msgspec.structs.replace(row, ending=ending)
            self.catalogue.put(died)
            yield died


def expired(row: CatalogueRow, retention_days: int) -> bool:
    """Return whether a session's retention time is over; 0 days: it is kept for ever."""
    if retention_days == 0 or row.ending == "open":
        return False
    age = _now() - datetime.datetime.fromisoformat(row.started)
    return age > datetime.timedelta(days=retention_days)


def _identity_of(header: Header) -> tuple[str, str, str]:
    try:
        session = parse_configuration(header.configuration).controller.session
    except ConfigurationError:
        return "", "", header.configuration_sha256
    return session.patient_id, session.plan_id, header.configuration_sha256


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _iso(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
