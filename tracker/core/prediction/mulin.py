"""Predict with MULIN, multi-step linear prediction (Ernst & Schweikard 2008).

It expands the differences over one horizon and smooths them. With D(n) = x(n) - x(n - h), the error
of holding, order 1 adds D(n) to the newest position, order 2 also D(n) - D(n - h), order 3 its next
difference, and so on: Newton's backward expansion in steps of the horizon. The sum of differences
is smoothed exponentially.
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
    PERIOD,
    SEGMENT,
    Stream,
    admit,
    begin_stream,
)

Reals = NDArray[np.float64]


class MulinParameters(NamedTuple):
    """``order`` of the expansion; ``smoothing_s``: time constant of the smoothing."""

    order: float = 1.0
    smoothing_s: float = 0.05


BOUNDS: dict[str, tuple[float, float]] = {"order": (0.0, 3.0), "smoothing_s": (0.0, 2.0)}


class MulinState(NamedTuple):
    """``expansion`` (channels,): the smoothed sum of differences; ``ladder`` (order + 1,)."""

    stream: Stream
    calibration: Calibration
    expansion: Reals
    ladder: Reals


def begin(
    parameters: MulinParameters, channels: int, rate_hz: float, horizon_ns: int
) -> MulinState:
    """Return the state of a predictor that has seen no sample."""
    order = int(parameters.order)
    lags = int(np.ceil(order * horizon_ns * 1e-9 * rate_hz)) + 2
    stream = begin_stream(channels, rate_hz, horizon_ns, lags)
    return MulinState(
        stream, begin_calibration(channels, stream), np.zeros(channels), np.zeros(order + 1)
    )


@compiled
def step(parameters: MulinParameters, state: MulinState, t_ns: int, position: Reals) -> int:
    """Learn from one sample; return 0, or why it was refused (see ``stream.admit``)."""
    stream, ladder = state.stream, state.ladder
    slot = admit(stream, t_ns, position)
    if slot < 0:
        return slot
    score_all(stream, state.calibration)
    window = stream.windows[slot]
    order = ladder.size - 1
    period_s = stream.clock[PERIOD] * 1e-9
    stride = float(stream.clock[HORIZON]) / float(stream.clock[PERIOD])
    share = period_s / (period_s + parameters.smoothing_s)
    for channel in range(position.size):
        for rung in range(order + 1):
            lag = int(rung * stride)
            part = rung * stride - lag
            early = window[lag + 1, channel]
            ladder[rung] = window[lag, channel] + part * (early - window[lag, channel])
        total = 0.0
        for level in range(1, order + 1):
            for rung in range(order + 1 - level):
                ladder[rung] -= ladder[rung + 1]
            total += ladder[0]
        if stream.clock[SEGMENT] == 1:
            state.expansion[channel] = 0.0
        state.expansion[channel] += share * (total - state.expansion[channel])
        stream.predicted[slot, channel] = position[channel] + state.expansion[channel]
    publish(stream, state.calibration, slot)
    return 0


@compiled
def run(
    parameters: MulinParameters,
    state: MulinState,
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
