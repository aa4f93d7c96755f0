"""A whole live run in memory and on virtual time: room, twins, drivers and engine on one timeline.

Every driver talks to its twin in bytes, back to back; what the twins are asked moves the room,
what the room's devices report is shown to the twins. A link that ends is told to the engine and
opened again, as `hal.link` does. The imager's shots come as the room has them until `drawn` is
set; then radiographs are drawn and read. Failures take hold of the joints by their roles.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from hal.errors import DeviceError, LinkError
from hal.events import Command, Event, LinkChanged, Request, SendExpose, Tick
from hal.lsl.driver import LslWire
from hal.lsl.session import LslReading, LslSettings
from hal.messages import BadSample, BeltSample, FiducialShot, Sample
from sim.back_to_back import MS, BackToBack
from sim.rsi import RobotTwin
from tests.live.memory_pictures import Panels
from tracker.build.engine import build_engine
from tracker.build.scripted_operator import Operator
from tracker.config import Configuration
from tracker.core.session import SessionState
from tracker.core.types import FaultChanged, Output, SessionChanged
from tracker.live.devices.device_builder import conversation_of
from tracker.live.devices.device_plan import device_plans
from tracker.live.devices.room import room_for_wires
from tracker.live.devices.room_twins import room_twins

SLICE_NS = 2 * MS
TICK_NS = 10 * MS
PAUSE_NS = 100 * MS


class Joint(Protocol):
    """One device: its driver, its twin, and the link between driver and engine."""

    device: str
    up: bool

    def show(self, sample: Sample, now_ns: int) -> None:
        """What the room's device reports now."""
        ...

    def run(self, until_ns: int) -> list[Event]:
        """Go on to a moment; what came of it, the link's changes included."""
        ...

    def asked(self) -> list[Command]:
        """What the twin was asked of the room since last time."""
        ...

    def obey(self, command: Command, now_ns: int) -> None:
        """Give the driver a command."""
        ...


class BytesJoint:
    """Driver and twin back to back; `unplugged` cuts the wire and keeps it from being opened."""

    def __init__(self, device: str, driver: Any, twin: Any) -> None:
        self.device = device
        self.pair = BackToBack(driver, twin, one_way_ns=200_000)
        self.driver, self.twin = driver, twin
        self.up = False
        self.unplugged = False
        self.deaf = False
        """What the twin is asked does not reach the room."""
        self.blind = False
        """The twin is not shown what the room has."""
        self._open_ns: int | None = None
        self._datagrams = isinstance(twin, RobotTwin)

    def show(self, sample: Sample, now_ns: int) -> None:
        """Let the twin see it."""
        if not self.blind:
            self.twin.show(sample, now_ns)

    def asked(self) -> list[Command]:
        """What the twin was asked."""
        found, self.pair.commands = self.pair.commands, []
        return [] if self.deaf else found

    def obey(self, command: Command, now_ns: int) -> None:
        """Give the driver a command."""
        if self.up:
            self.driver.obey(command, now_ns)

    def run(self, until_ns: int) -> list[Event]:
        """Go on to a moment."""
        pair = self.pair
        if self.unplugged and pair.error is None:
            pair.error = LinkError(f"{self.device}: connection reset by peer")
        if pair.error is not None and self._open_ns is None:
            self._open_ns = until_ns + PAUSE_NS
        out: list[Event] = []
        if self._open_ns is not None:
            out += self._told(until_ns, False)
            if self.unplugged or until_ns < self._open_ns:
                self._pass(until_ns)
                return out
            self._open_ns, pair.error = None, None
            pair._under_way.clear()
            if not self._datagrams:  # nobody connects there
                pair.twin.begin(until_ns)
            pair.driver.begin(until_ns)
        pair.run(until_ns)
        out += pair.samples
        pair.samples.clear()
        return out + self._told(until_ns, pair.error is None and self.driver.ready)

    def _pass(self, until_ns: int) -> None:
        """The device goes on by itself: its watchdog bites, its cycles pass."""
        pair = self.pair
        while (wake_ns := self.twin.wake_ns) is not None and wake_ns <= until_ns:
            pair.commands += self.twin.wake(wake_ns)
            while self.twin.data_to_send():
                pass
        pair.now_ns = until_ns

    def _told(self, now_ns: int, up: bool) -> list[Event]:
        if up == self.up:
            return []
        self.up = up
        return [LinkChanged(self.device, now_ns, up, str(self.pair.error or ""))]


class StreamJoint:
    """A belt on LSL: liblsl carries numbers, so the driver's reading is fed numbers."""

    def __init__(self, device: str, settings: LslSettings) -> None:
        self.device = device
        self.settings = settings
        self.up = False
        self.gone = False
        """The outlet has vanished."""
        self.mute = False
        self.ahead_s = 0.0
        """How far the sender's clock has jumped."""
        self.spoiled: float | None = None
        self._reading: LslReading | None = None
        self._out: list[Event] = []

    def show(self, sample: Sample, now_ns: int) -> None:
        """The outlet sends what the belt measured."""
        if not isinstance(sample, BeltSample) or self.gone or self.mute:
            return
        if self._reading is None:
            self._reading = LslReading(self.device, self.settings, now_ns)
            self._told(now_ns, True, "stream found")
        value = sample.value_au if self.spoiled is None else self.spoiled
        stamp_s = 1000.0 + sample.ticks / self.settings.rate_hz + self.ahead_s
        self._out += self._reading.samples_of([value], stamp_s, now_ns)

    def run(self, until_ns: int) -> list[Event]:
        """Look whether the stream is still there."""
        if self._reading is not None:
            try:
                if self.gone:
                    raise LinkError("LSL: stream is gone")
                self._reading.check_silence(until_ns)
            except LinkError as error:
                self._reading = None
                self._told(until_ns, False, str(error))
        out, self._out = self._out, []
        return out

    def asked(self) -> list[Command]:
        """A belt asks nothing."""
        return []

    def obey(self, command: Command, now_ns: int) -> None:
        """A belt obeys nothing."""
        raise DeviceError(f"{self.device}: a belt cannot obey {type(command).__name__}")

    def _told(self, now_ns: int, up: bool, detail: str) -> None:
        self.up = up
        self._out.append(LinkChanged(self.device, now_ns, up, detail))


