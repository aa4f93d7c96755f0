"""Read physiological recordings of BIDS: ``…_physio.tsv(.gz)`` with its JSON beside it.

The table has no header; the JSON gives ``SamplingFrequency``, ``StartTime`` and ``Columns``, and
may give the ``Units`` of each column (BIDS specification, physiological recordings).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np

from tracker.importing.cell_numbers import parsed
from tracker.importing.choices import Choices
from tracker.importing.errors import quoted, refused
from tracker.importing.readers.reader import ReaderRow
from tracker.importing.source_table import SourceColumn, SourceTable
from tracker.importing.text_file import decode, read_bytes

_MOST_JSON = 1_000_000
_MOST_COLUMNS = 100


def recognises(path: Path, head: bytes) -> bool:
    """Return whether the name is that of a BIDS recording."""
    return path.name.lower().endswith(("_physio.tsv", "_physio.tsv.gz", "_stim.tsv.gz"))


def read(path: Path, choices: Choices) -> list[SourceTable]:
    """Read table and JSON."""
    sidecar = path.with_name(path.name.split(".tsv")[0] + ".json")
    about = _sidecar(path, sidecar)
    names = about.get("Columns")
    rate = about.get("SamplingFrequency")
    if not isinstance(names, list) or not 0 < len(cast(list[Any], names)) <= _MOST_COLUMNS:
        raise refused(sidecar, "names no Columns; complete it")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.0 < rate < 1e6:
        raise refused(sidecar, f"SamplingFrequency is {quoted(str(rate))}, no rate in Hz")
    headers = [str(name) for name in cast(list[Any], names)]
    decoded = decode(path, read_bytes(path))
    cells: list[list[str]] = [[] for _ in headers]
    lines: list[int] = []
    for number, line in enumerate(decoded.text.split("\n"), 1):
        if not line.strip():
            continue
        row = line.split("\t")
        if len(row) != len(headers):
            what = f"{len(row)} columns, {sidecar.name} names {len(headers)}"
            raise refused(path, f"{what}; correct one of them", number)
        lines.append(number)
        for column, cell in zip(cells, row, strict=True):
            column.append(cell)
    columns: list[SourceColumn] = []
    for header, column in zip(headers, cells, strict=True):
        found = parsed(column, ".")
        if found.bad_row is not None:
            what = f"{quoted(header)} is {quoted(column[found.bad_row])}, no number"
            raise refused(path, f"{what}; correct it or write n/a", lines[found.bad_row])
        columns.append(SourceColumn(header, _unit(about, header), numbers=found.numbers))
    if not lines:
        raise refused(path, "the file is empty; name a recording")
    stamps = np.arange(len(lines)) / float(rate)
    if not any(header.lower() == "time" for header in headers):
        columns.insert(0, SourceColumn("time", "s", numbers=stamps))
    return [SourceTable(tuple(columns), lines, facts={"sidecar": sidecar.name})]


def _sidecar(path: Path, sidecar: Path) -> dict[str, Any]:
    if not sidecar.is_file():
        raise refused(path, f"{sidecar.name} is not beside it; it names columns and rate")
    decoded = decode(sidecar, read_bytes(sidecar, _MOST_JSON))
    try:
        about = json.loads(decoded.text)
    except (ValueError, RecursionError) as error:
        raise refused(sidecar, f"is no JSON ({error}); correct it") from None
    if not isinstance(about, dict):
        raise refused(sidecar, "is no JSON object; correct it")
    return cast("dict[str, Any]", about)


def _unit(about: dict[str, Any], header: str) -> str:
    """Return the unit of a column; a respiratory signal without one is a belt's."""
    column = about.get(header)
    unit = cast("dict[str, Any]", column).get("Units") if isinstance(column, dict) else None
    return unit if isinstance(unit, str) else "au"


BIDS = ReaderRow("bids", "BIDS physiological recordings", recognises, read)
