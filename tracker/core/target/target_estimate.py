"""The target now, and where it will be when a demand sent now takes effect.

Breathing state and correlation model give the estimate. The predictor (`forecast`) carries it one
latency on, and `forecast_quality` compares each prediction with what then comes. A predictor that
has gone wrong is not followed: the estimate stands in for the prediction, and its error region
grows by how far the target may move meanwhile.
"""

from __future__ import annotations

from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.surrogate.fusion import SurrogateFilter
from tracker.core.target.forecast import Forecast
from tracker.core.target.forecast_quality import ForecastQuality
from tracker.core.target.target_model import TargetModel
from tracker.core.target.target_state import TargetState

Targets = tuple[TargetState | None, TargetState | None]
"""The target now and one latency from now; ``None``: it is unknown."""

_UNKNOWN: Targets = (None, None)
_AT_REST = (0.0, 0.0, 0.0)


class TargetEstimator:
    """Estimates and predicts the target, and judges the predictions."""

    def __init__(self, settings: Controller, forecast: Forecast) -> None:
        """Take the predictor's forecast, and the limits predictions are held to."""
        self._forecast = forecast
        self._latency_ns = round(settings.timing.latency_ms * 1e6)
        self._quality = ForecastQuality(settings.gating, self._latency_ns)
        self._prediction_off = ""

    @property
    def prediction_off(self) -> str:
        """Why predictions are not followed; empty: they are."""
        return self._prediction_off

    def forget(self) -> None:
        """Begin another model with a fresh predictor."""
        self._forecast.forget()
        self._quality.forget()
        self._prediction_off = ""

    def forget_misses(self) -> None:
        """Forget earlier predictions, because another run of motion begins."""
        self._quality.forget()

    def learn(
        self,
        now_ns: int,
        history: SurrogateFilter,
        span: BreathingRange | None,
        model: TargetModel | None,
        *,
        doubtful: bool,
    ) -> None:
        """Let the predictor learn the latest breathing, unless that is ``doubtful``."""
        if doubtful:
            self._forecast.skip(now_ns)
        self._forecast.learn(now_ns, history, span, model)

    def estimate(
        self, now_ns: int, breathing: BreathingState, model: TargetModel, *, calm: bool
    ) -> Targets:
        """Give the target now and one latency from now.

        ``calm``: no other fault holds the beam, so that a miss counts for the root mean square.
        """
        forecast = self._forecast
        y, v = breathing.amplitude_mm, breathing.velocity_mm_s
        apart = model.apart(y, v, breathing.markers_mm)
        estimate = model.target_at(
            now_ns,
            y,
            v,
            breathing.amplitude_variance,
            breathing.velocity_variance,
            breathing.cross_variance,
            apart,
        )
        at_ns = now_ns + self._latency_ns
        prediction = forecast.predict(at_ns, model, estimate, apart)
        if prediction is not None:
            channels = forecast.channels_at(at_ns)
            self._quality.add_prediction(at_ns, prediction.position_mm, channels)
        elif forecast.broken:
            self._quality.add_failure()
            forecast.forget()
        seen = (y,) if forecast.on_surrogate else estimate.position_mm
        off = self._quality.judge(now_ns, estimate.position_mm, seen, calm=calm)
        self._prediction_off = off
        if off:
            prediction = _zero_order(estimate, self._latency_ns * 1e-9)
        return estimate, prediction

    def swing_later(self, at_ns: int) -> tuple[float, float] | None:
        """Return amplitude and velocity of the surrogate as predicted for ``at_ns``.

        ``None`` where the surrogate is not what is predicted, or the prediction is not followed.
        """
        return None if self._prediction_off else self._forecast.swing_at(at_ns)

    def no_estimate(self) -> Targets:
        """Say that the target is unknown, because breathing state or model are missing."""
        self._prediction_off = ""
        return _UNKNOWN


def _zero_order(estimate: TargetState, latency_s: float) -> TargetState:
    """Predict that the target stays; the variance grows by the way it goes in one latency."""
    (a, b, c), (u, v, w) = estimate.variance_mm2, estimate.velocity_mm_s
    t2 = latency_s * latency_s
    return TargetState(
        estimate.position_mm, _AT_REST, (a + t2 * u * u, b + t2 * v * v, c + t2 * w * w)
    )
