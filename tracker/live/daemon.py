"""The daemon: samples, ticks and requests to the engine, its commands to the devices.

One loop, one task group: a task for each device's link, one for the beat. Every event is
appended to the journal before it is handled; what cannot be recorded ends the run. Whatever
goes wrong, the beam needs no message to be held: its permit is a lease that runs out.
"""

from __future__ import annotations

import asyncio
import gc
import math
import signal
import time
from collections.abc import Callable, Sequence

import msgspec

from hal.events import (
    Command,
    Event,
    LinkChanged,
    RecordingState,
    Request,
    SendDemand,
    SendHold,
    SendStop,
    Tick,
)
from hal.messages import ActuatorStatus, BeamStatus, Sample, Triple
from tracker.build.engine import build_engine
from tracker.config import Configuration
from tracker.core.session import SessionState, SessionTrigger
from tracker.core.types import FaultChanged, Notice, Output, SessionChanged, SurrogateState
from tracker.journal import JournalError, JournalWriter
from tracker.live.dead_man.heartbeat import DeadMan
from tracker.live.devices.device import Device, DeviceFigures, HandOver
from tracker.live.durations import DurationFigures, Durations
from tracker.live.operators import Asks
from tracker.live.recording_watch import RecordingWatch

STOPPING_S = 0.5
"""How long devices are given to brake and to report the beam off before their links close."""
MOST_STOPPING_S = 3.0
REST_MM = 0.1
"""So little in a tenth of a second is an encoder's noise, no motion."""
TIDY_TICKS = 100

MakeDevice = Callable[[str, HandOver], Device]
Onlooker = Callable[[Event, Sequence[Output]], None]


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a run measured of itself."""

    ticks: int
    skipped_ticks: int
    lateness: DurationFigures
    tick: DurationFigures
    """From the tick's begin until its last command was handed to its device."""
    sample_to_demand: DurationFigures
    """Newest marker frame's bytes decoded and handled, plus the tick that sent the demand."""
    journal: DurationFigures
    """Appending one event's records."""
    devices: list[DeviceFigures]


