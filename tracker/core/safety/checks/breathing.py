"""Check age, speed and certainty of the breathing state (H01, H06, H12)."""

from __future__ import annotations

from math import sqrt
from typing import Final

from tracker.core.safety.checks.wording import above
from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller
from tracker.core.surrogate.report import SurrogateReport
from tracker.core.surrogate.sources.traits import Form

_LEAST_MM_S: Final = 3.0
"""The usual speed is taken to be at least this: after a breath hold it would be near zero."""
_LOST_SHARE: Final = 2
"""One source is lost after so many times the age that the whole signal may have."""
_LOST: Final[dict[Form, FaultName]] = {
    Form.POINTS: FaultName.MARKERS_LOST,
    Form.VALUE: FaultName.BELT_LOST,
}


class BreathingCheck:
    """Holds the beam while the breath is unknown, uncertain or sudden; warns of a lost source."""

    def __init__(self, settings: Controller) -> None:
        """Take the limits from the settings."""
        self._stale_ms = settings.fusion.stale_ms
        self._stale_ns = round(settings.fusion.stale_ms * 1e6)
        self._lost_ns = _LOST_SHARE * self._stale_ns
        self._speed_share = settings.gating.speed_share
        self._sigma_mm = settings.fusion.sigma_mm

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Look at the breathing state, once there can be one."""
        surrogate, now_ns = now.surrogate, now.now_ns
        if not surrogate.ready:
            return
        newest_ns, oldest_ns = -1, now_ns
        for source in surrogate.sources:
            at_ns = source.newest_ns
            newest_ns = max(at_ns, newest_ns)
            oldest_ns = min(at_ns, oldest_ns)
        state = surrogate.state
        if state is None or now_ns - newest_ns > self._stale_ns:
            devices = ", ".join(source.device for source in surrogate.sources)
            found[FaultName.SURROGATE_LOST] = (
                f"{devices}: newest sample {(now_ns - newest_ns) / 1e6:.0f} ms old, "
                f"limit {self._stale_ms:g} ms"
            )
            return
        if now_ns - oldest_ns > self._lost_ns:
            self._name_lost(now, found)
        if surrogate.novelty:
            found[FaultName.UNUSUAL_BREATHING] = surrogate.novelty
        if surrogate.span is not None:
            speed, usual = abs(state.velocity_mm_s), surrogate.span.speed_mm_s
            limit = self._speed_share * max(usual, _LEAST_MM_S)
            if speed > limit:
                unit = _unit_of(surrogate)
                found[FaultName.IRREGULAR_BREATHING] = (
                    f"{above(speed, limit)} {unit}/s, limit {limit:.3g} {unit}/s "
                    f"({self._speed_share:g} times the usual speed)"
                )
        sigma = sqrt(state.amplitude_variance)
        if sigma > self._sigma_mm:
            unit = _unit_of(surrogate)
            found[FaultName.SURROGATE_UNSURE] = (
                f"amplitude known to {above(sigma, self._sigma_mm)} {unit}, "
                f"limit {self._sigma_mm:g} {unit}"
            )

    def _name_lost(self, now: Situation, found: Conditions) -> None:
        """Name the sources that have fallen silent while others carry the estimate."""
        for source in now.surrogate.sources:
            age_ns = now.now_ns - source.newest_ns
            if age_ns > self._lost_ns:
                found[_LOST[source.form]] = (
                    f"{source.device}: no usable sample for {age_ns / 1e9:.1f} s, "
                    f"limit {self._lost_ns / 1e9:g} s"
                )


def _unit_of(surrogate: SurrogateReport) -> str:
    """Return the unit of the amplitude: without points it is counted in quiet breathing's SD."""
    points = any(source.form is Form.POINTS for source in surrogate.sources)
    return "mm" if points or not surrogate.sources else "SD of quiet breathing"
