"""Wrap a compiled predictor for live use: one object holds a kernel and its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.calibration import answer
from tracker.core.prediction.compiled import entry
from tracker.core.prediction.protocol import Matrix, PredictedChannels, Vector
from tracker.core.prediction.stream import NEWEST, NOT_FINITE


class Method(NamedTuple):
    """A prediction method: a frozen parameter record with its bounds, and three functions.

    ``begin(parameters, channels, rate_hz, horizon_ns)`` returns a fresh state, a (nested)
    NamedTuple of arrays whose fields ``stream`` and ``calibration`` every method has;
    ``step(parameters, state, t_ns, position)`` takes one sample; ``run`` takes a whole trace
    with the same ``step`` (see ``hold.run``).
    """

    parameters: Any
    bounds: dict[str, tuple[float, float]]
    begin: Callable[..., Any]
    step: Callable[..., int]
    run: Callable[..., None]


def copy_state(state: Any) -> Any:
    """Return a deep copy of a nested NamedTuple of arrays."""
    if hasattr(state, "copy"):
        return state.copy()
    parts = [copy_state(part) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)


class CompiledPredictor:
    """A ``Predictor`` whose every step is one call of a compiled kernel."""

    def __init__(
        self,
        method: Method,
        parameters: Any,
        state: Any,
        *,
        channels: int,
        horizon_ns: int,
    ) -> None:
        self._method = method
        self._parameters = parameters
        self._state = state
        self._channels = channels
        self._horizon_ns = horizon_ns
        vector, matrix = np.zeros(channels), np.zeros((channels, channels))
        self._step = entry(method.step, parameters, state, 0, vector)
        self._answer = entry(answer, state.stream, state.calibration, 0, vector, matrix)

    @property
    def channels(self) -> int:
        """The number of channels of every sample."""
        return self._channels

    @property
    def horizon_ns(self) -> int:
        """The distance from newest sample to asked moment the predictor is trained for."""
        return self._horizon_ns

    def learn(self, t_ns: int, position: Vector) -> None:
        """Learn from one sample of shape (channels,) measured at ``t_ns``.

        Raises ``ValueError`` when a value is not finite or ``t_ns`` is not after the last.
        """
        sample: NDArray[np.float64] = np.ascontiguousarray(position, dtype=np.float64)
        if sample.shape != (self._channels,):
            raise ValueError(
                f"sample has shape {sample.shape}, the predictor {self._channels} channel(s)"
            )
        refused = self._step(self._parameters, self._state, t_ns, sample)
        if refused:
            if refused == NOT_FINITE:
                raise ValueError(f"sample at {t_ns} ns is not finite: {sample}; leave it out")
            newest = int(self._state.stream.clock[NEWEST])
            raise ValueError(
                f"sample at {t_ns} ns is not after the newest one at {newest} ns; leave it out"
            )

    def predict(self, at_ns: int) -> PredictedChannels | None:
        """Predict the moment ``at_ns``; ``None`` before the first sample."""
        mean: Vector = np.empty(self._channels)
        covariance: Matrix = np.empty((self._channels, self._channels))
        stream = self._state.stream
        if not self._answer(stream, self._state.calibration, at_ns, mean, covariance):
            return None
        return PredictedChannels(int(stream.clock[NEWEST]), at_ns, mean, covariance)

    def clone(self) -> CompiledPredictor:
        """Return an independent predictor in the same state."""
        return CompiledPredictor(
            self._method,
            self._parameters,
            copy_state(self._state),
            channels=self._channels,
            horizon_ns=self._horizon_ns,
        )
