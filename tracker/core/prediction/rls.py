"""Predict with ``rls``: the single-channel autoregression of ``autoregression`` alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.autoregression import (
    Autoregression,
    autoregression_lags,
    begin_autoregression,
    foresee_channels,
    history_ready,
    train_autoregression,
)
from tracker.core.prediction.calibration import (
    Calibration,
    answer,
    begin_calibration,
    publish,
    score,
)
from tracker.core.prediction.compiled import compiled
from tracker.core.prediction.stream import Stream, admit, begin_stream, next_labelled

Reals = NDArray[np.float64]


class RlsParameters(NamedTuple):
    """``history_s`` of lags (at most ``most_lags``), ``memory_s`` of forgetting.

    ``penalty``: ridge per sample relative to the channel's variance.
    """

    history_s: float = 4.0
    most_lags: float = 60.0
    memory_s: float = 200.0
    penalty: float = 5e-5


BOUNDS: dict[str, tuple[float, float]] = {
    "history_s": (0.1, 10.0),
    "most_lags": (8.0, 200.0),
    "memory_s": (1.0, 3600.0),
    "penalty": (1e-9, 10.0),
}


class RlsState(NamedTuple):
    """Samples seen, errors made, and the regression."""

    stream: Stream
    calibration: Calibration
    model: Autoregression


def begin(parameters: RlsParameters, channels: int, rate_hz: float, horizon_ns: int) -> RlsState:
    """Return the state before any learning: it predicts that the position holds."""
    lags = autoregression_lags(parameters.history_s, parameters.most_lags, rate_hz)
    stream = begin_stream(channels, rate_hz, horizon_ns, lags)
    model = begin_autoregression(channels, lags, parameters.memory_s, parameters.penalty)
    return RlsState(stream, begin_calibration(channels, stream), model)


@compiled
def step(parameters: RlsParameters, state: RlsState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream, calibration, model = state
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    while True:
        due = next_labelled(stream)
        if due < 0:
            break
        score(stream, calibration, due)
        if history_ready(model, stream, due):
            train_autoregression(model, stream, due)
    foresee_channels(model, stream, slot, stream.predicted[slot])
    publish(stream, calibration, slot)
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
    """Run a whole trace: learn sample i with ``step``, then ``answer`` for ``asked_ns[i]``."""
    for i in range(times_ns.size):
        step(parameters, state, times_ns[i], positions[i])
        answer(state.stream, state.calibration, asked_ns[i], means[i], covariances[i])
