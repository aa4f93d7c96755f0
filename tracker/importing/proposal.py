"""Put together how a table is to be read: times, channels, what is left out, what is not sure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.recording_bounds import LARGEST, missing_marks, seconds, time_finding, value_finding
from tracker.importing import channels as words
from tracker.importing.breathing import breathing_period_s
from tracker.importing.cell_numbers import parsed
from tracker.importing.channels import Meaning, meaning_of
from tracker.importing.choices import Choices, known_columns
from tracker.importing.errors import ImportRefusedError, quoted, refused
from tracker.importing.sample_times import ChosenTimes, choose_times
from tracker.importing.source_table import SourceColumn, SourceTable
from tracker.importing.units import motion_unit, time_factor
from tracker.importing.validity import invalid_rows

Floats = NDArray[np.float64]

FEWEST_ROWS = 10
_OWN_CHANNEL = re.compile(r"[a-z][a-z0-9_]*_(?:mm|deg|au)")
HUGE = 1e20
"""A larger number is a device's mark for no value, such as NDI's -3.697314E28."""
LEAST_MOTION_MM = 0.02
MOST_MOTION_MM = 300.0
"""The largest range of the middle nine tenths of a channel."""


@dataclass(frozen=True, slots=True)
class PlannedChannel:
    """A column of the file and the channel it becomes: value = sign · factor · cell - offset."""

    column: str
    channel: str
    unit: str
    factor: float
    sign: int
    offset: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """How one recording of a file is read; with questions it must not be written."""

    part: str
    times: ChosenTimes
    channels: tuple[PlannedChannel, ...]
    values: Floats
    """Shape (N, C), in the units of the channels; NaN: missing."""
    unused: tuple[tuple[str, str], ...]
    """Columns that are left out, and why."""
    remarks: tuple[str, ...]
    questions: tuple[str, ...]
    period_s: float | None
    """The guessed breathing period."""


@dataclass(slots=True)
class _Draft:
    """What is known while the columns are looked at one by one."""

    channels: list[PlannedChannel] = field(default_factory=list[PlannedChannel])
    values: list[Floats] = field(default_factory=list[Floats])
    unused: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    remarks: list[str] = field(default_factory=list[str])
    questions: list[str] = field(default_factory=list[str])


def propose(path: Path, table: SourceTable, choices: Choices) -> list[Proposal]:
    """Return a proposal for each recording of a table: one a patient.

    Raises `ImportRefusedError` for what is wrong with the file; what is only unclear is a question.
    """
    wrong = known_columns(choices, table.columns)
    if wrong:
        raise ImportRefusedError([f"{path}: {line}" for line in wrong])
    own = _is_own(table)
    meanings = [_meaning(column, choices, own) for column in table.columns]
    return [
        _propose_one(path, part, meanings, choices)
        for part in _by_patient(table, meanings, choices)
    ]


def _is_own(table: SourceTable) -> bool:
    """Return whether the columns are named as the project names them: nothing is to be guessed."""
    titles = [column.shown for column in table.columns]
    return (
        len(titles) > 1
        and titles[0] == "time_s"
        and all(_OWN_CHANNEL.fullmatch(title) for title in titles[1:])
    )


def _meaning(column: SourceColumn, choices: Choices, own: bool) -> Meaning:
    if choices.channel_of(column) is not None:
        return Meaning(words.MOTION)
    if column.is_called(choices.time):
        return Meaning(words.TIME)
    if choices.ignores(column):
        return Meaning(words.NOT_USED, why="as asked")
    if column.is_called(choices.patient):
        return Meaning(words.PATIENT)
    if own and column.shown != "time_s":
        return Meaning(words.MOTION, column.header)
    unit = motion_unit(column.unit) if column.unit else None
    if column.unit and unit is None and time_factor(column.unit) is not None:
        return Meaning(words.TIME)
    said = None if unit is None else unit.unit
    return meaning_of(column.header, angle=said == "deg", arbitrary=said == "au")


def _by_patient(table: SourceTable, meanings: list[Meaning], choices: Choices) -> list[SourceTable]:
    """Split a table by its column of patients, where there is one with several."""
    for column, meaning in zip(table.columns, meanings, strict=True):
        if meaning.kind != words.PATIENT or column.numbers is not None:
            continue
        rows: dict[str, list[int]] = {}
        for row, cell in enumerate(column.cells):
            rows.setdefault(cell.strip().strip('"'), []).append(row)
        if len(rows) > 1 and (not choices.patient or column.is_called(choices.patient)):
            return [table.select(its, name or "none") for name, its in rows.items()]
    return [table]


def _propose_one(
    path: Path, table: SourceTable, meanings: list[Meaning], choices: Choices
) -> Proposal:
    draft = _Draft(remarks=list(table.remarks))
    times = choose_times(path, table, meanings, choices)
    rows = times.rows
    bad = invalid_rows(table, meanings)
    draft.questions.extend(bad.questions)
    draft.remarks.extend(bad.remarks)
    for column, meaning in zip(table.columns, meanings, strict=True):
        _look_at(path, table, column, meaning, choices, draft, alone=_alone(table, meanings))
    values = np.column_stack(draft.values) if draft.values else np.empty((len(rows), 0))
    if draft.values:
        values[bad.rows] = np.nan
        values = values[rows]
    if times.question:
        draft.questions.insert(0, times.question)
    if not draft.channels and not draft.questions:
        headers = ", ".join(quoted(column.shown) for column in table.columns[:12])
        draft.questions.append(
            f"which column is the motion? --map 'COLUMN:ext_mm:UNIT'; there are {headers}"
        )
    if choices.channels:
        # Somebody said what the columns are: those not named are simply not wanted.
        draft.questions = [q for q in draft.questions if not q.startswith("column ")]
        draft.remarks = [r for r in draft.remarks if not r.startswith("column ")]
    _check_names(draft)
    if draft.channels and not draft.questions:
        values = _check(path, table, times, draft, values)
    return Proposal(
        part=table.part,
        times=times,
        channels=tuple(draft.channels),
        values=values,
        unused=tuple(draft.unused),
        remarks=(*draft.remarks, *times.remarks),
        questions=tuple(draft.questions),
        period_s=breathing_period_s(times.times_s, values) if not draft.questions else None,
    )


def _alone(table: SourceTable, meanings: list[Meaning]) -> str:
    """Return the only column that can be motion though its name says nothing; empty: none."""
    if any(meaning.kind == words.MOTION for meaning in meanings):
        return ""
    unknown = [
        column.shown
        for column, meaning in zip(table.columns, meanings, strict=True)
        if meaning.kind == words.UNKNOWN and not meaning.question and motion_unit(column.unit)
    ]
    return unknown[0] if len(unknown) == 1 else ""


def _look_at(
    path: Path,
    table: SourceTable,
    column: SourceColumn,
    meaning: Meaning,
    choices: Choices,
    draft: _Draft,
    alone: str,
) -> None:
    """Add one column to the draft: as a channel, as left out, or as a question."""
    chosen = choices.channel_of(column)
    if meaning.kind in (words.NOT_USED, words.PATIENT, words.VALID):
        if column.shown:
            draft.unused.append((column.shown, meaning.why or meaning.kind))
        return
    if meaning.kind == words.TIME:
        return
    if meaning.kind == words.UNKNOWN:
        if meaning.question:
            draft.questions.append(f"column {quoted(column.shown)}: {meaning.question}")
            return
        if column.shown != alone:
            draft.unused.append((column.shown, "its name is not understood"))
            return
        base = "belt" if _is_arbitrary(column.unit) else "ext"
        meaning = Meaning(words.MOTION, base, why="the only column with a unit of motion")
    numbers, unit = _numbers(path, table, column, draft)
    if chosen is not None:
        if column.unit and motion_unit(column.unit) != motion_unit(chosen.unit):
            draft.remarks.append(
                f"{quoted(column.shown)} is read in {chosen.unit} as asked, it says {column.unit}"
            )
        known = motion_unit(chosen.unit)
        factor = 1.0 if known is None or chosen.channel.endswith("_au") else known.factor
        planned = PlannedChannel(
            column.shown, chosen.channel, chosen.unit, factor, chosen.sign, why="as asked"
        )
    else:
        found = _planned(table, column, meaning, unit, numbers)
        if isinstance(found, str):
            draft.questions.append(found)
            return
        planned = found
    draft.channels.append(planned)
    draft.values.append(planned.sign * planned.factor * numbers)


def _is_arbitrary(unit: str) -> bool:
    known = motion_unit(unit)
    return known is not None and known.unit == "au"


def _numbers(
    path: Path, table: SourceTable, column: SourceColumn, draft: _Draft
) -> tuple[Floats, str]:
    """Return a column's numbers without the marks for no value, and its unit."""
    if column.numbers is not None:
        numbers, unit = column.numbers.astype(np.float64), column.unit
        numbers[~np.isfinite(numbers)] = np.nan
    else:
        found = parsed(column.cells, table.decimal)
        if found.bad_row is not None:
            what = f"{quoted(column.shown)} is {quoted(column.cells[found.bad_row])}"
            remedy = "no number in the notation of the others; correct it or --ignore the column"
            raise refused(path, f"{what}, {remedy}", table.line(found.bad_row))
        numbers, unit = found.numbers, column.unit or found.unit
    known = np.flatnonzero(np.isfinite(numbers))
    marked = np.abs(numbers[known]) > HUGE
    marked |= missing_marks(np.where(marked, 0.0, numbers[known]))
    if marked.any():
        first = int(known[marked.argmax()])
        where = "" if table.line(first) is None else f", the first in line {table.line(first)}"
        draft.remarks.append(
            f"{quoted(column.shown)}: {int(marked.sum())} values such as {numbers[first]:.7g} are "
            f"marks for no value{where}"
        )
        numbers = numbers.copy()
        numbers[known[marked]] = np.nan
    return numbers, unit


