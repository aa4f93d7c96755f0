"""Predict with Kalman filters of constant velocity or acceleration, each channel alone.

Discrete white noise model (Bar-Shalom, Li & Kirubarajan 2001, ch. 6; filterpy's
``Q_discrete_white_noise``): state [p, v] or [p, v, a], transition by the real time between
samples, noise entering as a random acceleration (or its random change) over that time. The
gain depends on the ratio of both noises alone, so one covariance serves all channels and no
unit is assumed.
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
from tracker.core.prediction.stream import HORIZON, SEGMENT, Stream, admit, begin_stream

Reals = NDArray[np.float64]

_UNKNOWN = 1e4  # variance of what is not known at the start, measurement noise being 1


class VelocityParameters(NamedTuple):
    """``agility``: random acceleration over measurement noise, in 1/s^2."""

    agility: float = 200.0


BOUNDS: dict[str, tuple[float, float]] = {"agility": (0.01, 1e6)}


class AccelerationParameters(NamedTuple):
    """``agility``: random change of acceleration over measurement noise, in 1/s^2."""

    agility: float = 40.0


class KalmanState(NamedTuple):
    """``mean`` (channels, order), ``covariance`` (order, order) in units of measurement noise.

    ``model`` (order, order + 3): work space for transition, noise, and gain columns.
    """

    stream: Stream
    calibration: Calibration
    mean: Reals
    covariance: Reals
    transition: Reals
    product: Reals
    seen_ns: NDArray[np.int64]


def _begin(order: int, channels: int, rate_hz: float, horizon_ns: int) -> KalmanState:
    stream = begin_stream(channels, rate_hz, horizon_ns, 1)
    return KalmanState(
        stream=stream,
        calibration=begin_calibration(channels, stream),
        mean=np.zeros((channels, order)),
        covariance=np.zeros((order, order)),
        transition=np.eye(order),
        product=np.zeros((order, order)),
        seen_ns=np.zeros(1, np.int64),
    )


def begin_velocity(
    parameters: VelocityParameters, channels: int, rate_hz: float, horizon_ns: int
) -> KalmanState:
    """Return a filter of position and velocity that has seen nothing."""
    del parameters
    return _begin(2, channels, rate_hz, horizon_ns)


def begin_acceleration(
    parameters: AccelerationParameters, channels: int, rate_hz: float, horizon_ns: int
) -> KalmanState:
    """Return a filter of position, velocity and acceleration that has seen nothing."""
    del parameters
    return _begin(3, channels, rate_hz, horizon_ns)


@compiled
def propagate(
    mean: Reals, covariance: Reals, transition: Reals, product: Reals, dt_s: float, agility: float
) -> None:
    """Carry means (channels, order) and their common covariance over ``dt_s``, in place."""
    order = covariance.shape[0]
    for row in range(order):
        power = 1.0
        for column in range(row, order):
            transition[row, column] = power
            power *= dt_s / (column - row + 1)
    for channel in range(mean.shape[0]):
        for row in range(order):
            value = 0.0
            for column in range(row, order):
                value += transition[row, column] * mean[channel, column]
            mean[channel, row] = value
    for row in range(order):
        for column in range(order):
            value = 0.0
            for k in range(row, order):
                value += transition[row, k] * covariance[k, column]
            product[row, column] = value
    noise = agility * agility
    for row in range(order):
        enter_row = 0.5 * dt_s * dt_s if row == 0 else (dt_s if row == 1 else 1.0)
        for column in range(order):
            enter = 0.5 * dt_s * dt_s if column == 0 else (dt_s if column == 1 else 1.0)
            value = enter_row * enter * noise
            for k in range(column, order):
                value += product[row, k] * transition[column, k]
            covariance[row, column] = value


@compiled
def correct(mean: Reals, covariance: Reals, product: Reals, position: Reals) -> None:
    """Update means and covariance in place with a measured position of unit noise."""
    order = covariance.shape[0]
    total = covariance[0, 0] + 1.0
    for k in range(order):
        product[0, k] = covariance[0, k]
    for channel in range(mean.shape[0]):
        error = position[channel] - mean[channel, 0]
        for k in range(order):
            mean[channel, k] += product[0, k] / total * error
    for row in range(order):
        for column in range(order):
            covariance[row, column] -= product[0, row] * product[0, column] / total


@compiled
def advance(agility: float, state: KalmanState, t_ns: int, position: Reals) -> int:
    """Learn from one sample and predict with the model; return 0, or why it was refused."""
    stream, calibration = state.stream, state.calibration
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    score_all(stream, calibration)
    mean, covariance = state.mean, state.covariance
    order = covariance.shape[0]
    if stream.clock[SEGMENT] == 1:
        mean[:, :] = 0.0
        for channel in range(position.size):
            mean[channel, 0] = position[channel]
        covariance[:, :] = 0.0
        covariance[0, 0] = 1.0
        for k in range(1, order):
            covariance[k, k] = _UNKNOWN
    else:
        dt_s = float(t_ns - state.seen_ns[0]) * 1e-9
        propagate(mean, covariance, state.transition, state.product, dt_s, agility)
        correct(mean, covariance, state.product, position)
    state.seen_ns[0] = t_ns
    ahead_s = float(stream.clock[HORIZON]) * 1e-9
    for channel in range(position.size):
        power = 1.0
        value = 0.0
        for k in range(order):
            value += power * mean[channel, k]
            power *= ahead_s / (k + 1)
        stream.predicted[slot, channel] = value
    publish(stream, calibration, slot)
    return 0


@compiled
def step_velocity(
    parameters: VelocityParameters, state: KalmanState, t_ns: int, position: Reals
) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    return advance(parameters.agility, state, t_ns, position)


@compiled
def step_acceleration(
    parameters: AccelerationParameters, state: KalmanState, t_ns: int, position: Reals
) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    return advance(parameters.agility, state, t_ns, position)


@compiled
def run_velocity(
    parameters: VelocityParameters,
    state: KalmanState,
    times_ns: NDArray[np.int64],
    positions: Reals,
    asked_ns: NDArray[np.int64],
    means: Reals,
    covariances: Reals,
) -> None:
    """Run a whole trace with ``step_velocity`` and ``answer``."""
    for i in range(times_ns.size):
        step_velocity(parameters, state, times_ns[i], positions[i])
        answer(state.stream, state.calibration, asked_ns[i], means[i], covariances[i])


@compiled
def run_acceleration(
    parameters: AccelerationParameters,
    state: KalmanState,
    times_ns: NDArray[np.int64],
    positions: Reals,
    asked_ns: NDArray[np.int64],
    means: Reals,
    covariances: Reals,
) -> None:
    """Run a whole trace with ``step_acceleration`` and ``answer``."""
    for i in range(times_ns.size):
        step_acceleration(parameters, state, times_ns[i], positions[i])
        answer(state.stream, state.calibration, asked_ns[i], means[i], covariances[i])
