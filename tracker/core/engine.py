"""The engine: one synchronous function of timed events, from sample to demand and permit.

`Engine.handle` takes one event and returns what follows from it. Samples are taken in as they
come; everything is decided at a `Tick`, in this order: breathing state, imaging, target now and
at the moment a demand takes effect, what is wrong, session, demand past the guard, permit.
It reads no clock and knows not whether the run is live, simulated or replayed.
"""

from __future__ import annotations

from collections.abc import Callable

from hal.events import (
    Event,
    Identity,
    LinkChanged,
    RecordingState,
    Request,
    SendDemand,
    SendExpose,
    SendHold,
    SendPermit,
    SendStop,
    Tick,
)
from hal.messages import (
    ActuatorStatus,
    BadSample,
    BeamStatus,
    FiducialShot,
    Message,
    Triple,
)
from tracker.core import session as table
from tracker.core.machine.geometry import MachineAngles
from tracker.core.machine.guard import DemandGuard
from tracker.core.machine.keep_out import KeepOutVolumes
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.machine.motion import KEEP_OUT, REFUSED, Aim, Motion
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.machine.steering import Steering
from tracker.core.safety.faults import FAULTS, Calm, FaultBook, Reaction
from tracker.core.safety.identity import differences
from tracker.core.safety.watch import MONITOR, Conditions, Watch
from tracker.core.session import SessionState, SessionTrigger
from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingState
from tracker.core.surrogate.signal import SurrogateSignal
from tracker.core.surrogate.sources.table import SOURCE_KINDS, SourceKinds
from tracker.core.target.correlation import TargetState
from tracker.core.target.exposure import Imaging
from tracker.core.target.forecast import Foresight
from tracker.core.target.modelling import Modelling
from tracker.core.target.target_estimate import Seen, Sight
from tracker.core.types import (
    Covariance,
    Notice,
    Output,
    SessionChanged,
    SurrogateState,
    TargetEstimate,
    TargetPrediction,
)

_REPEAT_HOLD_NS = 500_000_000
_AT_REST: Triple = (0.0, 0.0, 0.0)
_CALM = ((), ("prediction off",))
"""Faults that hold the beam while predictions are still judged over half a minute."""
_DOUBTS = frozenset({"surrogate lost", "surrogate unsure", "irregular breathing"})
"""Conditions in which nothing is learned of the surrogate: no breath, no shot paired with it."""
_STANDING = frozenset({"surrogate lost", "loop overrun"})
"""Conditions in which motion is stopped and later begun anew, from where the actuator stands.

After an overrun the next demand would be a leap, and the couch has halted itself meanwhile.
"""
_LEAST_AGAINST = {SessionTrigger.START: Reaction.REFUSE_START, SessionTrigger.RESUME: Reaction.HOLD}
"""How severe a fault must be to stand against a request."""
_BEFORE_TRACKING = (SessionState.MODELLING, SessionState.READY)
_STEERING_STATES = (SessionState.TRACKING, SessionState.HOLDING)