class MemoryRoom:
    """The run; `advance` lets time pass, `outputs` are the engine's of the last `advance`."""

    def __init__(self, configuration: Configuration, seed: int = 1) -> None:
        self.configuration = configuration
        self.room = room_for_wires(configuration, None, seed)
        self.engine = build_engine(configuration.controller)
        self.operator: Operator | None = Operator()
        self.now_ns = 0
        self.outputs: list[Output] = []
        self.beam: list[tuple[int, bool]] = []
        """The beam at the gate, each slice of the last `advance`."""
        self.drawn: Panels | None = None
        self.onlookers: list[Callable[[Event], None]] = []
        """Called with each event before the engine handles it."""
        self.stalled_until_ns = 0
        """The controller does nothing until then: no tick, and nothing it takes in."""
        self._arrived: list[Event] = []
        self._due_ns = 0
        twins = room_twins(configuration, seed)
        self.joints: dict[str, Any] = {}
        for section, plan in device_plans(configuration).items():
            if isinstance(plan.settings, LslWire):
                rate_hz = plan.context.rate_hz
                session = msgspec.structs.replace(plan.settings.session, rate_hz=rate_hz)
                self.joints[section] = StreamJoint(plan.device, session)
            elif section != "imager":
                twin = twins[section].make()
                self.joints[section] = BytesJoint(plan.device, conversation_of(plan), twin)

    def again(self) -> MemoryRoom:
        """A copy that goes on from here on its own."""
        return copy.deepcopy(self)

    @property
    def state(self) -> SessionState:
        """What the session is doing."""
        return self.engine.state

    @property
    def beam_on(self) -> bool:
        """Whether the gate lets the beam through now."""
        return self.room.gate.on_at(self.now_ns)

    def advance(self, seconds: float) -> MemoryRoom:
        """Let time pass."""
        self.outputs, self.beam = [], []
        until_ns = self.now_ns + round(seconds * 1e9)
        while self.now_ns < until_ns:
            self._slice(self.now_ns + SLICE_NS)
            self.beam.append((self.now_ns, self.beam_on))
            if self.now_ns % TICK_NS == 0 and self.now_ns >= self.stalled_until_ns:
                self._tick()
        return self

    def request(self, name: str) -> None:
        """Somebody asks for something."""
        self._handle(Request(self.now_ns, name))

    def send(self, command: Command) -> None:
        """Give a command to its device, as the daemon does."""
        if isinstance(command, SendExpose):
            if self.drawn is not None:
                self._arrived += self.drawn.expose(command, self.now_ns)
            self.room.obey(command)
            return
        joint = self._joint(command.device)
        assert joint is not None
        try:
            joint.obey(command, self.now_ns)
        except DeviceError as error:
            name = type(command).__name__
            self._arrived.append(BadSample(joint.device, self.now_ns, str(error), name))

    def raised(self) -> dict[str, int]:
        """Each fault that appeared in the last `advance`, and when first."""
        found: dict[str, int] = {}
        for output in self.outputs:
            if isinstance(output, FaultChanged) and output.active:
                found.setdefault(output.fault, output.t_ns)
        return found

    def states(self) -> list[str]:
        """The states the session went to in the last `advance`."""
        return [o.after for o in self.outputs if isinstance(o, SessionChanged)]

    def _joint(self, device: str) -> Joint | None:
        return next((j for j in self.joints.values() if j.device == device), None)

    def _slice(self, to_ns: int) -> None:
        for sample in self.room.advance(to_ns):
            self._show(sample)
        self.now_ns = to_ns
        if self.drawn is not None:
            self._arrived += self.drawn.wake(to_ns)
        for joint in self.joints.values():
            self._arrived += joint.run(to_ns)
            for command in joint.asked():
                self.room.obey(msgspec.structs.replace(command, t_ns=to_ns))

    def _show(self, sample: Sample) -> None:
        joint = self._joint(sample.device)
        if joint is not None:
            self._arrived += joint.run(sample.t_ns)
            joint.show(sample, sample.t_ns)
        elif isinstance(sample, FiducialShot) and self.drawn is not None:
            self._arrived += self.drawn.show(sample)
        else:
            self._arrived.append(sample)

    def _tick(self) -> None:
        arrived = sorted(self._arrived, key=lambda event: event.t_ns)
        self._arrived = [event for event in arrived if event.t_ns > self.now_ns]
        for event in arrived:
            if event.t_ns <= self.now_ns:
                self._handle(event)
        if self.operator is not None:
            name = self.operator.wish(self.now_ns, self.engine.state)
            if name is not None:
                self.request(name)
        self._handle(Tick(self.now_ns, self._due_ns or self.now_ns))
        self._due_ns = self.now_ns + TICK_NS

    def _handle(self, event: Event) -> None:
        for onlooker in self.onlookers:
            onlooker(event)
        outputs = self.engine.handle(event)
        self.outputs += outputs
        for output in outputs:
            if isinstance(output, Command):
                self.send(output)
