"""Read a session's journal as tables: one for each type of record, one row a record.

Nothing is resampled, rounded or left out. Besides the record's own fields every table ends with
``handled_ns``, the time of the event that was being handled when the record was made, and
``sequence``, its number in the journal. Sorted by ``sequence``, the tables together are the order
of the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from tracker.exporting.columns import Array, ExportColumn, RecordColumns
from tracker.journal import Header, Journal, Seal, TornTail, read_journal
from tracker.journal.contents import CONTENTS

_TOGETHER: Final = 4096


class SignalTable(NamedTuple):
    """All records of one type: its columns are of one length, in the order of the journal."""

    name: str
    """The record's type in lower case: ``TargetEstimate`` is ``target_estimate``."""
    about: str
    """What the record is, in one sentence."""
    kind: str
    """``event``, ``output`` or ``truth``."""
    time: str
    """The column that is the time of a row, in nanoseconds: ``t_ns`` or ``made_ns``."""
    columns: tuple[ExportColumn, ...]

    def __getitem__(self, name: object) -> Any:
        """Return the values of a column by its name; raises `KeyError`."""
        for column in self.columns:
            if column.name == name:
                return column.values
        raise KeyError(name)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.columns[0].values)

    @property
    def times_s(self) -> Array:
        """The time of each row, in seconds since the start of the run."""
        return np.asarray(self[self.time], dtype=np.float64) * 1e-9


class SessionTables(NamedTuple):
    """A session as tables, and the facts of its journal."""

    name: str
    tables: tuple[SignalTable, ...]
    header: Header
    torn: TornTail | None
    """Where the journal breaks off; ``None``: it is whole."""

    def named(self, name: str) -> SignalTable | None:
        """Return the table of a name; ``None``: no such record is in the journal."""
        return next((table for table in self.tables if table.name == name), None)

    def time_range_s(self) -> tuple[float, float]:
        """Return the times of the first and the last record, in seconds."""
        handled = [table["handled_ns"] for table in self.tables if table.rows]
        if not handled:
            return 0.0, 0.0
        return min(map(np.min, handled)) * 1e-9, max(map(np.max, handled)) * 1e-9


class _Gathered:
    """The records of one type while a journal is read."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self.columns = RecordColumns(kind)
        self.waiting: list[msgspec.Struct] = []
        self.handled: list[int] = []
        self.sequence: list[int] = []

    def add(self, record: msgspec.Struct, handled_ns: int, sequence: int) -> None:
        self.waiting.append(record)
        self.handled.append(handled_ns)
        self.sequence.append(sequence)
        if len(self.waiting) >= _TOGETHER:
            self.sort()

    def sort(self) -> None:
        if self.waiting:
            self.columns.add(self.waiting)
            self.waiting.clear()

    def finished(self) -> tuple[ExportColumn, ...]:
        self.sort()
        return (
            *self.columns.columns(),
            ExportColumn("handled_ns", "ns", "", np.array(self.handled, dtype=np.int64)),
            ExportColumn("sequence", "", "", np.array(self.sequence, dtype=np.int64)),
        )


def read_tables(path: Path) -> SessionTables:
    """Return the tables of a journal, up to where it breaks off; raises `JournalError`."""
    return tables_of(read_journal(path))


def tables_of(journal: Journal) -> SessionTables:
    """Return the tables of a journal that is open, in the order of `CONTENTS`."""
    gathered: dict[type[Any], _Gathered] = {}
    for entry in journal.entries():
        kind: type[Any] = entry.record.__class__
        if kind is Seal:
            continue
        if kind not in gathered:
            gathered[kind] = _Gathered(kind)
        gathered[kind].add(entry.record, entry.handled_ns, entry.sequence)
    tables: list[SignalTable] = []
    for content in CONTENTS:
        if content.type not in gathered:
            continue
        columns = gathered[content.type].finished()
        time = "made_ns" if any(each.name == "made_ns" for each in columns) else "t_ns"
        name, about = snake_case(content.type.__name__), _first_sentence(content.type)
        tables.append(SignalTable(name, about, content.kind, time, columns))
    return SessionTables(journal.path.stem, tuple(tables), journal.header, journal.torn)


def snake_case(name: str) -> str:
    """Return the name of a class in lower case, with underscores between its words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _first_sentence(kind: type[Any]) -> str:
    text = " ".join((kind.__doc__ or "").split())
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


# --- what names people --------------------------------------------------------------------------

WITHHELD: Final = "withheld"


def without_names(session: SessionTables, further: Sequence[str] = ()) -> SessionTables:
    """Return the session without the names of patient, plan and persons.

    Every text that the room announced as an identity, every name of a person who asked for
    something, and the ``further`` texts are replaced by "withheld", in whatever text they stand.
    The session gets the name "session", and of its header only seed and versions stay.
    """
    names = {text for text in (*_names_in(session), *further) if text.strip()}
    pattern = re.compile(
        "|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(names, key=len)[::-1])
    )
    tables = session.tables
    if names:
        tables = tuple(
            table._replace(columns=tuple(_withheld(column, pattern) for column in table.columns))
            for table in tables
        )
    header = Header("", "", session.header.seed, session.header.versions)
    return session._replace(name="session", tables=tables, header=header)


def _names_in(session: SessionTables) -> Iterator[str]:
    for table_name, columns in (("identity", ("patient_id", "plan_id")), ("request", ("who",))):
        table = session.named(table_name)
        for column in columns if table is not None else ():
            values = table[column] if table is not None else ()
            yield from (str(value) for value in set(values) if value != "operator")


def _withheld(column: ExportColumn, pattern: re.Pattern[str]) -> ExportColumn:
    if column.values.dtype != object:
        return column
    replaced = np.empty(len(column.values), dtype=object)
    replaced[:] = [pattern.sub(WITHHELD, text) for text in column.values]
    return column._replace(values=replaced)
