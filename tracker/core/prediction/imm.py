"""Predict with interacting multiple models (Blom & Bar-Shalom 1988), each channel alone.

The three models are near-constant velocity, near-constant acceleration and quiet drift. All share
the state [p, v, a]. They differ in the transition (no acceleration, acceleration, or a velocity
that dies out) and in the noise. Measurement noise is relative to the channel's variance. Putra et
al. (2008) used the method for breathing.
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
    score_all,
)
from tracker.core.prediction.compiled import compiled
from tracker.core.prediction.stream import (
    HORIZON,
    NEWEST,
    SEGMENT,
    Stream,
    admit,
    begin_stream,
    scale_of,
)

Reals = NDArray[np.float64]

VELOCITY, ACCELERATION, QUIET = range(3)
_MODELS = 3
_ORDER = 3


class ImmParameters(NamedTuple):
    """Noises in standard deviations of the channel; ``stay_s``: mean time in one model.

    ``noise``: of one measurement; ``velocity``, ``acceleration``, ``quiet``: random acceleration
    of each model (for ``acceleration`` its random change), per s^2.
    """

    noise: float = 0.02
    velocity: float = 3.0
    acceleration: float = 0.5
    quiet: float = 2.0
    stay_s: float = 1.0


BOUNDS: dict[str, tuple[float, float]] = {
    "noise": (1e-4, 1.0),
    "velocity": (1e-3, 1e4),
    "acceleration": (1e-3, 1e4),
    "quiet": (1e-3, 1e4),
    "stay_s": (0.01, 1e3),
}


class ImmState(NamedTuple):
    """``mean`` (channels, models, 3), ``covariance`` (channels, models, 3, 3).

    ``shares`` (channels, models): probability of each model. The rest is work space.
    """

    stream: Stream
    calibration: Calibration
    mean: Reals
    covariance: Reals
    shares: Reals
    mixed: Reals
    spread: Reals
    transition: Reals
    product: Reals
    likelihood: Reals


def begin(parameters: ImmParameters, channels: int, rate_hz: float, horizon_ns: int) -> ImmState:
    """Return a state in which all models are equally likely."""
    del parameters
    stream = begin_stream(channels, rate_hz, horizon_ns, 1)
    return ImmState(
        stream=stream,
        calibration=begin_calibration(channels, stream),
        mean=np.zeros((channels, _MODELS, _ORDER)),
        covariance=np.zeros((channels, _MODELS, _ORDER, _ORDER)),
        shares=np.full((channels, _MODELS), 1.0 / _MODELS),
        mixed=np.zeros((_MODELS, _ORDER)),
        spread=np.zeros((_MODELS, _ORDER, _ORDER)),
        transition=np.zeros((_ORDER, _ORDER)),
        product=np.zeros((_ORDER, _ORDER)),
        likelihood=np.zeros(_MODELS),
    )


@compiled
def _write_transition(model: int, dt_s: float, transition: Reals) -> None:
    transition[:, :] = 0.0
    transition[0, 0] = 1.0
    transition[0, 1] = dt_s
    transition[1, 1] = 1.0
    if model == ACCELERATION:
        transition[0, 2] = 0.5 * dt_s * dt_s
        transition[1, 2] = dt_s
        transition[2, 2] = 1.0
    elif model == QUIET:
        fade = np.exp(-2.0 * dt_s)
        transition[0, 1] = 0.5 * (1.0 - fade)
        transition[1, 1] = fade


@compiled
def interact(mean: Reals, covariance: Reals, shares: Reals, stay: float, state: ImmState) -> None:
    """Mix the models' estimates by the probability of a change; write the predicted shares."""
    leave = (1.0 - stay) / (_MODELS - 1)
    likelihood, mixed, spread = state.likelihood, state.mixed, state.spread
    for to in range(_MODELS):
        likelihood[to] = 0.0
        for origin in range(_MODELS):
            likelihood[to] += (stay if origin == to else leave) * shares[origin]
    for to in range(_MODELS):
        mixed[to] = 0.0
        spread[to] = 0.0
        for origin in range(_MODELS):
            weight = (stay if origin == to else leave) * shares[origin] / likelihood[to]
            for k in range(_ORDER):
                mixed[to, k] += weight * mean[origin, k]
        for origin in range(_MODELS):
            weight = (stay if origin == to else leave) * shares[origin] / likelihood[to]
            for row in range(_ORDER):
                off = mean[origin, row] - mixed[to, row]
                for column in range(_ORDER):
                    other = mean[origin, column] - mixed[to, column]
                    spread[to, row, column] += weight * (
                        covariance[origin, row, column] + off * other
                    )
    for model in range(_MODELS):
        shares[model] = likelihood[model]
        for row in range(_ORDER):
            mean[model, row] = mixed[model, row]
            for column in range(_ORDER):
                covariance[model, row, column] = spread[model, row, column]


