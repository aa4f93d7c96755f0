"""Tables whose entries are named by the user and are of a kind: ``[sources.NAME]`` with ``kind``.

The kinds are rows of a table, so that the records an entry may follow are known only when it is
read: `entry_problems` says what is wrong with the entries, `read_entries` makes records of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec

from tracker.config_errors import Problem, document_problems, not_one_of
from tracker.core.surrogate.sources.source import RESERVED_NAMES, is_source_name

KIND = "kind"
Records = Mapping[str, type[msgspec.Struct]]
"""Kind: the record its entries follow."""
AnyRecord = TypeVar("AnyRecord", bound=msgspec.Struct)


class Entries(NamedTuple, Generic[AnyRecord]):
    """The entries of a section, and the record that each kind of entry follows."""

    section: str
    table: Mapping[str, Any]
    records: Mapping[str, type[AnyRecord]]


def entry_problems(entries: Entries[Any]) -> Iterator[Problem]:
    """Say everything that is wrong with the entries of a section."""
    for name, entry in entries.table.items():
        path = f"{entries.section}.{name}"
        if name in RESERVED_NAMES:
            yield Problem(path, "this name has a meaning of its own; choose another")
        elif not is_source_name(name):
            what = "is no name for a source; use up to 40 letters, digits and _, a letter first"
            yield Problem(path, what)
        elif not isinstance(entry, dict):
            yield Problem(path, "is no section; write its keys below its own header")
        else:
            yield from _one(cast(dict[str, Any], entry), path, entries.records)


def _one(entry: Mapping[str, Any], path: str, records: Records) -> Iterator[Problem]:
    if KIND not in entry:
        yield Problem(f"{path}.{KIND}", f"missing; add one of {', '.join(records)}")
        return
    kind = entry[KIND]
    if not isinstance(kind, str) or kind not in records:
        yield Problem(f"{path}.{KIND}", not_one_of(kind, list(records)))
        return
    keys = {key: value for key, value in entry.items() if key != KIND}
    yield from document_problems(keys, records[kind], prefix=f"{path}.")


def read_entries(entries: Entries[AnyRecord]) -> dict[str, AnyRecord]:
    """Make the record of each entry; `entry_problems` must have found nothing."""
    found: dict[str, AnyRecord] = {}
    for name, entry in entries.table.items():
        keys = {key: value for key, value in entry.items() if key != KIND}
        found[name] = msgspec.convert(keys, entries.records[entry[KIND]])
    return found


def as_entries(entries: Mapping[str, msgspec.Struct], records: Records) -> dict[str, Any]:
    """Return the section that `read_entries` reads again, for records of the given kinds."""
    kinds = {record: kind for kind, record in records.items()}
    return {
        name: {KIND: kinds[type(entry)], **msgspec.to_builtins(entry)}
        for name, entry in entries.items()
    }
