"""Predict each channel from its own last seconds by recursive least squares.

The features at sample s are a constant, x(s) - origin, and x(s - j) - x(s) for the lags j. The
target is x(s + h) - x(s). With about 4 s of history this predicts respiratory motion much better
than Kalman and NLMS predictors. ``regression`` keeps it numerically stable for hours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.compiled import compiled
from tracker.core.prediction.regression import absorb, restart
from tracker.core.prediction.stream import PERIOD, Stream, scale_of

Reals = NDArray[np.float64]

_START_S = 1.0  # the prior weighs as much as this long a stretch of steady penalty

# places in Autoregression.settings and .cursor
MEMORY_S, PENALTY = range(2)
TRAINED, PULLED = range(2)


class Autoregression(NamedTuple):
    """``settings``, ``cursor``: see the places above; ``inverse`` (channels, n, n).

    ``weights`` (channels, n, 1); ``origin`` (channels,): the first position ever learned from.
    ``features``, ``gain``, ``pull`` (n,), ``target`` (1,): work space.
    """

    settings: Reals
    cursor: NDArray[np.int64]
    inverse: Reals
    weights: Reals
    origin: Reals
    features: Reals
    gain: Reals
    pull: Reals
    target: Reals


def autoregression_lags(history_s: float, most_lags: float, rate_hz: float) -> int:
    """Return the number of history samples, the newest included."""
    return min(max(8, int(history_s * rate_hz + 1e-6)), int(most_lags))


def begin_autoregression(
    channels: int, lags: int, memory_s: float, penalty: float
) -> Autoregression:
    """Return a state with zero weights: it predicts that the position holds."""
    size = lags + 1
    return Autoregression(
        settings=np.array([memory_s, penalty]),
        cursor=np.zeros(2, np.int64),
        inverse=np.zeros((channels, size, size)),
        weights=np.zeros((channels, size, 1)),
        origin=np.zeros(channels),
        features=np.zeros(size),
        gain=np.zeros(size),
        pull=np.zeros(size),
        target=np.zeros(1),
    )


@compiled
def history_ready(model: Autoregression, stream: Stream, slot: int) -> bool:
    """Return whether the window of ``slot`` was measured for the model's whole history."""
    return stream.filled[slot] >= model.features.size - 1


@compiled
def _read_features(model: Autoregression, stream: Stream, slot: int, channel: int) -> None:
    features, window = model.features, stream.windows[slot]
    newest = window[0, channel]
    features[0] = np.sqrt(scale_of(stream, channel))
    features[1] = newest - model.origin[channel]
    for lag in range(1, features.size - 1):
        features[1 + lag] = window[lag, channel] - newest


@compiled
def train_autoregression(model: Autoregression, stream: Stream, slot: int) -> None:
    """Learn what followed the window of ``slot``, now that its label is known."""
    cursor = model.cursor
    period_s = stream.clock[PERIOD] * 1e-9
    forgetting = np.exp(-period_s / model.settings[MEMORY_S])
    size = model.features.size
    for channel in range(stream.label.size):
        penalty = model.settings[PENALTY] * scale_of(stream, channel)
        start = penalty * max(1.0, _START_S / period_s)
        if cursor[TRAINED] == 0:
            restart(model.inverse[channel], start)
            model.origin[channel] = stream.windows[slot, 0, channel]
        _read_features(model, stream, slot, channel)
        model.target[0] = stream.label[channel] - stream.windows[slot, 0, channel]
        for _ in range(2):
            if absorb(
                model.inverse[channel],
                model.weights[channel],
                model.features,
                model.target,
                forgetting,
                cursor[PULLED],
                penalty * size,
                model.gain,
                model.pull,
            ):
                break
            restart(model.inverse[channel], start)
    cursor[TRAINED] += 1
    cursor[PULLED] = (cursor[PULLED] + 1) % size


@compiled
def foresee_channels(model: Autoregression, stream: Stream, slot: int, position: Reals) -> None:
    """Write the position one horizon after ``slot``; before any learning, the position itself."""
    known = model.cursor[TRAINED] > 0 and history_ready(model, stream, slot)
    for channel in range(position.size):
        value = stream.windows[slot, 0, channel]
        if known:
            _read_features(model, stream, slot, channel)
            for k in range(model.features.size):
                value += model.weights[channel, k, 0] * model.features[k]
        position[channel] = value
