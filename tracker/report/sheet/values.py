"""The content of a sheet, as frozen values: what HTML and PDF both show.

A sheet opens with a verdict, one sentence that answers, and what to do. Identity, tables and charts
follow in sections.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["pass", "fail", "not judged"]

NOT_RECORDED = "not recorded"
"""What a cell says when the journal does not hold the figure."""


class ChartSeries(NamedTuple):
    """Points of a chart; ``style`` says how they are drawn. NaN interrupts a line."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: Literal["line", "points", "both", "bars"] = "line"


class SheetChart(NamedTuple):
    """A chart: its title, axes, series, and horizontal limits with their names.

    ``names`` replace the numbers 0, 1, … of the x axis where they are given.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[ChartSeries, ...]
    limits: tuple[tuple[float, str], ...] = ()
    names: tuple[str, ...] = ()
    y_from_zero: bool = False


class SheetTable(NamedTuple):
    """A table: its title, the columns' names and the rows as text.

    ``verdicts`` has one entry a row, or none where nothing is judged. ``most_on_paper`` is the
    number of rows that the PDF shows; the HTML shows all.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    verdicts: tuple[Verdict, ...] = ()
    most_on_paper: int = 12


class SheetSection(NamedTuple):
    """A part of a sheet with its heading."""

    title: str
    lead: str = ""
    tables: tuple[SheetTable, ...] = ()
    charts: tuple[SheetChart, ...] = ()


class Sheet(NamedTuple):
    """All of one page: title, verdict, answer in one sentence, what to do, identity, sections."""

    title: str
    subtitle: str
    verdict: Verdict
    answer: str
    to_do: tuple[str, ...]
    identity: tuple[tuple[str, str], ...]
    sections: tuple[SheetSection, ...]
    notice: str = ""


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """Return a figure as text with its unit; `NOT_RECORDED` for ``None``."""
    if value is None:
        return NOT_RECORDED
    text = f"{value:.{digits}f}"
    if float(text) == 0.0:
        text = text.lstrip("-")
    return f"{text} {unit}" if unit else text
