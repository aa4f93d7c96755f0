"""Check the correlation model, its shots and their age (H03, H06-H10)."""

from __future__ import annotations

from tracker.core.safety.checks.wording import above
from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller


class ModelCheck:
    """Judges what shots say of the model, and whether the breath is inside the modelled range."""

    def __init__(self, settings: Controller) -> None:
        """Take the limits from the settings."""
        self._warn_s = settings.imager.warn_s
        self._overdue_s = settings.imager.overdue_s
        self._extrapolation = settings.correlation.extrapolation
        self._extrapolation_ns = settings.correlation.extrapolation_ms * 1e6
        self._outside_since_ns = -1

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Look at the shots, then at the model they made."""
        shots = now.shots
        if shots.fiducials_moved:
            found[FaultName.FIDUCIALS_MOVED] = shots.fiducials_moved
        if shots.out_of_time:
            found[FaultName.SHOTS_OUT_OF_TIME] = shots.out_of_time
        if now.model is None:
            found[FaultName.MODEL_MISSING] = "no shot has made a model yet"
            return
        if shots.model_wrong:
            found[FaultName.MODEL_WRONG] = shots.model_wrong
        if shots.model_doubtful:
            found[FaultName.MODEL_DOUBTFUL] = shots.model_doubtful
        if shots.drifts:
            found[FaultName.BASELINE_DRIFTS] = shots.drifts
        age_s = (now.now_ns - now.last_shot_ns) * 1e-9
        if age_s > self._warn_s:
            self._name_age(age_s, found)
        self._check_range(now, found)

    def _name_age(self, age_s: float, found: Conditions) -> None:
        """Say how long ago the last usable shot was."""
        if age_s > self._overdue_s:
            found[FaultName.IMAGING_OVERDUE] = (
                f"last shot {above(age_s, self._overdue_s)} s ago, limit {self._overdue_s:g} s"
            )
        else:
            found[FaultName.IMAGING_LATE] = (
                f"last shot {above(age_s, self._warn_s)} s ago, "
                f"warned of from {self._warn_s:g} s on, held from {self._overdue_s:g} s on"
            )

    def _check_range(self, now: Situation, found: Conditions) -> None:
        """Compare the breath's amplitude with the range of the shots."""
        state, span = now.surrogate.state, now.surrogate.span
        outside = 0.0
        if state is not None and now.model is not None:
            breathing_mm = 0.0 if span is None else 2.0 * span.half_range_mm
            outside = now.model.extrapolation(state.amplitude_mm, breathing_mm)
        if outside <= self._extrapolation:
            self._outside_since_ns = -1
            return
        if self._outside_since_ns < 0:
            self._outside_since_ns = now.now_ns
        if now.now_ns - self._outside_since_ns >= self._extrapolation_ns:
            limit = 100 * self._extrapolation
            found[FaultName.EXTRAPOLATING] = (
                f"{above(100 * outside, limit)} % of its range outside that of the shots, "
                f"limit {limit:g} %"
            )
