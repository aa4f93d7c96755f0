"""The error of an import: one line for each thing wrong, or each question that is open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class ImportRefusedError(Exception):
    """A file cannot be imported as it is; ``problems`` holds one line each."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        lines = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(lines))
        self.problems = lines


def refused(path: Path, what: str, line: int | None = None) -> ImportRefusedError:
    """Return the error for a file, with the line where it is known."""
    where = f"{path}" if line is None else f"{path}, line {line}"
    return ImportRefusedError(f"{where}: {what}")


def quoted(text: str) -> str:
    """Quote a text of a file for a message: one line, printable, not endless."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")