def _planned(
    table: SourceTable, column: SourceColumn, meaning: Meaning, unit: str, numbers: Floats
) -> PlannedChannel | str:
    """Return the channel of a column, or the question that is open."""
    base, why = meaning.base, meaning.why
    known = motion_unit(unit) if unit else None
    if known is None and not unit and base != "belt":
        said = table.facts.get("unit", "")
        known, unit = (motion_unit(said), said) if said else (None, "")
        why = why or (f"the file says that it is in {said}" if said else "")
    if known is None and base == "surface":
        unit = _unit_of_distance(numbers)
        known = motion_unit(unit) if unit else None
        why += f"; distances of {float(np.nanmedian(numbers)):.4g} are {unit}" if unit else ""
    if known is None and base == "belt":
        return PlannedChannel(column.shown, "belt_au", unit or "au", 1.0, meaning.sign, why=why)
    if known is None:
        kind = f"unit {quoted(unit)} is unknown" if unit else "no unit is given"
        return (
            f"column {quoted(column.shown)}: {kind}; say --map '{column.shown}:{base}_mm:mm', "
            "or cm, m, or belt_au if it is no length"
        )
    if known.unit == "deg" and not base.startswith("int_r"):
        return f"column {quoted(column.shown)}: an angle; leave it out with --ignore"
    channel = f"{base}_{known.unit}"
    if base == "surface":
        numbers = np.where(numbers == 0.0, np.nan, numbers)
    return PlannedChannel(column.shown, channel, unit, known.factor, meaning.sign, why=why)


