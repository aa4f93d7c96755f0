"""The engine: one synchronous function of timed events, from sample to demand and permit.

`Engine.handle` takes one event and returns what follows from it. Samples are noted as they come.
Everything is decided at a `Tick`, in one pass: surrogate, imaging, target now and one latency from
now, machine, checks, faults, session, demand, permit. The engine reads no clock. It cannot tell
whether the run is live, simulated or replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hal.events import (
    Event,
    Identity,
    LinkChanged,
    RecordingState,
    Request,
    SendDemand,
    SendExpose,
    SendHold,
    SendStop,
    Tick,
)
from hal.messages import (
    ActuatorStatus,
    BadSample,
    BeamStatus,
    FiducialShot,
    LinacStatus,
    Message,
    ProjectionShot,
    Triple,
)
from tracker.core import session as table
from tracker.core.beam_lease import BeamLease
from tracker.core.device_reports import DeviceReports, described
from tracker.core.gating.gating import NO_BREATH_HOLD, OUT_OF_REACH, BeamGating
from tracker.core.gating.guidance import Reach
from tracker.core.gating.signals import GatingView, Moving, Swing
from tracker.core.machine.following import Follower, Following
from tracker.core.machine.guard import DemandGuard
from tracker.core.machine.keep_out import KeepOutVolumes
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.machine.machine_angles import AxesInTime
from tracker.core.machine.motion import Motion, NoDemand
from tracker.core.machine.no_motion import MachineMotion, NoMotion
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.machine.steering import Steering
from tracker.core.safety.checks.table import CHECKS, CheckFactory
from tracker.core.safety.fault_book import Calm, Conditions, FaultBook
from tracker.core.safety.fault_table import FAULTS, FaultName, FaultTable, Reaction
from tracker.core.safety.situation import Situation
from tracker.core.session import SessionState, SessionTrigger
from tracker.core.settings import Controller
from tracker.core.surrogate.report import SurrogateReport
from tracker.core.surrogate.signal import SurrogateSignal
from tracker.core.surrogate.sources.table import SOURCE_KINDS, SourceKinds
from tracker.core.target.forecast import Forecast
from tracker.core.target.imager_kinds import IMAGER_KINDS
from tracker.core.target.shot_findings import ShotFindings
from tracker.core.target.target_estimate import TargetEstimator, Targets
from tracker.core.target.target_model import XrayShot
from tracker.core.target.target_models import TARGET_MODELS
from tracker.core.target.target_state import TargetState
from tracker.core.types import (
    Covariance,
    Notice,
    Output,
    SessionChanged,
    SurrogateState,
    TargetEstimate,
    TargetPrediction,
    WindowChanged,
)

_REPEAT_LEARNING_NS = 10_000_000_000
"""How often the operator is told why the breathing cannot be learned."""
_AT_REST: Triple = (0.0, 0.0, 0.0)
_CALM = ((), (FaultName.PREDICTION_OFF,))
"""Faults that hold the beam while predictions are still judged over half a minute."""
_DOUBTS = frozenset(
    {FaultName.SURROGATE_LOST, FaultName.SURROGATE_UNSURE, FaultName.IRREGULAR_BREATHING}
)
"""Conditions in which nothing is learned from the surrogate: no breath, and no shot."""
_STANDING = frozenset({FaultName.SURROGATE_LOST, FaultName.LOOP_OVERRUN})
"""Conditions in which motion stops. It begins again later, from where the actuator stands.

