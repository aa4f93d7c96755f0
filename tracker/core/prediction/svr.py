"""Predict with SVRpred: support vector regression on a sliding set, trained at every sample.

After Ernst & Schweikard (2009): epsilon-insensitive regression with a Gaussian kernel on the last
seconds of each channel. The published code solves the dual exactly by accurate online SVR; here
the same dual, 1/2 b'Kb - y'b + epsilon |b|, |b_i| <= C, is warm-started from the last solution and
improved by a fixed number of coordinate steps per sample, so no step costs more than another. The
bias is the mean of the channel: positions are centred and scaled when a pair is taken in.
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
    PERIOD,
    Stream,
    admit,
    begin_stream,
    next_labelled,
    scale_of,
)

Reals = NDArray[np.float64]

# places in SvrState.cursor
TAKEN, SWEPT, SEEN = range(3)


class SvrParameters(NamedTuple):
    """``history_s`` of inputs in ``inputs`` equal steps; ``pairs`` kept, ``pair_s`` apart at least.

    ``length`` of the kernel per input and ``epsilon`` in standard deviations; ``cost``: C;
    ``sweeps``: coordinate steps per sample as a share of the pairs.
    """

    history_s: float = 1.5
    inputs: float = 8.0
    pairs: float = 200.0
    pair_s: float = 0.15
    length: float = 1.0
    epsilon: float = 0.02
    cost: float = 10.0
    sweeps: float = 0.5


BOUNDS: dict[str, tuple[float, float]] = {
    "history_s": (0.1, 10.0),
    "inputs": (2.0, 40.0),
    "pairs": (10.0, 600.0),
    "pair_s": (0.0, 2.0),
    "length": (0.05, 20.0),
    "epsilon": (0.0, 1.0),
    "cost": (1e-3, 1e4),
    "sweeps": (0.0, 5.0),
}


class SvrState(NamedTuple):
    """Per channel: ``examples`` (pairs, inputs), ``targets``, ``duals``, ``outputs`` (pairs).

    ``kernel`` (pairs, pairs). Common: ``places`` (inputs,): lags. ``cursor``: see above.
    """

    stream: Stream
    calibration: Calibration
    examples: Reals
    targets: Reals
    duals: Reals
    outputs: Reals
    kernel: Reals
    places: NDArray[np.int64]
    inputs: Reals
    similar: Reals
    cursor: NDArray[np.int64]


def begin(parameters: SvrParameters, channels: int, rate_hz: float, horizon_ns: int) -> SvrState:
    """Return a state without pairs: it predicts that the position holds."""
    last = max(int(parameters.inputs) - 1, round(parameters.history_s * rate_hz))
    places = np.unique(np.round(np.linspace(0, last, int(parameters.inputs)))).astype(np.int64)
    stream = begin_stream(channels, rate_hz, horizon_ns, last + 1)
    pairs = int(parameters.pairs)
    return SvrState(
        stream=stream,
        calibration=begin_calibration(channels, stream),
        examples=np.zeros((channels, pairs, places.size)),
        targets=np.zeros((channels, pairs)),
        duals=np.zeros((channels, pairs)),
        outputs=np.zeros((channels, pairs)),
        kernel=np.zeros((channels, pairs, pairs)),
        places=places,
        inputs=np.zeros(places.size),
        similar=np.zeros(pairs),
        cursor=np.zeros(3, np.int64),
    )


@compiled
def _read_inputs(state: SvrState, slot: int, channel: int) -> None:
    window, places = state.stream.windows[slot], state.places
    centre = state.stream.centre[channel]
    deviation = np.sqrt(scale_of(state.stream, channel))
    for k in range(places.size):
        state.inputs[k] = (window[places[k], channel] - centre) / deviation


@compiled
def _compare(parameters: SvrParameters, state: SvrState, channel: int, known: int) -> None:
    """Write the kernel of the inputs with every pair into ``similar``."""
    narrow = 0.5 / (parameters.length**2 * state.inputs.size)
    for pair in range(known):
        distance = 0.0
        for k in range(state.inputs.size):
            off = state.inputs[k] - state.examples[channel, pair, k]
            distance += off * off
        state.similar[pair] = np.exp(-narrow * distance)


@compiled
def _put_pair(
    parameters: SvrParameters, state: SvrState, slot: int, channel: int, place: int
) -> None:
    """Put a new pair at ``place``, where the oldest one was."""
    targets, duals, outputs = state.targets[channel], state.duals[channel], state.outputs[channel]
    kernel = state.kernel[channel]
    pairs = duals.size
    for pair in range(pairs):
        outputs[pair] -= kernel[pair, place] * duals[place]
    _read_inputs(state, slot, channel)
    deviation = np.sqrt(scale_of(state.stream, channel))
    for k in range(state.inputs.size):
        state.examples[channel, place, k] = state.inputs[k]
    newest = state.stream.windows[slot, 0, channel]
    targets[place] = (state.stream.label[channel] - newest) / deviation
    duals[place] = 0.0
    known = min(state.cursor[TAKEN] + 1, pairs)
    _compare(parameters, state, channel, known)
    outputs[place] = 0.0
    for pair in range(known):
        kernel[place, pair] = state.similar[pair]
        kernel[pair, place] = state.similar[pair]
        outputs[place] += state.similar[pair] * duals[pair]


@compiled
def descend(
    kernel: Reals,
    targets: Reals,
    duals: Reals,
    outputs: Reals,
    pair: int,
    epsilon: float,
    cost: float,
) -> None:
    """Minimise the dual exactly in coordinate ``pair``; ``outputs`` = kernel @ duals is kept."""
    slope = outputs[pair] - targets[pair] - kernel[pair, pair] * duals[pair]
    wanted = 0.0
    if slope > epsilon:
        wanted = (epsilon - slope) / kernel[pair, pair]
    elif slope < -epsilon:
        wanted = (-epsilon - slope) / kernel[pair, pair]
    move = min(max(wanted, -cost), cost) - duals[pair]
    if move != 0.0:
        duals[pair] += move
        for other in range(duals.size):
            outputs[other] += move * kernel[pair, other]


@compiled
def _train(parameters: SvrParameters, state: SvrState, slot: int) -> None:
    cursor = state.cursor
    channels, pairs = state.duals.shape
    every = max(1, int(parameters.pair_s * 1e9 / state.stream.clock[PERIOD] + 0.5))
    if cursor[SEEN] % every == 0:
        for channel in range(channels):
            _put_pair(parameters, state, slot, channel, cursor[TAKEN] % pairs)
        cursor[TAKEN] += 1
    cursor[SEEN] += 1
    known = min(cursor[TAKEN], pairs)
    for _ in range(int(parameters.sweeps * known) + 1):
        # a stride coprime to the number of pairs visits all of them in a scattered order
        cursor[SWEPT] = (cursor[SWEPT] + 61) % known
        for channel in range(channels):
            descend(
                state.kernel[channel],
                state.targets[channel],
                state.duals[channel],
                state.outputs[channel],
                cursor[SWEPT],
                parameters.epsilon,
                parameters.cost,
            )


@compiled
def step(parameters: SvrParameters, state: SvrState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream = state.stream
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    lags = stream.windows.shape[1]
    while True:
        due = next_labelled(stream)
        if due < 0:
            break
        score(stream, state.calibration, due)
        if stream.filled[due] == lags:
            _train(parameters, state, due)
    known = min(state.cursor[TAKEN], state.similar.size)
    for channel in range(position.size):
        guess = position[channel]
        if stream.filled[slot] == lags:
            _read_inputs(state, slot, channel)
            _compare(parameters, state, channel, known)
            value = 0.0
            for pair in range(known):
                value += state.similar[pair] * state.duals[channel, pair]
            guess += value * np.sqrt(scale_of(stream, channel))
        stream.predicted[slot, channel] = guess
    publish(stream, state.calibration, slot)
    return 0


@compiled
def run(
    parameters: SvrParameters,
    state: SvrState,
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
