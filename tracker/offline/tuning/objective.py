"""Compute what the tuner minimises: the error of causal predictions relative to holding still.

For one trace, RMS is pooled over channels and time and divided by that of "hold", and so is the
error that one sample in a hundred exceeds. The loss of a subject is the mean over its traces of
relative RMS + ``TAIL_WEIGHT`` · relative tail; the loss of a trial is the mean over subjects, so
that a patient with thirty fractions does not outvote one with two.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.calibration import without_region
from tracker.core.prediction.registry import METHODS, parameter_record
from tracker.offline.tuning.archive import Archive, ArchiveTrace

TAIL_WEIGHT = 0.25
TAIL = 0.99


class TraceScore(NamedTuple):
    """The score of a predictor on one subject; 1 is as bad as holding still."""

    loss: float
    rms: float
    """Relative, the mean over the subject's traces."""
    tail: float
    """Relative, the mean over the subject's traces."""
    seconds: float
    """Processor time the evaluation took."""


class ScoreJob(NamedTuple):
    """Everything a worker needs besides the parameters."""

    predictor: str
    latency_ms: float
    archive: Archive

    def scorer(self) -> TraceScorer:
        """Return a scorer for this job."""
        return TraceScorer(self)


class TraceErrors(NamedTuple):
    """Size of errors on one trace: RMS and the 99th percentile of a sample's."""

    rms: float
    tail: float


def steps_ahead(trace: ArchiveTrace, latency_ms: float) -> int:
    """Return a latency in samples; at least one, as in the benchmark."""
    return max(1, round(latency_ms * 1e-3 * trace.rate_hz))


def errors_of(trace: ArchiveTrace, predicted: NDArray[np.float64], ahead: int) -> TraceErrors:
    """Compare predictions (N, C), row i being of sample i + ``ahead``, with what was measured."""
    counted = trace.scored[ahead:]
    off = trace.positions[ahead:][counted] - predicted[:-ahead][counted]
    squared = np.einsum("ij,ij->i", off, off) / off.shape[1]
    rank = math.ceil(TAIL * (squared.size - 1))
    tail = float(np.partition(squared, rank)[rank])
    return TraceErrors(math.sqrt(float(squared.mean())), math.sqrt(tail))


class Prepared(NamedTuple):
    """One trace with everything that does not depend on parameters."""

    trace: ArchiveTrace
    ahead: int
    hold: TraceErrors
    asked_ns: NDArray[np.int64]


def prepared(trace: ArchiveTrace, latency_ms: float) -> Prepared:
    """Prepare a trace: the moments to predict, and the errors of hold."""
    ahead = min(steps_ahead(trace, latency_ms), trace.times_ns.size - 1)
    asked_ns = trace.times_ns + round(ahead / trace.rate_hz * 1e9)
    asked_ns[:-ahead] = trace.times_ns[ahead:]
    return Prepared(trace, ahead, errors_of(trace, trace.positions, ahead), asked_ns)


class TuningRoom:
    """Memory for predictions, shared by all traces and as large as the longest one needs."""

    def __init__(self) -> None:
        self._rooms: dict[int, NDArray[np.float64]] = {}

    def for_trace(self, trace: ArchiveTrace) -> NDArray[np.float64]:
        """Means (N, C), holding whatever was there before."""
        count, channels = trace.positions.shape
        if channels not in self._rooms or self._rooms[channels].shape[0] < count:
            self._rooms[channels] = np.empty((count, channels))
        return self._rooms[channels][:count]


def predictions(
    predictor: str, parameters: Mapping[str, float], place: Prepared, room: TuningRoom
) -> NDArray[np.float64]:
    """Run a compiled predictor over a trace; row i is what it says at i of i + ``ahead``.

    Error regions are not computed, because nothing here needs them. The result lies in ``room``,
    and is gone with the next one.
    """
    means = room.for_trace(place.trace)
    trace, method = place.trace, METHODS[predictor]
    record = parameter_record(predictor, parameters)
    horizon_ns = round(place.ahead / trace.rate_hz * 1e9)
    state = method.begin(record, trace.positions.shape[1], trace.rate_hz, horizon_ns)
    state = state._replace(calibration=without_region(state.calibration))
    no_regions = np.empty((means.shape[0], 0, 0))
    method.run(record, state, trace.times_ns, trace.positions, place.asked_ns, means, no_regions)
    return means


class TraceScorer:
    """Scores parameters on one subject after the other; hold's errors are computed once."""

    def __init__(self, job: ScoreJob) -> None:
        self._job = job
        self._prepared: dict[str, list[Prepared]] = {}
        self._room = TuningRoom()

    def score(self, parameters: Mapping[str, float], subject: str) -> TraceScore:
        """Return the score of one subject; every worker computes the same."""
        start = time.thread_time()
        if subject not in self._prepared:
            traces = self._job.archive.of(subject)
            self._prepared[subject] = [prepared(trace, self._job.latency_ms) for trace in traces]
        errors = [self._relative(parameters, place) for place in self._prepared[subject]]
        rms = sum(error.rms for error in errors) / len(errors)
        tail = sum(error.tail for error in errors) / len(errors)
        loss = rms + TAIL_WEIGHT * tail
        if not math.isfinite(loss):
            raise ValueError(f"{self._job.predictor} with {dict(parameters)}: {subject}: no number")
        return TraceScore(loss, rms, tail, time.thread_time() - start)

    def warm_up(self) -> None:
        """Compile, or load from the cache, all kernels that evaluations call."""
        trace = min(self._job.archive.traces, key=lambda trace: trace.positions.size)
        short = trace._replace(
            times_ns=trace.times_ns[:40].copy(),
            positions=trace.positions[:40].copy(),
            scored=np.ones(min(40, trace.scored.size), np.bool_),
        )
        predictions(self._job.predictor, {}, prepared(short, self._job.latency_ms), self._room)

    def _relative(self, parameters: Mapping[str, float], place: Prepared) -> TraceErrors:
        said = predictions(self._job.predictor, parameters, place, self._room)
        made = errors_of(place.trace, said, place.ahead)
        return TraceErrors(_ratio(made.rms, place.hold.rms), _ratio(made.tail, place.hold.tail))


def _ratio(made: float, held: float) -> float:
    """Return the error relative to hold; where hold is perfect, 1 without error and else 1000."""
    if held > 0.0:
        return made / held
    return 1.0 if made == 0.0 else 1e3
