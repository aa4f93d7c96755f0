"""Turn records of one type into columns: one column a number, named after its field.

A position gives three columns (``position_mm``: ``position_x_mm``, ``position_y_mm``,
``position_z_mm``), a covariance six, a list as many as its longest has members, numbered from 1.
A value that is missing is NaN, a list of words becomes one text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import Any, Final, NamedTuple, Union, get_args, get_origin

import msgspec
import numpy as np
from numpy.typing import NDArray

from tracker.exporting.units import FRAMES, split_unit, unit_of

Array = NDArray[Any]
_AXES: Final = ("x", "y", "z")
_PLANE: Final = ("x", "y")
_UPPER: Final = ("xx", "xy", "xz", "yy", "yz", "zz")
_LABELS: Final = {2: _PLANE, 3: _AXES, 6: _UPPER}
_JOINED: Final = "; "


class ExportColumn(NamedTuple):
    """One column: its name, unit ("" for none), frame ("" where none applies) and values."""

    name: str
    unit: str
    frame: str
    values: Array


class _Plan(NamedTuple):
    """How one field becomes columns: its values as an array of rows, and the columns' labels."""

    field: str
    rows: Callable[[Sequence[Any]], Array]
    labels: Callable[[int], Sequence[str]]


class RecordColumns:
    """Gathers records of one type in blocks and returns their columns."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self._kind = kind
        self._plans = [_plan(each.name, each.type) for each in msgspec.structs.fields(kind)]
        self._blocks: list[list[Array]] = []

    def add(self, records: Sequence[msgspec.Struct]) -> None:
        """Add records, in their order."""
        self._blocks.append(
            [plan.rows([getattr(each, plan.field) for each in records]) for plan in self._plans]
        )

    def columns(self) -> list[ExportColumn]:
        """Return every column, in the order of the record's fields."""
        found: list[ExportColumn] = []
        for at, plan in enumerate(self._plans):
            table = _stacked([block[at] for block in self._blocks])
            frame = FRAMES.get((self._kind.__name__, plan.field), "")
            stem, ending = split_unit(plan.field)
            for label, values in zip(plan.labels(table.shape[1]), table.T, strict=True):
                name = f"{stem}_{label}{ending}" if label else plan.field
                values = np.ascontiguousarray(values)
                found.append(ExportColumn(name, unit_of(plan.field), frame, values))
        return found


def _stacked(blocks: Sequence[Array]) -> Array:
    """Return blocks of rows as one table; a narrower block is filled up with NaN."""
    width = max(block.shape[1] for block in blocks)
    filled = [
        block
        if block.shape[1] == width
        else np.pad(block, ((0, 0), (0, width - block.shape[1])), constant_values=np.nan)
        for block in blocks
    ]
    return np.concatenate(filled)


def _plan(field: str, hint: Any) -> _Plan:
    """Return how a field of a type becomes columns."""
    hint = _without_none(hint)
    if hint is int:
        return _Plan(field, _whole_numbers, _unlabelled)
    if hint is bool:
        return _Plan(field, _truths, _unlabelled)
    if hint is float:
        return _Plan(field, _single_numbers, _unlabelled)
    if hint is str:
        return _Plan(field, _texts, _unlabelled)
    members = get_args(hint)
    if get_origin(hint) is tuple and str in members:
        return _Plan(field, _joined_texts, _unlabelled)
    if get_origin(hint) is tuple and members[-1] is not Ellipsis:
        return _fixed_plan(field, len(members))
    if get_origin(hint) is tuple:
        return _list_plan(field, _without_none(members[0]))
    raise TypeError(f"{field}: no rule how a {hint} becomes columns")


def _fixed_plan(field: str, width: int) -> _Plan:
    """Return how a fixed number of numbers becomes columns."""
    names = _LABELS.get(width, tuple(str(number) for number in range(1, width + 1)))

    def rows(values: Sequence[Any]) -> Array:
        return _numbers(values, width)

    def labels(count: int) -> Sequence[str]:
        return names

    return _Plan(field, rows, labels)


def _list_plan(field: str, member: Any) -> _Plan:
    """Return how a list of numbers or of positions becomes columns."""
    width = 1 if member is float else len(get_args(member))
    parts = _LABELS[width] if width > 1 else ("",)

    def rows(values: Sequence[Sequence[Any]]) -> Array:
        longest = max((len(each) for each in values), default=0)
        missing = (np.nan,) * width
        flat = [
            [
                number
                for each in (*members, *[None] * (longest - len(members)))
                for number in (missing if each is None else each if width > 1 else (each,))
            ]
            for members in values
        ]
        return _numbers(flat, longest * width)

    def labels(count: int) -> list[str]:
        return [
            f"{number}_{part}" if part else f"{number}"
            for number in range(1, count // width + 1)
            for part in parts
        ]

    return _Plan(field, rows, labels)


def _numbers(rows: Sequence[Sequence[float | None] | None], width: int) -> Array:
    missing = (np.nan,) * width
    table = np.array([missing if row is None else row for row in rows], dtype=np.float64)
    return table.reshape(len(rows), width)


def _single_numbers(values: Sequence[float | None]) -> Array:
    return _numbers([(value,) for value in values], 1)


def _whole_numbers(values: Sequence[int]) -> Array:
    return np.array(values, dtype=np.int64)[:, None]


def _truths(values: Sequence[bool]) -> Array:
    return np.array(values, dtype=np.bool_)[:, None]


def _joined_texts(values: Sequence[Sequence[str]]) -> Array:
    return _texts([_JOINED.join(words) for words in values])


def _texts(values: Sequence[str]) -> Array:
    table = np.empty((len(values), 1), dtype=object)
    table[:, 0] = values
    return table


def _unlabelled(count: int) -> Sequence[str]:
    return [""] * count


def _without_none(hint: Any) -> Any:
    """Return the type of a field that may be missing, without the ``None``."""
    if get_origin(hint) not in (Union, UnionType):
        return hint
    kept = [each for each in get_args(hint) if each is not NoneType]
    if len(kept) != 1:
        raise TypeError(f"no rule how a {hint} becomes columns")
    return kept[0]
