"""Sight: where the target is now, and where it will be when a demand sent now takes effect.

Breathing state and model make the estimate, the predictor (`foresight`) carries it one latency
on, and what it says is held against what then comes (`prediction_watch`). A predictor that has
gone astray is not followed: the estimate stands in its place, with the room it leaves in between.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingState
from tracker.core.surrogate.signal import SurrogateSignal
from tracker.core.target.correlation import CorrelationModel, TargetState
from tracker.core.target.forecast import Foresight
from tracker.core.target.forecast_quality import PredictionWatch

Seen = tuple[TargetState | None, TargetState | None]
"""The target now and one latency on, as far as either is known."""


class Sight:
    """Foresight and the judgement of it."""

    def __init__(self, settings: Controller, foresight: Foresight) -> None:
        """Take the predictor's place and the limits predictions are held to."""
        self._foresight = foresight
        self._latency_ns = round(settings.timing.latency_ms * 1e6)
        self.watch = PredictionWatch(settings.gating, self._latency_ns)
        self.astray = ""
        """Why predictions are not followed; empty: they are."""

    def forget(self) -> None:
        """Another model is begun: with a fresh predictor."""
        self._foresight.forget()
        self.watch.forget()
        self.astray = ""

    def look(
        self,
        now_ns: int,
        breathing: BreathingState | None,
        surrogate: SurrogateSignal,
        model: CorrelationModel | None,
        *,
        doubtful: bool,
        calm: bool,
    ) -> Seen:
        """Learn the breathing of late, unless it is doubtful; estimate and predict the target.

        ``calm``: nothing else holds the beam, so that a miss counts for the root mean square.
        """
        self.astray = ""
        if breathing is None or surrogate.filter is None:
            return None, None
        foresight = self._foresight
        if doubtful:
            foresight.skip(now_ns)
        foresight.learn(now_ns, surrogate.filter, surrogate.span, model)
        if model is None:
            return None, None
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
        prediction = foresight.predict(at_ns, model, estimate, apart)
        if prediction is not None:
            self.watch.predicted(at_ns, prediction.position_mm, foresight.ahead(at_ns))
        elif foresight.broken:
            self.watch.no_number = True
            foresight.forget()
        channels: Sequence[float] = (
            (breathing.amplitude_mm,) if foresight.on_surrogate else estimate.position_mm
        )
        self.astray = self.watch.judge(now_ns, estimate.position_mm, channels, calm=calm)
        if self.astray:
            prediction = _zero_order(estimate, self._latency_ns * 1e-9)
        return estimate, prediction


def _zero_order(estimate: TargetState, latency_s: float) -> TargetState:
    """Take the target to stay where it is; what it may go meanwhile makes the region larger."""
    (a, b, c), (u, v, w) = estimate.variance_mm2, estimate.velocity_mm_s
    t2 = latency_s * latency_s
    return TargetState(
        estimate.position_mm, (0.0, 0.0, 0.0), (a + t2 * u * u, b + t2 * v * v, c + t2 * w * w)
    )
