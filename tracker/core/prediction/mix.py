"""Predict with ``mix``, the default: experts weighted online by their own past errors.

It has three layers, each trained only on predictions whose outcome is known.

   1. The bank: regressions that differ in history, memory, penalty and waves, and the
   single-channel autoregression. None is best on every patient. 2. The stack: a weighted sum of the
   experts. The weights sum to one and are those that would have been best over the last minute, by
   ridge regression (Breiman 1996, made online). 3. The floor: a weighted mean of the stack, the
   plain mean of the bank and hold. The weights are a softmin of their squared errors over the last
   seconds, so that the mean replaces a stack that fails. The answer lies between hold and this
   mean, where it would have been best lately. So motion that no expert can predict is held.
"""

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
from tracker.core.prediction.cholesky import backward, factorise, forward
from tracker.core.prediction.compiled import compiled
from tracker.core.prediction.expert import (
    EVERY,
    Expert,
    begin_expert,
    foresee,
    lag_places,
    ready,
    train,
)
from tracker.core.prediction.stream import PERIOD, Stream, admit, begin_stream, next_labelled

Reals = NDArray[np.float64]

_FULL_TRAINING_HZ = 15.0
# candidates of the floor
STACK, MEAN, HOLD = range(3)


class Seat(NamedTuple):
    """The settings of one expert of the bank; see ``regressor.ExpertParameters``."""

    history_s: float
    fade: float
    memory_s: float
    waves: int
    length: float
    linear: float
    noise: float
    absolute: float


BANK = (
    Seat(3.0, 1.5, 100.0, 64, 0.6, 4.0, 1.0, 0.3),  # the best alone
    Seat(5.0, 0.5, 200.0, 48, 0.6, 4.0, 0.5, 0.3),  # a whole breath
    Seat(1.0, 2.0, 400.0, 32, 0.6, 4.0, 0.5, 0.0),  # the last second only
    Seat(3.0, 1.5, 400.0, 64, 0.6, 4.0, 0.4, 0.3),  # long memory, little penalty
    Seat(3.0, 1.5, 200.0, 48, 0.35, 1.0, 0.5, 0.3),  # close resemblance only
    Seat(3.0, 1.5, 200.0, 0, 0.6, 4.0, 0.1, 0.5),  # linear
)


class MixParameters(NamedTuple):
    """The settings of the bank and of its combination.

    ``stack_memory_s``, ``stack_penalty``: of the stack (penalty relative to the mean variance of
    the experts' deviations); ``floor_memory_s``, ``floor_sharpness``: of the softmin;
    ``trust_memory_s``: of how far to go from hold towards the blend. ``bank_memory``,
    ``bank_noise``, ``bank_fade``, ``bank_length``: factors on those settings of every seat of the
    bank; ``own_memory_s``, ``own_penalty``: of the single-channel autoregression.
    """

    stack_memory_s: float = 50.0
    stack_penalty: float = 0.3
    floor_memory_s: float = 15.0
    floor_sharpness: float = 10.0
    trust_memory_s: float = 60.0
    bank_memory: float = 1.0
    bank_noise: float = 1.0
    bank_fade: float = 1.0
    bank_length: float = 1.0
    own_memory_s: float = 200.0
    own_penalty: float = 5e-5


BOUNDS: dict[str, tuple[float, float]] = {
    "stack_memory_s": (1.0, 3600.0),
    "stack_penalty": (1e-3, 1e3),
    "floor_memory_s": (0.5, 600.0),
    "floor_sharpness": (0.0, 1e3),
    "trust_memory_s": (0.5, 600.0),
    "bank_memory": (0.05, 20.0),
    "bank_noise": (0.01, 100.0),
    "bank_fade": (0.05, 20.0),
    "bank_length": (0.05, 20.0),
    "own_memory_s": (1.0, 3600.0),
    "own_penalty": (1e-9, 10.0),
}


