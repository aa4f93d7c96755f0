"""Measure the latencies that a journal shows: demand to motion, command to beam, image, tick.

Demand to motion is the shift in time that makes demands and read-back agree best. It needs motion.
What no record of the journal shows, such as the delay of a camera, is not reported.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.report.physicist.gathered import GatheredSession

Vector = NDArray[np.float64]

_GRID_NS = 10_000_000
_LONGEST_NS = 1_000_000_000
_LEAST_MOTION_MM = 0.3
_GATE_NS = 1_000_000_000
"""A change of the beam later than this does not belong to the command."""


class LatencyFigure(NamedTuple):
    """One latency in ms: median and largest, from how many; ``None``: not recorded."""

    name: str
    median_ms: float | None
    most_ms: float | None
    number: int


def latencies_of(session: GatheredSession) -> list[LatencyFigure]:
    """Return every latency; one that the journal does not show has no value."""
    motion_ms = motion_latency_ms(session)
    return [
        LatencyFigure("demand to motion", motion_ms, None, 0 if motion_ms is None else 1),
        _spread("hold to beam off", _gate_ms(session, allowed=False)),
        _spread("permit to beam on", _gate_ms(session, allowed=True)),
        _spread("image asked to image exposed", _asked_to_exposed_ms(session)),
        _spread("image exposed to image used", _exposed_to_used_ms(session)),
        _spread("lateness of the control tick", session.lateness[:, 1] / 1e6),
    ]


def _spread(name: str, values_ms: Vector) -> LatencyFigure:
    if not len(values_ms):
        return LatencyFigure(name, None, None, 0)
    return LatencyFigure(name, float(np.median(values_ms)), float(values_ms.max()), len(values_ms))


def motion_latency_ms(session: GatheredSession) -> float | None:
    """Return the time from demand to motion; ``None`` if the machine hardly moved."""
    demand, status = session.records.demand, session.records.status
    if len(demand) < 200 or len(status) < 200:
        return None
    first = max(float(demand[0, 0]), float(status[0, 0])) + _LONGEST_NS
    last = min(float(demand[-1, 0]), float(status[-1, 0]))
    t_ns = np.arange(first, last, _GRID_NS, dtype=np.float64)
    if len(t_ns) < 200:
        return None
    met = _sampled(status, t_ns)
    if float(met.std(axis=0).max()) < _LEAST_MOTION_MM:
        return None
    lags = np.arange(0, _LONGEST_NS, _GRID_NS)
    apart = np.array([_apart(_sampled(demand, t_ns - lag), met) for lag in lags])
    best = int(np.argmin(apart))
    if best in (0, len(lags) - 1):
        return float(lags[best]) / 1e6
    before, here, after = apart[best - 1 : best + 2]
    bend = before - 2.0 * here + after
    part = 0.5 * (before - after) / bend if bend > 0.0 else 0.0
    return float(lags[best] + part * _GRID_NS) / 1e6


def _sampled(rows: Vector, t_ns: Vector) -> Vector:
    return np.stack([np.interp(t_ns, rows[:, 0], rows[:, 1 + k]) for k in range(3)], axis=1)


def _apart(wanted: Vector, met: Vector) -> float:
    rest = wanted - met
    return float(((rest - rest.mean(axis=0)) ** 2).sum())


def _gate_ms(session: GatheredSession, *, allowed: bool) -> Vector:
    """Return the times from each change of command to the gate's first report that it happened."""
    beam = session.records.beam
    found: list[float] = []
    for t_ns, is_allowed in session.beam_commands:
        if is_allowed != allowed or not len(beam):
            continue
        before = np.searchsorted(beam[:, 0], t_ns, side="right") - 1
        if before < 0 or (beam[before, 1] > 0.5) == allowed:
            continue  # the beam was already as commanded
        later = beam[before + 1 :]
        done = later[(later[:, 1] > 0.5) == allowed]
        if len(done) and done[0, 0] - t_ns <= _GATE_NS:
            found.append((done[0, 0] - t_ns) / 1e6)
    return np.array(found)


def _asked_to_exposed_ms(session: GatheredSession) -> Vector:
    asked = {each.shot_id: each.t_ns for each in session.exposures}
    return np.array(
        [
            (shot.exposed_ns - asked[shot.shot_id]) / 1e6
            for shot in session.records.observations
            if shot.shot_id in asked
        ]
    )


def _exposed_to_used_ms(session: GatheredSession) -> Vector:
    return np.array([(shot.t_ns - shot.exposed_ns) / 1e6 for shot in session.records.observations])
