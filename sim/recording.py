"""Read recorded breathing from a file, or refuse the file with one clear line.

Three formats are understood, told apart by what the file says, not by its name alone:

- the project's CSV: ``time_s`` first, then channels whose names end in their unit (``_mm``,
  ``_deg``, ``_au``); a blank cell is a missing sample;
- ExtMarker CSV as published (Krilavicius et al., arXiv 1508.00749): semicolons, decimal commas,
  one file per marker; the three of one recording are read together;
- Varian ``.vxp`` 1.4 to 1.6 (`sim.vxp`): amplitude times ``Scale_factor`` is millimetres; a sample
  that ``validflag`` does not call valid is missing, and a note says how many.

A ``GAPS.csv`` beside the trace (``trace,start_s,end_s``) marks spans that must not be scored.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.recording_bounds import seconds, time_finding, value_finding
from sim.recording_files import MARKER_FILE, find_recordings
from sim.vxp import VxpError, read_vxp

Floats = NDArray[np.float64]

UNITS = ("mm", "deg", "au")
FEWEST_ROWS = 10
MARKERS = ("LAC", "UAC", "UCC")
NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")


class RecordingError(ValueError):
    """A trace cannot be used; one line names file, line, value and what to do."""

    def __init__(self, path: Path, line: int | None, what: str) -> None:
        """Make the one-line message; ``line`` counts from 1, None stands for the whole file."""
        where = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {what}")


class Recording(NamedTuple):
    """A trace as recorded, with its own sample times; missing samples stay missing."""

    name: str
    times_s: Floats
    """Shape (N,), ascending, the first is 0."""
    channels: tuple[str, ...]
    values: Floats
    """Shape (N, C), in the unit at the end of the channel's name; NaN where missing."""
    gaps: tuple[tuple[float, float], ...]
    """Spans (start_s, end_s) not to be scored."""
    kind: str
    """What the channels measure: ``both``, ``internal`` or ``external``."""
    notes: tuple[str, ...] = ()
    """What a person should be told of how the file was read, one line each."""


class MotionChannels(NamedTuple):
    """The columns of a recording that move target and chest."""

    internal: tuple[int | None, int | None, int | None]
    """Columns of the target's LR, SI and AP; None: not recorded."""
    markers: tuple[tuple[int, int, int], ...]
    """Columns x, y, z of each chest marker, in the order of the file."""
    scalar: int | None
    """Column of a lone chest signal."""
    scalar_unit: str
    """``mm`` or ``au``; empty without a lone chest signal."""

    @property
    def has_internal(self) -> bool:
        """Return whether any axis of the target was recorded."""
        return any(column is not None for column in self.internal)

    @property
    def has_external(self) -> bool:
        """Return whether anything on the chest was recorded."""
        return bool(self.markers) or self.scalar is not None


class Table(NamedTuple):
    """A file's numbers before they are checked as a trace."""

    channels: tuple[str, ...]
    times_s: list[float]
    rows: list[list[float]]
    lines: list[int]


def load_recording(path: str | Path) -> Recording:
    """Read one recording; anything wrong with it raises `RecordingError`."""
    path = Path(path)
    if path.is_dir():
        path = only_recording_in(path)
    lines = read_lines(path)
    start = next((number for number, line in enumerate(lines) if line.strip()), None)
    if start is None:
        raise RecordingError(path, None, "the file is empty; name a recorded trace")
    first = lines[start].strip()
    name = path.stem
    notes: tuple[str, ...] = ()
    if first.lower() == "[header]":
        table, notes = read_varian(path, lines)
    elif path.suffix.lower() == ".vxp":
        raise RecordingError(path, start + 1, f"{shown(first)} where a .vxp begins with [Header]")
    elif [cell.strip().strip('"').lower() for cell in first.split(";")] == [
        "frame", "timestamp", "x", "y", "z",
    ]:  # fmt: skip
        table, name = read_extmarker(path)
    else:
        table = read_csv(path, lines, start)
    return checked(path, name, table)._replace(notes=notes)


def motion_channels(channels: tuple[str, ...]) -> MotionChannels:
    """Find target and chest by the channel names; use the first of several lone chest signals."""
    column = {channel.lower(): index for index, channel in enumerate(channels)}
    lr, si, ap = (column.get(f"int_{axis}_mm") for axis in ("lr", "si", "ap"))
    markers: list[tuple[int, int, int]] = []
    for channel in column:
        if not channel.endswith("_x_mm"):
            continue
        triple = [column.get(f"{channel[:-5]}_{axis}_mm") for axis in "xyz"]
        x, y, z = triple
        if x is not None and y is not None and z is not None:
            markers.append((x, y, z))
    taken = {index for triple in markers for index in triple}
    for unit in ("mm", "au"):
        for channel, index in column.items():
            lone = channel.endswith(f"_{unit}") and not channel.startswith("int_")
            if lone and index not in taken:
                return MotionChannels((lr, si, ap), tuple(markers), index, unit)
    return MotionChannels((lr, si, ap), tuple(markers), None, "")


