"""Write a sheet as a PDF of at most four A4 pages.

The pages are drawn with matplotlib, which the program needs anyway. Text is embedded as text, so
it can be searched and copied. A sheet that would need more pages shows fewer rows of its
longest tables and says how many it left out.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

from tracker.report.sheet.chart_drawing import draw_chart
from tracker.report.sheet.html import VERDICT_WORDS
from tracker.report.sheet.values import Sheet, SheetChart, SheetTable, Verdict

MOST_PAGES = 4
_WIDTH_IN, _HEIGHT_IN = 8.27, 11.69
_MARGIN_IN = 0.6
_BODY_PT = 7.6
_LINE_IN = 0.138
_CHART_IN = 1.95
_CHARACTERS_PER_IN = 16.4
"""Characters of the body's font that fit into an inch, a little fewer than the mean."""

_COLOUR: dict[Verdict, str] = {"pass": "#1b6b3a", "fail": "#a8001c", "not judged": "#5b5b5b"}
_MOST_LINES = 8
"""A longer text in a cell is cut on paper; the HTML has all of it."""
_ROW_CAPS = (1000, 12, 8, 6, 4, 3)


class _Item(NamedTuple):
    """A block that is not divided between pages: its height, and how to draw it."""

    height_in: float
    draw: Any
    """Called with (figure, top in inches from the page's upper edge)."""
    keep_with_next: bool = False


def pdf_of(sheet: Sheet) -> bytes:
    """Return the PDF's bytes; the same sheet gives the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_pdf import PdfPages

    settings: Any = matplotlib
    into = io.BytesIO()
    metadata = {"Title": f"{sheet.title}: {sheet.subtitle}", "CreationDate": None}
    with (
        settings.rc_context({"pdf.fonttype": 42}),
        PdfPages(into, metadata=metadata) as opened,
    ):
        file: Any = opened
        for figure in _pages(sheet):
            file.savefig(figure)
    return into.getvalue()


def page_pictures(sheet: Sheet, dpi: int = 80) -> list[bytes]:
    """Return every page of the PDF as PNG, for a look at it."""
    pictures: list[bytes] = []
    for figure in _pages(sheet):
        into = io.BytesIO()
        figure.savefig(into, format="png", dpi=dpi)
        pictures.append(into.getvalue())
    return pictures


def _pages(sheet: Sheet) -> list[Any]:
    """Return the pages as matplotlib figures: at most four."""
    pages: list[list[tuple[float, _Item]]] = []
    for most_rows in _ROW_CAPS:
        pages = _laid_out(_items(sheet, most_rows))
        if len(pages) <= MOST_PAGES:
            break
    is_cut = len(pages) > MOST_PAGES
    pages = pages[:MOST_PAGES]
    return [_page(sheet, page, at, len(pages), is_cut) for at, page in enumerate(pages, 1)]


def _page(
    sheet: Sheet, items: Sequence[tuple[float, _Item]], place: int, count: int, is_cut: bool
) -> Any:
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN))
    for top_in, item in items:
        item.draw(figure, top_in)
    more = "; more is in the HTML and JSON files" if is_cut and place == count else ""
    _text(
        figure, _MARGIN_IN, _HEIGHT_IN - 0.32,
        f"tidetrack · {sheet.title} · {sheet.subtitle} · page {place} of {count}{more}", 6.5,
        colour="#5b5b5b",
    )  # fmt: skip
    _text(
        figure, _MARGIN_IN, _HEIGHT_IN - 0.2,
        "Research software, not a medical device. Nothing here may be used to treat a person.",
        6.5, colour="#5b5b5b",
    )  # fmt: skip
    return figure


def _laid_out(items: Sequence[_Item]) -> list[list[tuple[float, _Item]]]:
    """Return the pages: each item with its distance from the upper edge."""
    bottom = _HEIGHT_IN - 0.5
    pages: list[list[tuple[float, _Item]]] = [[]]
    top = 0.45
    for place, item in enumerate(items):
        needed = item.height_in
        following = place
        while items[following].keep_with_next and following + 1 < len(items):
            following += 1
            needed += items[following].height_in
        if top + needed > bottom and pages[-1]:
            pages.append([])
            top = 0.45
        pages[-1].append((top, item))
        top += item.height_in
    return pages


def _items(sheet: Sheet, most_rows: int) -> list[_Item]:
    items = [_verdict_item(sheet), *_to_do_items(sheet)]
    if sheet.notice:
        items += _lines(sheet.notice, colour="#a8001c")
    for section in sheet.sections:
        items.append(_heading(section.title))
        if section.lead:
            items += [each._replace(keep_with_next=True) for each in _lines(section.lead)]
        for table in section.tables:
            items += _table_items(table, most_rows)
        for start in range(0, len(section.charts), 2):
            items.append(_chart_item(section.charts[start : start + 2]))
    items.append(_heading("Identity and hashes"))
    items += _table_items(SheetTable("", ("what", "value"), sheet.identity, most_on_paper=30), 1000)
    return items


def _verdict_item(sheet: Sheet) -> _Item:
    lines = textwrap.wrap(sheet.answer, 78)
    height = 0.42 + 0.21 * len(lines)

    def draw(figure: Any, top_in: float) -> None:
        figure.text(
            _MARGIN_IN / _WIDTH_IN, 1 - (top_in + 0.15) / _HEIGHT_IN,
            f" {VERDICT_WORDS[sheet.verdict]} ", fontsize=13, fontweight="bold", color="white",
            va="center",
            bbox={"facecolor": _COLOUR[sheet.verdict], "edgecolor": "none", "pad": 3.0},
        )  # fmt: skip
        for place, line in enumerate(lines):
            _text(figure, _MARGIN_IN, top_in + 0.46 + 0.21 * place, line, 11.5, weight="bold")

    return _Item(height, draw)


def _to_do_items(sheet: Sheet) -> list[_Item]:
    if not sheet.to_do:
        return _lines("To do: nothing.", weight="bold")
    return [
        *_lines("To do:", weight="bold"),
        *(item for each in sheet.to_do for item in _lines(f"• {each}")),
    ]


def _heading(text: str) -> _Item:
    def draw(figure: Any, top_in: float) -> None:
        _text(figure, _MARGIN_IN, top_in + 0.24, text, 10, weight="bold", colour="#1f3f6e")

    return _Item(0.32, draw, keep_with_next=True)


def _lines(text: str, *, weight: str = "normal", colour: str = "black") -> list[_Item]:
    """Return text as one item, wrapped to the page's width."""
    width = int((_WIDTH_IN - 2 * _MARGIN_IN) * _CHARACTERS_PER_IN)
    wrapped = textwrap.wrap(text, width) or [""]

    def draw(figure: Any, top_in: float) -> None:
        for place, line in enumerate(wrapped):
            at = top_in + _LINE_IN * (place + 0.8)
            _text(figure, _MARGIN_IN, at, line, _BODY_PT, weight=weight, colour=colour)

    return [_Item(_LINE_IN * (len(wrapped) + 0.25), draw)]


