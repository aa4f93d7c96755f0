"""Predict by linear extrapolation: fit a line to the last moments, extend it by one horizon."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.calibration import (
    Calibration,
    answer,
    begin_calibration,
    publish,
    score_all,
)
from tracker.core.prediction.compiled import compiled
from tracker.core.prediction.stream import HORIZON, PERIOD, Stream, admit, begin_stream

Reals = NDArray[np.float64]


class LinearParameters(NamedTuple):
    """``span_s``: the line is fitted to this long a stretch, two samples at least."""

    span_s: float = 0.2


BOUNDS: dict[str, tuple[float, float]] = {"span_s": (0.0, 2.0)}


class LinearState(NamedTuple):
    """Samples seen and errors made."""

    stream: Stream
    calibration: Calibration


def begin(
    parameters: LinearParameters, channels: int, rate_hz: float, horizon_ns: int
) -> LinearState:
    """Return the state of a predictor that has seen no sample."""
    lags = max(2, round(parameters.span_s * rate_hz) + 1)
    stream = begin_stream(channels, rate_hz, horizon_ns, lags)
    return LinearState(stream, begin_calibration(channels, stream))


@compiled
def step(parameters: LinearParameters, state: LinearState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream, calibration = state
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    score_all(stream, calibration)
    window = stream.windows[slot]
    points = min(stream.filled[slot], window.shape[0])
    ahead = float(stream.clock[HORIZON]) / float(stream.clock[PERIOD])
    middle = 0.5 * (points - 1)
    spread = 0.0
    for lag in range(points):
        spread += (lag - middle) ** 2
    for channel in range(position.size):
        mean = 0.0
        slope = 0.0
        for lag in range(points):
            mean += window[lag, channel] / points
            slope -= (lag - middle) * window[lag, channel]
        guess = position[channel]
        if points > 1:
            guess = mean + slope / spread * (middle + ahead)
        stream.predicted[slot, channel] = guess
    publish(stream, calibration, slot)
    return 0


@compiled
def run(
    parameters: LinearParameters,
    state: LinearState,
    times_ns: NDArray[np.int64],
    positions: Reals,
    asked_ns: NDArray[np.int64],
    means: Reals,
    covariances: Reals,
) -> None:
    """Run a whole trace: learn sample i with ``step``, then ``answer`` for ``asked_ns[i]``."""
    for i in range(times_ns.size):
        step(parameters, state, times_ns[i], positions[i])
        answer(state.stream, state.calibration, asked_ns[i], means[i], covariances[i])
