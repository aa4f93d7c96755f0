"""Predict by holding: the position one horizon from now is the newest one."""

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
from tracker.core.prediction.stream import Stream, admit, begin_stream

Reals = NDArray[np.float64]


class HoldParameters(NamedTuple):
    """The parameters of hold: none, but numba needs one field in the record."""

    none: float = 0.0


BOUNDS: dict[str, tuple[float, float]] = {"none": (0.0, 0.0)}


class HoldState(NamedTuple):
    """Samples seen and errors made."""

    stream: Stream
    calibration: Calibration


def begin(parameters: HoldParameters, channels: int, rate_hz: float, horizon_ns: int) -> HoldState:
    """Return the state of a predictor that has seen no sample."""
    del parameters
    stream = begin_stream(channels, rate_hz, horizon_ns, 1)
    return HoldState(stream, begin_calibration(channels, stream))


@compiled
def step(parameters: HoldParameters, state: HoldState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream, calibration = state
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    score_all(stream, calibration)
    for channel in range(position.size):
        stream.predicted[slot, channel] = position[channel]
    publish(stream, calibration, slot)
    return 0


@compiled
def run(
    parameters: HoldParameters,
    state: HoldState,
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