class Daemon:
    """One run of the controller with its devices."""

    def __init__(
        self,
        configuration: Configuration,
        journal: JournalWriter,
        clock: Callable[[], int],
        roles: dict[str, str],
        make_device: MakeDevice,
        operator: Asks,
        say: Callable[[str], None],
        after_tick: Sequence[Callable[[int], None]] = (),
        when_stopping: Sequence[Callable[[], None]] = (),
        dead_man: DeadMan | None = None,
        disk: RecordingWatch | None = None,
        onlookers: Sequence[Onlooker] = (),
    ) -> None:
        """Put the parts together; ``roles`` names the device of each section that has a wire.

        ``after_tick`` are called with the time at the end of every tick that went through,
        ``when_stopping`` once, before beam and motion are stopped.
        ``dead_man`` is told all that the monitor judges by; ``None``: nobody watches.
        ``onlookers`` are told every event and what followed from it, once that is sent.
        ``disk`` tells whether events reach the disk; ``None``: the journal itself raises.
        """
        controller = configuration.controller
        self._controller = controller
        self._engine = build_engine(controller)
        self._journal = journal
        self._clock = clock
        self._operator = operator
        self._say = say
        self._after_tick = tuple(after_tick)
        self._when_stopping = tuple(when_stopping)
        self._place_mm: Triple | None = None
        self._dead_man = dead_man
        self._onlookers = tuple(onlookers)
        self._disk = disk
        self._tick_ns = round(1e9 / controller.timing.tick_hz)
        self._devices = {name: make_device(role, self._arrived) for role, name in roles.items()}
        self._camera = self._devices.get(controller.camera.device)
        self._ended: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._beam_on = False
        self._amplitude_mm = 0.0
        self._ticks = self._skipped = 0
        self._lateness, self._tick_took = Durations(), Durations()
        self._through, self._journal_took = Durations(), Durations()
        self._status_every = max(1, round(controller.timing.tick_hz))

    @property
    def state(self) -> SessionState:
        """What the session is doing."""
        return self._engine.state

    async def run(self, duration_s: float | None = None) -> None:
        """Run until told to stop (SIGTERM, SIGINT, `end`), then stop in order.

        Raises whatever the engine or the journal raised, once beam and motion are stopped;
        `JournalError` where the run could not be recorded to its end.
        """
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end)
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            async with asyncio.TaskGroup() as group:
                links = [group.create_task(self._keep(d)) for d in self._devices.values()]
                beat = group.create_task(self._beat())
                try:
                    async with asyncio.timeout(duration_s):
                        await asyncio.shield(self._ended)
                except TimeoutError:
                    self._say(f"{duration_s:g} s are over")
                await self._stop()
                for task in (beat, *links):
                    task.cancel()
        finally:
            gc.enable()
            gc.unfreeze()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        if self._failure is not None:
            raise self._failure
        if self._disk is not None and self._disk.failure:
            raise JournalError(f"not recorded to its end: {self._disk.failure}")

    def end(self) -> None:
        """Stop in order, soon."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def request(self, request: Request) -> None:
        """Somebody asks; what follows from it the onlookers are told."""
        self._take(request)

    def blocking(self, trigger: SessionTrigger) -> tuple[str, ...]:
        """Faults for which a start or a resume would be refused now."""
        return self._engine.blocking(trigger, self._clock())

    def figures(self) -> RunFigures:
        """What was measured; the devices' own once they have finished."""
        return RunFigures(
            ticks=self._ticks,
            skipped_ticks=self._skipped,
            lateness=self._lateness.figures(),
            tick=self._tick_took.figures(),
            sample_to_demand=self._through.figures(),
            journal=self._journal_took.figures(),
            devices=[device.figures() for device in self._devices.values()],
        )

    # What comes in ----------------------------------------------------------------------------

    async def _keep(self, device: Device) -> None:
        """One device's link; a fault of ours in it stops the session, not only the link."""
        try:
            await device.run()
        except Exception as error:
            self._fail(error)

    def _arrived(self, event: Sample | LinkChanged | RecordingState) -> None:
        if self._dead_man is not None:
            self._dead_man.arrived(event)
        if isinstance(event, BeamStatus):
            self._beam_on = event.on
        elif isinstance(event, ActuatorStatus):
            self._place_mm = event.position_mm
        elif isinstance(event, LinkChanged):
            self._say(f"{event.device}: {'up' if event.up else 'down'} {event.detail}".rstrip())
        self._take(event)

    def _take(self, event: Event) -> None:
        """Handle an event between ticks; a defect that it meets ends the run."""
        if self._failure is not None:
            return
        try:
            self._handle(event)
        except Exception as error:
            self._fail(error)

    async def _beat(self) -> None:
        """Ticks on an absolute schedule; a beat that was missed whole is skipped, not made up."""
        period_ns = self._tick_ns
        due_ns = (self._clock() // period_ns + 1) * period_ns
        while True:
            await asyncio.sleep(max(0, due_ns - self._clock()) / 1e9)
            now_ns = self._clock()
            if now_ns < due_ns:
                continue
            if self._failure is None:
                try:
                    self._tick(now_ns, due_ns)
                except Exception as error:
                    self._fail(error)
            missed = (now_ns - due_ns) // period_ns
            self._skipped += missed
            due_ns += (missed + 1) * period_ns

    def _tick(self, now_ns: int, due_ns: int) -> None:
        began = time.perf_counter_ns()
        self._lateness.add(now_ns - due_ns)
        all_up = all(device.up for device in self._devices.values())
        all_up = all_up and (self._dead_man is None or self._dead_man.up)
        name = self._operator.wish(now_ns, self._engine.state, all_up)
        if name is not None:
            self._handle(Request(now_ns, name, "auto"))
        demanded = self._handle(Tick(now_ns, due_ns))
        took = time.perf_counter_ns() - began
        self._tick_took.add(took)
        if demanded:
            self._through.add(took + getattr(self._camera, "arrival_cost_ns", 0))
        self._ticks += 1
        if self._ticks % self._status_every == 0:
            self._say(self._status(now_ns, now_ns - due_ns))
        if self._ticks % TIDY_TICKS == 0:
            gc.collect(1)
        for each in self._after_tick:
            each(now_ns)
        if self._disk is not None:
            for changed in self._disk.look(now_ns):
                self._say(f"recording: {changed.detail or 'all is on disk again'}")
                self._arrived(changed)
            if self._disk.failure:
                self.end()
        if self._dead_man is not None:
            for changed in self._dead_man.beat(now_ns, self._engine.state is SessionState.TRACKING):
                self._arrived(changed)

    def _handle(self, event: Event) -> bool:
        """Record, handle, record and obey; tells whether a demand went out."""
        began = time.perf_counter_ns()
        self._journal.event(event)
        written = time.perf_counter_ns()
        outputs = self._engine.handle(event)
        if not outputs:
            self._journal_took.add(written - began)
            self._show(event, outputs)
            return False
        handled = time.perf_counter_ns()
        self._journal.outputs(outputs)
        self._journal_took.add(written - began + time.perf_counter_ns() - handled)
        demanded = False
        for output in outputs:
            if isinstance(output, Command):
                self._send(output)
                demanded = demanded or isinstance(output, SendDemand)
            else:
                self._tell(output)
        self._show(event, outputs)
        return demanded

    def _show(self, event: Event, outputs: list[Output]) -> None:
        for onlooker in self._onlookers:
            onlooker(event, outputs)

    def _send(self, command: Command) -> None:
        device = self._devices.get(command.device)
        if device is not None:
            device.obey(command)
        if self._dead_man is not None:
            self._dead_man.sent(command)

    # What people see --------------------------------------------------------------------------

    def _tell(self, output: Output) -> None:
        match output:
            case SurrogateState():
                self._amplitude_mm = output.amplitude_mm
            case SessionChanged():
                self._say(f"session: {output.before} to {output.after} ({output.trigger})")
            case FaultChanged():
                words = output.reaction if output.active else "over"
                self._say(f"fault: {output.fault}: {words} {output.detail}".rstrip())
            case Notice():
                self._say(f"{output.level}: {output.text}")
            case _:
                pass

    def _status(self, now_ns: int, late_ns: int) -> str:
        beam = "beam on" if self._beam_on else "beam off"
        return (
            f"{now_ns / 1e9:8.1f} s  {self._engine.state.value:<9}  {beam:<8}  "
            f"amplitude {self._amplitude_mm:6.2f} mm  tick {late_ns / 1e6:.1f} ms late"
        )

    # The end ----------------------------------------------------------------------------------

    def _fail(self, error: BaseException) -> None:
        """The unexpected: no more events, beam and motion stopped by hand, then the end."""
        if self._failure is not None:
            return
        self._failure = error
        self._say(f"alarm: controller failed: {type(error).__name__}: {error}")
        now_ns = self._clock()
        gate, actuator = self._controller.gate.device, self._controller.actuator.device
        self._send(SendHold(now_ns, gate, ("controller failed",)))
        self._send(SendStop(now_ns, actuator))
        self.end()

    async def _stop(self) -> None:
        """Hold and stop by the session table, and wait until beam and motion have stopped.

        Couch or robot stays where it came to rest: only a person moves it further, who sees the
        patient.
        """
        for each in self._when_stopping:
            each()
        if self._failure is None:
            self._say("stopping")
            self.request(Request(self._clock(), "stop", "system"))
        step_s, waited_s, moved_mm = STOPPING_S / 5, 0.0, 0.0
        while waited_s < STOPPING_S or self._beam_on or moved_mm > REST_MM:
            if waited_s >= MOST_STOPPING_S:
                what = "beam still on" if self._beam_on else "motion not at rest"
                self._say(f"alarm: {what} after {waited_s:.0f} s: stop it by hand")
                return
            before = self._place_mm
            await asyncio.sleep(step_s)
            waited_s += step_s
            if before is not None and self._place_mm is not None:
                moved_mm = math.dist(before, self._place_mm)
        place = self._place_mm
        where = "" if place is None else " at ({:.1f}, {:.1f}, {:.1f}) mm".format(*place)
        self._say(f"parked: beam off, at rest{where}")
