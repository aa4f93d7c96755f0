"""Predict with a harmonic Kalman filter: level, drift and harmonics of the breathing frequency.

Each channel has an extended Kalman filter with the state [level, drift, c1, s1, .. cK, sK, w].
Between samples each pair turns by k w dt. The measured position is level + c1 + .. + cK. The
angular frequency w adapts by a random walk (after McCall & Jeraj 2007 and Hong et al. 2011). Noises
are relative to the channel's variance.
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

_START_RAD_S = 2.0 * np.pi * 0.25
_SLOWEST_RAD_S = 2.0 * np.pi * 0.06
_FASTEST_RAD_S = 2.0 * np.pi * 0.8


class HarmonicParameters(NamedTuple):
    """Random walks per square root of a second, in standard deviations of the channel.

    ``harmonics``: how many; ``level``, ``drift`` (per s), ``amplitude``; ``frequency`` in rad/s;
    ``noise``: of one measurement, in standard deviations of the channel.
    """

    harmonics: float = 2.0
    level: float = 1.5
    drift: float = 0.02
    amplitude: float = 1.5
    frequency: float = 0.05
    noise: float = 0.02


BOUNDS: dict[str, tuple[float, float]] = {
    "harmonics": (1.0, 4.0),
    "level": (0.0, 10.0),
    "drift": (0.0, 10.0),
    "amplitude": (1e-4, 10.0),
    "frequency": (1e-4, 10.0),
    "noise": (1e-4, 1.0),
}


class HarmonicState(NamedTuple):
    """``mean`` (channels, n), ``covariance`` (channels, n, n), n = 3 + 2 harmonics."""

    stream: Stream
    calibration: Calibration
    mean: Reals
    covariance: Reals
    transition: Reals
    product: Reals
    carried: Reals
    gain: Reals


def begin(
    parameters: HarmonicParameters, channels: int, rate_hz: float, horizon_ns: int
) -> HarmonicState:
    """Return a state of fifteen breaths a minute with unknown amplitude."""
    size = 3 + 2 * int(parameters.harmonics)
    stream = begin_stream(channels, rate_hz, horizon_ns, 1)
    return HarmonicState(
        stream=stream,
        calibration=begin_calibration(channels, stream),
        mean=np.zeros((channels, size)),
        covariance=np.zeros((channels, size, size)),
        transition=np.zeros((size, size)),
        product=np.zeros((size, size)),
        carried=np.zeros(size),
        gain=np.zeros(size),
    )


@compiled
def _restart(state: HarmonicState, channel: int, position: float, variance: float) -> None:
    mean, covariance = state.mean[channel], state.covariance[channel]
    size = mean.size
    frequency = mean[size - 1]
    mean[:] = 0.0
    mean[0] = position
    mean[size - 1] = frequency if frequency > 0.0 else _START_RAD_S
    covariance[:, :] = 0.0
    for k in range(size - 1):
        covariance[k, k] = variance
    covariance[1, 1] = 0.01 * variance
    covariance[size - 1, size - 1] = 0.25


@compiled
def turn(mean: Reals, dt_s: float, carried: Reals, transition: Reals) -> None:
    """Carry ``mean`` over ``dt_s`` into ``carried`` and write the Jacobian of doing so."""
    size = mean.size
    transition[:, :] = 0.0
    for k in range(size):
        transition[k, k] = 1.0
    transition[0, 1] = dt_s
    carried[0] = mean[0] + dt_s * mean[1]
    carried[1] = mean[1]
    carried[size - 1] = mean[size - 1]
    for harmonic in range(1, (size - 3) // 2 + 1):
        angle = harmonic * mean[size - 1] * dt_s
        cosine, sine = np.cos(angle), np.sin(angle)
        c = 2 * harmonic
        s = c + 1
        carried[c] = cosine * mean[c] - sine * mean[s]
        carried[s] = sine * mean[c] + cosine * mean[s]
        transition[c, c] = cosine
        transition[c, s] = -sine
        transition[s, c] = sine
        transition[s, s] = cosine
        transition[c, size - 1] = -harmonic * dt_s * carried[s]
        transition[s, size - 1] = harmonic * dt_s * carried[c]


@compiled
def _carry(parameters: HarmonicParameters, state: HarmonicState, channel: int, dt_s: float) -> None:
    mean, covariance = state.mean[channel], state.covariance[channel]
    transition, product, size = state.transition, state.product, mean.size
    turn(mean, dt_s, state.carried, transition)
    for k in range(size):
        mean[k] = state.carried[k]
    for row in range(size):
        for column in range(size):
            value = 0.0
            for k in range(size):
                value += transition[row, k] * covariance[k, column]
            product[row, column] = value
    for row in range(size):
        for column in range(size):
            value = 0.0
            for k in range(size):
                value += product[row, k] * transition[column, k]
            covariance[row, column] = value
    variance = scale_of(state.stream, channel) * dt_s
    covariance[0, 0] += parameters.level**2 * variance
    covariance[1, 1] += parameters.drift**2 * variance
    for k in range(2, size - 1):
        weaker = 2.0 / float(k // 2 + 1)
        covariance[k, k] += (parameters.amplitude * weaker) ** 2 * variance
    covariance[size - 1, size - 1] += parameters.frequency**2 * dt_s


@compiled
def _correct(state: HarmonicState, channel: int, position: float, noise: float) -> None:
    mean, covariance, gain = state.mean[channel], state.covariance[channel], state.gain
    size = mean.size
    expected = mean[0]
    for harmonic in range(1, (size - 3) // 2 + 1):
        expected += mean[2 * harmonic]
    for row in range(size):
        value = covariance[row, 0]
        for harmonic in range(1, (size - 3) // 2 + 1):
            value += covariance[row, 2 * harmonic]
        gain[row] = value
    total = gain[0] + noise
    for harmonic in range(1, (size - 3) // 2 + 1):
        total += gain[2 * harmonic]
    error = (position - expected) / total
    for row in range(size):
        mean[row] += gain[row] * error
        for column in range(size):
            covariance[row, column] -= gain[row] * gain[column] / total
    mean[size - 1] = min(max(mean[size - 1], _SLOWEST_RAD_S), _FASTEST_RAD_S)


@compiled
def step(parameters: HarmonicParameters, state: HarmonicState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream = state.stream
    before = stream.clock[NEWEST]
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    score_all(stream, state.calibration)
    size = state.mean.shape[1]
    for channel in range(position.size):
        variance = scale_of(stream, channel)
        if stream.clock[SEGMENT] == 1:
            _restart(state, channel, position[channel], max(variance, 1.0))
        else:
            _carry(parameters, state, channel, float(t_ns - before) * 1e-9)
            _correct(state, channel, position[channel], parameters.noise**2 * variance)
        if not np.isfinite(state.mean[channel, 0]):
            _restart(state, channel, position[channel], variance)
        ahead_s = float(stream.clock[HORIZON]) * 1e-9
        turn(state.mean[channel], ahead_s, state.carried, state.transition)
        guess = state.carried[0]
        for harmonic in range(1, (size - 3) // 2 + 1):
            guess += state.carried[2 * harmonic]
        stream.predicted[slot, channel] = guess
    publish(stream, state.calibration, slot)
    return 0


@compiled
def run(
    parameters: HarmonicParameters,
    state: HarmonicState,
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
