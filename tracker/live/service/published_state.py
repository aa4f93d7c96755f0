"""The published state of a run, collected from events and outputs.

`observe` takes a few microseconds for each event; `state` and `model` build a record when it is
sent. Nothing here changes the run.
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from hal.events import (
    Event,
    LinkChanged,
    RecordingState,
    Request,
    SendDemand,
    SendHold,
    SendPermit,
    SendStop,
    Tick,
)
from hal.messages import ActuatorStatus, BadSample, BeamStatus, Triple
from tracker.api.schema import (
    ActiveFault,
    Beam,
    BeamWindow,
    BreathingGuide,
    Health,
    Model,
    ModelShot,
    Place,
    Said,
    State,
    Surrogate,
)
from tracker.config import Configuration
from tracker.core import session
from tracker.core.machine.geometry import MachineAngles
from tracker.core.machine.kinds.table import machine_kind
from tracker.core.safety.fault_table import Fault, faults_for
from tracker.core.session import SessionTrigger
from tracker.core.target.error_region import radius95_mm
from tracker.core.types import (
    Covariance,
    FaultChanged,
    GuideChanged,
    ModelRefitted,
    Notice,
    Observation,
    Output,
    SessionChanged,
    SurrogateState,
    TargetEstimate,
    TargetPrediction,
    WindowChanged,
)
from tracker.live.devices.health import DeviceHealths
from tracker.live.service.next_step import next_step

GONE_NS = 500_000_000
"""A value that was not renewed for so long is not shown any more."""
FAULT_LEVELS = {"WARN": "warning", "REFUSE_START": "warning", "HOLD": "alarm", "STOP": "alarm"}
ASKED_FOR = (SessionTrigger.START, SessionTrigger.RESUME)

ASKS: dict[str, Literal["breathe", "hold", "rest"]] = {
    "breathe": "breathe",
    "hold": "hold",
    "rest": "rest",
}
"""What the controller may ask of the patient, besides nothing."""
GATED = (session.SessionState.TRACKING, session.SessionState.HOLDING)
"""The states in which gating by plan is looked at."""

Blocking = Callable[[SessionTrigger], tuple[str, ...]]


class PublishedState:
    """Collects what is known of a run."""

    def __init__(self, configuration: Configuration, run_id: str, roles: dict[str, str]) -> None:
        """``roles`` names the device of each section that has a wire."""
        controller = configuration.controller
        self._controller = controller
        kind = machine_kind(controller.actuator.kind)
        self._axes = kind.axes(controller.session.orientation, MachineAngles())
        self._table = faults_for(kind.words)
        self._run_id = run_id
        self._stale_ns = round(controller.fusion.stale_ms * 1e6)
        self._sequence = 0
        self.devices = DeviceHealths(controller, roles)
        self.session = session.SessionState.IDLE
        self._permit_until_ns: int | None = None
        self._beam_on: bool | None = None
        self._surrogate: SurrogateState | None = None
        self._estimate: TargetEstimate | None = None
        self._prediction: TargetPrediction | None = None
        self._demand: tuple[int, Triple] | None = None
        self._actuator: tuple[int, Triple] | None = None
        self._window: WindowChanged | None = None
        self._guide: GuideChanged | None = None
        self._faults: dict[str, FaultChanged] = {}
        self._shots: deque[Observation] = deque(maxlen=controller.correlation.capacity_shots)
        self._refitted: ModelRefitted | None = None
        self.refits = 0
        """How many times the model was refitted; a new number means a new model to send."""
        self.recording = True
        self.page = ""
        """Address of the console page, once it is served."""
        self.holds = self.faults_seen = 0
        self.said: deque[Said] = deque(maxlen=200)
        """Lines of the event log that have not been sent yet."""

    # What comes in ----------------------------------------------------------------------------

    def observe(self, event: Event, outputs: Sequence[Output]) -> None:
        """Note an event and the outputs that followed from it."""
        if not isinstance(event, Tick):
            self._observe_event(event)
        for output in outputs:
            self._observe_output(output)

    def say(self, t_ns: int, level: str, text: str) -> None:
        """Add a line to the event log."""
        self.said.append(Said(t_ns=t_ns, level=level, text=text))

    def _observe_event(self, event: Event) -> None:
        match event:
            case ActuatorStatus():
                self._actuator = (event.t_ns, event.position_mm)
                self.devices.sample(event)
            case BeamStatus():
                self._beam_on = event.on
                self.devices.sample(event)
            case LinkChanged():
                self.devices.link(event)
                if event.device == self._controller.gate.device and not event.up:
                    self._beam_on = None
            case RecordingState():
                self.recording = event.ok
                level, words = ("info", "again") if event.ok else ("alarm", "not")
                self.say(event.t_ns, level, f"recording: {words} on disk {event.detail}".rstrip())
            case Request():
                self.say(event.t_ns, "info", f"request: {event.name} by {event.who}")
            case BadSample():
                self.devices.bad(event)
            case _:
                self.devices.sample(event)

    def _observe_output(self, output: Output) -> None:
        match output:
            case SurrogateState():
                self._surrogate = output
            case TargetEstimate():
                self._estimate = output
            case TargetPrediction():
                self._prediction = output
            case SendDemand():
                self._demand = (output.t_ns, output.position_mm)
            case SendStop():
                self._demand = None
            case SendPermit():
                self._permit_until_ns = output.until_ns
            case SendHold():
                self._permit_until_ns = None
            case Observation():
                self._shots.append(output)
            case ModelRefitted():
                self._refitted = output
                self.refits += 1
            case WindowChanged():
                self._window = output
            case GuideChanged():
                self._guide = output
            case SessionChanged():
                self._change(output)
            case FaultChanged():
                self._fault(output)
            case Notice():
                self.say(output.t_ns, output.level, output.text)
            case _:
                pass

    def _change(self, changed: SessionChanged) -> None:
        self.session = session.SessionState(changed.after)
        self._guide = None
        if self.session not in GATED:
            self._window = None
        if self.session is session.SessionState.MODELLING:
            self._shots.clear()
            self._refitted = None
            self.refits += 1
        elif self.session is session.SessionState.HOLDING:
            self.holds += 1
        text = f"session: {changed.before} to {changed.after} ({changed.trigger})"
        self.say(changed.t_ns, "info", text)

    def _fault(self, changed: FaultChanged) -> None:
        if not changed.active:
            self._faults.pop(changed.fault, None)
            self.say(changed.t_ns, "info", f"over: {changed.fault}")
            return
        self.faults_seen += 1
        self._faults[changed.fault] = changed
        row = self._table[changed.fault]
        text = f"{changed.fault}: {row.sentence} {changed.detail}".rstrip()
        self.say(changed.t_ns, FAULT_LEVELS[changed.reaction], text)

    # What is shown ----------------------------------------------------------------------------

    def state(self, now_ns: int, blocking: Blocking, health: Health) -> State:
        """Return the state as of now; ``blocking`` gives the faults that would refuse a request."""
        self._sequence += 1
        settings = self._controller.session
        against = {trigger: blocking(trigger) for trigger in ASKED_FOR}
        allowed = [t.value for t in session.allowed(self.session) if not against.get(t)]
        wanted = (
            SessionTrigger.RESUME
            if self.session is session.SessionState.HOLDING
            else SessionTrigger.START
        )
        down = self.devices.down
        return State(
            run_id=self._run_id,
            sequence=self._sequence,
            t_ns=now_ns,
            wall=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            patient_id=settings.patient_id,
            plan_id=settings.plan_id,
            session=self.session.value,
            allowed=tuple(allowed),
            next_step=next_step(self.session, against[wanted], down, self._table),
            beam=self._beam(now_ns),
            surrogate=self._breathing(now_ns),
            estimate=self._where(self._estimate, now_ns),
            prediction=self._where(self._prediction, now_ns),
            tolerance_mm=self._controller.gating.tolerance_mm,
            demand_mm=self._aim(self._demand, now_ns),
            actuator_mm=self._aim(self._actuator, now_ns),
            faults=tuple(
                _active(changed, self._table[name]) for name, changed in self._faults.items()
            ),
            devices=self.devices.all(now_ns),
            health=health,
            window=_window(self._window),
            guide=_guide(self._guide, now_ns),
            page=self.page,
        )

    def model(self, now_ns: int) -> Model | None:
        """Return the correlation model and its shots; ``None`` while there is neither."""
        fitted = self._refitted
        if fitted is None and not self._shots:
            return None
        return Model(
            t_ns=now_ns if fitted is None else fitted.t_ns,
            kinds=("", "", "") if fitted is None else fitted.kinds,
            loo_rms_mm=(0.0, 0.0, 0.0) if fitted is None else fitted.loo_rms_mm,
            phase_coverage=0.0 if fitted is None else fitted.phase_coverage,
            shots=tuple(map(_shot, self._shots)),
            curve_amplitude_mm=() if fitted is None else fitted.curve_amplitude_mm,
            curve_inhale_mm=() if fitted is None else fitted.curve_inhale_mm,
            curve_exhale_mm=() if fitted is None else fitted.curve_exhale_mm,
        )

    def _beam(self, now_ns: int) -> Beam:
        until_ns = self._permit_until_ns
        permitted = until_ns is not None and now_ns < until_ns
        return Beam(permitted=permitted, until_ns=until_ns, on=self._beam_on)

    def _breathing(self, now_ns: int) -> Surrogate | None:
        seen, sample_ns = self._surrogate, self.devices.newest_breath_ns
        if seen is None or now_ns - seen.t_ns > GONE_NS or sample_ns is None:
            return None
        return Surrogate(
            amplitude_mm=seen.amplitude_mm,
            velocity_mm_s=seen.velocity_mm_s,
            sigma_mm=seen.sigma_mm,
            age_ms=(now_ns - sample_ns) / 1e6,
        )

    def _aim(self, seen: tuple[int, Triple] | None, now_ns: int) -> Triple | None:
        """Return the point of the patient that the beam meets with the machine there."""
        if seen is None or now_ns - seen[0] > GONE_NS:
            return None
        return self._axes.to_patient(seen[1])

    def _where(self, seen: TargetEstimate | TargetPrediction | None, now_ns: int) -> Place | None:
        if seen is None:
            return None
        made_ns, at_ns = (
            (seen.t_ns, seen.t_ns)
            if isinstance(seen, TargetEstimate)
            else (seen.made_ns, seen.at_ns)
        )
        if now_ns - made_ns > GONE_NS:
            return None
        return Place(
            at_ns=at_ns,
            position_mm=seen.position_mm,
            covariance_mm2=seen.covariance_mm2,
            radius95_mm=radius95_mm(_variances(seen.covariance_mm2)),
        )


def _variances(covariance_mm2: Covariance) -> Triple:
    return (covariance_mm2[0], covariance_mm2[3], covariance_mm2[5])


def _active(changed: FaultChanged, row: Fault) -> ActiveFault:
    return ActiveFault(
        name=changed.fault,
        hazard=row.hazard,
        reaction=changed.reaction,
        sentence=row.sentence,
        detail=changed.detail,
        since_ns=changed.t_ns,
        latched=row.latched,
    )


def _window(changed: WindowChanged | None) -> BeamWindow | None:
    if changed is None:
        return None
    return BeamWindow(
        open=changed.open, why=changed.why, detail=changed.detail, since_ns=changed.t_ns
    )


def _guide(changed: GuideChanged | None, now_ns: int) -> BreathingGuide | None:
    """Return what the patient is asked, with the time that is left now."""
    asks = None if changed is None else ASKS.get(changed.asks)
    if changed is None or asks is None:
        return None
    return BreathingGuide(
        asks=asks,
        low_mm=changed.low_mm,
        high_mm=changed.high_mm,
        remaining_s=None if changed.until_ns < 0 else max(0.0, (changed.until_ns - now_ns) / 1e9),
    )


def _shot(seen: Observation) -> ModelShot:
    return ModelShot(
        shot_id=seen.shot_id,
        exposed_ns=seen.exposed_ns,
        amplitude_mm=seen.amplitude_mm,
        position_mm=seen.position_mm,
        residual_mm=seen.residual_mm,
        used=seen.used,
    )
