"""Read a Varian ``.vxp``, versions 1.4 to 1.6: header lines ``key=value``, then rows by its layout.

Amplitude times ``Scale_factor`` is millimetres, ``timestamp`` counts milliseconds. What
``validflag`` means differs between sources: 0 for a valid sample (the usual reading), or 1. The
usual reading is taken, and a note says how many samples it leaves out and how to have it the other
way: with a line ``Valid_flag=1`` in the header. A file in which no sample is valid is refused.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

NEEDED = ("amplitude", "timestamp", "validflag")
VERSIONS = ("1.4", "1.5", "1.6")
VALID_KEY = "valid_flag"
"""The header's key, in small letters, for the flag of a valid sample."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class VxpError(ValueError):
    """What is wrong with a file, and in which line (from 1; ``None``: the whole file)."""

    def __init__(self, line: int | None, what: str) -> None:
        super().__init__(what)
        self.line = line


class Vxp(NamedTuple):
    """The samples of a file; a sample that is not valid has the amplitude NaN."""

    times_s: list[float]
    amplitudes_mm: list[float]
    lines: list[int]
    notes: tuple[str, ...]
    """What the reader should know: samples left out, an unknown version, another unit of time."""


class _Head(NamedTuple):
    facts: dict[str, tuple[str, int]]
    layout: list[str]
    scale: float
    valid: float | None
    """The flag that the header says is valid; ``None``: it does not say."""
    data: int
    """The index of the first line of data."""


def read_vxp(lines: Sequence[str]) -> Vxp:
    """Read a file's lines; raises `VxpError`."""
    head = _head(lines)
    heights: list[float] = []
    stamps: list[float] = []
    flags: list[float] = []
    numbers: list[int] = []
    for number, line in enumerate(lines[head.data :], head.data + 1):
        if line.strip().startswith("["):  # a later section
            break
        cells = _cells(line, head.layout, number)
        at = dict(zip(head.layout, cells, strict=True))
        heights.append(_parse("amplitude", at["amplitude"], number, blank=True) * head.scale)
        stamps.append(_parse("timestamp", at["timestamp"], number))
        flags.append(_parse("validflag", at["validflag"], number))
        numbers.append(number)
    valid = 0.0 if head.valid is None else head.valid
    notes = [*_version_note(head), *_left_out(flags, valid, told=head.valid is not None)]
    unit_s, note = _unit_of_time(head, stamps)
    kept = [
        height if flag == valid else math.nan for height, flag in zip(heights, flags, strict=True)
    ]
    return Vxp([stamp * unit_s for stamp in stamps], kept, numbers, (*notes, *note))


def _head(lines: Sequence[str]) -> _Head:
    """Read the header up to the line ``[Data]``."""
    facts: dict[str, tuple[str, int]] = {}
    data = None
    for number, line in enumerate(lines, 1):
        if line.strip().lower() == "[data]":
            data = number
            break
        key, _, value = line.partition("=")
        facts[key.strip().lower()] = (value.strip(), number)
    if data is None:
        raise VxpError(len(lines), "no [Data] line; the .vxp is cut short")
    layout = [name.strip().lower() for name in facts.get("data_layout", ("", 0))[0].split(",")]
    absent = [name for name in NEEDED if name not in layout]
    if absent:
        raise VxpError(None, f"Data_layout names no {absent[0]}; export the .vxp again")
    if "scale_factor" not in facts:
        raise VxpError(None, "no Scale_factor in the header: unit of amplitude unknown")
    scale = _parse("Scale_factor", *facts["scale_factor"])
    valid = _parse("Valid_flag", *facts[VALID_KEY]) if VALID_KEY in facts else None
    return _Head(facts, layout, scale, valid, data)


def _cells(line: str, layout: list[str], number: int) -> list[str]:
    """Return a row's cells; blank ones behind the last column are dropped."""
    cells = line.split(",")
    if len(cells) > len(layout) and not any(cell.strip() for cell in cells[len(layout) :]):
        cells = cells[: len(layout)]
    if len(cells) != len(layout):
        what = f"{len(cells)} columns, expected {len(layout)}; complete the row"
        raise VxpError(number, what)
    return cells


def _version_note(head: _Head) -> list[str]:
    """Say that the version is none of those that are known."""
    version = head.facts.get("version", ("", 0))[0]
    if version in VERSIONS:
        return []
    said = f"version {version}" if version else "no version"
    return [f"{said} in the header, known are {', '.join(VERSIONS)}; read by its Data_layout"]


def _left_out(flags: list[float], valid: float, *, told: bool) -> list[str]:
    """Say how many samples are left out by which flag; refuse a file without a valid one."""
    wrong = Counter(f"{flag:g}" for flag in flags if flag != valid)
    if not wrong:
        return []
    count = wrong.total()
    by = ", ".join(f"validflag {flag}: {times}" for flag, times in sorted(wrong.items()))
    other = next(iter(wrong)) if len(wrong) == 1 else "1"
    how = f"where {other} means valid, add the line Valid_flag={other} to its header"
    if told:
        how = f"Valid_flag={valid:g} in its header says so"
    what = f"{count} of {len(flags)} samples are left out ({by}; {valid:g} means valid)"
    if count == len(flags):
        raise VxpError(None, f"{what}: none remains; {how}")
    return [f"{what}; {how}"]


def _unit_of_time(head: _Head, stamps: list[float]) -> tuple[float, list[str]]:
    """Return how long a count of ``timestamp`` is (s), by ``Samples_per_second``.

    The standard unit is a millisecond; a file in seconds is read, with a note.
    """
    steps = sorted(b - a for a, b in itertools.pairwise(stamps))
    if "samples_per_second" not in head.facts or not steps:
        return 1e-3, []
    rate_hz = _parse("Samples_per_second", *head.facts["samples_per_second"])
    period = steps[len(steps) // 2]
    if rate_hz <= 0 or period <= 0:
        return 1e-3, []
    if 0.2 < period * rate_hz * 1e-3 < 5.0:
        return 1e-3, []
    if 0.2 < period * rate_hz < 5.0:
        return 1.0, [f"timestamps advance by {period:g}: read as seconds, not milliseconds"]
    raise VxpError(
        head.data + 1,
        f"timestamps advance by {period:g}, but Samples_per_second is {rate_hz:g}: milliseconds "
        "would advance by "
        f"{1000 / rate_hz:.3g}; correct one of them",
    )


def _parse(name: str, cell: str, number: int, *, blank: bool = False) -> float:
    """Turn one cell into a finite number; a blank one is NaN where ``blank`` allows it."""
    cell = cell.strip()
    if _NUMBER.fullmatch(cell) and math.isfinite(float(cell)):
        return float(cell)
    if not cell and blank:
        return math.nan
    if not cell:
        raise VxpError(number, f"{name} is blank; give every sample its {name}")
    shown = ascii(cell if len(cell) <= 40 else cell[:37] + "...")
    what = "a finite number; leave a missing sample blank"
    if cell.lstrip("+-").lower() not in ("nan", "inf", "infinity"):
        what = "a number; correct it or leave the cell blank"
    raise VxpError(number, f"{name} is {shown}, not {what}")
