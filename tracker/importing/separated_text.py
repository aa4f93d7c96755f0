"""Find the table in a text: separator, header, units, rows, and what stands around them.

Around the rows there may be a preamble, comments, a second header row with units, blank lines and
a footer. A row of another shape in the middle is refused, never passed over.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tracker.importing.cell_numbers import decimal_separator, is_missing, looks_numeric
from tracker.importing.errors import ImportRefusedError, quoted, refused
from tracker.importing.source_table import SourceColumn, SourceTable
from tracker.importing.text_file import DecodedText
from tracker.importing.times import looks_like_time
from tracker.importing.units import is_unit, split_header

FEWEST_ROWS = 10
MOST_COLUMNS = 500
SEPARATORS = {"semicolon": ";", "tab": "\t", "bar": "|", "comma": ",", "blanks": " "}
_COMMENTS = ("#", "%", "//", "!")
_PROBED = 400
_RATE = re.compile(
    r"(?:samples?[ _]*(?:per|/)[ _]*s(?:ec(?:ond)?)?|sampl(?:e|ing)[ _-]*(?:rate|frequency|freq)"
    r"|frame[ _-]*rate|abtastrate|\bfs\b|\brate)[^0-9\n]{0,20}?[=:;,\t ]\s*\"?"
    r"(\d+(?:[.,]\d+)?)\s*\"?(?:hz|/s|s-1|samples/s)?\s*[\";,]*\s*$",
    re.IGNORECASE,
)


class NumberedRow(NamedTuple):
    """One line of a text, split into cells."""

    line: int
    cells: list[str]


class Layout(NamedTuple):
    """Where the table of a text lies."""

    separator: str
    titles: list[str]
    """The headers as the file has them."""
    headers: list[str]
    units: list[str]
    rows: list[NumberedRow]
    preamble: list[str]
    remarks: list[str]


def read_separated(
    path: Path, decoded: DecodedText, separator: str | None = None, decimal: str | None = None
) -> SourceTable:
    """Return the table of a text; raises `ImportRefusedError` where it is not clear."""
    lines = decoded.text.split("\n")
    layout = _layout(path, lines, separator)
    width = len(layout.headers)
    by_column = [[row.cells[at] for row in layout.rows] for at in range(width)]
    used = decimal or decimal_separator(itertools.chain.from_iterable(by_column))
    if used is None:
        raise refused(
            path,
            "a comma may be a decimal sign or group thousands; say --decimal , or --decimal .",
            layout.rows[0].line,
        )
    columns: list[SourceColumn] = []
    for at, cells in enumerate(by_column):
        header, unit, title = layout.headers[at], layout.units[at], layout.titles[at]
        if not header and all(is_missing(cell) for cell in cells):
            continue  # a separator at the end of every row
        columns.append(SourceColumn(header, unit, cells, title=title))
    name = next(key for key, value in SEPARATORS.items() if value == layout.separator)
    return SourceTable(
        columns=tuple(columns),
        lines=[row.line for row in layout.rows],
        rate_hz=_rate(layout.preamble),
        decimal=used,
        facts={"encoding": decoded.encoding, "separator": name, "decimal": used},
        remarks=tuple(layout.remarks),
    )


def _layout(path: Path, lines: Sequence[str], separator: str | None) -> Layout:
    """Choose the separator with which the most lines are rows of numbers."""
    tried = [separator] if separator else list(SEPARATORS.values())
    found: list[tuple[int, int, str]] = []
    for number, mark in enumerate(tried):
        rows, width = _shape(lines, mark)
        if rows >= min(FEWEST_ROWS, 3) and width >= 2:
            found.append((rows, -number, mark))
    if not found:
        only = _single_column(lines)
        if only is None:
            raise refused(path, _no_table(lines))
        found.append((1, 0, only))
    best = max(rows for rows, _, _ in found)
    # The first in the order of SEPARATORS that fits almost as many lines as the best one.
    mark = next(m for rows, _, m in sorted(found, key=lambda f: -f[1]) if rows >= 0.95 * best)
    return _laid_out(path, lines, mark)


def _no_table(lines: Sequence[str]) -> str:
    first = next((line.strip() for line in lines if line.strip()), "")
    return f"no table of numbers was found (it begins with {quoted(first)}); name an export as text"


def _single_column(lines: Sequence[str]) -> str | None:
    """Return a separator for a file with one number a line; ``None``: it has none."""
    numeric = sum(looks_numeric(line) for line in lines[:_PROBED])
    return ";" if numeric >= FEWEST_ROWS else None


def _shape(lines: Sequence[str], mark: str) -> tuple[int, int]:
    """Return how many of the first lines are rows of one width, and that width."""
    widths: Counter[int] = Counter()
    for row in itertools.islice(_rows(lines, mark), _PROBED):
        if _is_data(row.cells):
            widths[len(row.cells)] += 1
    if not widths:
        return 0, 0
    width, count = widths.most_common(1)[0]
    return count, width


def _rows(lines: Sequence[str], mark: str) -> Iterator[NumberedRow]:
    """Yield the lines that hold a letter or digit and are no comment."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if any(map(str.isalnum, text)) and not text.startswith(_COMMENTS):
            yield NumberedRow(number, split(line, mark))


