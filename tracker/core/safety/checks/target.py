"""Check whether the target's position is known well enough, and predictions come true (H11)."""

from __future__ import annotations

from tracker.core.safety.checks.wording import above
from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller
from tracker.core.target.error_region import radius95_mm


class TargetCheck:
    """Holds the beam while the 95 % error region is larger than the tolerance.

    The region is that of correlation, prediction and actuator together. Where the gate judges in
    beam's-eye view, it is the region that is seen there.
    """

    def __init__(self, settings: Controller) -> None:
        """Take the tolerance from the settings."""
        self._tolerance_mm = settings.gating.tolerance_mm

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Compare the radius of the region with the tolerance, once there is a model."""
        if now.model is not None:
            self._check_region(now, found)
        if now.prediction_off:
            found[FaultName.PREDICTION_OFF] = now.prediction_off

    def _check_region(self, now: Situation, found: Conditions) -> None:
        if now.prediction is None:
            found[FaultName.TARGET_UNSURE] = "no prediction"
            return
        judged = now.region_variance_mm2
        (a, b, c), (d, e, f) = (
            now.prediction.variance_mm2 if judged is None else judged,
            now.actuator_variance_mm2,
        )
        radius = radius95_mm((a + d, b + e, c + f))
        if not radius <= self._tolerance_mm:
            found[FaultName.TARGET_UNSURE] = (
                f"95 % within {above(radius, self._tolerance_mm)} mm, "
                f"tolerance {self._tolerance_mm:g} mm"
            )