@compiled
def _filter_model(
    state: ImmState,
    channel: int,
    model: int,
    dt_s: float,
    agility: float,
    noise: float,
    seen: float,
) -> float:
    """Do one Kalman step of one model in place; return the logarithm of its likelihood."""
    mean, covariance = state.mean[channel, model], state.covariance[channel, model]
    transition, product = state.transition, state.product
    _write_transition(model, dt_s, transition)
    product[:, :] = 0.0
    carried = state.mixed[model]
    for row in range(_ORDER):
        carried[row] = 0.0
        for k in range(_ORDER):
            carried[row] += transition[row, k] * mean[k]
            for column in range(_ORDER):
                product[row, column] += transition[row, k] * covariance[k, column]
    for k in range(_ORDER):
        mean[k] = carried[k]
    for row in range(_ORDER):
        enter_row = 0.5 * dt_s * dt_s if row == 0 else (dt_s if row == 1 else 1.0)
        for column in range(_ORDER):
            enter = 0.5 * dt_s * dt_s if column == 0 else (dt_s if column == 1 else 1.0)
            if model != ACCELERATION and (row == 2 or column == 2):
                enter = 0.0
            value = enter_row * enter * agility * agility
            for k in range(_ORDER):
                value += product[row, k] * transition[column, k]
            covariance[row, column] = value
    total = covariance[0, 0] + noise
    error = seen - mean[0]
    for k in range(_ORDER):
        product[0, k] = covariance[0, k]
    for row in range(_ORDER):
        mean[row] += product[0, row] * error / total
        for column in range(_ORDER):
            covariance[row, column] -= product[0, row] * product[0, column] / total
    return -0.5 * (error * error / total + np.log(total))


@compiled
def _advance(
    parameters: ImmParameters, state: ImmState, channel: int, dt_s: float, seen: float
) -> None:
    variance = scale_of(state.stream, channel)
    noise = parameters.noise**2 * variance
    deviation = np.sqrt(variance)
    shares = state.shares[channel]
    stay = max(np.exp(-dt_s / parameters.stay_s), 1.0 / _MODELS)
    interact(state.mean[channel], state.covariance[channel], shares, stay, state)
    likelihood = state.likelihood
    best = -np.inf
    for model in range(_MODELS):
        agility = parameters.velocity
        if model == ACCELERATION:
            agility = parameters.acceleration
        elif model == QUIET:
            agility = parameters.quiet
        likelihood[model] = _filter_model(
            state, channel, model, dt_s, agility * deviation, noise, seen
        )
        best = max(best, likelihood[model])
    total = 0.0
    for model in range(_MODELS):
        shares[model] = max(shares[model] * np.exp(likelihood[model] - best), 1e-6)
        total += shares[model]
    for model in range(_MODELS):
        shares[model] /= total


@compiled
def step(parameters: ImmParameters, state: ImmState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream = state.stream
    before = stream.clock[NEWEST]
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    score_all(stream, state.calibration)
    ahead_s = float(stream.clock[HORIZON]) * 1e-9
    for channel in range(position.size):
        if stream.clock[SEGMENT] == 1:
            variance = max(scale_of(stream, channel), 1.0)
            state.mean[channel] = 0.0
            state.covariance[channel] = 0.0
            for model in range(_MODELS):
                state.mean[channel, model, 0] = position[channel]
                state.covariance[channel, model, 0, 0] = 1e-2 * variance
                state.covariance[channel, model, 1, 1] = 4.0 * variance
                state.covariance[channel, model, 2, 2] = 4.0 * variance
            state.shares[channel] = 1.0 / _MODELS
        else:
            dt_s = float(t_ns - before) * 1e-9
            _advance(parameters, state, channel, dt_s, position[channel])
        guess = 0.0
        for model in range(_MODELS):
            _write_transition(model, ahead_s, state.transition)
            value = 0.0
            for k in range(_ORDER):
                value += state.transition[0, k] * state.mean[channel, model, k]
            guess += state.shares[channel, model] * value
        stream.predicted[slot, channel] = guess
    publish(stream, state.calibration, slot)
    return 0


@compiled
def run(
    parameters: ImmParameters,
    state: ImmState,
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