class MixState(NamedTuple):
    """The bank of K experts, and the state of its weights.

    ``foreseen`` (ring, K, channels), ``candidates`` (ring, 3, channels), ``blended`` (ring,
    channels): what experts, candidates and their blend said at each slot; ``usable`` (ring, K):
    which experts had their whole history. ``moment`` (K, K), ``cross``, ``weights`` (K,): the
    stack. ``losses``, ``shares`` (3,): the floor; ``trust`` (3,): two sums and their ratio.
    ``labels`` (1,): how many came. ``lower``, ``off``: work space.
    """

    stream: Stream
    calibration: Calibration
    bank: tuple[Expert, ...]
    model: Autoregression
    foreseen: Reals
    candidates: Reals
    blended: Reals
    usable: NDArray[np.bool_]
    moment: Reals
    cross: Reals
    weights: Reals
    losses: Reals
    shares: Reals
    trust: Reals
    labels: NDArray[np.int64]
    lower: Reals
    off: Reals


def begin(parameters: MixParameters, channels: int, rate_hz: float, horizon_ns: int) -> MixState:
    """Return the state before any learning: it predicts that the position holds."""
    every = max(1, int(rate_hz / _FULL_TRAINING_HZ))
    own_lags = autoregression_lags(4.0, 60.0, rate_hz)
    places = [lag_places(seat.history_s, rate_hz, channels) for seat in BANK]
    lags = max(own_lags, *(int(place[-1]) + 1 for place in places))
    stream = begin_stream(channels, rate_hz, horizon_ns, lags)
    ring = stream.times.size
    bank = tuple(
        begin_expert(
            channels,
            rate_hz,
            place,
            ring,
            fade=seat.fade * parameters.bank_fade,
            memory_s=seat.memory_s * parameters.bank_memory,
            waves=seat.waves,
            length=seat.length * parameters.bank_length,
            linear=seat.linear,
            noise=seat.noise * parameters.bank_noise,
            absolute=seat.absolute,
            every=every,
            draw=draw,
        )
        for draw, (seat, place) in enumerate(zip(BANK, places, strict=True))
    )
    experts = len(bank) + 1
    return MixState(
        stream=stream,
        calibration=begin_calibration(channels, stream),
        bank=bank,
        model=begin_autoregression(
            channels, own_lags, parameters.own_memory_s, parameters.own_penalty
        ),
        foreseen=np.zeros((ring, experts, channels)),
        candidates=np.zeros((ring, 3, channels)),
        blended=np.zeros((ring, channels)),
        usable=np.zeros((ring, experts), np.bool_),
        moment=np.zeros((experts, experts)),
        cross=np.zeros(experts),
        weights=np.full(experts, 1.0 / experts),
        losses=np.zeros(3),
        shares=np.array([0.0, 0.0, 1.0]),
        trust=np.zeros(3),
        labels=np.zeros(1, np.int64),
        lower=np.zeros((experts, experts)),
        off=np.zeros(experts),
    )


@compiled
def _train_bank(state: MixState, slot: int) -> None:
    stream = state.stream
    turn = state.labels[0]
    for place, expert in enumerate(state.bank):
        every = int(expert.settings[EVERY])
        if (turn + place) % every == 0 and ready(expert, stream, slot):
            train(expert, stream, slot)
    if history_ready(state.model, stream, slot):
        train_autoregression(state.model, stream, slot)


@compiled
def _train_stack(parameters: MixParameters, state: MixState, slot: int) -> None:
    label, foreseen = state.stream.label, state.foreseen[slot]
    moment, cross, off = state.moment, state.cross, state.off
    experts = cross.size
    for k in range(experts):
        if not state.usable[slot, k]:
            return
    period_s = state.stream.clock[PERIOD] * 1e-9
    forgetting = np.exp(-period_s / parameters.stack_memory_s)
    for row in range(experts):
        cross[row] *= forgetting
        for column in range(experts):
            moment[row, column] *= forgetting
    for channel in range(label.size):
        mean = 0.0
        for k in range(experts):
            mean += foreseen[k, channel]
        mean /= experts
        for k in range(experts):
            off[k] = foreseen[k, channel] - mean
        error = label[channel] - mean
        for row in range(experts):
            cross[row] += off[row] * error
            for column in range(experts):
                moment[row, column] += off[row] * off[column]


