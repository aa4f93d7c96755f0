"""Predict with a small recurrent network that SnAp-1 trains online and causally.

Hidden state z(s) = tanh(W z(s-1) + U u(s)), prediction x(s) + V [z(s), 1], all channels together,
u the last scaled positions and a constant. SnAp-1 (Menick et al. 2021; for breathing Pohl et al.
2022) keeps, of the influence of every weight on every unit, only that on the unit it feeds. The
published code corrects the weights with a label one horizon too early. Here influence and state of
sample s are kept until its label exists. The gradient steps are plain and clipped.
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
    SEGMENT,
    Stream,
    admit,
    begin_stream,
    next_labelled,
    scale_of,
)

Reals = NDArray[np.float64]

_SEED = 20220702


class RnnParameters(NamedTuple):
    """``units`` hidden, ``history_s`` of inputs; ``rate`` of the gradient, ``clip`` of its size."""

    units: float = 24.0
    history_s: float = 1.0
    rate: float = 0.02
    clip: float = 2.0


BOUNDS: dict[str, tuple[float, float]] = {
    "units": (2.0, 100.0),
    "history_s": (0.1, 5.0),
    "rate": (1e-5, 1.0),
    "clip": (1e-3, 100.0),
}


class RnnState(NamedTuple):
    """``inner`` (units, units + inputs): W and U side by side; ``outer`` (channels, units + 1): V.

    ``hidden`` (ring, units + 1), ``influence`` (ring, units, units + inputs): of each slot.
    """

    stream: Stream
    calibration: Calibration
    inner: Reals
    outer: Reals
    hidden: Reals
    influence: Reals
    inputs: Reals
    error: Reals
    credit: Reals


def begin(parameters: RnnParameters, channels: int, rate_hz: float, horizon_ns: int) -> RnnState:
    """Return random inner weights from a fixed seed and zero outer ones: it predicts a hold."""
    units = int(parameters.units)
    lags = min(24, max(4, round(parameters.history_s * rate_hz)))
    stream = begin_stream(channels, rate_hz, horizon_ns, lags)
    ring = stream.times.size
    inputs = channels * lags + 1
    draw = np.random.Generator(np.random.PCG64(_SEED))
    inner = draw.standard_normal((units, units + inputs))
    inner[:, :units] *= 0.5 / np.sqrt(units)
    inner[:, units:] *= 0.5 / np.sqrt(inputs)
    return RnnState(
        stream=stream,
        calibration=begin_calibration(channels, stream),
        inner=inner,
        outer=np.zeros((channels, units + 1)),
        hidden=np.zeros((ring, units + 1)),
        influence=np.zeros((ring, units, units + inputs)),
        inputs=np.zeros(units + inputs),
        error=np.zeros(channels),
        credit=np.zeros(units),
    )


@compiled
def _advance(state: RnnState, slot: int) -> None:
    """Compute hidden state and influence of the newest slot from those of the previous one."""
    stream, inputs, inner = state.stream, state.inputs, state.inner
    units = inner.shape[0]
    window = stream.windows[slot]
    older = (slot - 1) % state.hidden.shape[0]
    fresh = stream.clock[SEGMENT] == 1
    for unit in range(units):
        inputs[unit] = 0.0 if fresh else state.hidden[older, unit]
    place = units
    for channel in range(window.shape[1]):
        centre = stream.centre[channel]
        deviation = np.sqrt(scale_of(stream, channel))
        for lag in range(window.shape[0]):
            inputs[place] = min(max((window[lag, channel] - centre) / deviation, -5.0), 5.0)
            place += 1
    inputs[place] = 1.0
    for unit in range(units):
        total = 0.0
        for k in range(inputs.size):
            total += inner[unit, k] * inputs[k]
        value = np.tanh(total)
        state.hidden[slot, unit] = value
        slope = 1.0 - value * value
        keep = 0.0 if fresh else inner[unit, unit]
        for k in range(inputs.size):
            past = keep * state.influence[older, unit, k] if keep != 0.0 else 0.0
            state.influence[slot, unit, k] = slope * (inputs[k] + past)
    state.hidden[slot, units] = 1.0


@compiled
def _train(parameters: RnnParameters, state: RnnState, slot: int) -> None:
    stream, hidden, outer = state.stream, state.hidden[slot], state.outer
    units = state.inner.shape[0]
    size = 0.0
    for channel in range(state.error.size):
        target = stream.label[channel] - stream.windows[slot, 0, channel]
        error = target / np.sqrt(scale_of(stream, channel))
        for unit in range(units + 1):
            error -= outer[channel, unit] * hidden[unit]
        state.error[channel] = error
        size += error * error
    size = np.sqrt(size)
    share = parameters.rate * min(1.0, parameters.clip / (size + 1e-12))
    for unit in range(units):
        credit = 0.0
        for channel in range(state.error.size):
            credit += outer[channel, unit] * state.error[channel]
        state.credit[unit] = credit
    for channel in range(state.error.size):
        for unit in range(units + 1):
            outer[channel, unit] += share * state.error[channel] * hidden[unit]
    for unit in range(units):
        step_size = share * min(max(state.credit[unit], -1.0), 1.0)
        for k in range(state.inner.shape[1]):
            state.inner[unit, k] += step_size * state.influence[slot, unit, k]


@compiled
def step(parameters: RnnParameters, state: RnnState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream = state.stream
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    while True:
        due = next_labelled(stream)
        if due < 0:
            break
        score(stream, state.calibration, due)
        _train(parameters, state, due)
    _advance(state, slot)
    for channel in range(position.size):
        value = 0.0
        for unit in range(state.outer.shape[1]):
            value += state.outer[channel, unit] * state.hidden[slot, unit]
        guess = position[channel] + value * np.sqrt(scale_of(stream, channel))
        stream.predicted[slot, channel] = guess
    publish(stream, state.calibration, slot)
    return 0


@compiled
def run(
    parameters: RnnParameters,
    state: RnnState,
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
