"""Find the sample times in a column: plain numbers, clock times, dates, epochs.

Only differences of time matter. A clock time may pass midnight once a day; a date beside it is
then not needed, so its notation (day or month first) decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.recording_bounds import seconds
from tracker.importing.cell_numbers import cleaned, parsed
from tracker.importing.source_table import SourceColumn
from tracker.importing.units import time_factor

Floats = NDArray[np.float64]

STEPS_S = (0.0005, 1.0)
"""Usual times between samples; decides between units where a file names none."""
EPOCHS = (("s", 1e8, 1e10), ("ms", 1e11, 1e13), ("us", 1e14, 1e16), ("ns", 1e17, 1e19))
"""Magnitudes of the time since 1970 in each unit, from 1973 on."""
_DAY_S = 86_400.0
_SERIAL_DAYS = (20_000.0, 80_000.0)
"""Days since 1900 as spreadsheets count them, from 1954 to 2119."""
_STEP_DAYS = 2.0 / 86_400.0
_MONTHS = "jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_DATE = rf"\d{{1,4}}[-/.](?:\d{{1,2}}|{_MONTHS})[-/.]\d{{1,4}}|\d{{8}}(?=[T ])"
_CLOCK = re.compile(
    rf"(?:(?P<date>{_DATE})[T ,;]*)?"
    r"(?:(?P<h>\d{1,2}):)?(?P<m>\d{1,2}):(?P<s>\d{1,2})(?:[.,:](?P<f>\d{1,9}))?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)


class FoundTimes(NamedTuple):
    """Sample times in seconds, from where they count, and how the column was read."""

    times_s: Floats
    unit: str
    origin: str
    """The first stamp as the file has it."""
    resolution_s: float
    """The smallest step of the stamps."""
    remarks: tuple[str, ...] = ()


class TimeProblem(NamedTuple):
    """Why a column gives no times: a question or a fault, with the row where there is one."""

    what: str
    row: int | None = None


def looks_like_time(cell: str) -> bool:
    """Return whether a cell is a clock time, perhaps with a date."""
    return ":" in cell and _CLOCK.fullmatch(cell.strip().strip('"').strip()) is not None


def read_times(column: SourceColumn, decimal: str, unit: str = "") -> FoundTimes | TimeProblem:
    """Return the times of a column; ``unit`` overrides what its header says."""
    said = unit or column.unit
    if column.numbers is not None:
        return _numeric(column.numbers, said, str(column.numbers[0]), bool(unit))
    sample = next((cell for cell in column.cells if cleaned(cell)), "")
    if looks_like_time(sample):
        return _clock(column.cells)
    cells = [cleaned(cell) for cell in column.cells]
    exact = _exact(cells, decimal)
    if exact is not None:
        numbers, offset = exact
        return _numeric(numbers, said, sample, bool(unit), float(offset))
    found = parsed(column.cells, decimal)
    if found.bad_row is not None:
        what = f"time is {column.cells[found.bad_row][:40]!a}, no number"
        return TimeProblem(what, found.bad_row)
    blank = np.flatnonzero(np.isnan(found.numbers))
    if blank.size:
        return TimeProblem("the time is missing; remove the row", int(blank[0]))
    return _numeric(found.numbers, said or found.unit, sample, bool(unit))


def _exact(cells: Sequence[str], decimal: str) -> tuple[Floats, Decimal] | None:
    """Return numbers of many digits from the first one, without losing their last digits."""
    if len(cells[0]) < 15:
        return None
    try:
        first = Decimal(cells[0].replace(decimal, "."))
        if not first.is_finite():
            return None
        values = [float(Decimal(cell.replace(decimal, ".")) - first) for cell in cells]
    except (InvalidOperation, ValueError, OverflowError):
        return None
    numbers = np.array(values)
    return (numbers, first) if np.isfinite(numbers).all() else None


def _numeric(
    numbers: Floats, said: str, origin: str, forced: bool, offset: float = 0.0
) -> FoundTimes | TimeProblem:
    if not np.isfinite(numbers).all():
        return TimeProblem("the time is missing", int(np.flatnonzero(~np.isfinite(numbers))[0]))
    steps = np.diff(numbers)
    positive = np.abs(steps[steps != 0.0])
    if not positive.size:
        return TimeProblem("the time stands still; name another column with --time")
    step = float(np.median(positive))
    likely = _likely_units(step, float(numbers[0]) + offset)
    remarks: tuple[str, ...] = ()
    if said and time_factor(said) is None:
        return TimeProblem(f"the unit of time {said[:20]!a} is unknown; say --time COLUMN:ms")
    if said:
        factor = time_factor(said) or 1.0
        if not forced and likely and not any(time_factor(u) == factor for u in likely):
            usual = " or ".join(likely)
            return TimeProblem(
                f"the unit of time is {said}, but steps of {seconds(step)} look like {usual}; "
                f"say --time COLUMN:{likely[0]}, or --time COLUMN:{said}"
            )
        unit = said
    elif len(likely) == 1:
        unit = likely[0]
        remarks = (f"no unit of time is given; steps of {seconds(step)} are {unit}",)
    else:
        usual = " or ".join(likely) or "no usual unit"
        return TimeProblem(
            f"no unit of time is given, and steps of {seconds(step)} look like {usual}; "
            "say --time COLUMN:UNIT"
        )
    factor = time_factor(unit) or 1.0
    times = (numbers - numbers[0]) * factor
    return FoundTimes(times, unit, origin, float(positive.min()) * factor, remarks)


def _likely_units(step: float, first: float) -> list[str]:
    """Return the units in which a step is that of a usual recording.

    A step of 0.5 to 1 has two: it may be seconds at 1 to 2 Hz, or milliseconds at 1 to 2 kHz.
    """
    for unit, low, high in EPOCHS:
        if low <= abs(first) < high and STEPS_S[0] <= step * (time_factor(unit) or 1.0) <= 2.0:
            return [unit]
    if _SERIAL_DAYS[0] < first < _SERIAL_DAYS[1] and step < _STEP_DAYS:
        return ["d"]
    return [
        unit
        for unit in ("s", "ms", "us", "ns")
        if STEPS_S[0] <= step * (time_factor(unit) or 1.0) <= STEPS_S[1]
    ]


def _clock(cells: Sequence[str]) -> FoundTimes | TimeProblem:
    """Read clock times; each step back of about a day, or change of date, is midnight."""
    times = np.empty(len(cells))
    dates: list[str] = []
    digits = 0
    for row, cell in enumerate(cells):
        found = _CLOCK.fullmatch(cell.strip().strip('"').strip())
        if found is None:
            what = "the time is missing" if not cell.strip() else f"time is {cell[:40]!a}"
            return TimeProblem(f"{what}, the others are clock times", row)
        hour, minute, second = int(found["h"] or 0), int(found["m"]), int(found["s"])
        if found["half"]:
            hour = hour % 12 + (12 if found["half"][0] in "pP" else 0)
        if minute > 59 or second > 60 or hour > 24:
            return TimeProblem(f"time is {cell[:40]!a}, no time of the day", row)
        fraction = found["f"] or ""
        digits = max(digits, len(fraction))
        times[row] = hour * 3600.0 + minute * 60.0 + second + float(f"0.{fraction or 0}")
        date = found["date"] or ""
        if not dates or dates[-1] != date:
            dates.append(date)
    rounds = np.flatnonzero(np.diff(times) < -0.5 * _DAY_S)
    for row in rounds:
        times[row + 1 :] += _DAY_S
    if len(dates) > 1 and len(dates) - 1 != rounds.size:
        return TimeProblem(f"the date changes {len(dates) - 1} times, midnight {rounds.size} times")
    return FoundTimes(times - times[0], "clock", cells[0].strip(), 10.0**-digits)
