"""Log what the checks saw at each tick of a session, and the true distance of beam and target."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.recording import Recording
from tracker.build.room import furnish
from tracker.config import Configuration
from tracker.core.safety.checks.table import CHECKS
from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FAULTS, Reaction
from tracker.core.safety.situation import Situation
from tracker.core.session import SessionState
from tracker.core.settings import Controller
from tracker.core.target.error_region import radius95_mm
from tracker.offline.campaign.run import run_room

Reals = NDArray[np.float64]
QUANTITIES = ("radius_mm", "sigma_mm", "offset_mm", "aim_mm")
"""What limits are set on: the radius of the 95 % region, the standard deviation of the surrogate,
the distance of beam and target as estimated, and that of the demand from the wanted position."""


class SessionLog(NamedTuple):
    """One row a tick, from the start of tracking."""

    t_ns: NDArray[np.int64]
    values: dict[str, Reals]
    """By `QUANTITIES`; NaN where nothing was known."""
    found: list[frozenset[str]]
    """The conditions that ask for a hold."""
    error_mm: Reals
    """True distance of beam and target."""
    scored: NDArray[np.bool_]


class _Log:
    """A check that finds nothing, and logs what the others saw and found."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.rows: list[tuple[float, ...]] = []
        self.found: list[frozenset[str]] = []

    def __call__(self, now: Situation, found: Conditions) -> None:
        following, prediction = now.following, now.prediction
        if following is None or following.aim_mm is None or prediction is None:
            return
        judged = now.region_variance_mm2 or prediction.variance_mm2
        (a, b, c), (d, e, f) = judged, now.actuator_variance_mm2
        state = now.surrogate.state
        sigma = math.nan if state is None else math.sqrt(state.amplitude_variance)
        offset = math.nan if following.offset_mm is None else following.offset_mm
        self.times.append(now.now_ns)
        self.rows.append((radius95_mm((a + d, b + e, c + f)), sigma, offset, following.aim_mm))
        holds = (name for name in found if FAULTS[name].reaction >= Reaction.HOLD)
        self.found.append(frozenset(map(str, holds)))


def logged_session(configuration: Configuration, recording: Recording, seed: int) -> SessionLog:
    """Run one session and return its log."""
    log = _Log()

    def make(_: Controller) -> _Log:
        return log

    room = furnish(configuration, recording, seed)
    kept = run_room(configuration, room, (*CHECKS, make))
    traces = room.traces(kept.end_ns)
    start_ns = next((c.t_ns for c in kept.states if c.after == SessionState.TRACKING), kept.end_ns)
    times = np.array(log.times, dtype=np.int64)
    kept_rows = times >= start_ns
    rows = np.array(log.rows).reshape(-1, len(QUANTITIES))[kept_rows]
    at = np.searchsorted(traces.t_ns, times[kept_rows])
    at = np.minimum(at, len(traces.t_ns) - 1)
    return SessionLog(
        times[kept_rows],
        dict(zip(QUANTITIES, rows.T, strict=True)),
        [names for names, kept_row in zip(log.found, kept_rows.tolist(), strict=True) if kept_row],
        traces.error_mm[at],
        traces.scored[at],
    )
