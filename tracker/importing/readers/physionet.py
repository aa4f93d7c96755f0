"""Read records of PhysioNet by their header file, with the package wfdb."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import numpy as np

from tracker.importing.choices import Choices
from tracker.importing.errors import refused
from tracker.importing.readers.reader import ReaderRow, library_failed, needed, quiet_library
from tracker.importing.source_table import SourceColumn, SourceTable
from tracker.importing.text_file import MOST_BYTES, decode, read_bytes

_MOST_SAMPLES = 20_000_000
_FILE = re.compile(r"[A-Za-z0-9_.+~-]+")


def recognises(path: Path, head: bytes) -> bool:
    """Return whether the file is a record's header."""
    return path.suffix.lower() == ".hea"


def read(path: Path, choices: Choices) -> list[SourceTable]:
    """Read the record; every signal is a column."""
    wfdb: Any = needed(path, "wfdb")
    _check_header(path)
    try:
        with quiet_library():
            record = wfdb.rdrecord(str(path.with_suffix("")))
        signals = np.asarray(record.p_signal, dtype=np.float64)
        names = [str(name) for name in cast("list[Any]", record.sig_name)]
        units = [str(unit) for unit in cast("list[Any]", record.units)]
        rate_hz = float(record.fs)
    except Exception as error:  # wfdb raises what its parsing happens to raise
        raise library_failed(path, "wfdb", error) from None
    if signals.ndim != 2 or signals.shape[1] != len(names) or not rate_hz > 0:
        raise refused(path, "its signals do not fit its header; export it again")
    columns = [SourceColumn("time", "s", numbers=np.arange(len(signals)) / rate_hz)]
    for name, unit, values in zip(names, units, signals.T, strict=True):
        columns.append(SourceColumn(name, "au" if unit in ("NU", "nu") else unit, numbers=values))
    return [SourceTable(tuple(columns), facts={"rate_hz": f"{rate_hz:g}"})]


def _check_header(path: Path) -> None:
    """Refuse a header that names files elsewhere, or more samples than its files can hold."""
    text = decode(path, read_bytes(path, 1_000_000)).text
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    first = lines[0].split() if lines else []
    if len(first) < 2:
        raise refused(path, "the first line names no record and signals; name a .hea file")
    named = {line.split()[0] for line in lines[1:] if line.split()}
    total = 0
    for name in sorted(named):
        if _FILE.fullmatch(name) is None or name.startswith("."):
            raise refused(path, f"names the file {name[:40]!a}; it must lie beside the header")
        file = path.parent / name
        if file.is_file():
            total += file.stat().st_size
    if total > MOST_BYTES:
        raise refused(path, f"its signals are larger than {MOST_BYTES / 1e6:.0f} MB; cut them")
    if len(first) > 3 and first[3].isdecimal():
        # Python reads no number of thousands of digits; twelve are more than any file holds.
        count = int(first[3].lstrip("0")[:12] or "0") * max(1, len(lines) - 1)
        if count > min(_MOST_SAMPLES, 8 * total + 64):
            raise refused(path, f"says {first[3][:20]} samples, more than its files hold")


PHYSIONET = ReaderRow("physionet", "records of PhysioNet (.hea)", recognises, read)
