"""Predict by normalised least mean squares on the last seconds of each channel alone.

The adaptive filter of Haykin (2002, ch. 6) with a delayed label: the weights at time t move by
the error of the prediction made one horizon ago. Reported for CyberKnife by Ernst et al. (2013).
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
from tracker.core.prediction.stream import (
    Stream,
    admit,
    begin_stream,
    next_labelled,
    scale_of,
)

Reals = NDArray[np.float64]


class NlmsParameters(NamedTuple):
    """``history_s`` of lags (at most ``most_lags``); ``rate``: share of the error corrected."""

    history_s: float = 4.0
    most_lags: float = 60.0
    rate: float = 0.05


BOUNDS: dict[str, tuple[float, float]] = {
    "history_s": (0.1, 10.0),
    "most_lags": (2.0, 200.0),
    "rate": (1e-4, 1.0),
}


class NlmsState(NamedTuple):
    """``weights`` (channels, lags)."""

    stream: Stream
    calibration: Calibration
    weights: Reals


def begin(parameters: NlmsParameters, channels: int, rate_hz: float, horizon_ns: int) -> NlmsState:
    """Return a state with weight one for the newest sample: it predicts that the position holds."""
    lags = min(max(8, int(parameters.history_s * rate_hz + 1e-6)), int(parameters.most_lags))
    stream = begin_stream(channels, rate_hz, horizon_ns, lags)
    weights = np.zeros((channels, lags))
    weights[:, 0] = 1.0
    return NlmsState(stream, begin_calibration(channels, stream), weights)


@compiled
def _filter(state: NlmsState, slot: int, channel: int) -> float:
    window, weights = state.stream.windows[slot], state.weights[channel]
    centre = state.stream.centre[channel]
    value = centre
    for lag in range(weights.size):
        value += weights[lag] * (window[lag, channel] - centre)
    return value


@compiled
def step(parameters: NlmsParameters, state: NlmsState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream, calibration, weights = state
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    lags = weights.shape[1]
    while True:
        due = next_labelled(stream)
        if due < 0:
            break
        score(stream, calibration, due)
        if stream.filled[due] < lags:
            continue
        for channel in range(position.size):
            error = stream.label[channel] - _filter(state, due, channel)
            power = 1e-6 * scale_of(stream, channel)
            centre = stream.centre[channel]
            for lag in range(lags):
                power += (stream.windows[due, lag, channel] - centre) ** 2
            share = parameters.rate * error / power
            for lag in range(lags):
                weights[channel, lag] += share * (stream.windows[due, lag, channel] - centre)
    for channel in range(position.size):
        known = stream.filled[slot] == lags
        stream.predicted[slot, channel] = (
            _filter(state, slot, channel) if known else position[channel]
        )
    publish(stream, calibration, slot)
    return 0


@compiled
def run(
    parameters: NlmsParameters,
    state: NlmsState,
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
