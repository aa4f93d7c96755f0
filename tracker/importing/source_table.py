"""What every reader returns: a table of named columns, as text or as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column of a file.

    ``unit`` is what the file says of it, empty where it says nothing. A column of a text file has
    ``cells``, one of a binary file ``numbers`` (NaN: missing).
    """

    header: str
    """The name without the unit; readers may make it clearer."""
    unit: str = ""
    cells: Sequence[str] = ()
    numbers: Floats | None = None
    title: str = ""
    """The whole header as the file has it; empty: it is the name."""

    @property
    def shown(self) -> str:
        """How a person is told of the column, and may name it."""
        return self.title or self.header

    def is_called(self, name: str) -> bool:
        """Return whether a person who says a name means this column."""
        return bool(name) and name in (self.title, self.header)

    @property
    def length(self) -> int:
        """The number of rows."""
        return len(self.cells) if self.numbers is None else len(self.numbers)


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One recording of a file, before anything is decided about it."""

    columns: tuple[SourceColumn, ...]
    lines: Sequence[int] = ()
    """The line of each row in a text file, counted from 1; empty for a binary one."""
    part: str = ""
    """Which recording of the file it is; empty: the only one."""
    rate_hz: float | None = None
    """The sampling rate, where the file gives one."""
    decimal: str = "."
    """The decimal separator of the cells."""
    facts: dict[str, str] = field(default_factory=dict[str, str])
    """How the file was read, for the sidecar: encoding, separator and the like."""
    remarks: tuple[str, ...] = ()
    """What a person should know about the reading."""

    def line(self, row: int) -> int | None:
        """Return the line of a row; ``None`` where there are no lines."""
        return self.lines[row] if row < len(self.lines) else None

    def select(self, rows: Sequence[int], part: str) -> SourceTable:
        """Return a table of some rows."""
        index = np.asarray(rows, dtype=np.intp)
        columns = tuple(
            SourceColumn(
                column.header,
                column.unit,
                [column.cells[row] for row in rows] if column.numbers is None else (),
                None if column.numbers is None else column.numbers[index],
                column.title,
            )
            for column in self.columns
        )
        lines = [self.lines[row] for row in rows] if self.lines else ()
        return SourceTable(
            columns, lines, part, self.rate_hz, self.decimal, self.facts, self.remarks
        )
