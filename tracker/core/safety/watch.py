"""What is wrong right now: every condition of the fault table, looked at once a tick.

Each check compares an age or a size with its limit and, when it is over, names the fault with
value and limit. Which reaction follows stands in `tracker.core.safety.faults`.
"""

from __future__ import annotations

import math
from collections import deque

from hal.messages import Triple
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.safety.off_target import OffTarget
from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.surrogate.report import SurrogateReport
from tracker.core.target.correlation import CorrelationModel, TargetState
from tracker.core.target.error_region import radius95_mm
from tracker.core.target.exposure import Imaging

Conditions = dict[str, str]

MONITOR = "monitor"
"""The name under which the state of the process beside the controller is told as a link."""
_RECENT_NS = 200_000_000
_AIM_SHARE = 0.6
"""Share of the tolerance the limited demand may be from the wanted position with beam on."""
_SETTLED_SHARE = 0.4
"""Share of the tolerance the beam must once have been near the target before it is let on."""
_EARLIEST, _LATEST = 0.6, 1.4
"""Latencies after which a demand may be answered."""
_SILENT_NS = 200_000_000
_LEAST_MM_S = 3.0
"""Usual speed taken at least: after a long breath hold every breath would be a cough."""


class Watch:
    """Keeps what a check needs from one tick to the next."""

    def __init__(self, settings: Controller) -> None:
        """Take the limits from the settings."""
        self._settings = settings
        self._stale_ns = round(settings.fusion.stale_ms * 1e6)
        self._latency_ns = round(settings.timing.latency_ms * 1e6)
        actuator = settings.actuator
        self._braked_ns = round(
            _LATEST * self._latency_ns + 1e9 * actuator.speed_mm_s / actuator.acceleration_mm_s2
        )
        """How long after a stop couch or robot must stand."""
        self._stopped_ns = -1
        self._demands: deque[tuple[int, Triple]] = deque(maxlen=256)
        self._off_since_ns = -1
        self.off_target = OffTarget(settings.gating)
        self._outside_since_ns = -1
        self._disagree_since_ns = -1
        self._seen_on_ns = -1
        self.model_wrong = ""
        """Set by a shot that disagrees badly, cleared by one that agrees."""
        self.model_doubtful = ""
        self.drifts = ""
        self.fiducials_moved = ""
        self.out_of_time = ""
        self.identified = False
        self.misidentified = ""
        self.actuator_fault = ""
        self.actuator_anew = ""
        """Its link came back during tracking: where its zero is now, nobody knows."""
        self.refusal = ""
        self.unrecorded = ""
        """Why events do not reach the disk; empty while they do."""
        self.unwatched = ""
        """Why no monitor stands by to take the beam; empty while one does, or none is wanted."""
        self.settled = False
        """Since motion began, the actuator has once been where it should."""
        self.beam_on: bool | None = None
        self.beam_status_ns = -1
        self.permit_since_ns = -1
        self.permit_until_ns = -1

    def permitted(self, now_ns: int, until_ns: int) -> None:
        """The beam's lease was renewed."""
        if self.permit_since_ns < 0 or now_ns > self.permit_until_ns:
            self.permit_since_ns = now_ns
        self.permit_until_ns = until_ns

    def held(self, now_ns: int) -> None:
        """The beam was taken away."""
        self.permit_since_ns = -1
        self.permit_until_ns = min(self.permit_until_ns, now_ns)

    def forget_motion(self) -> None:
        """Demands and predictions of an earlier run of motion no longer count."""
        self.settled = False
        self._demands.clear()
        self.off_target.forget()
        self._off_since_ns = self._stopped_ns = -1

    def forget_model(self) -> None:
        """What shots said of an earlier model no longer counts."""
        self.model_wrong = self.model_doubtful = self.drifts = ""
        self.fiducials_moved = self.out_of_time = ""
        self.off_target.residual_mm = 0.0

    def demanded(self, t_ns: int, position_mm: Triple) -> None:
        """Remember a demand that was sent."""
        self._demands.append((t_ns, position_mm))

    def stopped(self, t_ns: int) -> None:
        """Couch or robot was told to stop: no demand counts any more, only that it stays."""
        self._demands.clear()
        self._off_since_ns = -1
        self._stopped_ns = t_ns

    def loop(self, found: Conditions, lateness_ns: int) -> None:
        """Judge how late the tick came (H16)."""
        gating = self._settings.gating
        late_ms = lateness_ns / 1e6
        if late_ms > gating.overrun_ms:
            found["loop overrun"] = f"tick {late_ms:.0f} ms late, limit {gating.overrun_ms:g} ms"
        elif late_ms * self._settings.timing.tick_hz > 1e3 * gating.late_ticks:
            found["loop late"] = f"tick {late_ms:.0f} ms late, limit {gating.late_ticks:g} periods"

    def identity(self, found: Conditions) -> None:
        """Judge whether patient, plan and model are those that were set up (H22)."""
        if self.misidentified:
            found["wrong patient or plan"] = self.misidentified
        if self._settings.session.identify and not self.identified:
            found["not identified"] = "session.identify is true"

    def recording(self, found: Conditions) -> None:
        """Judge whether what happens is recorded (H24)."""
        if self.unrecorded:
            found["not recording"] = self.unrecorded

    def monitor(self, found: Conditions) -> None:
        """Judge whether the second hand on the gate is there (H16, H19)."""
        if self.unwatched:
            found["monitor lost"] = self.unwatched

    def surrogate(self, found: Conditions, now_ns: int, surrogate: SurrogateReport) -> None:
        """Judge age, sense and certainty of the breathing signal (H01-H04, H06, H12)."""
        settings = self._settings
        recent_ns = now_ns - _RECENT_NS
        for source in surrogate.sources:
            if source.bad is not None and source.bad[0] > recent_ns:
                found["bad samples"] = source.bad[1]
        for source in surrogate.sources:
            if source.jumped_ns >= 0 and source.jumped_ns > recent_ns:
                found["clock jump"] = f"{source.device}: its counter left the host clock"
        for source in surrogate.sources:
            if source.frozen >= settings.gating.frozen_samples:
                found["sensor frozen"] = (
                    f"{source.device}: {source.frozen} identical samples, "
                    f"limit {settings.gating.frozen_samples}"
                )
        for source in surrogate.sources:
            if source.fast is not None and source.fast[0] > recent_ns:
                found["irregular breathing"] = source.fast[1]
        if surrogate.misplaced:
            found["markers misplaced"] = surrogate.misplaced
        if surrogate.ready:
            self._breathing(found, now_ns, surrogate)

    def _breathing(self, found: Conditions, now_ns: int, surrogate: SurrogateReport) -> None:
        """Judge the breathing state and the age of what it rests on."""
        settings, state = self._settings, surrogate.state
        newest_ns = max((source.newest_ns for source in surrogate.sources), default=-1)
        if state is None or now_ns - newest_ns > self._stale_ns:
            found["surrogate lost"] = (
                f"newest sample {(now_ns - newest_ns) / 1e6:.0f} ms old, "
                f"limit {settings.fusion.stale_ms:g} ms"
            )
            return
        for source in surrogate.sources:
            age_ns = now_ns - source.newest_ns
            if age_ns > 2 * self._stale_ns:
                found[f"{source.kind} lost"] = f"{source.device}: for {age_ns / 1e9:.1f} s"
        if surrogate.novelty:
            found["unusual breathing"] = surrogate.novelty
        if surrogate.span is not None:
            usual = surrogate.span.speed_mm_s
            if abs(state.velocity_mm_s) > settings.gating.speed_share * max(usual, _LEAST_MM_S):
                found["irregular breathing"] = (
                    f"{abs(state.velocity_mm_s):.0f} mm/s, usual are {usual:.0f} mm/s, "
                    f"limit {settings.gating.speed_share:g} times that"
                )
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
        span: BreathingRange | None,
        imaging: Imaging,
    ) -> None:
        """Judge the correlation model and its shots (H06-H10)."""
        settings = self._settings
        if self.fiducials_moved:
            found["fiducials moved"] = self.fiducials_moved
        if self.out_of_time:
            found["shots out of time"] = self.out_of_time
        if model is None:
            found["model missing"] = "no model"
            return
        if self.model_wrong:
            found["model wrong"] = self.model_wrong
        if self.model_doubtful:
            found["model doubtful"] = self.model_doubtful
        if self.drifts:
            found["baseline drifts"] = self.drifts
        age_s = (now_ns - imaging.last_good_ns) * 1e-9
        if age_s > settings.imager.overdue_s:
            found["imaging overdue"] = (
                f"last shot {age_s:.0f} s ago, limit {settings.imager.overdue_s:g} s (unverified)"
            )
        elif age_s > settings.imager.warn_s:
            found["imaging late"] = (
                f"last shot {age_s:.0f} s ago, warned of from {settings.imager.warn_s:g} s on "
                f"(unverified), held from {settings.imager.overdue_s:g} s on"
            )
        breathing_mm = 0.0 if span is None else 2.0 * span.half_range_mm
        outside = 0.0 if state is None else model.extrapolation(state.amplitude_mm, breathing_mm)
        if outside > settings.correlation.extrapolation:
            if self._outside_since_ns < 0:
                self._outside_since_ns = now_ns
            if now_ns - self._outside_since_ns >= settings.correlation.extrapolation_ms * 1e6:
                found["extrapolating"] = (
                    f"{100 * outside:.0f} % of its range outside that of the shots, "
                    f"limit {100 * settings.correlation.extrapolation:.0f} %"
                )
        else:
            self._outside_since_ns = -1

    def target(self, found: Conditions, prediction: TargetState | None) -> None:
        """Judge the error region: correlation, prediction and actuator together (H11)."""
        gating = self._settings.gating
        if prediction is None:
            found["target unsure"] = "no prediction"
            return
        (a, b, c), (d, e, f) = prediction.variance_mm2, self.off_target.variance_mm2
        radius = radius95_mm((a + d, b + e, c + f))
        if not radius <= gating.tolerance_mm:
            found["target unsure"] = (
                f"95 % within {radius:.1f} mm, tolerance {gating.tolerance_mm:g} mm"
            )

    def apart(self, found: Conditions, now_ns: int, position_mm: Triple, wanted_mm: Triple) -> None:
        """Judge how far the beam is from the target as it is estimated now (H13, H27)."""
        off = self.off_target
        off.take(now_ns, position_mm, wanted_mm, beam=self.permit_until_ns >= now_ns)
        if self.settled:
            if apart := off.apart():
                found["beam off target"] = apart
            if persists := off.persists(now_ns):
                found["error persists"] = persists

    def actuator(
        self, found: Conditions, now_ns: int, track: ActuatorTrack, wanted_mm: Triple | None
    ) -> None:
        """Judge whether couch or robot reports, is where it should be, and follows (H13)."""
        settings = self._settings.actuator
        if self.actuator_fault:
            found["actuator fault"] = self.actuator_fault
        if self.actuator_anew:
            found["actuator restarted"] = self.actuator_anew
        if self.refusal:
            found["demand refused"] = self.refusal
        position = track.newest_mm
        if position is None or now_ns - track.newest_ns > _SILENT_NS:
            found["actuator silent"] = (
                f"no position for {_SILENT_NS / 1e6:.0f} ms" if position else "no position yet"
            )
            return
        if 0 <= self._stopped_ns < track.newest_ns - self._braked_ns:
            self._stopped_ns = -1
            self._demands.append((track.newest_ns - self._latency_ns, position))
        if not self._demands:
            return
        error = self._behind(track.newest_ns, position)
        if wanted_mm is not None:
            aim = math.dist(wanted_mm, self._demands[-1][1])
            limit = _AIM_SHARE * self._settings.gating.tolerance_mm
            if aim <= limit:
                near = _SETTLED_SHARE * self._settings.gating.tolerance_mm
                there = error is not None and self.off_target.offset_mm <= near
                self.settled = self.settled or there
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
        one latency. Of those near enough the oldest does. ``None`` while none is old enough.
        """
        demands = self._demands
        oldest_ns = t_ns - round(_LATEST * self._latency_ns)
        newest_ns = t_ns - round(_EARLIEST * self._latency_ns)
        while len(demands) > 1 and demands[1][0] <= oldest_ns:
            demands.popleft()
        if not demands or demands[0][0] > t_ns - self._latency_ns:
            return None
        near, nearest = self._settings.actuator.follow_error_mm, math.inf
        for at_ns, demand in demands:
            if at_ns > newest_ns:
                break
            apart = math.dist(demand, position)
            if apart < nearest:  # a call of min() would double what this costs each tick
                nearest = apart
                if nearest <= near:
                    break
        return nearest

    def gate(self, found: Conditions, now_ns: int) -> None:
        """Judge permit against read-back (H19)."""
        if self.beam_on is None or now_ns - self.beam_status_ns > _SILENT_NS:
            found["gate silent"] = f"no read-back for {_SILENT_NS / 1e6:.0f} ms"
            return
        limit_ms = self._settings.gate.readback_ms
        if self.beam_on:
            self._seen_on_ns = now_ns
        shut_ms = (now_ns - max(self.permit_since_ns, self._seen_on_ns)) / 1e6
        permitted = self.permit_since_ns >= 0 and now_ns <= self.permit_until_ns
        if permitted and not self.beam_on and shut_ms > limit_ms:
            found["gate stays shut"] = (
                f"no beam for {shut_ms:.0f} ms of permit, limit {limit_ms:g} ms"
            )
        if not self.beam_on or now_ns <= self.permit_until_ns:
            self._disagree_since_ns = -1
            return
        if self._disagree_since_ns < 0:
            self._disagree_since_ns = max(self.permit_until_ns, 0)
        late_ms = (now_ns - self._disagree_since_ns) / 1e6
        if late_ms > limit_ms:
            found["gate disagrees"] = (
                f"beam on {late_ms:.0f} ms after the permit ended, limit {limit_ms:g} ms"
            )