class Engine:
    """The controller of one treatment room."""

    def __init__(
        self,
        settings: Controller,
        machine: MachineKind,
        foresight: Foresight,
        steering: Steering,
        guard: DemandGuard,
        source_kinds: SourceKinds = SOURCE_KINDS,
    ) -> None:
        """Put the parts together; the session is IDLE and the beam held."""
        self._settings = settings
        self._surrogate = SurrogateSignal(settings, source_kinds)
        self._modelling = Modelling(settings)
        self._sight = Sight(settings, foresight)
        self._motion = Motion(steering, guard, KeepOutVolumes(settings.keepout))
        self._imaging = Imaging(settings)
        self._watch = Watch(settings)
        self._faults = FaultBook(settings.gating.regular_breaths)
        self._track = ActuatorTrack(round(settings.actuator.status_delay_ms * 1e6))
        self._couch = self._track if machine.moves_patient else None
        self._axes = machine.axes(settings.session.orientation, MachineAngles())
        self._state: SessionState = SessionState.IDLE
        self._tick_ns = round(1.5e9 / settings.timing.tick_hz)
        self._latency_ns = round(settings.timing.latency_ms * 1e6)
        self._lease_ns = round(settings.gate.lease_ms * 1e6)
        self._resume_ns = round(settings.session.resume_after_s * 1e9)
        self._held_ns = -1
        self._clear_since_ns = -1
        self._conditions: Conditions = {}
        self._retake = False
        """The last shot was of no use: another is asked for soon."""
        self._doubtful_ns = -1
        """When the surrogate was last not to be believed."""
        self._handlers: dict[type, Callable[..., list[Output]]] = {
            **dict.fromkeys(self._surrogate.messages, self._receive_sample),
            FiducialShot: self._take_shot,
            ActuatorStatus: self._take_actuator,
            BeamStatus: self._take_beam,
            BadSample: self._take_bad,
            LinkChanged: self._take_link,
            RecordingState: self._take_recording,
            Identity: self._take_identity,
            Request: self._take_request,
            Tick: self._tick,
        }

    @property
    def state(self) -> SessionState:
        """What the session is doing."""
        return self._state

    def blocking(self, trigger: SessionTrigger, now_ns: int) -> tuple[str, ...]:
        """Give the faults a request would be refused for now, in order of appearance."""
        least = _LEAST_AGAINST.get(trigger)
        if least is None:
            return ()
        standing = self._standing(self._conditions)
        return self._faults.unyielding(now_ns, standing, self._calm(), least)

    def handle(self, event: Event) -> list[Output]:
        """Take one event and return everything that follows from it, in order."""
        return self._handlers[type(event)](event)

    # Samples ----------------------------------------------------------------------------------

    def _receive_sample(self, sample: Message) -> list[Output]:
        unknown = self._surrogate.receive(sample, self._couch)
        return [Notice(sample.t_ns, "warning", unknown)] if unknown else []

    def _take_actuator(self, status: ActuatorStatus) -> list[Output]:
        self._track.add(status.t_ns, status.position_mm)
        self._watch.actuator_fault = status.fault
        return []

    def _take_beam(self, status: BeamStatus) -> list[Output]:
        self._watch.beam_on = status.on
        self._watch.beam_status_ns = status.t_ns
        return []

    def _take_bad(self, sample: BadSample) -> list[Output]:
        what = f"{sample.device}: {sample.what} {sample.value}".rstrip()
        self._surrogate.add_bad_sample(sample)
        return [Notice(sample.t_ns, "warning", what)]

    def _take_link(self, link: LinkChanged) -> list[Output]:
        level = "info" if link.up else "warning"
        if link.device == MONITOR:
            self._watch.unwatched = "" if link.up else link.detail or "no reason given"
        if link.up:
            self._surrogate.restarted(link.device)
            if link.device == self._settings.actuator.device and self._state in _STEERING_STATES:
                self._watch.actuator_anew = "connected again during tracking"
        words = "is connected" if link.up else "lost its connection"
        return [Notice(link.t_ns, level, f"{link.device} {words}. {link.detail}".rstrip())]

    def _take_recording(self, recording: RecordingState) -> list[Output]:
        self._watch.unrecorded = "" if recording.ok else recording.detail or "no reason given"
        return []

    def _take_identity(self, identity: Identity) -> list[Output]:
        self._watch.identified = True
        self._watch.misidentified = differences(identity, self._settings)
        return []

    def _take_shot(self, shot: FiducialShot) -> list[Output]:
        out_of_time = self._imaging.answered(shot.shot_id, shot.ticks, shot.t_ns)
        if self._state in (SessionState.IDLE, SessionState.STOPPED):
            return []
        if out_of_time:
            self._watch.out_of_time = out_of_time if self._retake else ""
            self._retake = True
            return [Notice(shot.t_ns, "warning", out_of_time)]
        if self._doubtful_ns >= shot.ticks:
            self._retake = True
            words = f"shot {shot.shot_id}: the surrogate was in doubt at its exposure; not used"
            return [Notice(shot.t_ns, "warning", words)]
        couch = _AT_REST if self._couch is None else self._couch.at(shot.ticks)
        breathing = self._surrogate.state_at(shot.ticks)
        taken = self._modelling.take(shot, couch, breathing, self._surrogate.span)
        watch = self._watch
        if taken.judged:
            watch.fiducials_moved = ""
            watch.model_wrong = taken.model_wrong
            watch.model_doubtful = taken.model_doubtful
            watch.out_of_time = ""
        elif taken.fiducials_moved:
            watch.fiducials_moved = taken.fiducials_moved
        self._retake = not taken.judged
        if taken.used:
            self._imaging.last_good_ns = shot.ticks
            watch.drifts = taken.drifts
            watch.off_target.residual_mm = taken.left_mm
            self._imaging.drifting = bool(taken.drifts)
        if taken.agrees:
            self._imaging.agreed_ns = shot.ticks
        return taken.outputs

    # Requests ---------------------------------------------------------------------------------

    def _take_request(self, request: Request) -> list[Output]:
        now = request.t_ns
        try:
            trigger = SessionTrigger(request.name)
        except ValueError:
            return [Notice(now, "warning", f"request {request.name!r} is unknown; nothing done")]
        if trigger not in table.REQUESTS:
            return [Notice(now, "warning", f"{request.name} is not for a person to request")]
        if table.after(self._state, trigger) is None:
            possible = ", ".join(t.value for t in table.allowed(self._state))
            return [
                Notice(
                    now,
                    "warning",
                    f"{request.name} is not possible while {self._state}; possible: {possible}",
                )
            ]
        if trigger in (SessionTrigger.START, SessionTrigger.RESUME):
            return self._go_on(now, trigger)
        if trigger is SessionTrigger.HOLD:
            self._conditions = {**self._conditions, "operator hold": f"by {request.who}"}
            found = self._faults.update(now, self._conditions, self._calm())
            return [*found, *self._change(now, trigger), self._hold(now)]
        if trigger is SessionTrigger.EXPOSE:
            self._imaging.asap = True
            return []
        return self._change(now, trigger)

    def _go_on(self, now: int, trigger: SessionTrigger) -> list[Output]:
        """Start or resume, unless something stands against it that a person cannot end."""
        least = _LEAST_AGAINST[trigger]
        self._watch.off_target.reviewed()
        standing = self._standing(self._conditions)
        out: list[Output] = [*self._faults.release(now, standing, self._calm())]
        blocking = self._faults.names(least)
        if blocking:
            why = "; ".join(FAULTS[name].sentence for name in blocking)
            return [*out, Notice(now, "warning", f"{trigger.value} refused. {why}")]
        return [*out, *self._change(now, trigger)]

    def _calm(self) -> Calm:
        """What faults wait for besides time."""
        breaths = self._surrogate.breaths
        return Calm(breaths.count, breaths.regular, self._imaging.agreed_ns)

    @staticmethod
    def _standing(conditions: Conditions) -> Conditions:
        """Conditions that still stand when a person resumes: all but their own hold."""
        return {name: detail for name, detail in conditions.items() if name != "operator hold"}

    def _change(self, now: int, trigger: SessionTrigger) -> list[Output]:
        """Move the session along its table and do what entering the new state means."""
        before = self._state
        after = table.after(before, trigger)
        if after is None or after is before:
            return []
        self._state = after
        out: list[Output] = [SessionChanged(now, before, after, trigger)]
        if after is SessionState.MODELLING:
            self._surrogate.forget()
            self._surrogate.learn_from(now)
            self._modelling.forget()
            self._sight.forget()
            self._imaging.forget()
            self._watch.forget_model()
            self._retake = False
        elif after in (SessionState.STOPPED, SessionState.IDLE):
            out.extend(self._end(now, before))
        elif after is SessionState.HOLDING:
            self._clear_since_ns = -1
            out.append(self._hold(now))
        return out

    def _end(self, now: int, before: SessionState) -> list[Output]:
        """Leave the beam off and the actuator still."""
        out: list[Output] = [self._hold(now)]
        if self._motion.moving or before in _STEERING_STATES:
            self._watch.stopped(now)
            out.append(SendStop(now, self._settings.actuator.device))
        self._motion.moving = False
        if self._state is SessionState.IDLE:
            out.extend(self._faults.clear(now))
            self._watch.refusal = self._watch.actuator_anew = ""
        return out

    def _hold(self, now: int) -> SendHold:
        self._watch.held(now)
        self._held_ns = now
        reasons = self._faults.names(Reaction.HOLD) or (self._state.value,)
        return SendHold(now, self._settings.gate.device, reasons)

    # The tick ---------------------------------------------------------------------------------

    def _tick(self, tick: Tick) -> list[Output]:
        now = tick.t_ns
        if self._state in (SessionState.IDLE, SessionState.STOPPED):
            return []
        out: list[Output] = []
        if not self._surrogate.ready:
            self._surrogate.finish_learning(now)
        self._surrogate.remember(now, modelling=self._state in _BEFORE_TRACKING)
        surrogate = self._surrogate.report(now)
        breathing = surrogate.state
        if breathing is not None:
            out.append(_surrogate_state(breathing))
        self._expose(now, breathing, out)
        estimate, prediction = self._see_ahead(now, breathing, out)
        found: Conditions = {}
        self._watch.loop(found, now - tick.due_ns)
        self._watch.recording(found)
        self._watch.monitor(found)
        self._watch.identity(found)
        self._watch.surrogate(found, now, surrogate)
        if not _DOUBTS.isdisjoint(found):
            self._doubtful_ns = now
        self._watch.model(
            found, now, self._modelling.model, breathing, self._surrogate.span, self._imaging
        )
        if self._modelling.model is not None:
            self._watch.target(found, prediction)
        aim = None if prediction is None else self._aim(prediction)
        self._judge_motion(found, now, estimate, aim)
        self._watch.gate(found, now)
        self._conditions = found
        if found or self._faults.any:
            out.extend(self._faults.update(now, found, self._calm()))
        self._advance_session(now, out)
        if self._state in _STEERING_STATES:
            self._steer(now, aim if _STANDING.isdisjoint(found) else None, out)
        self._permit(now, out)
        return out

    def _expose(self, now: int, breathing: BreathingState | None, out: list[Output]) -> None:
        if not self._surrogate.ready:
            return
        rebuild = (
            self._retake
            or bool(self._watch.model_wrong or self._watch.model_doubtful)
            or "extrapolating" in self._conditions
            or self._faults.waits_for_shot(self._conditions)
        )
        modelling = self._state is SessionState.MODELLING
        span = self._surrogate.span
        shot = self._imaging.due(
            now,
            breathing,
            span,
            modelling=modelling,
            rebuild=rebuild,
            suspect_phase=self._modelling.suspect_phase,
        )
        if shot is not None:
            out.append(SendExpose(now, self._settings.imager.device, shot))

    def _see_ahead(self, now: int, breathing: BreathingState | None, out: list[Output]) -> Seen:
        """Estimate the target now and predict it for when a demand sent now takes effect."""
        estimate, prediction = self._sight.look(
            now,
            breathing,
            self._surrogate,
            self._modelling.model,
            doubtful=self._doubtful_ns >= now - self._tick_ns,
            calm=self._faults.names(Reaction.HOLD) in _CALM,
        )
        if estimate is not None:
            out.append(TargetEstimate(now, estimate.position_mm, _covariance(estimate)))
        if prediction is not None:
            at = now + self._latency_ns
            out.append(TargetPrediction(now, at, prediction.position_mm, _covariance(prediction)))
        return estimate, prediction

    def _judge_motion(
        self,
        found: Conditions,
        now: int,
        estimate: TargetState | None,
        aim: Aim | None,
    ) -> None:
        """Judge prediction, actuator and what is between beam and target, while in motion."""
        watch = self._watch
        if self._sight.astray:
            found["prediction off"] = self._sight.astray
        wanted = None
        if self._motion.moving and aim is not None and estimate is not None:
            wanted = aim.position_mm
            watch.off_target.aimed(now + self._latency_ns, wanted)
            here = self._track.at(now)
            if here is not None:
                watch.apart(found, now, here, self._axes.from_patient(estimate.position_mm))
        watch.actuator(found, now, self._track, wanted)

    def _advance_session(self, now: int, out: list[Output]) -> None:
        """Let the session follow model and faults."""
        if self._state is SessionState.MODELLING and self._modelling.complete:
            out.extend(self._change(now, SessionTrigger.MODEL_READY))
        worst = self._faults.worst
        if worst is Reaction.STOP:
            out.extend(self._change(now, SessionTrigger.FAULT_STOP))
        elif worst is Reaction.HOLD:
            self._clear_since_ns = -1
            if self._state is SessionState.TRACKING:
                out.extend(self._change(now, SessionTrigger.FAULT_HOLD))
        elif self._state is SessionState.HOLDING and self._settings.session.resume == "automatic":
            if self._clear_since_ns < 0:
                self._clear_since_ns = now
            if now - self._clear_since_ns >= self._resume_ns:
                out.extend(self._change(now, SessionTrigger.FAULTS_CLEARED))

    def _aim(self, prediction: TargetState) -> Aim:
        wanted = self._axes.wanted
        return Aim(wanted(prediction.position_mm), wanted(prediction.velocity_mm_s))

    def _steer(self, now: int, aim: Aim | None, out: list[Output]) -> None:
        """Send the next demand; without sight of the target, stand still."""
        if KEEP_OUT in self._faults:
            aim = None
        step = self._motion.step(now, aim, self._track.newest_mm)
        device = self._settings.actuator.device
        if step.began:
            self._watch.forget_motion()
            self._sight.watch.forget()
        if step.demand_mm is not None:
            self._watch.demanded(now, step.demand_mm)
            out.append(SendDemand(now, device, step.demand_mm))
        if step.fault:
            if step.fault == REFUSED:
                self._watch.refusal = step.detail
            self._conditions[step.fault] = step.detail
            out.extend(self._faults.update(now, self._conditions, self._calm()))
        if step.stop:
            self._watch.stopped(now)
            out.append(SendStop(now, device))
        if step.fault:
            self._advance_session(now, out)

    def _permit(self, now: int, out: list[Output]) -> None:
        """Renew the beam's lease, or say again that it is held."""
        if self._state is SessionState.TRACKING and self._motion.moving and self._watch.settled:
            until = now + self._lease_ns
            self._watch.permitted(now, until)
            out.append(SendPermit(now, self._settings.gate.device, until))
        elif self._state is SessionState.HOLDING and now - self._held_ns >= _REPEAT_HOLD_NS:
            out.append(self._hold(now))


def _surrogate_state(state: BreathingState) -> SurrogateState:
    return SurrogateState(
        state.t_ns, state.amplitude_mm, state.velocity_mm_s, state.amplitude_variance**0.5
    )


def _covariance(state: TargetState) -> Covariance:
    a, b, c = state.variance_mm2
    return (a, 0.0, 0.0, b, 0.0, c)