After an overrun the next demand would be a leap, and the couch has stopped by itself meanwhile.
"""
_LEAST_AGAINST = {SessionTrigger.START: Reaction.REFUSE_START, SessionTrigger.RESUME: Reaction.HOLD}
"""How severe a fault must be to refuse a request."""
_AT_ITS_END = (SessionState.IDLE, SessionState.STOPPED)
_BEFORE_TRACKING = (SessionState.MODELLING, SessionState.READY)
_STEERING_STATES = (SessionState.TRACKING, SessionState.HOLDING)


class Engine:
    """The controller of one treatment room."""

    def __init__(
        self,
        settings: Controller,
        machine: MachineKind,
        forecast: Forecast,
        steering: Steering,
        guard: DemandGuard,
        *,
        checks: Sequence[CheckFactory] = CHECKS,
        faults: FaultTable = FAULTS,
        source_kinds: SourceKinds = SOURCE_KINDS,
    ) -> None:
        """Put the parts together; the session is IDLE and the beam held.

        ``checks`` and ``faults`` are the tables of what is looked at and what follows from it,
        ``source_kinds`` that of the surrogate sources.
        """
        self._settings = settings
        self._surrogate = SurrogateSignal(settings, source_kinds)
        self._modelling = TARGET_MODELS[settings.target.model](settings)
        self._target = TargetEstimator(settings, forecast)
        self._motion: MachineMotion = (
            Motion(steering, guard, KeepOutVolumes(settings.keepout), Follower(settings))
            if machine.moves
            else NoMotion()
        )
        self._moves = machine.moves
        self._gating = BeamGating(settings)
        self._outside: tuple[str, str] = ("", "")
        """Which window or breath hold keeps the beam off, and in words."""
        self._gated_off = ""
        """What keeps the beam off without a fault; empty: nothing does."""
        self._window_told = self._not_told = None if self._gating.used else ("", "")
        """The last `WindowChanged`: what closes, and which step of a breath hold."""
        self._imaging = IMAGER_KINDS[settings.imager.kind](settings)
        self._checks = tuple(check(settings) for check in checks)
        self._faults = FaultBook(settings.gating.regular_breaths, faults)
        self._track = ActuatorTrack(round(settings.actuator.status_delay_ms * 1e6))
        self._couch = self._track if machine.moves_patient else None
        self._axes = AxesInTime(machine, settings.session.orientation, settings.linac)
        self._in_beams_eye = machine.in_beams_eye
        self._reports = DeviceReports(settings, moves=machine.moves)
        self._lease = BeamLease(settings.gate)
        self._state: SessionState = SessionState.IDLE
        self._tick_ns = round(1.5e9 / settings.timing.tick_hz)
        self._latency_ns = round(settings.timing.latency_ms * 1e6)
        self._resume_ns = round(settings.session.resume_after_s * 1e9)
        self._resumes_itself = settings.session.resume == "automatic"
        self._learned_by_ns = round(settings.fusion.learning_s * 1e9) + _REPEAT_LEARNING_NS
        self._tell_learning_ns = -1
        """When the operator is told next why the breathing is not learned yet."""
        self._clear_since_ns = -1
        self._beam_on: bool | None = None
        self._beam_status_ns = -1
        self._reviewed_ns = -1
        self._findings = ShotFindings()
        self._conditions: Conditions = {}
        self._retake = False
        """The last shot was of no use: another one is taken soon."""
        self._doubtful_ns = -1
        """When the surrogate was last in doubt."""
        self._handlers: dict[type, Callable[..., list[Output]]] = {
            **dict.fromkeys(self._surrogate.messages, self._on_sample),
            FiducialShot: self._on_shot,
            ProjectionShot: self._on_shot,
            ActuatorStatus: self._on_actuator,
            BeamStatus: self._on_beam,
            LinacStatus: self._on_linac,
            BadSample: self._on_bad_sample,
            LinkChanged: self._on_link,
            RecordingState: self._on_recording,
            Identity: self._on_identity,
            Request: self._on_request,
            Tick: self._on_tick,
        }

    @property
    def state(self) -> SessionState:
        """What the session is doing."""
        return self._state

    def blocking(self, trigger: SessionTrigger, now_ns: int) -> tuple[str, ...]:
        """Give the faults a request would be refused for now, in the order they appeared."""
        least = _LEAST_AGAINST.get(trigger)
        if least is None:
            return ()
        standing = self._standing_conditions()
        return self._faults.unyielding(now_ns, standing, self._calm(), least)

    def handle(self, event: Event) -> list[Output]:
        """Take one event and return everything that follows from it, in order."""
        return self._handlers[type(event)](event)

    # Samples and reports ----------------------------------------------------------------------

    def _on_sample(self, sample: Message) -> list[Output]:
        unknown = self._surrogate.receive(sample, self._couch)
        return [Notice(sample.t_ns, "warning", unknown)] if unknown else []

    def _on_actuator(self, status: ActuatorStatus) -> list[Output]:
        self._track.add(status.t_ns, status.position_mm)
        self._reports.take_actuator(status)
        return []

    def _on_beam(self, status: BeamStatus) -> list[Output]:
        self._beam_on = status.on
        self._beam_status_ns = status.t_ns
        return []

    def _on_linac(self, status: LinacStatus) -> list[Output]:
        self._axes.track.add(status)
        return []

    def _on_bad_sample(self, sample: BadSample) -> list[Output]:
        """Note an unreadable message; what it means depends on the role of the device."""
        if not self._surrogate.add_bad_sample(sample):
            role = self._reports.take_bad_sample(sample)
            if role == "imager" and self._imaging.shot_unreadable():
                self._retake = True
        return [Notice(sample.t_ns, "warning", described(sample))]

    def _on_link(self, link: LinkChanged) -> list[Output]:
        level = "info" if link.up else "warning"
        self._reports.take_link(link, tracking=self._state in _STEERING_STATES)
        if link.up:
            self._surrogate.restarted(link.device)
        words = "is connected" if link.up else "lost its connection"
        return [Notice(link.t_ns, level, f"{link.device} {words}. {link.detail}".rstrip())]

    def _on_recording(self, recording: RecordingState) -> list[Output]:
        self._reports.take_recording(recording)
        return []

    def _on_identity(self, identity: Identity) -> list[Output]:
        self._reports.take_identity(identity)
        return []

    def _on_shot(self, shot: XrayShot) -> list[Output]:
        out_of_time = self._imaging.answered(shot.shot_id, shot.ticks, shot.t_ns)
        if self._state in _AT_ITS_END:
            return []
        if out_of_time:
            said = out_of_time if self._retake else ""
            self._findings = self._findings._replace(out_of_time=said)
            self._retake = True
            return [Notice(shot.t_ns, "warning", out_of_time)]
        if self._doubtful_ns >= shot.ticks:
            self._retake = True
            words = f"shot {shot.shot_id}: not used, the surrogate was in doubt at its exposure"
            return [Notice(shot.t_ns, "warning", words)]
        couch = _AT_REST if self._couch is None else self._couch.at(shot.ticks)
        breathing = self._surrogate.state_at(shot.ticks)
        result = self._modelling.add_shot(shot, couch, breathing, self._surrogate.span)
        self._findings = self._findings.after(result)
        self._retake = not result.judged
        if result.used:
            self._imaging.shot_used(shot.ticks, drifting=bool(result.drifts))
        if result.agrees:
            self._imaging.shot_agreed(shot.ticks)
        return result.outputs

    # Requests ---------------------------------------------------------------------------------

    def _on_request(self, request: Request) -> list[Output]:
        now = request.t_ns
        try:
            trigger = SessionTrigger(request.name)
        except ValueError:
            return [Notice(now, "warning", f"request {request.name!r} is unknown; nothing done")]
        if trigger not in table.REQUESTS:
            return [Notice(now, "warning", f"{request.name} is not for a person to request")]
        if table.after(self._state, trigger) is None:
            possible = ", ".join(t.value for t in table.allowed(self._state))
            words = f"{request.name} is not possible while {self._state}; possible: {possible}"
            return [Notice(now, "warning", words)]
        out: list[Output] = []
        if trigger in _LEAST_AGAINST:
            self._go_on(now, trigger, out)
        elif trigger is SessionTrigger.HOLD:
            held = {**self._conditions, FaultName.OPERATOR_HOLD: f"by {request.who}"}
            self._conditions = held
            out.extend(self._faults.update(now, held, self._calm()))
            self._change(now, trigger, out)
            out.append(self._hold(now))
        elif trigger is SessionTrigger.EXPOSE:
            self._imaging.request_shot()
        else:
            self._change(now, trigger, out)
        return out

    def _go_on(self, now: int, trigger: SessionTrigger, out: list[Output]) -> None:
        """Start or resume, unless a fault refuses it that a person cannot end."""
        self._reviewed_ns = now
        out.extend(self._faults.release(now, self._standing_conditions(), self._calm()))
        blocking = self._faults.names(_LEAST_AGAINST[trigger])
        if blocking:
            why = self._faults.sentences(blocking)
            out.append(Notice(now, "warning", f"{trigger.value} refused. {why}"))
        else:
            self._change(now, trigger, out)

    def _calm(self) -> Calm:
        """Give what faults wait for besides time."""
        breaths = self._surrogate.breaths
        return Calm(breaths.count, breaths.regular, self._imaging.agreed_ns)

    def _standing_conditions(self) -> Conditions:
        """Give the conditions that still hold when a person resumes: all but their own hold."""
        return {
            name: detail
            for name, detail in self._conditions.items()
            if name != FaultName.OPERATOR_HOLD
        }

    # The session ------------------------------------------------------------------------------

    def _change(self, now: int, trigger: SessionTrigger, out: list[Output]) -> None:
        """Move the session along its table, and do what entering the new state means."""
        before = self._state
        after = table.after(before, trigger)
        if after is None or after is before:
            return
        self._state = after
        out.append(SessionChanged(now, before, after, trigger))
        self._gating.pause_guide()
        if after is SessionState.MODELLING:
            self._begin_model(now)
        elif after in _AT_ITS_END:
            self._end(now, before, out)
        elif after is SessionState.HOLDING:
            self._clear_since_ns = -1
            out.append(self._hold(now))

    def _begin_model(self, now: int) -> None:
        """Forget the earlier model and all that was learned for it."""
        self._surrogate.forget()
        self._surrogate.learn_from(now)
        self._tell_learning_ns = now + self._learned_by_ns
        self._modelling.forget()
        self._target.forget()
        self._imaging.forget()
        self._findings = ShotFindings()
        self._retake = False
        self._window_told = self._not_told
        self._gating.forget_guide()

    def _end(self, now: int, before: SessionState, out: list[Output]) -> None:
        """Leave the beam off and the actuator still."""
        out.append(self._hold(now))
        if self._motion.moving or before in _STEERING_STATES:
            self._motion.stop(now)
            if self._moves:
                out.append(SendStop(now, self._settings.actuator.device))
        if self._state is SessionState.IDLE:
            out.extend(self._faults.clear(now))
            self._reports.end_session()

    def _hold(self, now: int) -> SendHold:
        """Take the beam away, and say for what reasons."""
        reasons = self._faults.names(Reaction.HOLD) or (self._gated_off or self._state.value,)
        return self._lease.hold(now, reasons)

    # The tick ---------------------------------------------------------------------------------

    def _on_tick(self, tick: Tick) -> list[Output]:
        now = tick.t_ns
        if self._state in _AT_ITS_END:
            return []
        out: list[Output] = []
        surrogate = self._see_breathing(now, out)
        if surrogate.ready:
            self._expose(now, surrogate, out)
        estimate, prediction = self._see_target(now, surrogate, out)
        axes = self._axes.at(now + self._latency_ns)
        wanted = None if prediction is None or axes is None else axes.wanted(prediction.position_mm)
        if self._gating.used and self._state in _STEERING_STATES:
            self._gate(now, surrogate, estimate, prediction, out)
        found = self._check(tick, surrogate, estimate, prediction, wanted, out)
        step = None
        if self._state in _STEERING_STATES:
            step = self._step(now, found, prediction, wanted)
        self._conditions = found
        if found or self._faults:
            out.extend(self._faults.update(now, found, self._calm()))
        self._follow_faults(now, out)
        if self._state in _STEERING_STATES:
            self._send(now, step, out)
        return out

    def _see_breathing(self, now: int, out: list[Output]) -> SurrogateReport:
        """Give the breathing now, and how its sensors do."""
        if not self._surrogate.ready:
            missing = self._surrogate.finish_learning(now)
            if missing and 0 < self._tell_learning_ns <= now:
                self._tell_learning_ns = now + _REPEAT_LEARNING_NS
                out.append(Notice(now, "warning", f"breathing not learned yet: {missing}"))
        self._surrogate.remember(now, modelling=self._state in _BEFORE_TRACKING)
        report = self._surrogate.report(now)
        state = report.state
        if state is not None:
            sigma = state.amplitude_variance**0.5
            out.append(SurrogateState(state.t_ns, state.amplitude_mm, state.velocity_mm_s, sigma))
        return report

    def _expose(self, now: int, surrogate: SurrogateReport, out: list[Output]) -> None:
        """Take an X-ray shot, if one is due."""
        shot = self._imaging.next_shot(
            now,
            surrogate.state,
            surrogate.span,
            modelling=self._state is SessionState.MODELLING,
            rebuild=self._retake
            or self._findings.asks_for_shots
            or FaultName.EXTRAPOLATING in self._conditions
            or self._faults.waits_for_shot(self._conditions),
            suspect_phase=self._modelling.suspect_phase,
        )
        if shot is not None:
            out.append(SendExpose(now, self._settings.imager.device, shot))

    def _see_target(self, now: int, surrogate: SurrogateReport, out: list[Output]) -> Targets:
        """Estimate the target now, and predict it for when a demand sent now takes effect."""
        target, model, breathing = self._target, self._modelling.model, surrogate.state
        if breathing is not None:
            self._modelling.remember(breathing)
        history = self._surrogate.filter
        if breathing is None or history is None:
            return target.no_estimate()
        doubtful = self._doubtful_ns >= now - self._tick_ns
        target.learn(now, history, surrogate.span, model, doubtful=doubtful)
        if model is None:
            return target.no_estimate()
        calm = self._faults.names(Reaction.HOLD) in _CALM
        targets = target.estimate(now, breathing, model, calm=calm)
        estimate, prediction = targets
        if estimate is not None:
            out.append(TargetEstimate(now, estimate.position_mm, _covariance(estimate)))
        if prediction is not None:
            at = now + self._latency_ns
            out.append(TargetPrediction(now, at, prediction.position_mm, _covariance(prediction)))
        return targets

    def _gate(
        self,
        now: int,
        surrogate: SurrogateReport,
        estimate: TargetState | None,
        prediction: TargetState | None,
        out: list[Output],
    ) -> None:
        """Let windows and breath holds decide whether there is beam by plan."""
        breathing = surrogate.state
        at_ns = now + self._latency_ns
        later = self._target.swing_later(at_ns)
        view = GatingView(
            now,
            self._latency_ns * 1e-9,
            self._relative_to_beam(now, estimate),
            None if self._moves else self._relative_to_beam(at_ns, prediction),
            None if breathing is None else Swing(breathing.amplitude_mm, breathing.velocity_mm_s),
            None if later is None else Swing(*later),
            surrogate.span,
            () if breathing is None else breathing.markers_mm,
        )
        self._outside = self._gating.closed(view)
        if self._state is SessionState.TRACKING:
            guide = self._gating.guide(view, self._reach(now))
            if guide is not None:
                out.append(guide)

    def _follow(
        self, now: int, wanted: Triple | None, here: Triple | None, out: list[Output]
    ) -> Following | None:
        """Measure how the machine follows; gate the beam off while it is too far, or by plan."""
        beam = self._lease.until_ns >= now
        following = self._motion.follow(now, self._track, wanted, here, beam=beam)
        self._gated_off, detail = self._outside
        if not self._gated_off and self._motion.out_of_reach:
            self._gated_off, detail = OUT_OF_REACH, "it follows what it can"
        told = (self._gated_off, detail if self._gated_off == NO_BREATH_HOLD else "")
        if told != self._window_told and self._state in _STEERING_STATES:
            self._window_told = told
            out.append(WindowChanged(now, not self._gated_off, self._gated_off, detail))
        return following

    def _reach(self, now: int) -> Reach | None:
        """Give the target relative to the beam as a function of a breath that stands still."""
        axes, model = self._axes.at(now), self._modelling.model
        if self._moves or axes is None or model is None:
            return None

        def target(amplitude_mm: float) -> Triple:
            state = model.target_at(now, amplitude_mm, 0.0, 0.0, 0.0, 0.0)
            return axes.judged(state.position_mm)

        return target

    def _relative_to_beam(self, at_ns: int, target: TargetState | None) -> Moving | None:
        """Give target and velocity relative to the beam, along the axes that are judged."""
        axes = self._axes.at(at_ns)
        if axes is None or target is None:
            return None
        position, velocity = axes.judged(target.position_mm), axes.judged(target.velocity_mm_s)
        if self._moves:
            # What moves with the target keeps its distance; the surrogate tells when to gate.
            here = self._track.newest_mm or _AT_REST
            (x, y, z), (a, b, c) = position, here
            return Moving((x - a, y - b, z - c), _AT_REST)
        return Moving(position, velocity)

    def _check(
        self,
        tick: Tick,
        surrogate: SurrogateReport,
        estimate: TargetState | None,
        prediction: TargetState | None,
        wanted: Triple | None,
        out: list[Output],
    ) -> Conditions:
        """Look at everything that can be wrong; give what is."""
        now, variance_mm2 = tick.t_ns, self._motion.variance_mm2
        axes, here, region = self._axes.at(now), None, None
        if axes is not None and estimate is not None:
            here = axes.judged(estimate.position_mm)
        if self._in_beams_eye and axes is not None and prediction is not None:
            region = axes.judged_variance(prediction.variance_mm2)
        following = self._follow(now, wanted, here, out)
        lease = self._lease
        situation = Situation(  # in the order of its fields, because names would take time
            now,
            now - tick.due_ns,
            surrogate,
            self._modelling.model,
            self._findings,
            self._imaging.last_used_ns,
            prediction,
            self._target.prediction_off,
            variance_mm2,
            following,
            lease.since_ns,
            lease.until_ns,
            self._beam_on,
            self._beam_status_ns,
            self._reviewed_ns,
            self._reports.newest,
            region,
            self._axes.report,
            bool(self._outside[0]) or self._gating.coming(now),
        )
        found: Conditions = {}
        for check in self._checks:
            check(situation, found)
        if found and not _DOUBTS.isdisjoint(found):
            self._doubtful_ns = now
        return found

    def _step(
        self,
        now: int,
        found: Conditions,
        prediction: TargetState | None,
        wanted: Triple | None,
    ) -> Triple | NoDemand:
        """Take one step of motion; a demand that must not be sent becomes a condition."""
        velocity = _AT_REST
        if prediction is not None:
            velocity = self._axes.velocity(
                now + self._latency_ns, prediction.position_mm, prediction.velocity_mm_s
            )
        if FaultName.KEEP_OUT in self._faults or not _STANDING.isdisjoint(found):
            wanted = None
        step = self._motion.step(now, wanted, velocity, self._track.newest_mm)
        if isinstance(step, NoDemand):
            if step.began:
                self._target.forget_misses()
            if step.keep_out:
                found[FaultName.KEEP_OUT] = step.keep_out
            if step.refused:
                found[FaultName.DEMAND_REFUSED] = step.refused
                self._reports.refuse_demand(step.refused)
        return step

    def _follow_faults(self, now: int, out: list[Output]) -> None:
        """Let the session follow model and faults."""
        if self._state is SessionState.MODELLING and self._modelling.complete:
            self._change(now, SessionTrigger.MODEL_READY, out)
        worst = self._faults.worst
        if worst is Reaction.STOP:
            self._change(now, SessionTrigger.FAULT_STOP, out)
        elif worst is Reaction.HOLD:
            self._clear_since_ns = -1
            if self._state is SessionState.TRACKING:
                self._change(now, SessionTrigger.FAULT_HOLD, out)
        elif self._state is SessionState.HOLDING and self._resumes_itself:
            if self._clear_since_ns < 0:
                self._clear_since_ns = now
            if now - self._clear_since_ns >= self._resume_ns:
                self._change(now, SessionTrigger.FAULTS_CLEARED, out)

    def _send(self, now: int, step: Triple | NoDemand | None, out: list[Output]) -> None:
        """Send the demand, and renew the beam's lease or say again that it is held."""
        device = self._settings.actuator.device
        if isinstance(step, NoDemand):
            if step.stop:
                out.append(SendStop(now, device))
        elif step is not None:
            out.append(SendDemand(now, device, step))
        if self._state is SessionState.TRACKING and not self._gated_off:
            if self._motion.settled:
                out.append(self._lease.permit(now))
        elif self._lease.must_end(now):
            out.append(self._hold(now))


def _covariance(state: TargetState) -> Covariance:
    a, b, c = state.variance_mm2
    return (a, 0.0, 0.0, b, 0.0, c)
