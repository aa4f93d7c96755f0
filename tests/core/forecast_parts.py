"""Parts around a forecast that say what they were asked: breathing, model and predictor."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.protocol import PredictedChannels
from tracker.core.surrogate.breathing import BreathingState
from tracker.core.target.correlation import TargetState

Array = NDArray[np.float64]


def state_of(t_ns: int, y: float = 2.0, v: float = 3.0) -> BreathingState:
    """A breathing state with another value in each field, and two markers."""
    return BreathingState(t_ns, y, v, 0.04, 0.09, -0.01, (y + 0.25, y - 0.5))


class Breath:
    """The breathing up to the newest sample; a moment in ``unknown`` has no state."""

    def __init__(self, state: Callable[[int], BreathingState] = state_of) -> None:
        self.newest_ns = 1 << 62
        self.unknown: set[int] = set()
        self._state = state

    def state_at(self, t_ns: int) -> BreathingState | None:
        return None if t_ns in self.unknown else self._state(t_ns)


class TellingModel:
    """A model whose answer holds everything that it was asked for."""

    def apart(self, y: float, v: float, markers_mm: tuple[float, ...]) -> Array:
        first, second = markers_mm
        return np.array([first - y + 0.125 * v, second + y])

    def target_at(
        self,
        t_ns: int,
        y: float,
        v: float,
        y_variance: float,
        v_variance: float,
        cross: float,
        apart: Array | None = None,
    ) -> TargetState:
        a, b = (0.0, 0.0) if apart is None else apart.tolist()
        sure = 10.0 * y_variance + 20.0 * v_variance + 40.0 * cross
        position = (2.0 * y + 0.25 * v, -y + a + sure, 0.5 * v + b + 1e-9 * t_ns)
        velocity = (2.0 * v, -v, 0.5 * v)
        return TargetState(position, velocity, (y_variance, v_variance, cross))


class ToldPredictor:
    """A predictor that remembers what it learned and answers with the given mean."""

    def __init__(self, channels: int, horizon_ns: int) -> None:
        self.channels = channels
        self.horizon_ns = horizon_ns
        self.learned: list[tuple[int, list[float]]] = []
        self.asked_ns: list[int] = []
        self.mean: Array | None = None
        self.covariance = np.zeros((channels, channels))

    def learn(self, t_ns: int, position: Array) -> None:
        self.learned.append((t_ns, position.tolist()))

    def predict(self, at_ns: int) -> PredictedChannels | None:
        self.asked_ns.append(at_ns)
        if self.mean is None:
            return None
        return PredictedChannels(self.learned[-1][0], at_ns, self.mean, self.covariance)

    def clone(self) -> ToldPredictor:
        return copy.deepcopy(self)