def read_lines(path: Path) -> list[str]:
    """Return the file's lines without their ends and without blank ones after the last."""
    if not path.exists():
        raise RecordingError(path, None, "no such file; check the name")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RecordingError(path, None, f"cannot be read ({error.strerror})") from error
    if b"\x00" in raw:
        line = raw[: raw.index(b"\x00")].count(b"\n") + 1
        raise RecordingError(path, line, "a zero byte: this is no text file; name a CSV or .vxp")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        byte = f"0x{raw[error.start]:02x}"
        what = f"byte {byte} is not UTF-8 text; save the trace as UTF-8 CSV"
        raise RecordingError(path, line, what) from error
    lines = text.replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def read_csv(path: Path, lines: list[str], start: int) -> Table:
    """Read the project's own CSV."""
    header = [cell.strip() for cell in lines[start].split(",")]
    check_header(path, start + 1, header)
    channels = tuple(header[1:])
    table = Table(channels, [], [], [])
    for number, line in enumerate(lines[start + 1 :], start + 2):
        cells = line.split(",")
        if len(cells) != len(header):
            raise columns_differ(path, number, len(cells), len(header))
        table.times_s.append(parse(path, number, "time_s", cells[0], blank=False))
        table.rows.append(
            [parse(path, number, n, c) for n, c in zip(channels, cells[1:], strict=True)]
        )
        table.lines.append(number)
    return table


def check_header(path: Path, line: int, header: list[str]) -> None:
    """Refuse a header that does not begin with ``time_s`` or whose channels bear no known unit."""
    if header[0] != "time_s":
        what = f"wrong header: first column is {shown(header[0])}, expected time_s, then commas"
        raise RecordingError(path, line, what)
    if len(header) < 2:
        raise RecordingError(path, line, "wrong header: no channel after time_s; add one column")
    for name in header[1:]:
        if name.rpartition("_")[2] not in UNITS or "_" not in name:
            what = f"unit of channel {shown(name)} is unknown; end its name in _mm, _deg or _au"
            raise RecordingError(path, line, what)
        if header.count(name) > 1:
            raise RecordingError(path, line, f"channel {shown(name)} appears twice; rename one")


def read_varian(path: Path, lines: list[str]) -> tuple[Table, tuple[str, ...]]:
    """Read a Varian ``.vxp``; return the table and what the reader should know of it."""
    try:
        read = read_vxp(lines)
    except VxpError as error:
        raise RecordingError(path, error.line, str(error)) from error
    rows = [[height] for height in read.amplitudes_mm]
    notes = tuple(f"{path}: {note}" for note in read.notes)
    return Table(("ext_mm",), read.times_s, rows, read.lines), notes


def read_extmarker(path: Path) -> tuple[Table, str]:
    """Read a recording of ExtMarker: the named file and, by its name, its other markers'."""
    match = MARKER_FILE.match(path.name)
    if match is None:
        times, rows, numbers = read_marker(path)
        return Table(tuple(f"marker_{axis}_mm" for axis in "xyz"), times, rows, numbers), path.stem
    start, _, rest = match.groups()
    files = [find_marker(path, start, marker, rest) for marker in MARKERS]
    times, rows, numbers = read_marker(files[0])
    for other in files[1:]:
        its_times, its_rows, its_numbers = read_marker(other)
        for index, (mine, its) in enumerate(zip(times, its_times, strict=False)):
            if mine != its:
                what = f"time {its * 1000:g} ms, but {mine * 1000:g} ms in {files[0].name}"
                raise RecordingError(other, its_numbers[index], f"{what}; not one recording")
        if len(its_times) != len(times):
            what = f"{len(its_times)} rows, but {len(times)} in {files[0].name}; not one recording"
            raise RecordingError(other, None, what)
        rows = [mine + its for mine, its in zip(rows, its_rows, strict=True)]
    channels = tuple(f"{marker.lower()}_{axis}_mm" for marker in MARKERS for axis in "xyz")
    return Table(channels, times, rows, numbers), f"{start}-{rest}"


def find_marker(path: Path, start: str, marker: str, rest: str) -> Path:
    """Return the file of one marker of the same recording, whatever the case of its name."""
    wanted = f"{start}-{marker}-{rest}.csv".lower()
    for beside in sorted(path.parent.iterdir()):
        if beside.name.lower() == wanted:
            return beside
    what = f"marker {marker} is missing; put {start}-{marker}-{rest}.csv beside it"
    raise RecordingError(path, None, what)


def read_marker(path: Path) -> tuple[list[float], list[list[float]], list[int]]:
    """Read one marker's file: times in s, rows of x, y, z in mm, and their line numbers.

    The published files end in a row of zeros; it is an end mark, not a sample.
    """
    lines = read_lines(path)
    times: list[float] = []
    rows: list[list[float]] = []
    numbers: list[int] = []
    for number, line in enumerate(lines[1:], 2):
        cells = [cell.strip().replace(",", ".") for cell in line.split(";")]
        if len(cells) != 5:
            raise columns_differ(path, number, len(cells), 5)
        if number == len(lines) and number > 2 and all(cell == "0" for cell in cells):
            break
        times.append(parse(path, number, "Timestamp", cells[1], blank=False) / 1000.0)
        names = ("x", "y", "z")
        rows.append([parse(path, number, n, c) for n, c in zip(names, cells[2:], strict=True)])
        numbers.append(number)
    return times, rows, numbers


