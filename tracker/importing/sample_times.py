"""Choose the column of time of a table, and bring its rows into the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.recording_bounds import seconds
from tracker.importing import channels as words
from tracker.importing.cell_numbers import parsed
from tracker.importing.channels import INDEX_WORDS, Meaning, words_of
from tracker.importing.choices import Choices
from tracker.importing.errors import quoted, refused
from tracker.importing.source_table import SourceColumn, SourceTable
from tracker.importing.times import FoundTimes, TimeProblem, read_times

Floats = NDArray[np.float64]

RATES_HZ = (0.5, 2000.0)
_AGREE_S = 0.003
"""Two columns of time whose stamps differ by no more say the same."""


@dataclass(frozen=True, slots=True)
class ChosenTimes:
    """The times of the samples from 0, and the rows of the table that they belong to."""

    column: str
    unit: str
    origin: str
    times_s: Floats
    rows: NDArray[np.intp]
    remarks: tuple[str, ...] = ()
    question: str = ""


def choose_times(
    path: Path, table: SourceTable, meanings: Sequence[Meaning], choices: Choices
) -> ChosenTimes:
    """Return the sample times; raises `ImportRefusedError` for stamps out of order."""
    if choices.rate_hz is not None and not choices.time:
        return _counted(path, table, choices.rate_hz, "--rate-hz")
    candidates = [
        column
        for column, meaning in zip(table.columns, meanings, strict=True)
        if (column.is_called(choices.time) if choices.time else meaning.kind == words.TIME)
    ]
    good: list[tuple[SourceColumn, FoundTimes]] = []
    problems: list[tuple[SourceColumn, TimeProblem]] = []
    for column in candidates:
        unit = choices.time_unit if choices.time else ""
        found = read_times(column, table.decimal, unit)
        if isinstance(found, FoundTimes):
            good.append((column, found))
        else:
            problems.append((column, found))
    if not good:
        return _without(path, table, problems)
    column, found = min(good, key=lambda pair: pair[1].resolution_s)
    for other, its in good:
        apart = float(np.abs(its.times_s - found.times_s).max())
        if apart > max(_AGREE_S, 1.01 * its.resolution_s):
            what = f"{quoted(column.shown)} and {quoted(other.shown)} differ by {seconds(apart)} s"
            return _unsure(table, f"two columns of time, {what}; choose one with --time")
    return _ordered(path, table, column, found)


def _without(
    path: Path, table: SourceTable, problems: list[tuple[SourceColumn, TimeProblem]]
) -> ChosenTimes:
    """Return times where no column gives them: from the rate, or a question."""
    if problems:
        column, problem = problems[0]
        if problem.row is not None:
            what = f"{quoted(column.shown)}: {problem.what}"
            raise refused(path, what, table.line(problem.row))
        return _unsure(table, f"column {quoted(column.shown)} of time: {problem.what}")
    if table.rate_hz is not None:
        return _counted(path, table, table.rate_hz, "the file")
    return _unsure(table, "which column is the time? --time COLUMN:UNIT, or --rate-hz RATE")


def _unsure(table: SourceTable, question: str) -> ChosenTimes:
    count = table.columns[0].length if table.columns else 0
    rows = np.arange(count)
    return ChosenTimes("", "", "", rows.astype(np.float64), rows, (), question)


def _counted(path: Path, table: SourceTable, rate_hz: float, source: str) -> ChosenTimes:
    """Return times counted by a rate; a column of frame numbers shows where frames are missing."""
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        low, high = RATES_HZ
        raise refused(path, f"a rate of {rate_hz:g} Hz is outside {low:g} to {high:g}; correct it")
    count = table.columns[0].length
    frames = np.arange(count, dtype=np.float64)
    remark = f"times are counted at {rate_hz:g} Hz, as {source} says"
    column = ""
    for each in table.columns:
        if "frame" not in words_of(each.header) or not set(words_of(each.header)) <= INDEX_WORDS:
            continue
        numbers = each.numbers
        if numbers is None:
            found = parsed(each.cells, table.decimal)
            numbers = None if found.bad_row is not None else found.numbers
        if numbers is None or not np.isfinite(numbers).all() or (np.diff(numbers) <= 0).any():
            continue
        steps = np.diff(numbers)
        if float(np.median(steps)) == 1.0:
            column, frames = each.header, numbers - numbers[0]
            break
    times = frames / rate_hz
    return ChosenTimes(column, "frames", f"{rate_hz:g} Hz", times, np.arange(count), (remark,))


def _ordered(
    path: Path, table: SourceTable, column: SourceColumn, found: FoundTimes
) -> ChosenTimes:
    """Check the order of the stamps; a file written backwards is turned round."""
    times, rows = found.times_s, np.arange(len(found.times_s))
    remarks = list(found.remarks)
    if len(times) > 1 and (np.diff(times) < 0).all():
        times, rows = times[::-1], rows[::-1]
        remarks.append("the rows are in reverse order of time and are turned round")
    same = np.flatnonzero(np.diff(times) == 0)
    twice = [int(at) for at in same if _equal(table, int(rows[at]), int(rows[at + 1]))]
    if twice:
        keep = np.ones(len(times), dtype=np.bool_)
        keep[np.array(twice) + 1] = False
        times, rows = times[keep], rows[keep]
        remarks.append(f"{len(twice)} rows are there twice and count once")
    steps = np.diff(times)
    wrong = np.flatnonzero(steps <= 0)
    if wrong.size:
        at = int(wrong[0]) + 1
        what = f"{quoted(column.shown)}: the stamp comes {seconds(float(-steps[at - 1]))} s after"
        if steps[at - 1] < 0:
            what = f"{quoted(column.shown)}: the stamp is {seconds(float(-steps[at - 1]))} s before"
            raise refused(
                path, f"{what} that of the row above; sort the rows", _line(table, rows, at)
            )
        if wrong.size > 0.05 * len(times):
            fine = seconds(found.resolution_s)
            return _unsure(
                table,
                f"{quoted(column.shown)}: {wrong.size} rows share their stamp with another, its "
                f"steps are {fine} s; give --rate-hz RATE instead, or a finer column with --time",
            )
        raise refused(path, f"{what} the row above; remove one of the rows", _line(table, rows, at))
    times = times - times[0]
    return ChosenTimes(column.shown, found.unit, found.origin, times, rows, tuple(remarks))


def _line(table: SourceTable, rows: NDArray[np.intp], at: int) -> int | None:
    return table.line(int(rows[at]))


def _equal(table: SourceTable, one: int, other: int) -> bool:
    """Return whether two rows of a table are the same."""
    return all(
        (column.cells[one] == column.cells[other])
        if column.numbers is None
        else bool(column.numbers[one] == column.numbers[other])
        for column in table.columns
    )