def split(line: str, mark: str) -> list[str]:
    """Split a line into cells; quotes protect what is in them."""
    if mark == " ":
        line, mark = " ".join(line.split()), " "
    elif mark != "\t":
        line = line.strip()
    if '"' not in line:
        return [cell.strip() for cell in line.split(mark)]
    try:
        cells = next(csv.reader(io.StringIO(line), delimiter=mark, skipinitialspace=True))
    except (csv.Error, StopIteration):
        return line.split(mark)
    return [cell.strip() for cell in cells]


def _is_data(cells: Sequence[str]) -> bool:
    """Return whether a row holds values: a number or time, and hardly any other words."""
    values = sum(looks_numeric(cell) or looks_like_time(cell) for cell in cells)
    words = sum(
        not (looks_numeric(cell) or looks_like_time(cell) or is_missing(cell)) for cell in cells
    )
    return values >= 1 and words <= max(values, len(cells) // 2)


def _laid_out(path: Path, lines: Sequence[str], mark: str) -> Layout:
    rows = list(_rows(lines, mark))
    width = _shape(lines, mark)[1]
    if width > MOST_COLUMNS:
        raise refused(path, f"{width} columns, at most {MOST_COLUMNS} are read")
    begin = next(
        (n for n, row in enumerate(rows) if len(row.cells) == width and _is_data(row.cells)), None
    )
    if begin is None:
        raise refused(path, _no_table(lines))
    titles, headers, units, before = _headers(path, lines, rows, begin, width, mark)
    remarks: list[str] = []
    body = rows[begin:]
    # A footer: rows of another shape at the very end.
    end = len(body)
    while end > 0 and (len(body[end - 1].cells) != width or not _is_data(body[end - 1].cells)):
        end -= 1
    footer = body[end:]
    if len(footer) > max(10, end // 20):
        raise _other_shape(path, footer[0], width)
    if footer:
        remarks.append(f"{len(footer)} lines after the rows are a footer (line {footer[0].line})")
    kept: list[NumberedRow] = []
    again = 0
    for row in body[:end]:
        if len(row.cells) != width:
            raise _other_shape(path, row, width)
        if [cell.strip('"') for cell in row.cells] == titles and any(titles):
            again += 1  # a new page; stamps that begin anew are refused later
            continue
        kept.append(row)
    if again:
        remarks.append(f"the header stands there {again + 1} times and counts once")
    if len(kept) < FEWEST_ROWS:
        what = f"{len(kept)} rows of numbers, at least {FEWEST_ROWS} are needed"
        raise refused(path, f"{what}; name a longer recording")
    preamble = [line.strip() for line in lines[: rows[begin].line - 1] if line.strip()]
    return Layout(mark, titles, headers, units, kept, preamble[:before] or preamble, remarks)


def _other_shape(path: Path, row: NumberedRow, width: int) -> ImportRefusedError:
    what = f"{len(row.cells)} cells, the others have {width}"
    if len(row.cells) == 2 * width or len(row.cells) == 2 * width - 1:
        what += "; a decimal comma and a comma between columns cannot be told apart"
    return refused(path, f"{what}; export with semicolons, or correct the row", row.line)


def _headers(
    path: Path,
    lines: Sequence[str],
    rows: Sequence[NumberedRow],
    begin: int,
    width: int,
    mark: str,
) -> tuple[list[str], list[str], list[str], int]:
    """Return titles, names and units of the columns, and the lines of preamble before them."""
    above: list[NumberedRow] = []
    for row in reversed(rows[max(0, begin - 2) : begin]):
        if len(row.cells) not in (width, width - 1, width + 1):
            break
        above.insert(0, row)
    if begin and not above and mark == "," and 2 * len(rows[begin - 1].cells) == width:
        raise _other_shape(path, rows[begin], width // 2)
    names, units = [""] * width, [""] * width
    if above:
        last = _fitted(above[-1].cells, width)
        if _is_units_row(last) and len(above) > 1:
            units, names = last, _fitted(above[-2].cells, width)
        elif not _is_units_row(last) or sum(map(bool, last)) == width:
            names = last
    elif rows[begin].line >= 2:
        comment = lines[rows[begin].line - 2].strip()
        if comment.startswith(_COMMENTS):
            cells = split(comment.lstrip("#%!/ \t"), mark)
            if len(cells) == width:
                names = cells
    split_names = [split_header(name.strip().strip('"').strip()) for name in names]
    whole = [name for name, _ in split_names]
    inner = [unit for _, unit in split_names]
    found = [
        own.strip().strip("[](){}").strip() if is_unit(own) else inner[at]
        for at, own in enumerate(units)
    ]
    double = [name for name, count in Counter(names).items() if name and count > 1]
    if double:
        return _numbered(names, names), _numbered(names, whole), found, max(0, rows[begin].line - 2)
    return names, whole, found, max(0, rows[begin].line - 2)


def _numbered(names: Sequence[str], whole: Sequence[str]) -> list[str]:
    """Give columns of one name a number each."""
    seen: Counter[str] = Counter()
    total = Counter(names)
    result: list[str] = []
    for name, short in zip(names, whole, strict=True):
        seen[name] += 1
        result.append(f"{short} {seen[name]}" if total[name] > 1 and name else short)
    return result


def _fitted(cells: Sequence[str], width: int) -> list[str]:
    """Return a header with as many cells as the rows: one more or fewer is a stray separator."""
    cells = [cell.strip().strip('"').strip() for cell in cells]
    if len(cells) == width - 1:  # an index column without a name, as pandas writes it
        return ["", *cells]
    return cells[:width]


def _is_units_row(cells: Sequence[str]) -> bool:
    """Return whether a row names units: known ones, blanks and dashes only."""
    known = sum(is_unit(cell) for cell in cells)
    rest = sum(not is_unit(cell) and not is_missing(cell) and cell not in ("1", "[]", "[-]")
               and not re.fullmatch(r"[\[(]?(hh:mm:ss.*|yyyy.*|hz|rad|bool|[01]/[01])[\])]?",
                                    cell, re.IGNORECASE) for cell in cells)  # fmt: skip
    return known >= 1 and rest == 0


def _rate(preamble: Sequence[str]) -> float | None:
    """Return the sampling rate that a preamble names; ``None``: none, or several."""
    found = {
        float(match[1].replace(",", "."))
        for line in preamble
        if (match := _RATE.search(line)) is not None
    }
    return found.pop() if len(found) == 1 else None
