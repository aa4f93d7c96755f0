"""Turn the cells of a text file into numbers: decimal separator, missing marks, units in cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MISSING = frozenset((
    "", "na", "n/a", "nan", "-nan", "null", "none", "nil", "missing", "-", "--", "---", "?",
    "#n/a", "#n/d", "#value!", "nd", "n.d.", ".", "*", "***", "leer", "fehlt", "void", "invalid",
    "lost", "ind", "1.#qnan", "-1.#ind", "1.#inf",
))  # fmt: skip
"""What exports write for "no value", in lower case."""
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NUMBER_AND_UNIT = re.compile(rf"({NUMBER.pattern})\s*([A-Za-zµμ%°][A-Za-zµμ%°./²]*)?")
_BLANKS = str.maketrans({"\u2212": "-", "\u00a0": "", "\u202f": "", "\u2009": "", "'": "", "’": ""})
_ANY_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?")
_GROUPS = r"[+-]?\d{{1,3}}(?:\{0}\d{{3}})+"
_GROUPED = {mark: re.compile(_GROUPS.format(mark)) for mark in ",."}


class ParsedCells(NamedTuple):
    """The numbers of a column (NaN: missing), the unit in its cells, and the first bad row."""

    numbers: NDArray[np.float64]
    unit: str
    bad_row: int | None


def cleaned(cell: str) -> str:
    """Return a cell without blanks, quotes and typographic signs around its number."""
    return cell.strip().strip('"').strip().translate(_BLANKS)


def is_missing(cell: str) -> bool:
    """Return whether a cell holds no value."""
    return cell.strip().strip('"').strip().lower() in MISSING


def looks_numeric(cell: str) -> bool:
    """Return whether a cell is a number, in any notation, perhaps with a unit behind it."""
    text = cleaned(cell)
    found = _ANY_NUMBER.match(text)
    return found is not None and len(text) - found.end() <= 5


def decimal_separator(cells: Iterable[str]) -> str | None:
    """Return the decimal separator of a file's cells; ``None``: both readings are possible."""
    commas: list[str] = []
    dots: list[str] = []
    both: set[str] = set()
    for cell in cells:
        text = cleaned(cell)
        found = _ANY_NUMBER.match(text)
        if found is None or ("," not in text and "." not in text):
            continue
        number = re.sub(r"[eE][+-]?\d+$", "", found[0])
        if any(number.count(mark) > 1 and not _GROUPED[mark].match(number) for mark in ",."):
            continue  # a date
        if "," in number and "." in number:
            both.add("," if number.rindex(",") > number.rindex(".") else ".")
        elif "," in number:
            commas.append(number)
        elif "." in number:
            dots.append(number)
    if both:
        return both.pop() if len(both) == 1 else None
    if commas and dots:
        return _of_mixed(commas, dots)
    if not commas:
        return "," if any(number.count(".") > 1 for number in dots) else "."
    if any(number.count(",") > 1 for number in commas):
        return "."
    return "," if any(not _thousands(number, ",") for number in commas) else None


def _of_mixed(commas: Sequence[str], dots: Sequence[str]) -> str | None:
    """Decide where some cells have a comma and others a dot: one of them must group digits."""
    comma_groups = all(_thousands(number, ",") for number in commas)
    dot_groups = all(_thousands(number, ".") for number in dots)
    if comma_groups == dot_groups:
        return None
    return "." if comma_groups else ","


def _thousands(number: str, mark: str) -> bool:
    """Return whether a number could be an integer with its digits in groups of three."""
    digits = number.lstrip("+-")
    return bool(_GROUPED[mark].fullmatch(number)) and not digits.startswith("0")


def parsed(cells: Sequence[str], decimal: str) -> ParsedCells:
    """Return the numbers of a column; units in the cells must be the same throughout."""
    group = "." if decimal == "," else ","
    numbers = np.full(len(cells), np.nan)
    unit: str | None = None
    for row, cell in enumerate(cells):
        if is_missing(cell):
            continue
        text = cleaned(cell)
        if group in text:
            text = text.replace(group, "") if _grouped_rightly(text, group, decimal) else "x"
        text = text.replace(decimal, ".") if decimal != "." else text
        found = _NUMBER_AND_UNIT.fullmatch(text)
        if found is None:
            return ParsedCells(numbers, unit or "", row)
        its_unit: str = found[2] or ""
        unit = its_unit if unit is None else unit
        if unit != its_unit:
            return ParsedCells(numbers, unit, row)
        value = float(found[1])
        if value - value != 0.0:  # too large for a number
            return ParsedCells(numbers, its_unit, row)
        numbers[row] = value
    return ParsedCells(numbers, unit or "", None)


def _grouped_rightly(text: str, group: str, decimal: str) -> bool:
    whole = text.partition(decimal)[0]
    return bool(re.fullmatch(_GROUPS.format(group), whole))
