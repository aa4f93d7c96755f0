"""Predict with a single expert: Gaussian-process regression of fixed size, or linear ridge.

``kernel`` is a Gaussian process on the last three seconds of all channels, ``ridge`` the linear
regression on their differences, ``ridge_abs`` the same with absolute positions. What they
compute is in ``expert``; here are their records and the step they share.
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
from tracker.core.prediction.expert import Expert, begin_expert, foresee, lag_places, ready, train
from tracker.core.prediction.stream import Stream, admit, begin_stream, next_labelled

Reals = NDArray[np.float64]


class ExpertParameters(NamedTuple):
    """One regression expert.

    ``history_s`` of lags, weighted by exp(-``fade`` * age in s); ``memory_s`` of forgetting;
    ``waves``: random features of the Gaussian kernel of ``length`` relative to the usual size of
    the inputs; ``linear``: weight of the linear kernel; ``noise``: penalty, as the variance of the
    observations in units of the kernel; ``absolute``: weight of positions among the inputs.
    """

    history_s: float = 3.0
    fade: float = 1.5
    memory_s: float = 100.0
    waves: float = 64.0
    length: float = 0.6
    linear: float = 4.0
    noise: float = 1.0
    absolute: float = 0.3


class RidgeParameters(NamedTuple):
    """The ``ExpertParameters`` of a linear expert in difference coordinates."""

    history_s: float = 1.5
    fade: float = 0.0
    memory_s: float = 150.0
    waves: float = 0.0
    length: float = 1.0
    linear: float = 1.0
    noise: float = 0.1
    absolute: float = 0.0


class AbsoluteParameters(NamedTuple):
    """The ``ExpertParameters`` of a linear expert with absolute positions."""

    history_s: float = 1.5
    fade: float = 0.0
    memory_s: float = 150.0
    waves: float = 0.0
    length: float = 1.0
    linear: float = 1.0
    noise: float = 0.1
    absolute: float = 1.0


BOUNDS: dict[str, tuple[float, float]] = {
    "history_s": (0.1, 10.0),
    "fade": (0.0, 50.0),
    "memory_s": (1.0, 3600.0),
    "waves": (0.0, 256.0),
    "length": (0.01, 100.0),
    "linear": (0.0, 1e3),
    "noise": (1e-6, 1e3),
    "absolute": (0.0, 100.0),
}


class ExpertState(NamedTuple):
    """Samples seen, errors made, and the regression."""

    stream: Stream
    calibration: Calibration
    expert: Expert


def begin(
    parameters: ExpertParameters, channels: int, rate_hz: float, horizon_ns: int
) -> ExpertState:
    """Return the state before any learning: it predicts that the position holds."""
    lags = lag_places(parameters.history_s, rate_hz, channels)
    stream = begin_stream(channels, rate_hz, horizon_ns, int(lags[-1]) + 1)
    expert = begin_expert(
        channels,
        rate_hz,
        lags,
        stream.times.size,
        fade=parameters.fade,
        memory_s=parameters.memory_s,
        waves=int(parameters.waves),
        length=parameters.length,
        linear=parameters.linear,
        noise=parameters.noise,
        absolute=parameters.absolute,
    )
    return ExpertState(stream, begin_calibration(channels, stream), expert)


@compiled
def step(parameters: ExpertParameters, state: ExpertState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream, calibration, expert = state
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    while True:
        due = next_labelled(stream)
        if due < 0:
            break
        score(stream, calibration, due)
        if ready(expert, stream, due):
            train(expert, stream, due)
    foresee(expert, stream, slot, stream.predicted[slot])
    publish(stream, calibration, slot)
    return 0


@compiled
def run(
    parameters: ExpertParameters,
    state: ExpertState,
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
