"""The objective of `kalman_cv` as one would write it with filterpy: the oracle, and the yardstick.

    python -m tests.tuning.filterpy_objective RECORDINGS [LATENCY_MS]

prints how many times faster the compiled objective is, on the same traces, in the same run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from filterpy.common import Q_discrete_white_noise
from filterpy.kalman import KalmanFilter
from numpy.typing import NDArray

from tracker.offline.farm import LocalFarm, Task
from tracker.offline.tuning.archive import ArchiveTrace, load_archive
from tracker.offline.tuning.objective import (
    TAIL_WEIGHT,
    ScoreJob,
    TraceScore,
    TraceScorer,
    errors_of,
    steps_ahead,
)

GAP_NS = 350_000_000
GAP_PERIODS = 2.5
BEYOND_RANGE = 0.5
RANGE_MEMORY_S = 90.0


def filter_channel(
    trace: ArchiveTrace, channel: int, agility: float, ahead: int
) -> NDArray[np.float64]:
    """Predictions ``ahead`` samples ahead of one channel: restart after a gap, cut to the range."""
    horizon_s = round(ahead / trace.rate_hz * 1e9) * 1e-9
    period_ns = round(1e9 / trace.rate_hz)
    forget = min(1.0, period_ns * 1e-9 / RANGE_MEMORY_S)
    predicted = np.empty(trace.times_ns.size)
    kalman = KalmanFilter(dim_x=2, dim_z=1)
    kalman.H = np.array([[1.0, 0.0]])
    kalman.R = np.array([[1.0]])
    low = high = trace.positions[0, channel]
    for place, measured in enumerate(trace.positions[:, channel]):
        gap_ns = trace.times_ns[place] - trace.times_ns[place - 1] if place else GAP_NS * 1000
        if gap_ns > max(GAP_PERIODS * period_ns, GAP_NS):
            kalman.x = np.array([[measured], [0.0]])
            kalman.P = np.diag([1.0, 1e4])
        else:
            dt_s = gap_ns * 1e-9
            kalman.F = np.array([[1.0, dt_s], [0.0, 1.0]])
            kalman.Q = Q_discrete_white_noise(2, dt=dt_s, var=agility**2)
            kalman.predict()
            kalman.update(measured)
        low = min(low + forget * (measured - low), measured)
        high = max(high + forget * (measured - high), measured)
        room = BEYOND_RANGE * (high - low)
        ahead_of = kalman.x[0, 0] + horizon_s * kalman.x[1, 0]
        predicted[place] = min(max(ahead_of, low - room), high + room)
    return predicted


def filterpy_score(traces: Sequence[ArchiveTrace], agility: float, latency_ms: float) -> TraceScore:
    """The score of one subject, its traces one after the other."""
    start = time.thread_time()
    rms: list[float] = []
    tail: list[float] = []
    for trace in traces:
        ahead = steps_ahead(trace, latency_ms)
        columns = [
            filter_channel(trace, channel, agility, ahead)
            for channel in range(trace.positions.shape[1])
        ]
        made = errors_of(trace, np.stack(columns, axis=1), ahead)
        held = errors_of(trace, trace.positions, ahead)
        rms.append(made.rms / held.rms)
        tail.append(made.tail / held.tail)
    mean_rms, mean_tail = float(np.mean(rms)), float(np.mean(tail))
    spent_s = time.thread_time() - start
    return TraceScore(mean_rms + TAIL_WEIGHT * mean_tail, mean_rms, mean_tail, spent_s)


def farm_evaluations_per_s(job: ScoreJob, agility: float, workers: int, rounds: int = 60) -> float:
    """Evaluations of all subjects a second of wall clock, by worker processes as in `tune`."""
    farm = LocalFarm(job, workers)
    try:
        for timed in (False, True):  # the first round touches every worker's memory
            subjects = list(job.archive.subjects) * (rounds if timed else 2 * workers)
            start = time.perf_counter()
            for number, subject in enumerate(subjects):
                farm.submit(Task(number, subject, {"agility": agility}))
            left = len(subjects)
            while left:
                left -= len(farm.wait_for_outcomes(1.0))
        return rounds / (time.perf_counter() - start)
    finally:
        farm.close()


def main(folder: Path, latency_ms: float) -> None:
    job = ScoreJob("kalman_cv", latency_ms, load_archive([folder], 100.0))
    scorer, agility = TraceScorer(job), 150.0
    for subject in job.archive.subjects:
        scorer.score({"agility": agility}, subject)  # compiled, and its memory touched
    ours_s = theirs_s = 0.0
    for subject in job.archive.subjects:
        theirs = filterpy_score(job.archive.of(subject), agility, latency_ms)
        runs = [scorer.score({"agility": agility}, subject) for _ in range(5)]
        ours = sorted(runs, key=lambda score: score.seconds)[len(runs) // 2]
        print(
            f"{subject:<36} filterpy {theirs.seconds:7.3f} s  compiled {ours.seconds * 1e3:7.3f} ms"
            f"  {theirs.seconds / ours.seconds:5.0f} x  loss {theirs.loss:.6f} {ours.loss:.6f}"
        )
        ours_s += ours.seconds
        theirs_s += theirs.seconds
    print(
        f"filterpy, one process:      {1.0 / theirs_s:8.3f} evaluations a second of processor time"
    )
    print(f"compiled, one process:      {1.0 / ours_s:8.3f}, {theirs_s / ours_s:.0f} x")
    for workers in (1, 2):
        rate = farm_evaluations_per_s(job, agility, workers)
        print(
            f"compiled, {workers} worker(s) of tune: {rate:8.3f} by the clock, "
            f"{rate * theirs_s:.0f} x"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 200.0)
