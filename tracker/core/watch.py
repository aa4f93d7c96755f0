"""What is wrong right now: every condition of the fault table, looked at once a tick.

Each check compares an age or a size with its limit and, when it is over, names the fault with
value and limit. Which reaction follows stands in `tracker.core.faults`.
"""

from __future__ import annotations

import math
from collections import deque

from hal.messages import Triple
from tracker.core.actuator_track import ActuatorTrack
from tracker.core.correlation import CorrelationModel, TargetState
from tracker.core.error_region import radius95_mm
from tracker.core.fusion import BreathingState
from tracker.core.imaging import Imaging
from tracker.core.settings import Controller
from tracker.core.surrogate import Surrogate

Conditions = dict[str, str]

MONITOR = "monitor"
"""The name under which the state of the process beside the controller is told as a link."""
_RECENT_NS = 200_000_000
_AIM_SHARE = 0.4
"""Share of the tolerance the limited demand may be from the wanted position with beam on."""
_EARLIEST, _LATEST = 0.6, 1.4
"""Latencies after which a demand may be answered."""
_PREDICTION_NS = 500_000_000
_SILENT_NS = 200_000_000


class Watch:
    """Keeps what a check needs from one tick to the next."""

    def __init__(self, settings: Controller) -> None:
        """Take the limits from the settings."""
        self._settings = settings
        self._stale_ns = round(settings.fusion.stale_ms * 1e6)
        self._latency_ns = round(settings.timing.latency_ms * 1e6)
        self._demands: deque[tuple[int, Triple]] = deque(maxlen=256)
        self._off_since_ns = -1
        self._predicted: deque[tuple[int, Triple]] = deque(maxlen=256)
        self._missed_since_ns = -1
        self._outside_since_ns = -1
        self._disagree_since_ns = -1
        self.model_wrong = ""
        """Set by a shot that disagrees badly, cleared by one that agrees."""
        self.model_doubtful = ""
        self.fiducials_moved = ""
        self.actuator_fault = ""
        self.refusal = ""
        self.unrecorded = ""
        """Why events do not reach the disk; empty while they do."""
        self.unwatched = ""
        """Why no monitor stands by to take the beam; empty while one does, or none is wanted."""
        self.settled = False
        """Since motion began, the actuator has once been where it should."""
        self.beam_on: bool | None = None
        self.beam_status_ns = -1
        self.permit_until_ns = -1

    def forget_motion(self) -> None:
        """Demands and predictions of an earlier run of motion no longer count."""
        self.settled = False
        self._demands.clear()
        self._predicted.clear()
        self._off_since_ns = self._missed_since_ns = -1

    def demanded(self, t_ns: int, position_mm: Triple) -> None:
        """Remember a demand that was sent."""
        self._demands.append((t_ns, position_mm))

    def predicted(self, at_ns: int, position_mm: Triple) -> None:
        """Remember a prediction until its moment has come."""
        self._predicted.append((at_ns, position_mm))

    def loop(self, found: Conditions, lateness_ns: int) -> None:
        """Judge how late the tick came (H16)."""
        if lateness_ns > self._settings.gating.overrun_ms * 1e6:
            found["loop overrun"] = (
                f"tick {lateness_ns / 1e6:.0f} ms late, "
                f"limit {self._settings.gating.overrun_ms:g} ms"
            )

    def recording(self, found: Conditions) -> None:
        """Judge whether what happens is recorded (H24)."""
        if self.unrecorded:
            found["not recording"] = self.unrecorded

    def monitor(self, found: Conditions) -> None:
        """Judge whether the second hand on the gate is there (H16, H19)."""
        if self.unwatched:
            found["monitor lost"] = self.unwatched

    def surrogate(
        self, found: Conditions, now_ns: int, surrogate: Surrogate, state: BreathingState | None
    ) -> None:
        """Judge age, sense and certainty of the breathing signal (H01-H04, H06, H12)."""
        settings = self._settings
        if surrogate.bad is not None and now_ns - surrogate.bad[0] < _RECENT_NS:
            found["bad samples"] = surrogate.bad[1]
        if surrogate.jumped_ns >= 0 and now_ns - surrogate.jumped_ns < _RECENT_NS:
            found["clock jump"] = "a device counter left its line against the host clock"
        frozen = max(surrogate.frozen_frames, surrogate.frozen_belt)
        if frozen >= settings.gating.frozen_samples:
            found["sensor frozen"] = (
                f"{frozen} identical samples, limit {settings.gating.frozen_samples}"
            )
        if surrogate.fast is not None and now_ns - surrogate.fast[0] < _RECENT_NS:
            found["irregular breathing"] = surrogate.fast[1]
        if surrogate.filter is None:
            return
        markers_ns = now_ns - surrogate.filter.newest_markers_ns
        belt_ns = now_ns - surrogate.filter.newest_belt_ns
        if state is None or min(markers_ns, belt_ns) > self._stale_ns:
            age_ms = min(markers_ns, belt_ns) / 1e6
            found["surrogate lost"] = (
                f"newest sample {age_ms:.0f} ms old, limit {settings.fusion.stale_ms:g} ms"
            )
            return
        if markers_ns > 2 * self._stale_ns:
            found["markers lost"] = f"for {markers_ns / 1e9:.1f} s"
        if settings.belt.enabled and belt_ns > 2 * self._stale_ns:
            found["belt lost"] = f"for {belt_ns / 1e9:.1f} s"
        sigma = math.sqrt(state.amplitude_variance)
        if sigma > settings.fusion.sigma_mm:
            found["surrogate unsure"] = (
                f"amplitude known to {sigma:.2f} mm, limit {settings.fusion.sigma_mm:g} mm"
            )

    def model(
        self,
        found: Conditions,
        now_ns: int,
        model: CorrelationModel | None,
        state: BreathingState | None,
        imaging: Imaging,
    ) -> None:
        """Judge the correlation model and its shots (H06-H10)."""
        settings = self._settings
        if model is None:
            found["model missing"] = "no model"
            return
        if self.model_wrong:
            found["model wrong"] = self.model_wrong
        if self.model_doubtful:
            found["model doubtful"] = self.model_doubtful
        if self.fiducials_moved:
            found["fiducials moved"] = self.fiducials_moved
        age_s = (now_ns - imaging.last_good_ns) * 1e-9
        if age_s > settings.imager.overdue_s:
            found["imaging overdue"] = (
                f"last shot {age_s:.0f} s ago, limit {settings.imager.overdue_s:g} s"
            )
        outside = 0.0 if state is None else model.extrapolation(state.amplitude_mm)
        if outside > settings.correlation.extrapolation:
            if self._outside_since_ns < 0:
                self._outside_since_ns = now_ns
            if now_ns - self._outside_since_ns >= settings.correlation.extrapolation_ms * 1e6:
                found["extrapolating"] = (
                    f"{100 * outside:.0f} % outside the shots' range, "
                    f"limit {100 * settings.correlation.extrapolation:.0f} %"
                )
        else:
            self._outside_since_ns = -1

    def target(
        self,
        found: Conditions,
        now_ns: int,
        estimate: TargetState | None,
        prediction: TargetState | None,
    ) -> None:
        """Judge the prediction's error region, and those whose moment has come (H11)."""
        gating = self._settings.gating
        if prediction is None:
            found["target unsure"] = "no prediction"
        else:
            radius = radius95_mm(prediction.variance_mm2)
            if not radius <= gating.tolerance_mm:
                found["target unsure"] = (
                    f"95 % within {radius:.1f} mm, tolerance {gating.tolerance_mm:g} mm"
                )
        due: Triple | None = None
        while self._predicted and self._predicted[0][0] <= now_ns:
            due = self._predicted.popleft()[1]
        if due is None or estimate is None:
            return
        error = math.dist(due, estimate.position_mm)
        if error <= gating.prediction_error_mm:
            self._missed_since_ns = -1
            return
        if self._missed_since_ns < 0:
            self._missed_since_ns = now_ns
        if now_ns - self._missed_since_ns >= _PREDICTION_NS:
            found["prediction off"] = (
                f"{error:.1f} mm for half a second, limit {gating.prediction_error_mm:g} mm"
            )

    def actuator(
        self, found: Conditions, now_ns: int, track: ActuatorTrack, wanted_mm: Triple | None
    ) -> None:
        """Judge whether couch or robot reports, is where it should be, and follows (H13)."""
        settings = self._settings.actuator
        if self.actuator_fault:
            found["actuator fault"] = self.actuator_fault
        if self.refusal:
            found["demand refused"] = self.refusal
        position = track.newest_mm
        if position is None or now_ns - track.newest_ns > _SILENT_NS:
            found["actuator silent"] = (
                f"no position for {_SILENT_NS / 1e6:.0f} ms" if position else "no position yet"
            )
            return
        if not self._demands:
            return
        error = self._behind(track.newest_ns, position)
        if wanted_mm is not None:
            aim = math.dist(wanted_mm, self._demands[-1][1])
            limit = _AIM_SHARE * self._settings.gating.tolerance_mm
            if aim <= limit:
                self.settled = self.settled or error is not None
            elif self.settled:
                found["not in position"] = (
                    f"{aim:.1f} mm from the wanted position, limit {limit:g} mm"
                )
        if error is None:
            return
        if error > settings.follow_stop_mm:
            found["actuator runaway"] = (
                f"{error:.1f} mm from the demand, limit {settings.follow_stop_mm:g} mm"
            )
        if error <= settings.follow_error_mm:
            self._off_since_ns = -1
            return
        if self._off_since_ns < 0:
            self._off_since_ns = now_ns
        if now_ns - self._off_since_ns >= settings.follow_time_ms * 1e6:
            found["actuator off demand"] = (
                f"{error:.1f} mm from the demand, limit {settings.follow_error_mm:g} mm "
                f"for {settings.follow_time_ms:g} ms"
            )

    def _behind(self, t_ns: int, position: Triple) -> float | None:
        """Distance of a measured position from the nearest demand it may be answering.

        An actuator is no pure delay: sped up and slowed down it answers earlier and later than
        one latency. ``None`` while no demand is old enough to be answered.
        """
        demands = self._demands
        oldest_ns = t_ns - round(_LATEST * self._latency_ns)
        newest_ns = t_ns - round(_EARLIEST * self._latency_ns)
        while len(demands) > 1 and demands[1][0] <= oldest_ns:
            demands.popleft()
        if not demands or demands[0][0] > t_ns - self._latency_ns:
            return None
        nearest = math.inf
        for at_ns, demand in demands:
            if at_ns > newest_ns:
                break
            nearest = min(nearest, math.dist(demand, position))
        return nearest

    def gate(self, found: Conditions, now_ns: int) -> None:
        """Judge permit against read-back (H19)."""
        if self.beam_on is None or now_ns - self.beam_status_ns > _SILENT_NS:
            found["gate silent"] = f"no read-back for {_SILENT_NS / 1e6:.0f} ms"
            return
        if not self.beam_on or now_ns <= self.permit_until_ns:
            self._disagree_since_ns = -1
            return
        if self._disagree_since_ns < 0:
            self._disagree_since_ns = max(self.permit_until_ns, 0)
        late_ms = (now_ns - self._disagree_since_ns) / 1e6
        if late_ms > self._settings.gate.readback_ms:
            found["gate disagrees"] = (
                f"beam on {late_ms:.0f} ms after the permit ended, "
                f"limit {self._settings.gate.readback_ms:g} ms"
            )