@compiled
def _solve_stack(parameters: MixParameters, state: MixState) -> None:
    moment, weights = state.moment, state.weights
    experts = weights.size
    trace = 0.0
    for k in range(experts):
        trace += moment[k, k]
    if trace <= 0.0:
        return
    ridge = parameters.stack_penalty * trace / experts
    for k in range(experts):
        moment[k, k] += ridge
    factorise(moment, state.lower)
    for k in range(experts):
        moment[k, k] -= ridge
    forward(state.lower, state.cross, weights)
    backward(state.lower, weights, weights)
    total = 0.0
    for k in range(experts):
        total += weights[k]
    for k in range(experts):
        weights[k] += (1.0 - total) / experts


@compiled
def _weigh_floor(parameters: MixParameters, state: MixState, slot: int) -> None:
    label, losses, shares = state.stream.label, state.losses, state.shares
    period_s = state.stream.clock[PERIOD] * 1e-9
    forgetting = np.exp(-period_s / parameters.floor_memory_s)
    least = np.inf
    for candidate in range(3):
        loss = forgetting * losses[candidate]
        for channel in range(label.size):
            error = label[channel] - state.candidates[slot, candidate, channel]
            loss += error * error
        losses[candidate] = loss
        least = min(least, loss)
    total = 0.0
    for candidate in range(3):
        excess = (losses[candidate] - least) / (least + 1e-300)
        shares[candidate] = np.exp(-parameters.floor_sharpness * min(excess, 1e3))
        total += shares[candidate]
    for candidate in range(3):
        shares[candidate] /= total


@compiled
def _learn_trust(parameters: MixParameters, state: MixState, slot: int) -> None:
    """Learn how far from hold towards the blend the best recent answer was."""
    label, trust = state.stream.label, state.trust
    period_s = state.stream.clock[PERIOD] * 1e-9
    forgetting = np.exp(-period_s / parameters.trust_memory_s)
    trust[0] *= forgetting
    trust[1] *= forgetting
    for channel in range(label.size):
        held = state.stream.positions[slot, channel]
        away = state.blended[slot, channel] - held
        trust[0] += away * (label[channel] - held)
        trust[1] += away * away
    trust[2] = min(max(trust[0] / (trust[1] + 1e-300), 0.0), 1.0)


@compiled
def _combine(state: MixState, slot: int) -> None:
    """Ask all experts and write candidates and prediction of ``slot``."""
    stream = state.stream
    foreseen, usable = state.foreseen[slot], state.usable[slot]
    candidates, predicted = state.candidates[slot], stream.predicted[slot]
    for place, expert in enumerate(state.bank):
        usable[place] = ready(expert, stream, slot)
        foresee(expert, stream, slot, foreseen[place])
    place = usable.size - 1
    usable[place] = history_ready(state.model, stream, slot)
    foresee_channels(state.model, stream, slot, foreseen[place])
    for channel in range(predicted.size):
        held = stream.positions[slot, channel]
        mean = 0.0
        members = 0
        for k in range(usable.size):
            if usable[k]:
                mean += foreseen[k, channel]
                members += 1
        mean = mean / members if members > 0 else held
        stacked = 0.0
        for k in range(usable.size):
            stacked += state.weights[k] * (foreseen[k, channel] if usable[k] else mean)
        candidates[STACK, channel] = stacked
        candidates[MEAN, channel] = mean
        candidates[HOLD, channel] = held
        blend = (
            state.shares[STACK] * stacked + state.shares[MEAN] * mean + state.shares[HOLD] * held
        )
        state.blended[slot, channel] = blend
        predicted[channel] = held + state.trust[2] * (blend - held)


@compiled
def step(parameters: MixParameters, state: MixState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream = state.stream
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    learned = False
    while True:
        due = next_labelled(stream)
        if due < 0:
            break
        score(stream, state.calibration, due)
        _weigh_floor(parameters, state, due)
        _learn_trust(parameters, state, due)
        _train_stack(parameters, state, due)
        _train_bank(state, due)
        state.labels[0] += 1
        learned = True
    if learned:
        _solve_stack(parameters, state)
    _combine(state, slot)
    publish(stream, state.calibration, slot)
    return 0


@compiled
def run(
    parameters: MixParameters,
    state: MixState,
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
