"""Find the recordings in a folder for every command, and say which files are left out.

A recording is a file whose name ends in ``.csv`` or ``.vxp`` in any case, in the folder or below.
The marker files of one ExtMarker recording count as one and are named by the first of them.
``INDEX.csv`` and ``GAPS.csv`` describe recordings and are none. Hidden files and folders are
passed over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".csv", ".vxp")
DESCRIPTIONS = ("index.csv", "gaps.csv")
MARKER_FILE = re.compile(r"^(\d+)-(LAC|UAC|UCC)-(.+)\.csv$", re.IGNORECASE)
_MOST_NAMED = 3


class FoundRecordings(NamedTuple):
    """The recordings of a folder, in the order of their names, and what else lies there."""

    files: tuple[Path, ...]
    left_out: tuple[Path, ...]
    """Files of other kinds."""

    def remark(self, folder: Path) -> str:
        """Return one line about what was left out; empty: nothing was."""
        if not self.left_out:
            return ""
        names = [str(path.relative_to(folder)) for path in self.left_out[:_MOST_NAMED]]
        rest = len(self.left_out) - len(names)
        named = ", ".join(names) + (f" and {rest} more" if rest else "")
        return f"{folder}: left out, neither .csv nor .vxp: {named}"


def find_recordings(folder: Path) -> FoundRecordings:
    """Return the recordings in a folder and below; raises ``OSError`` for an unreadable one."""
    files: list[Path] = []
    others: list[Path] = []
    seen: set[tuple[Path, str, str]] = set()
    for path in sorted(_files_below(folder)):
        if path.name.lower() in DESCRIPTIONS:
            continue
        if path.suffix.lower() not in SUFFIXES:
            if not _is_sidecar(path):
                others.append(path)
            continue
        marker = MARKER_FILE.match(path.name)
        if marker is not None:
            key = (path.parent, marker[1], marker[3].lower())
            if key in seen:
                continue
            seen.add(key)
        files.append(path)
    return FoundRecordings(tuple(files), tuple(others))


def _files_below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent) / name
            if not name.startswith(".") and path.is_file():
                yield path


def _is_sidecar(path: Path) -> bool:
    """Return whether a file tells how the CSV beside it was made."""
    return path.suffix.lower() == ".json" and path.with_suffix(".csv").is_file()