def _unit_of_distance(numbers: Floats) -> str:
    """Return the unit of distances from a camera, which is 0.2 to 5 m from the chest."""
    known = numbers[np.isfinite(numbers) & (numbers != 0.0)]
    middle = float(np.median(np.abs(known))) if known.size else 0.0
    return "m" if 0.2 <= middle <= 5.0 else "mm" if 200.0 <= middle <= 5000.0 else ""


def _check_names(draft: _Draft) -> None:
    names = [planned.channel for planned in draft.channels]
    for name in sorted({name for name in names if names.count(name) > 1}):
        columns = " and ".join(quoted(p.column) for p in draft.channels if p.channel == name)
        draft.questions.append(
            f"{columns} would both be {name}; leave one out with --ignore, or name them with --map"
        )


def _check(
    path: Path, table: SourceTable, times: ChosenTimes, draft: _Draft, values: Floats
) -> Floats:
    """Check times and values as the reader of recordings will; move far coordinates nearer."""
    found = time_finding(times.times_s)
    if found is not None:
        row = None if found.row is None else times.rows[found.row]
        raise refused(path, found.what, None if row is None else table.line(row))
    if len(times.times_s) < FEWEST_ROWS:
        raise refused(path, f"{len(times.times_s)} samples, at least {FEWEST_ROWS} are needed")
    for at, planned in enumerate(draft.channels):
        if planned.channel.startswith("surface") or planned.column in _distances(draft):
            values[values[:, at] == 0.0, at] = np.nan  # a depth camera's zero: nothing was seen
        values[:, at], draft.channels[at] = _nearer(planned, values[:, at])
        if draft.channels[at].offset:
            draft.remarks.append(
                f"{planned.channel}: {draft.channels[at].offset:g} mm are subtracted: "
                f"coordinates of over {LARGEST['mm']:g} mm are from the camera"
            )
    impossible = value_finding([p.channel for p in draft.channels], values)
    if impossible is not None:
        row = None if impossible.row is None else times.rows[impossible.row]
        raise refused(path, impossible.what, None if row is None else table.line(row))
    _doubt_units(draft, values)
    return values


