"""Say how long the beam was near the target, how far it strayed, and every hold with its cause."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.report.errors import Errors, length, steps
from tracker.report.physicist.gathered import GatheredSession
from tracker.report.physicist.track import BeamTrack

Vector = NDArray[np.float64]

DISTANCES_MM = (2.0, 3.0, 5.0)
EXCURSION_MM = 5.0
_TOGETHER_NS = 20_000_000


class BeamFigures(NamedTuple):
    """The beam against the target, while it was on.

    ``from_truth`` tells whether the true target was known; otherwise the controller's estimate
    stands for it, and the error of the correlation model is not in the figures. ``by_units`` are
    the same shares by monitor units, ``None`` where the linac told none.
    """

    from_truth: bool
    beam_on_s: float
    treatment_s: float
    duty: float | None
    within: dict[float, float]
    by_units: dict[float, float] | None
    monitor_units: float | None
    largest_mm: float | None
    largest_at_s: float | None
    beyond_s: float | None
    beyond_at_s: float | None


class HoldRow(NamedTuple):
    """One hold: when, how long, its causes, and who began and ended it."""

    start_s: float
    length_s: float
    cause: str
    detail: str
    who: str


class _Distances(NamedTuple):
    """Distance of beam and target while the beam was on; ``on`` is of all moments."""

    t_s: Vector
    step_s: Vector
    on: NDArray[np.bool_]
    size_mm: Vector


def beam_of(session: GatheredSession, errors: Errors | None, by_estimate: BeamTrack) -> BeamFigures:
    """Return how the beam met the target, by the truth where it is known."""
    records = session.records
    distances = _distances(errors, by_estimate)
    start_ns = records.tracking_ns
    treatment_s = 0.0 if start_ns is None else (records.stopped_ns - start_ns) / 1e9
    on, step, size = distances.on, distances.step_s, distances.size_mm
    on_s = float(step[on].sum())
    weights = _units_per_moment(session, distances)
    units = None if weights is None else float(weights[on].sum())
    largest = int(np.argmax(np.where(on, size, -1.0))) if on.any() else None
    beyond_s, beyond_at_s = _longest(distances)
    return BeamFigures(
        from_truth=errors is not None,
        beam_on_s=on_s,
        treatment_s=treatment_s,
        duty=on_s / treatment_s if treatment_s > 0.0 else None,
        within=_shares(size[on], step[on]),
        by_units=None if weights is None or not units else _shares(size[on], weights[on]),
        monitor_units=units,
        largest_mm=None if largest is None else float(size[largest]),
        largest_at_s=None if largest is None else float(distances.t_s[largest]),
        beyond_s=beyond_s if on.any() else None,
        beyond_at_s=beyond_at_s,
    )


def _distances(errors: Errors | None, track: BeamTrack) -> _Distances:
    if errors is not None:
        return _Distances(errors.t_s, errors.step_s, errors.counted, errors.judged)
    t_s = track.t_ns / 1e9
    size = length(track.total)
    on = track.beam_on & np.isfinite(size)
    return _Distances(t_s, steps(t_s), on, np.nan_to_num(size))


def _shares(size_mm: Vector, weight: Vector) -> dict[float, float]:
    total = float(weight.sum())
    if not total > 0.0:
        return {}
    return {mm: float(weight[size_mm <= mm].sum()) / total for mm in DISTANCES_MM}


def _units_per_moment(session: GatheredSession, distances: _Distances) -> Vector | None:
    """Return the monitor units of each moment; ``None`` where the linac told none."""
    linac = session.linac
    told = linac[np.isfinite(linac[:, 4])] if len(linac) else linac
    if len(told) < 2 or not np.ptp(told[:, 4]) > 0.0:
        return None
    # The counter starts again with each beam: only what it gains is counted.
    gained = np.concatenate(([0.0], np.cumsum(np.maximum(np.diff(told[:, 4]), 0.0))))
    t_ns = distances.t_s * 1e9
    ends = np.interp(t_ns + distances.step_s * 1e9, told[:, 0], gained)
    return np.asarray(ends - np.interp(t_ns, told[:, 0], gained), dtype=np.float64)


def _longest(distances: _Distances) -> tuple[float, float | None]:
    """Return the longest unbroken time with beam beyond the excursion's limit, and its start."""
    beyond = distances.on & (distances.size_mm > EXCURSION_MM)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], beyond.astype(np.int8), [0]))))
    best, at = 0.0, None
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        lasted = float(distances.step_s[start:stop].sum())
        if lasted > best:
            best, at = lasted, float(distances.t_s[start])
    return best, at


def hold_rows(session: GatheredSession) -> list[HoldRow]:
    """Return every hold with its causes, its length and who began and ended it."""
    end_ns = session.records.end_ns
    rows: list[HoldRow] = []
    for hold in session.records.holds.all():
        stop_ns = end_ns if hold.end_ns is None else hold.end_ns
        cause = ", ".join(hold.reasons) or "unknown"
        if hold.later:
            cause += f"; then {', '.join(hold.later)}"
        began = _who(session, hold.start_ns, ("hold", "stop"))
        ended = "the end" if hold.end_ns is None else _who(session, hold.end_ns, ("resume", "stop"))
        rows.append(
            HoldRow(
                hold.start_ns / 1e9, (stop_ns - hold.start_ns) / 1e9, cause, hold.detail,
                f"{began}, ended by {ended}",
            )
        )  # fmt: skip
    return rows


def _who(session: GatheredSession, t_ns: int, names: tuple[str, ...]) -> str:
    """Return who asked at this moment, or the controller where nobody did."""
    for request in session.requests:
        if request.name in names and 0 <= t_ns - request.t_ns <= _TOGETHER_NS:
            return request.who
    return "controller"
