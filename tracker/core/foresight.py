"""Foresight: the predictor's place in the controller, on the surrogate or on the target.

The predictor learns fused states on a fixed grid of moments, each once it is old enough for its
late samples to be in, and is asked at every tick for the moment the demand takes effect.
On the *surrogate* it predicts amplitude and velocity and the correlation model is evaluated for
the future; on the *target* it predicts what the model said, and a refit is a step to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tracker.core.correlation import CorrelationModel, TargetState
from tracker.core.fusion import SurrogateFilter
from tracker.core.prediction.protocol import Predictor
from tracker.core.settings import Prediction

PredictorFactory = Callable[[int], Predictor]
"""Builds a fresh predictor for a number of channels."""

VELOCITY_SCALE_S = 0.5
"""Velocity is learned as mm by this factor: about 1 / omega of breathing, so that both channels
have the same size."""


class Foresight:
    """Learns the breathing as it goes by and says where the target will be."""

    def __init__(self, settings: Prediction, factory: PredictorFactory) -> None:
        """Take the settings and a way to build predictors."""
        self._on_surrogate = settings.where == "surrogate"
        self._factory = factory
        self._period_ns = round(1e9 / settings.learn_hz)
        self._settle_ns = round(settings.settle_ms * 1e6)
        self._predictor = factory(2 if self._on_surrogate else 3)
        self._next_ns = -1
        self._sample = np.zeros(2 if self._on_surrogate else 3)

    def forget(self) -> None:
        """Begin again with a fresh predictor."""
        self._predictor = self._factory(self._predictor.channels)
        self._next_ns = -1

    def learn(self, now_ns: int, breathing: SurrogateFilter, model: CorrelationModel | None) -> None:
        """Learn every grid moment that has become old enough and has samples after it."""
        ripe_ns = min(now_ns - self._settle_ns, breathing.newest_ns)
        if self._next_ns < 0:
            self._next_ns = ripe_ns
        if now_ns - self._next_ns > 1_000_000_000:
            self._next_ns += (ripe_ns - self._next_ns) // self._period_ns * self._period_ns
        while self._next_ns <= ripe_ns:
            state = breathing.state_at(self._next_ns)
            if state is not None:
                if self._on_surrogate:
                    self._sample[0] = state.amplitude_mm
                    self._sample[1] = state.velocity_mm_s * VELOCITY_SCALE_S
                    self._predictor.learn(self._next_ns, self._sample)
                elif model is not None:
                    target = model.target_at(
                        self._next_ns, state.amplitude_mm, state.velocity_mm_s, 0.0, 0.0, 0.0
                    )
                    self._sample[:] = target.position_mm
                    self._predictor.learn(self._next_ns, self._sample)
            self._next_ns += self._period_ns

    def predict(self, at_ns: int, model: CorrelationModel, now: TargetState) -> TargetState | None:
        """Say where the target will be at ``at_ns``; ``None`` while nothing was learned.

        ``now`` is the estimate for the present: its variance is the model's share.
        """
        prediction = self._predictor.predict(at_ns)
        if prediction is None:
            return None
        mean: list[float] = prediction.mean.tolist()
        spread: list[list[float]] = prediction.covariance.tolist()
        if not self._on_surrogate:
            a, b, c = now.variance_mm2
            return TargetState(
                (mean[0], mean[1], mean[2]),
                (a + spread[0][0], b + spread[1][1], c + spread[2][2]),
            )
        if not math.isfinite(mean[0]):
            return None
        s = 1.0 / VELOCITY_SCALE_S
        return model.target_at(
            at_ns, mean[0], mean[1] * s, spread[0][0], spread[1][1] * s * s, spread[0][1] * s
        )