def _distances(draft: _Draft) -> set[str]:
    return {planned.column for planned in draft.channels if planned.channel.startswith("surface")}


def _nearer(planned: PlannedChannel, values: Floats) -> tuple[Floats, PlannedChannel]:
    """Subtract a whole number from coordinates that a camera gives from metres away."""
    camera = planned.channel.startswith("surface") or planned.channel[-5:] in (
        "_x_mm", "_y_mm", "_z_mm",
    )  # fmt: skip
    known = values[np.isfinite(values)]
    if not camera or not known.size or np.abs(known).max() <= LARGEST["mm"]:
        return values, planned
    offset = float(round(float(known[0])))
    if np.abs(known - offset).max() > LARGEST["mm"]:
        return values, planned
    moved = PlannedChannel(
        planned.column, planned.channel, planned.unit, planned.factor, planned.sign, offset,
        planned.why,
    )  # fmt: skip
    return values - offset, moved


def _doubt_units(draft: _Draft, values: Floats) -> None:
    """Ask where the size of a motion does not fit its unit."""
    spans: list[float] = []
    for at, planned in enumerate(draft.channels):
        if not planned.channel.endswith("_mm") or planned.why == "as asked":
            spans.append(1.0)
            continue
        known = values[np.isfinite(values[:, at]), at]
        low, high = (float(np.percentile(known, at)) if known.size else 0.0 for at in (5, 95))
        spans.append(high - low)
        if spans[-1] > MOST_MOTION_MM:
            draft.questions.append(
                f"column {quoted(planned.column)}: moves by {spans[-1]:.4g} mm if its unit is "
                f"{planned.unit}; say --map '{planned.column}:{planned.channel}:UNIT'"
            )
    if spans and max(spans) < LEAST_MOTION_MM:
        draft.questions.append(
            f"no channel moves by more than {seconds(max(spans))} mm; is the unit "
            f"{draft.channels[0].unit} right? --map 'COLUMN:CHANNEL:UNIT'"
        )
