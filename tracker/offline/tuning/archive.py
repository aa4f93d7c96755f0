"""Read an archive of recordings for the tuner: traces at the room's rate, by subject.

A trace faster than the room is thinned to its rate, by leaving samples out and nothing else: no
sample is averaged or moved in time, so thinning cannot tell a predictor what comes later. A
slower one is used as it is, at its own rate, because the samples between its own do not exist.

The subject of a trace is what the ``INDEX.csv`` beside it (or above it) says. Without one it is
the folder of the trace below the folder named on the command line, or, for a trace that lies
directly in that folder or is named itself, the file name up to its last ``_`` or ``-``:
``p07_fraction2.csv`` is of subject ``p07``.
"""

from __future__ import annotations

import csv
import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.recording import RecordingError, load_recording
from sim.recording_files import find_recordings
from tracker.core.prediction.registry import MOST_CHANNELS
from tracker.offline.bench.traces import WARMUP_S, is_motion
from tracker.offline.tuning.errors import TuningError

NOT_FASTER = 1.05
"""A trace at most this much faster than the room is not thinned."""
MOSTLY_BLANK = 0.2
"""A channel with a larger share of blank samples is left out; else the blank rows are."""
SHORT_SHARE = 0.4
"""Share of a trace shorter than twice the warm-up that is not scored."""
_INDEX_ABOVE = 3


class ArchiveTrace(NamedTuple):
    """One recording, ready to be predicted."""

    name: str
    subject: str
    sha256: str
    """The SHA-256 of the file on disk."""
    native_hz: float
    rate_hz: float
    """After thinning."""
    times_ns: NDArray[np.int64]
    positions: NDArray[np.float64]
    """Shape (N, C), in the unit of the file."""
    scored: NDArray[np.bool_]
    """Shape (N,): which samples a prediction is measured against."""
    notes: tuple[str, ...] = ()
    """What a person should be told of how the file was read."""


class Archive(NamedTuple):
    """All traces; ``subjects`` in the order they are reported in."""

    traces: tuple[ArchiveTrace, ...]
    subjects: tuple[str, ...]

    def of(self, subject: str) -> tuple[ArchiveTrace, ...]:
        """Return the traces of one subject."""
        return tuple(trace for trace in self.traces if trace.subject == subject)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what is scored: every file's hash and subject."""
        lines = sorted(f"{trace.sha256} {trace.subject}" for trace in self.traces)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def load_archive(paths: Sequence[Path], rate_hz: float) -> Archive:
    """Read files and folders; raises `TuningError` with a line for each thing wrong."""
    problems: list[str] = []
    traces: list[ArchiveTrace] = []
    seen: dict[str, Path] = {}
    for path, subject in _found(paths, problems):
        try:
            trace = read_trace(path, subject, rate_hz)
        except RecordingError as error:
            problems.append(str(error))
            continue
        twin = seen.setdefault(trace.sha256, path)
        if twin != path:
            if twin.resolve() != path.resolve():
                problems.append(f"{path}: is the same recording as {twin}; name one of them")
            continue
        traces.append(trace)
    if problems:
        raise TuningError(problems)
    subjects = tuple(sorted({trace.subject for trace in traces}))
    if len(subjects) < 2:
        named = ", ".join(str(path) for path in paths)
        held = f"the only subject is {subjects[0]}" if subjects else "there is no trace"
        raise TuningError(
            f"{named}: {held}; leaving one subject out needs at least 2: add recordings, or an "
            "INDEX.csv with the columns file and subject"
        )
    return Archive(tuple(traces), subjects)


def _found(paths: Sequence[Path], problems: list[str]) -> Iterator[tuple[Path, str]]:
    """Return every named trace with its subject; the same file only once."""
    met: set[Path] = set()
    for path in paths:
        if path.is_dir():
            files = sorted(_below(path, problems))
            if not files:
                problems.append(f"{path}: holds no recording (*.csv, *.vxp); name another folder")
            pairs = [(file, subject) for file, subject in files]
        elif path.exists():
            pairs = [(path, _indexed(path, problems) or _by_stem(path))]
        else:
            problems.append(f"{path}: no such file or folder; check the name")
            continue
        for file, subject in pairs:
            if file.resolve() not in met:
                met.add(file.resolve())
                yield file, subject