def _table_items(table: SheetTable, most_rows: int) -> list[_Item]:
    """Return a table as items: its title and head together with the first row, then each row."""
    shown = min(len(table.rows), table.most_on_paper, most_rows)
    if most_rows >= len(table.rows) and table.most_on_paper >= len(table.rows):
        shown = len(table.rows)
    rows = table.rows[:shown]
    widths = _column_widths(table, rows)
    items: list[_Item] = []
    if table.title:
        items += [e._replace(keep_with_next=True) for e in _lines(table.title, weight="bold")]
    items.append(_row_item(table.columns, widths, weight="bold")._replace(keep_with_next=True))
    for place, row in enumerate(rows):
        verdict = table.verdicts[place] if table.verdicts else None
        items.append(_row_item(row, widths, verdict=verdict))
    hidden = len(table.rows) - len(rows)
    if hidden:
        items += _lines(f"{hidden} more rows are in the HTML and JSON files.", colour="#5b5b5b")
    if table.note:
        items += _lines(table.note, colour="#444444")
    items.append(_Item(0.05, _nothing))
    return items


def _nothing(figure: Any, top_in: float) -> None:
    """Draw nothing: a gap."""


def _column_widths(table: SheetTable, rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the characters of each column; long columns are wrapped to what is left."""
    total = int((_WIDTH_IN - 2 * _MARGIN_IN) * _CHARACTERS_PER_IN)
    wanted = [
        max([len(name), *(len(row[k]) for row in rows)]) + 2 for k, name in enumerate(table.columns)
    ]
    spare = total - sum(wanted)
    while spare < 0:
        longest = max(range(len(wanted)), key=wanted.__getitem__)
        wanted[longest] -= 1
        spare += 1
    return wanted


def _row_item(
    cells: Sequence[str],
    widths: Sequence[int],
    *,
    weight: str = "normal",
    verdict: Verdict | None = None,
) -> _Item:
    wrapped = [
        textwrap.wrap(cell, max(width - 1, 4), max_lines=_MOST_LINES, placeholder=" …") or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    count = max(map(len, wrapped))

    def draw(figure: Any, top_in: float) -> None:
        left = 0
        for cell, lines, width in zip(cells, wrapped, widths, strict=True):
            is_verdict = verdict is not None and cell == VERDICT_WORDS[verdict]
            for place, line in enumerate(lines):
                _text(
                    figure, _MARGIN_IN + left / _CHARACTERS_PER_IN,
                    top_in + _LINE_IN * (place + 0.8), line, _BODY_PT,
                    weight="bold" if is_verdict else weight,
                    colour=_COLOUR[verdict] if is_verdict and verdict else "black",
                )  # fmt: skip
            left += width
        _rule(figure, top_in + _LINE_IN * count + 0.025)

    return _Item(_LINE_IN * count + 0.035, draw)


def _rule(figure: Any, at_in: float) -> None:
    from matplotlib.lines import Line2D

    y = 1 - at_in / _HEIGHT_IN
    x = _MARGIN_IN / _WIDTH_IN
    figure.add_artist(
        Line2D([x, 1 - x], [y, y], linewidth=0.3, color="#cccccc", transform=figure.transFigure)
    )


def _chart_item(charts: Sequence[SheetChart]) -> _Item:
    def draw(figure: Any, top_in: float) -> None:
        gap = 0.55
        wide = (_WIDTH_IN - 2 * _MARGIN_IN - gap) / 2
        for place, chart in enumerate(charts):
            left = _MARGIN_IN + 0.4 + place * (wide + gap)
            axes = figure.add_axes(
                (
                    left / _WIDTH_IN,
                    1 - (top_in + _CHART_IN - 0.45) / _HEIGHT_IN,
                    (wide - 0.4) / _WIDTH_IN,
                    (_CHART_IN - 0.75) / _HEIGHT_IN,
                )
            )
            draw_chart(axes, chart)

    return _Item(_CHART_IN, draw)


def _text(
    figure: Any, left_in: float, baseline_in: float, text: str, size: float, *,
    weight: str = "normal", colour: str = "black",
) -> None:  # fmt: skip
    figure.text(
        left_in / _WIDTH_IN, 1 - baseline_in / _HEIGHT_IN, text.replace("$", r"\$"),
        fontsize=size, fontweight=weight, color=colour, va="baseline",
    )  # fmt: skip
