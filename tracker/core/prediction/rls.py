"""Recursive least squares over the last seconds of each channel alone.

Features at sample s: 1, x(s) - origin, x(s - j) - x(s) for the lags j; target: x(s + h) - x(s).
This is the single-channel autoregression with about 4 s of history that beats Kalman and NLMS
predictors on respiratory motion; see ``regression`` for what keeps it alive for hours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.calibration import (
    Calibration,
    answer,
    begin_calibration,
    publish,
    score,
)
from tracker.core.prediction.compiled import compiled
from tracker.core.prediction.regression import absorb, restart
from tracker.core.prediction.stream import (
    PERIOD,
    SAMPLES,
    Stream,
    admit,
    begin_stream,
    next_labelled,
    scale_of,
)

Reals = NDArray[np.float64]

_START_S = 1.0  # the prior weighs as much as this long a stretch of steady penalty


class RlsParameters(NamedTuple):
    """``history_s`` of lags (at most ``most_lags``), ``memory_s`` of forgetting.

    ``penalty``: ridge per sample relative to the channel's variance.
    """

    history_s: float = 4.0
    most_lags: float = 60.0
    memory_s: float = 200.0
    penalty: float = 5e-5


class RlsState(NamedTuple):
    """``inverse`` (channels, n, n), ``weights`` (channels, n, 1), ``cursor``: [trained, pulled]."""

    stream: Stream
    calibration: Calibration
    inverse: Reals
    weights: Reals
    origin: Reals
    features: Reals
    gain: Reals
    pull: Reals
    target: Reals
    cursor: NDArray[np.int64]


def begin(parameters: RlsParameters, channels: int, rate_hz: float, horizon_ns: int) -> RlsState:
    """All weights zero: a prediction that holds."""
    lags = max(8, int(parameters.history_s * rate_hz + 1e-6))
    lags = min(lags, int(parameters.most_lags))
    stream = begin_stream(channels, rate_hz, horizon_ns, lags)
    size = lags + 1
    return RlsState(
        stream=stream,
        calibration=begin_calibration(channels, stream),
        inverse=np.zeros((channels, size, size)),
        weights=np.zeros((channels, size, 1)),
        origin=np.zeros(channels),
        features=np.zeros(size),
        gain=np.zeros(size),
        pull=np.zeros(size),
        target=np.zeros(1),
        cursor=np.zeros(2, np.int64),
    )


@compiled
def _read_features(state: RlsState, slot: int, channel: int) -> None:
    features, window = state.features, state.stream.windows[slot]
    newest = window[0, channel]
    spread = np.sqrt(scale_of(state.stream, channel))
    features[0] = spread
    features[1] = newest - state.origin[channel]
    for lag in range(1, window.shape[0]):
        features[1 + lag] = window[lag, channel] - newest


@compiled
def _train(parameters: RlsParameters, state: RlsState, slot: int) -> None:
    stream, cursor = state.stream, state.cursor
    period_s = stream.clock[PERIOD] * 1e-9
    forgetting = np.exp(-period_s / parameters.memory_s)
    size = state.features.size
    for channel in range(stream.label.size):
        ridge = parameters.penalty * scale_of(stream, channel)
        start = ridge * max(1.0, _START_S / period_s) + 1e-300
        inverse, weights = state.inverse[channel], state.weights[channel]
        if cursor[0] == 0:
            restart(inverse, start)
        _read_features(state, slot, channel)
        state.target[0] = stream.label[channel] - stream.windows[slot, 0, channel]
        for _ in range(2):
            if absorb(
                inverse,
                weights,
                state.features,
                state.target,
                forgetting,
                cursor[1],
                ridge * size,
                state.gain,
                state.pull,
            ):
                break
            restart(inverse, start)
    cursor[0] += 1
    cursor[1] = (cursor[1] + 1) % size


@compiled
def step(parameters: RlsParameters, state: RlsState, t_ns: int, position: Reals) -> int:
    """Take one sample; 0, or why it was refused (see ``stream.admit``)."""
    stream = state.stream
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    if stream.clock[SAMPLES] == 1:
        state.origin[:] = position
    lags = stream.windows.shape[1]
    while True:
        due = next_labelled(stream)
        if due < 0:
            break
        score(stream, state.calibration, due)
        if stream.filled[due] == lags:
            _train(parameters, state, due)
    for channel in range(position.size):
        value = position[channel]
        if stream.filled[slot] == lags and state.cursor[0] > 0:
            _read_features(state, slot, channel)
            for k in range(state.features.size):
                value += state.weights[channel, k, 0] * state.features[k]
        stream.predicted[slot, channel] = value
    publish(stream, state.calibration, slot)
    return 0


@compiled
def run(
    parameters: RlsParameters,
    state: RlsState,
    times_ns: NDArray[np.int64],
    positions: Reals,
    asked_ns: NDArray[np.int64],
    means: Reals,
    covariances: Reals,
) -> None:
    """``step`` and ``answer`` over a whole trace: sample i is learned, then ``asked_ns[i]``."""
    for i in range(times_ns.size):
        step(parameters, state, times_ns[i], positions[i])
        answer(state.stream, state.calibration, asked_ns[i], means[i], covariances[i])
