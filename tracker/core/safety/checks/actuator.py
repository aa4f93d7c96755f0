"""Check whether the machine reports, is where it should be, and follows (H13, H14)."""

from __future__ import annotations

from tracker.core.machine.following import AIM_SHARE, SILENT_NS, Following
from tracker.core.safety.checks.wording import above
from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller


class ActuatorCheck:
    """Holds the beam while the actuator does not follow; stops motion when it is far off."""

    def __init__(self, settings: Controller) -> None:
        """Take the limits from the settings."""
        actuator = settings.actuator
        self._device = actuator.device
        self._error_mm = actuator.follow_error_mm
        self._stop_mm = actuator.follow_stop_mm
        self._time_ms = actuator.follow_time_ms
        self._time_ns = actuator.follow_time_ms * 1e6
        self._aim_mm = AIM_SHARE * settings.gating.tolerance_mm
        self._off_since_ns = -1

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Look at what the actuator reports, then at where it is."""
        reports, following = now.reports, now.following
        if reports.actuator_fault:
            found[FaultName.ACTUATOR_FAULT] = f"{self._device}: {reports.actuator_fault}"
        if reports.actuator_restarted:
            found[FaultName.ACTUATOR_RESTARTED] = f"{self._device}: {reports.actuator_restarted}"
        if reports.demand_refused:
            found[FaultName.DEMAND_REFUSED] = reports.demand_refused
        if following is None:
            found[FaultName.ACTUATOR_SILENT] = (
                f"{self._device}: no position for over {SILENT_NS / 1e6:.0f} ms"
            )
            return
        if following.aim_mm is not None and following.settled and following.aim_mm > self._aim_mm:
            found[FaultName.NOT_IN_POSITION] = (
                f"{self._device}: demand {above(following.aim_mm, self._aim_mm)} mm from the "
                f"wanted position, limit {self._aim_mm:g} mm"
            )
        self._check_error(now.now_ns, following, found)

    def _check_error(self, now_ns: int, following: Following, found: Conditions) -> None:
        """Compare the distance from the demand with both limits."""
        error = following.error_mm
        if error is not None and error > self._stop_mm:
            found[FaultName.ACTUATOR_RUNAWAY] = (
                f"{self._device}: {above(error, self._stop_mm)} mm from the demand, "
                f"limit {self._stop_mm:g} mm"
            )
        if error is None or error <= self._error_mm:
            self._off_since_ns = -1
            return
        if self._off_since_ns < 0:
            self._off_since_ns = now_ns
        if now_ns - self._off_since_ns >= self._time_ns:
            found[FaultName.ACTUATOR_OFF_DEMAND] = (
                f"{self._device}: {above(error, self._error_mm)} mm from the demand, "
                f"limit {self._error_mm:g} mm for {self._time_ms:g} ms"
            )
