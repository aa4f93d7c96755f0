"""Keep the QA history: one line of JSON a test, appended and never changed.

A line is written with one call and forced to the disk, under a lock. A program that is killed
leaves at most a broken last line: it is left out by the reader, which says so, and the next line
starts on a line of its own.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from tracker.offline.qa.qa_error import QaError


class QaEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One test that was run: when (UTC), on what, its figures with their limits, its verdict."""

    when: str
    test: str
    verdict: str
    machine: str
    source: str
    journal_sha256: str
    configuration_sha256: str
    version: str
    figures: dict[str, float | None]
    limits: dict[str, float]


class QaHistory(NamedTuple):
    """The entries in their order, and the numbers of lines that could not be read."""

    entries: list[QaEntry]
    unread: list[int]


def append(path: Path, entry: QaEntry) -> None:
    """Add an entry at the end of the file. Raises `QaError`."""
    line = msgspec.json.encode(entry) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    line = b"\n" + line
            file.write(line)
            os.fsync(file.fileno())
    except OSError as error:
        raise QaError(
            f"{path}: {error.strerror}; the result was not recorded: name a file with --history"
        ) from None


def read(path: Path) -> QaHistory:
    """Return the entries of a file; one that does not exist has none. Raises `QaError`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return QaHistory([], [])
    except OSError as error:
        raise QaError(f"{path}: {error.strerror}; name a file with --history") from None
    entries: list[QaEntry] = []
    unread: list[int] = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            entries.append(msgspec.json.decode(line, type=QaEntry))
        except msgspec.DecodeError:
            unread.append(number)
    return QaHistory(entries, unread)
