"""The forecast: a predictor at work in the controller, on the surrogate or on the target.

The predictor learns fused breathing states at the moments of a fixed grid. Each is learned once it
is old enough for its late samples to be in. After each, the predictor says where its channels will
be one horizon later. Half of the channels are positions and half are velocities. A tick between
two grid moments is reached along the predicted velocity, which is far less noisy than the
difference of two predictions.

On the *surrogate* the predictor predicts amplitude and velocity, and the correlation model is
evaluated for the future. On the *target* it predicts what the model said, and a refit of the model
is a step to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.protocol import Predictor
from tracker.core.settings import Prediction
from tracker.core.surrogate.breathing import BreathingRange
from tracker.core.surrogate.fusion import SurrogateFilter
from tracker.core.target.forecast_quality import Channels
from tracker.core.target.target_model import TargetModel
from tracker.core.target.target_state import TargetState

PredictorFactory = Callable[[int, int], Predictor]
"""Builds a fresh predictor for a number of channels and a horizon in nanoseconds."""

VELOCITY_SCALE_S = 0.5
"""Velocities are learned in mm, multiplied by this time: about 1 / omega of breathing, so that all
channels have the same size."""

_PLAUSIBLE = 2.0
"""A state is learned when it lies within so many half ranges of the middle."""
_LOST_NS = 1_000_000_000


class Forecast:
    """Learns the breathing and predicts the target."""

    def __init__(self, settings: Prediction, latency_ns: int, factory: PredictorFactory) -> None:
        """Take the settings, how far ahead to predict, and a function that builds predictors."""
        self.on_surrogate = settings.where == "surrogate"
        self._factory = factory
        self._period_ns = round(1e9 / settings.learn_hz)
        self._settle_ns = round(settings.settle_ms * 1e6)
        self._horizon_ns = latency_ns + self._settle_ns + self._period_ns // 2
        self._channels = 2 if self.on_surrogate else 6
        self._sample = np.zeros(self._channels)
        self.forget()

    def forget(self) -> None:
        """Begin again with a fresh predictor."""
        self._predictor = self._factory(self._channels, self._horizon_ns)
        self._next_ns = -1
        self._at_ns = -1
        self._mean: list[float] = []
        self._spread: list[list[float]] = []

    def learn(
        self,
        now_ns: int,
        breathing: SurrogateFilter,
        span: BreathingRange | None,
        model: TargetModel | None,
    ) -> None:
        """Learn every grid moment that has become old enough and has samples after it.

        A state far outside the ``span`` of the last breaths (a cough) is left out, because it says
        nothing about the breaths to come.
        """
        ripe_ns = min(now_ns - self._settle_ns, breathing.newest_ns)
        if self._next_ns < 0:
            self._next_ns = ripe_ns
        if now_ns - self._next_ns > _LOST_NS:
            self._next_ns += max(0, ripe_ns - self._next_ns) // self._period_ns * self._period_ns
        learned = False
        while self._next_ns <= ripe_ns:
            learned = self._learn_one(self._next_ns, breathing, span, model) or learned
            self._next_ns += self._period_ns
        if not learned:
            return
        self._at_ns = self._next_ns - self._period_ns + self._horizon_ns
        prediction = self._predictor.predict(self._at_ns)
        if prediction is not None:
            self._mean = prediction.mean.tolist()
            self._spread = prediction.covariance.tolist()

    def skip(self, now_ns: int) -> None:
        """Leave out all moments until now, because the surrogate is in doubt."""
        if self._next_ns < 0:
            return
        behind = now_ns - self._settle_ns - self._next_ns
        if behind >= 0:
            self._next_ns += (behind // self._period_ns + 1) * self._period_ns

    def _learn_one(
        self,
        t_ns: int,
        breathing: SurrogateFilter,
        span: BreathingRange | None,
        model: TargetModel | None,
    ) -> bool:
        """Learn the state of one moment; tell whether it could be learned."""
        state = breathing.state_at(t_ns)
        if state is None:
            return False
        y, v = state.amplitude_mm, state.velocity_mm_s
        if span is not None and (
            abs(y - span.middle_mm) > _PLAUSIBLE * span.half_range_mm
            or abs(v) > _PLAUSIBLE * 2.0 * span.speed_mm_s
        ):
            return False
        sample = self._sample
        if self.on_surrogate:
            sample[0] = y
            sample[1] = v * VELOCITY_SCALE_S
        elif model is not None:
            apart = model.apart(y, v, state.markers_mm)
            position = model.target_at(t_ns, y, v, 0.0, 0.0, 0.0, apart).position_mm
            later = y + v * VELOCITY_SCALE_S
            ahead = model.target_at(t_ns, later, v, 0.0, 0.0, 0.0, apart).position_mm
            sample[:3] = position
            sample[3:] = [b - a for a, b in zip(position, ahead, strict=True)]
        else:
            return False
        self._predictor.learn(t_ns, sample)
        return True

    @property
    def broken(self) -> bool:
        """Whether the predictor's last answer was no number."""
        return bool(self._mean) and not all(map(math.isfinite, self._mean))

    def channels_at(self, at_ns: int) -> Channels:
        """Give mean and variance of the position channels at ``at_ns`` (mm, mm^2).

        On the surrogate that is the amplitude alone, on the target its three axes.
        """
        mean, spread = self._mean, self._spread
        step = (at_ns - self._at_ns) * 1e-9 / VELOCITY_SCALE_S
        if self.on_surrogate:
            (own, cross), (_, velocity) = spread
            variance = own + step * (2.0 * cross + step * velocity)
            return ((mean[0] + step * mean[1], variance),)
        half = self._channels // 2
        return tuple(
            (
                mean[i] + step * mean[half + i],
                spread[i][i]
                + step * (2.0 * spread[i][half + i] + step * spread[half + i][half + i]),
            )
            for i in range(half)
        )

    def swing_at(self, at_ns: int) -> tuple[float, float] | None:
        """Return amplitude (mm) and velocity (mm/s) of the surrogate as predicted for ``at_ns``.

        ``None`` where the target is predicted, or there is no prediction.
        """
        mean = self._mean
        if not self.on_surrogate or not mean or not math.isfinite(mean[0]):
            return None
        step = (at_ns - self._at_ns) * 1e-9 / VELOCITY_SCALE_S
        return mean[0] + step * mean[1], mean[1] / VELOCITY_SCALE_S

    def predict(
        self,
        at_ns: int,
        model: TargetModel,
        now: TargetState,
        apart: NDArray[np.float64] | None = None,
    ) -> TargetState | None:
        """Predict the target at ``at_ns``; ``None`` while the predictor gives no number.

        ``now`` is the estimate for the present: its variance is the model's share. ``apart`` is how
        the markers differ now from what amplitude and velocity lead to expect; it is taken to stay.
        """
        mean, spread = self._mean, self._spread
        if not mean or not math.isfinite(mean[0]):
            return None
        # Channels are position and scaled velocity: this step in seconds, in units of the scale.
        step = (at_ns - self._at_ns) * 1e-9 / VELOCITY_SCALE_S
        if self.on_surrogate:
            s = 1.0 / VELOCITY_SCALE_S
            return model.target_at(
                at_ns,
                mean[0] + step * mean[1],
                mean[1] * s,
                spread[0][0] + step * (2.0 * spread[0][1] + step * spread[1][1]),
                spread[1][1] * s * s,
                (spread[0][1] + step * spread[1][1]) * s,
                apart,
            )
        a, b, c = now.variance_mm2
        s = 1.0 / VELOCITY_SCALE_S
        return TargetState(
            (mean[0] + step * mean[3], mean[1] + step * mean[4], mean[2] + step * mean[5]),
            (mean[3] * s, mean[4] * s, mean[5] * s),
            (a + spread[0][0], b + spread[1][1], c + spread[2][2]),
        )