def _below(folder: Path, problems: list[str]) -> Iterator[tuple[Path, str]]:
    found = find_recordings(folder)
    left_out = [found.remark(folder)] if found.left_out else []
    not_listed: list[Path] = []
    for file in found.files:
        index = _index_for(file)
        if index is not None:
            subject = _indexed(file, problems)
            if subject is not None:  # an index is the list of the traces: others are not used
                yield file, subject
            else:
                not_listed.append(file)
            continue
        inside = file.relative_to(folder).parts
        yield file, inside[0] if len(inside) > 1 else _by_stem(file)
    if not_listed:
        more = f" and {len(not_listed) - 3} more" if len(not_listed) > 3 else ""
        names = ", ".join(str(file.relative_to(folder)) for file in not_listed[:3])
        left_out.append(f"{folder}: left out, not listed in INDEX.csv: {names}{more}")
    for line in left_out:
        print(line, file=sys.stderr)


def _by_stem(file: Path) -> str:
    return re.sub(r"[_-][^_-]*$", "", file.stem) or file.stem


def _index_for(file: Path) -> Path | None:
    for folder in list(file.resolve().parents)[:_INDEX_ABOVE]:
        index = folder / "INDEX.csv"
        if index.exists():
            return index
    return None


def _indexed(file: Path, problems: list[str]) -> str | None:
    """Return the subject an INDEX.csv gives to a trace; ``None`` without one."""
    index = _index_for(file)
    if index is None:
        return None
    problem = ""
    try:
        with index.open(newline="", encoding="utf-8-sig") as lines:
            table = csv.DictReader(lines)
            missing = {"file", "subject"} - set(table.fieldnames or ())
            if missing:
                problem = f"{index}: no column {' and '.join(sorted(missing))}; add it"
            for row in () if missing else table:
                if (index.parent / (row["file"] or "")).resolve() == file.resolve():
                    return (row["subject"] or "").strip() or file.stem
    except UnicodeDecodeError:
        problem = f"{index}: is not UTF-8 text; save it as UTF-8 CSV"
    except OSError as error:
        problem = f"{index}: cannot be read: {error.strerror or error}"
    except (csv.Error, ValueError) as error:
        problem = f"{index}: is no CSV ({error}); save it again"
    if problem and problem not in problems:
        problems.append(problem)
    return None


def read_trace(path: Path, subject: str, rate_hz: float) -> ArchiveTrace:
    """Read one recording and bring it to the room's rate."""
    recording = load_recording(path)
    columns = [column for column, name in enumerate(recording.channels) if is_motion(name)]
    if len(columns) > MOST_CHANNELS:
        what = f"{len(columns)} motion channels, at most {MOST_CHANNELS}; leave some out"
        raise RecordingError(path, None, what)
    if not columns:
        what = f"no motion channel among {', '.join(recording.channels)}; need one in _mm or _au"
        raise RecordingError(path, None, what)
    values = recording.values[:, columns]
    whole = np.isfinite(values)
    often = whole.mean(axis=0) >= 1.0 - MOSTLY_BLANK
    if not often.any():
        what = "more than a fifth of every channel is blank; name another trace"
        raise RecordingError(path, None, what)
    values, whole = values[:, often], whole[:, often].all(axis=1)
    times_s, values = recording.times_s[whole], values[whole]
    native_hz = 1.0 / float(np.median(np.diff(times_s)))
    start_s = _scored_from(times_s, native_hz)
    kept = thinned(times_s, native_hz, rate_hz)
    times_s, values = times_s[kept], values[kept]
    scored = times_s >= start_s
    for start_s, end_s in recording.gaps:
        scored &= (times_s < start_s) | (times_s > end_s)
    if int(scored.sum()) < 10:
        what = f"{int(scored.sum())} samples to score, at least 10 are needed; name a longer trace"
        raise RecordingError(path, None, what)
    return ArchiveTrace(
        name=recording.name,
        subject=subject,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        native_hz=native_hz,
        rate_hz=min(native_hz, rate_hz) if kept.size < whole.sum() else native_hz,
        times_ns=np.round(times_s * 1e9).astype(np.int64),
        positions=np.ascontiguousarray(values),
        scored=scored,
        notes=recording.notes,
    )


def thinned(times_s: NDArray[np.float64], native_hz: float, rate_hz: float) -> NDArray[np.intp]:
    """Return which samples to keep: the first one in every period of the room.

    All samples of a slower trace are kept.
    """
    if native_hz <= NOT_FASTER * rate_hz:
        return np.arange(times_s.size)
    period = np.floor((times_s - times_s[0]) * rate_hz + 0.5 * rate_hz / native_hz)
    return np.flatnonzero(np.diff(period, prepend=-1.0) > 0)


def _scored_from(times_s: NDArray[np.float64], native_hz: float) -> float:
    """Return the time from which predictions count, as in the benchmark."""
    start = int(WARMUP_S * native_hz)
    if times_s.size / native_hz < 2.0 * WARMUP_S:
        start = int(SHORT_SHARE * times_s.size)
    return float(times_s[start])
