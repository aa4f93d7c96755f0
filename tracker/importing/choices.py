"""What a person says about a file: options of the command, checked before anything is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tracker.importing.errors import ImportRefusedError, quoted
from tracker.importing.source_table import SourceColumn
from tracker.importing.units import SourceUnit, motion_unit, time_factor

_CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,40}_(mm|deg|au)")
_SIGNS = {"+": 1, "-": -1, "": 1}


@dataclass(frozen=True, slots=True)
class ChosenChannel:
    """A column that a person mapped: the channel it becomes, its unit in the file, its sign."""

    column: str
    channel: str
    unit: str
    sign: int


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything a person may decide; what is left open is proposed."""

    time: str = ""
    time_unit: str = ""
    channels: tuple[ChosenChannel, ...] = ()
    ignored: tuple[str, ...] = ()
    patient: str = ""
    rate_hz: float | None = None
    separator: str | None = None
    decimal: str | None = None
    reader: str = ""

    def channel_of(self, column: SourceColumn) -> ChosenChannel | None:
        """Return what a person said about a column; ``None``: nothing."""
        return next((each for each in self.channels if column.is_called(each.column)), None)

    def ignores(self, column: SourceColumn) -> bool:
        """Return whether a person wants a column left out."""
        return any(column.is_called(name) for name in self.ignored)


def parse_time(text: str) -> tuple[str, str]:
    """Return column and unit of ``COLUMN[:UNIT]``; the unit is empty where none is known."""
    column, mark, unit = text.rpartition(":")
    if mark and time_factor(unit) is not None:
        return column, unit
    return text, ""


def parse_map(text: str) -> ChosenChannel:
    """Return the choice of ``COLUMN:CHANNEL[:UNIT[:SIGN]]``; raises `ImportRefusedError`."""
    form = "COLUMN:CHANNEL[:UNIT[:+ or -]], as in 'Amp:ext_mm:cm'"
    parts = text.split(":")
    at = next((n for n in range(1, len(parts)) if _CHANNEL.fullmatch(parts[n])), None)
    if at is None or len(parts) - at > 3:
        raise ImportRefusedError(
            f"--map {quoted(text)}: is not {form}; CHANNEL ends in _mm, _deg, _au"
        )
    column, channel = ":".join(parts[:at]), parts[at]
    unit, sign = (*parts[at + 1 :], "", "")[:2]
    wanted = channel.rpartition("_")[2]
    known: SourceUnit | None = motion_unit(unit) if unit else SourceUnit(wanted, 1.0)
    if known is None or (known.unit != wanted and wanted != "au"):
        raise ImportRefusedError(
            f"--map {quoted(text)}: {quoted(unit)} is no unit of {wanted}; {form}"
        )
    if sign not in _SIGNS:
        raise ImportRefusedError(f"--map {quoted(text)}: the sign is {quoted(sign)}; give + or -")
    return ChosenChannel(column, channel, unit or wanted, _SIGNS[sign])


def known_columns(choices: Choices, columns: Sequence[SourceColumn]) -> list[str]:
    """Return a line for each chosen column that the file does not have."""
    named = [
        ("--time", choices.time),
        ("--patient", choices.patient),
        *(("--map", chosen.column) for chosen in choices.channels),
        *(("--ignore", column) for column in choices.ignored),
    ]
    there = ", ".join(quoted(column.shown) for column in columns[:20])
    return [
        f"{option} {quoted(column)}: there is no such column; there are {there}"
        for option, column in named
        if column and not any(each.is_called(column) for each in columns)
    ]
