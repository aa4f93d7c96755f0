"""Honour what a file itself says about the validity of its samples, or ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.importing import channels as words
from tracker.importing.cell_numbers import cleaned
from tracker.importing.channels import Meaning, words_of
from tracker.importing.errors import quoted
from tracker.importing.source_table import SourceColumn, SourceTable

GOOD = frozenset((
    "ok", "good", "valid", "true", "yes", "visible", "tracked", "tracking", "enabled", "ja",
    "wahr",
))  # fmt: skip
BAD = frozenset((
    "missing", "invalid", "false", "no", "lost", "occluded", "bad", "disabled", "out",
    "outofvolume", "partiallyoutofvolume", "partially", "tool_missing", "hidden", "not_visible",
    "nein", "falsch", "error",
))  # fmt: skip
_GOOD_WHEN_ONE = frozenset((
    "valid", "visible", "visibility", "tracked", "ok", "good", "isvalid",
))  # fmt: skip
_BAD_WHEN_ONE = frozenset((
    "missing", "lost", "occluded",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class InvalidRows:
    """Which rows hold no valid sample, and what a person should know or say."""

    rows: NDArray[np.intp]
    remarks: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


def invalid_rows(table: SourceTable, meanings: Sequence[Meaning]) -> InvalidRows:
    """Return the rows that a column of validity marks as bad; several columns count together."""
    bad: set[int] = set()
    remarks: list[str] = []
    questions: list[str] = []
    for column, meaning in zip(table.columns, meanings, strict=True):
        if meaning.kind != words.VALID:
            continue
        found = _of_column(column)
        if isinstance(found, str):
            questions.append(found)
        elif found:
            bad.update(found)
            said = f"{quoted(column.shown)} marks {len(found)} of {column.length} samples"
            remarks.append(f"{said} as not valid: they are missing")
    return InvalidRows(np.array(sorted(bad), dtype=np.intp), tuple(remarks), tuple(questions))


def _of_column(column: SourceColumn) -> list[int] | str:
    """Return the bad rows of one column, or the question where its marks have two readings."""
    if column.numbers is not None:
        cells: Sequence[str] = [f"{value:g}" for value in column.numbers]
    else:
        cells = [cleaned(cell).lower().replace(" ", "") for cell in column.cells]
    kinds = set(cells)
    if len(kinds) == 1:
        return []
    if kinds <= GOOD | BAD:
        return [row for row, cell in enumerate(cells) if cell in BAD]
    name = set(words_of(column.header))
    if kinds <= {"0", "1"}:
        if name & _BAD_WHEN_ONE:
            return [row for row, cell in enumerate(cells) if cell == "1"]
        if name & _GOOD_WHEN_ONE and "flag" not in name and "validflag" not in name:
            return [row for row, cell in enumerate(cells) if cell == "0"]
    shown = ", ".join(quoted(kind) for kind in sorted(kinds)[:4])
    return (
        f"column {quoted(column.shown)} holds {shown}: which of them are valid samples? "
        f"--ignore '{column.shown}' keeps all"
    )
