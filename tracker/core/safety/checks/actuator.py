"""Check whether the machine reports, is where it should be, and follows (H13, H14).

The beam is off whenever the machine is too far from the target (`tracker.core.machine.following`).
That becomes a fault when it lasts: when the machine has been out of reach for longer than within
reach, by two seconds.
"""

from __future__ import annotations

from typing import Final

from tracker.core.machine.following import SILENT_NS, Following
from tracker.core.safety.checks.wording import above
from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller

_SLOW_S: Final = 2.0
"""Time out of reach, less time within reach, at which a machine is too slow for the patient."""
_LONGEST_STEP_S: Final = 0.1
"""A longer gap between two ticks counts as so much time."""


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
        self._off_since_ns = -1
        self._last_ns = -1
        self._slow_s = 0.0

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
        self._check_reach(now.now_ns, following, found)
        self._check_error(now.now_ns, following, found)

    def _check_reach(self, now_ns: int, following: Following, found: Conditions) -> None:
        """Count the time out of reach, and take off the time within reach."""
        gap_s = 0.0 if self._last_ns < 0 else (now_ns - self._last_ns) * 1e-9
        self._last_ns = now_ns
        step_s = min(gap_s, _LONGEST_STEP_S)
        if not following.out_of_reach:
            self._slow_s = max(0.0, self._slow_s - step_s)
            return
        self._slow_s = min(_SLOW_S, self._slow_s + step_s)
        if self._slow_s >= _SLOW_S and following.aim_mm is not None:
            found[FaultName.NOT_IN_POSITION] = (
                f"{self._device}: demand {following.aim_mm:.2f} mm from the wanted position; "
                "out of reach for longer than within reach"
            )

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
