"""Predict by wavelet-based least mean squares: an adaptive filter on à trous scales.

After Ernst, Schlaefer & Schweikard (2007): the signal is split by the causal à trous Haar
transform, c0 = x, c(j+1)(n) = (c(j)(n) + c(j)(n - 2^j)) / 2, W(j+1) = c(j) - c(j+1); each scale
contributes its last coefficients, spaced by its own width, and one normalised LMS filter with
a label delayed by the horizon weighs them all. c(j)(n) is the mean of the last 2^j samples.
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


class WlmsParameters(NamedTuple):
    """``span_s``: width of the coarsest scale; ``taps`` per scale; ``rate``: share corrected."""

    span_s: float = 0.8
    taps: float = 4.0
    rate: float = 0.1


BOUNDS: dict[str, tuple[float, float]] = {
    "span_s": (0.05, 3.0),
    "taps": (1.0, 8.0),
    "rate": (1e-4, 1.0),
}


class WlmsState(NamedTuple):
    """``weights`` (channels, scales + 1, taps), ``coefficients`` alike: work space."""

    stream: Stream
    calibration: Calibration
    weights: Reals
    coefficients: Reals
    sums: Reals


def begin(parameters: WlmsParameters, channels: int, rate_hz: float, horizon_ns: int) -> WlmsState:
    """Return a state that gives every newest coefficient weight one: their sum is the position."""
    scales = min(6, max(1, int(np.ceil(np.log2(max(2.0, parameters.span_s * rate_hz))))))
    taps = int(parameters.taps)
    width = 2**scales
    stream = begin_stream(channels, rate_hz, horizon_ns, width * taps)
    weights = np.zeros((channels, scales + 1, taps))
    weights[:, :, 0] = 1.0
    return WlmsState(
        stream=stream,
        calibration=begin_calibration(channels, stream),
        weights=weights,
        coefficients=np.zeros((scales + 1, taps)),
        sums=np.zeros(width * taps + 1),
    )


@compiled
def _decompose(state: WlmsState, slot: int, channel: int) -> float:
    """Fill the coefficients of one channel's window; return their squared size."""
    window, coefficients, sums = state.stream.windows[slot], state.coefficients, state.sums
    centre = state.stream.centre[channel]
    for lag in range(window.shape[0]):
        sums[lag + 1] = sums[lag] + (window[lag, channel] - centre)
    scales = coefficients.shape[0] - 1
    squared = 0.0
    for scale in range(scales + 1):
        coarse = 2 ** min(scale + 1, scales)
        fine = coarse // 2
        for tap in range(coefficients.shape[1]):
            begin_lag = tap * coarse
            value = (sums[begin_lag + coarse] - sums[begin_lag]) / coarse
            if scale < scales:
                value = (sums[begin_lag + fine] - sums[begin_lag]) / fine - value
            coefficients[scale, tap] = value
            squared += value * value
    return squared


@compiled
def _filter(state: WlmsState, channel: int) -> float:
    value = state.stream.centre[channel]
    for scale in range(state.coefficients.shape[0]):
        for tap in range(state.coefficients.shape[1]):
            value += state.weights[channel, scale, tap] * state.coefficients[scale, tap]
    return value


@compiled
def step(parameters: WlmsParameters, state: WlmsState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream, calibration = state.stream, state.calibration
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    lags = stream.windows.shape[1]
    while True:
        due = next_labelled(stream)
        if due < 0:
            break
        score(stream, calibration, due)
        if stream.filled[due] < lags:
            continue
        for channel in range(position.size):
            power = _decompose(state, due, channel) + 1e-6 * scale_of(stream, channel)
            error = stream.label[channel] - _filter(state, channel)
            share = parameters.rate * error / power
            for scale in range(state.coefficients.shape[0]):
                for tap in range(state.coefficients.shape[1]):
                    state.weights[channel, scale, tap] += share * state.coefficients[scale, tap]
    for channel in range(position.size):
        guess = position[channel]
        if stream.filled[slot] == lags:
            _decompose(state, slot, channel)
            guess = _filter(state, channel)
        stream.predicted[slot, channel] = guess
    publish(stream, calibration, slot)
    return 0


@compiled
def run(
    parameters: WlmsParameters,
    state: WlmsState,
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