def only_recording_in(folder: Path) -> Path:
    """Return the only recording in a folder."""
    try:
        found = find_recordings(folder).files
    except OSError as error:
        raise RecordingError(folder, None, f"cannot be read ({error.strerror})") from error
    if len(found) == 1:
        return found[0]
    held = "no recording" if not found else f"{len(found)} recordings"
    raise RecordingError(folder, None, f"a directory with {held}; name one trace file")


def checked(path: Path, name: str, table: Table) -> Recording:
    """Check that a table is long enough, ascends in time and contains motion; return the trace."""
    if not table.times_s:
        raise RecordingError(path, None, "a header but no samples; name a recorded trace")
    for index in range(1, len(table.times_s)):
        before, now = table.times_s[index - 1], table.times_s[index]
        if now <= before:
            what = f"time {seconds(now)} s " + (
                f"appears twice (also line {table.lines[index - 1]}); remove one of the rows"
                if now == before
                else f"comes after {seconds(before)} s; sort the rows by time"
            )
            raise RecordingError(path, table.lines[index], what)
    if len(table.times_s) < FEWEST_ROWS:
        what = f"{len(table.times_s)} samples, at least {FEWEST_ROWS} are needed"
        raise RecordingError(path, None, f"{what}; name a longer trace")
    values = np.array(table.rows, dtype=np.float64)
    impossible = time_finding(table.times_s) or value_finding(table.channels, values)
    if impossible is not None:
        line = None if impossible.row is None else table.lines[impossible.row]
        raise RecordingError(path, line, impossible.what)
    motion = motion_channels(table.channels)
    if not motion.has_internal and not motion.has_external:
        what = f"no channel that moves among {', '.join(table.channels)}; need one in _mm or _au"
        raise RecordingError(path, None, what)
    lone = () if motion.scalar is None else (motion.scalar,)
    inside = tuple(column for column in motion.internal if column is not None)
    for group in (inside, *motion.markers, lone):
        count = int(np.isfinite(values[:, list(group)]).all(axis=1).sum())
        if count < FEWEST_ROWS:
            names = ", ".join(table.channels[column] for column in group)
            what = f"{names}: {count} whole samples, at least {FEWEST_ROWS} are needed"
            raise RecordingError(path, None, f"{what}; remove the channel or name another trace")
    kind = "both" if motion.has_internal and motion.has_external else (
        "internal" if motion.has_internal else "external"
    )  # fmt: skip
    times = np.array(table.times_s, dtype=np.float64)
    gaps = tuple((a - times[0].item(), b - times[0].item()) for a, b in read_gaps(path))
    return Recording(name, times - times[0], table.channels, values, gaps, kind)


def read_gaps(path: Path) -> tuple[tuple[float, float], ...]:
    """Read the spans of ``GAPS.csv`` beside the trace that bear the trace's name, in its time."""
    beside = path.parent / "GAPS.csv"
    if not beside.exists():
        return ()
    lines = read_lines(beside)
    if not lines or [cell.strip() for cell in lines[0].split(",")] != ["trace", "start_s", "end_s"]:
        raise RecordingError(beside, 1, "wrong header, expected trace,start_s,end_s")
    spans: list[tuple[float, float]] = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split(",")
        if len(cells) != 3:
            raise columns_differ(beside, number, len(cells), 3)
        start = parse(beside, number, "start_s", cells[1], blank=False)
        end = parse(beside, number, "end_s", cells[2], blank=False)
        if end < start:
            what = f"a gap that ends at {end:g} s before it starts at {start:g} s; swap the two"
            raise RecordingError(beside, number, what)
        if cells[0].strip() == path.stem:
            spans.append((start, end))
    return tuple(spans)


def parse(path: Path, line: int, name: str, cell: str, *, blank: bool = True) -> float:
    """Turn one cell into a finite number; a blank one is NaN where ``blank`` allows it."""
    cell = cell.strip()
    if NUMBER.match(cell):
        value = float(cell)
        if value - value == 0.0:
            return value
    if not cell:
        if blank:
            return float("nan")
        raise RecordingError(path, line, f"{name} is blank; give every sample its {name}")
    if cell.lstrip("+-").lower() in ("nan", "inf", "infinity"):
        what = f"{name} is {shown(cell)}, not a finite number; leave a missing sample blank"
    else:
        what = f"{name} is {shown(cell)}, not a number; correct it or leave the cell blank"
    raise RecordingError(path, line, what)


def columns_differ(path: Path, line: int, found: int, expected: int) -> RecordingError:
    """Return the error for a row with the wrong number of columns."""
    return RecordingError(path, line, f"{found} columns, expected {expected}; complete the row")


def shown(text: str) -> str:
    """Quote a value for a message: one line, printable, not endless."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")
