"""Thin the curves of the report's timeline so that no drawn line deviates visibly.

All curves share one grid of times. It starts at `BASE_HZ` (less in a long session); then moments
are added where a curve deviates from the straight line between its neighbours, the largest
deviations first, down to `TOLERANCE_MM` or until there are `MOST_POINTS`. The peak of a cough is
kept, and a smooth breath needs few points.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.report.errors import Errors, Vector, length
from tracker.report.figures import runs
from tracker.report.records import Records, Table

BASE_HZ = 20.0
TOLERANCE_MM = 0.15
MOST_BASE_POINTS = 15000
MOST_POINTS = 40000
STEP_MM = 0.01
"""Positions are stored in whole hundredths of a millimetre."""

_GRID_HZ = 50.0
_LONGEST_GAP_NS = 250e6
_TOLERANCES_MM = (2.4, 1.2, 0.6, 0.3, TOLERANCE_MM)


class Timeline(NamedTuple):
    """Times and curves on the thinned grid; NaN where a curve has no value.

    No curve strays more than ``stray_mm`` from its values that were left out.
    """

    t_s: Vector
    curves: dict[str, Vector]
    stray_mm: float


def timeline_of(records: Records, errors: Errors | None) -> Timeline:
    """Return every curve of a session, thinned."""
    t_s = errors.t_s if errors else np.arange(0.0, records.end_ns / 1e9, 1 / _GRID_HZ)
    t_ns = t_s * 1e9
    curves: dict[str, Vector] = {"surrogate": _column(records.surrogate, 1, t_ns)}
    for axis, name in enumerate("xyz"):
        if errors:
            curves[f"truth_{name}"] = errors.untracked[:, axis]
        curves[f"estimate_{name}"] = _column(records.estimate, 1 + axis, t_ns)
        curves[f"prediction_{name}"] = _column(records.prediction[:, 1:], 1 + axis, t_ns)
        curves[f"demand_{name}"] = _column(records.demand, 1 + axis, t_ns)
        curves[f"status_{name}"] = _column(records.status, 1 + axis, t_ns)
    if errors:
        start = (records.tracking_ns or 0) / 1e9
        tracked = length(errors.tracked)
        curves["tracked"] = np.where(t_s >= start, tracked, np.nan)
        curves["untracked"] = length(errors.untracked)
    kept, stray_mm = thinned(t_s, list(curves.values()), MOST_POINTS)
    return Timeline(t_s[kept], {name: curve[kept] for name, curve in curves.items()}, stray_mm)


def thinned(t_s: Vector, curves: list[Vector], most: int) -> tuple[NDArray[np.intp], float]:
    """Return the indices of the moments to keep, and the largest deviation of a curve."""
    count = len(t_s)
    if count < 3:
        return np.arange(count), 0.0
    base = int(min(float(t_s[-1] - t_s[0]) * BASE_HZ, MOST_BASE_POINTS, count - 1))
    kept = np.unique(np.linspace(0, count - 1, max(base, 1) + 1).astype(np.intp))
    kept, reached = _refined(t_s, curves, kept, _TOLERANCES_MM[0]), _TOLERANCES_MM[0]
    for tolerance in _TOLERANCES_MM[1:]:
        finer = _refined(t_s, curves, kept, tolerance)
        if len(finer) > most:
            break
        kept, reached = finer, tolerance
    return kept, reached


def _refined(
    t_s: Vector, curves: list[Vector], kept: NDArray[np.intp], tolerance: float
) -> NDArray[np.intp]:
    """Add the worst moment of each gap in which a curve deviates too far, until none does."""
    while True:
        strays = np.zeros(len(t_s))
        for curve in curves:
            drawn = np.interp(t_s, t_s[kept], curve[kept])
            np.fmax(strays, np.abs(curve - drawn), out=strays)
        gaps = np.flatnonzero(np.maximum.reduceat(strays, kept) > tolerance)
        if not len(gaps):
            return kept
        ends = np.append(kept[1:], len(t_s))
        added = [kept[gap] + int(np.argmax(strays[kept[gap] : ends[gap]])) for gap in gaps]
        kept = np.unique(np.concatenate((kept, np.array(added, dtype=np.intp))))


def packed(records: Records, errors: Errors | None) -> dict[str, Any]:
    """Return the timeline as JSON: whole numbers, each as its difference to the one before."""
    timeline = timeline_of(records, errors)
    end_s = records.end_ns / 1e9
    return {
        "stray": timeline.stray_mm,
        "end": end_s,
        "tracking": None if records.tracking_ns is None else records.tracking_ns / 1e9,
        "t": _differences(timeline.t_s / 1e-3),
        "curves": {name: _differences(c / STEP_MM) for name, c in timeline.curves.items()},
        "beam": _rounded(beam_runs(records, errors)),
        "unknown": _rounded(runs(~errors.known, errors.t_s) if errors else []),
        "holds": [
            [
                round(hold.start_ns / 1e9, 3),
                round(end_s if hold.end_ns is None else hold.end_ns / 1e9, 3),
                hold.reason,
            ]
            for hold in records.holds.all()
        ],
        "shots": [
            [round(shot.exposed_ns / 1e9, 3), *(round(value, 2) for value in shot.position_mm)]
            for shot in records.observations
            if shot.used
        ],
    }


def beam_runs(records: Records, errors: Errors | None) -> list[tuple[float, float]]:
    """Return the times with beam on, from the truth or else from the gate's read-back."""
    if errors:
        return runs(errors.beam_on, errors.t_s)
    beam = records.beam
    return runs(beam[:, 1] > 0.5, beam[:, 0] / 1e9)


def _rounded(stretches: list[tuple[float, float]]) -> list[list[float]]:
    return [[round(start, 3), round(stop, 3)] for start, stop in stretches]


def _column(rows: Table, column: int, t_ns: Vector) -> Vector:
    """Return one column interpolated at other times; NaN outside and in gaps."""
    if len(rows) < 2:
        return np.full(len(t_ns), np.nan)
    order = np.argsort(rows[:, 0], kind="stable")
    times, values = rows[order, 0], rows[order, column]
    found = np.asarray(np.interp(t_ns, times, values, left=np.nan, right=np.nan), dtype=np.float64)
    after = np.clip(np.searchsorted(times, t_ns), 1, len(times) - 1)
    found[times[after] - times[after - 1] > _LONGEST_GAP_NS] = np.nan
    return found


def _differences(values: Vector) -> list[int | None]:
    """Return whole numbers as differences to the one before; ``None`` for NaN."""
    result: list[int | None] = []
    last = 0
    for value in values.tolist():
        if value != value:  # NaN
            result.append(None)
            continue
        whole = round(value)
        result.append(whole - last)
        last = whole
    return result


def unpacked(differences: list[int | None]) -> list[float | None]:
    """Return the numbers that the page's script computes from `packed` ones, in steps."""
    total = 0
    result: list[float | None] = []
    for each in differences:
        total += each or 0
        result.append(None if each is None else total)
    return result
