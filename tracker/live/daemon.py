"""The daemon: hands samples, ticks and requests to the engine, and its commands to the devices.

It runs in one loop and one task group: a task for the link of each device and one for the ticks.
Every event is appended to the journal before it is handled; an event that cannot be recorded ends
the run. The beam needs no message to be held: its permit is a lease that runs out.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from hal.events import (
    Command,
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
from hal.messages import Sample
from tracker.build.engine import build_engine
from tracker.config import Configuration
from tracker.core.machine.kinds.table import machine_kind
from tracker.core.session import SessionState, SessionTrigger
from tracker.core.types import Output
from tracker.journal import JournalError, JournalWriter
from tracker.live.beam_and_motion import BeamAndMotion
from tracker.live.dead_man.heartbeat import DeadMan
from tracker.live.devices.device import Device, HandOver
from tracker.live.operators import Asks
from tracker.live.recorded_engine import RecordedEngine
from tracker.live.recording_progress import RecordingProgress
from tracker.live.run_figures import RunFigures, RunMeasurements
from tracker.live.run_lines import RunLines
from tracker.live.tick_schedule import tick_on_schedule

TIDY_TICKS = 100
"""Young objects are collected each so many ticks; the collector is off otherwise."""

MakeDevice = Callable[[str, HandOver], Device]
Onlooker = Callable[[Event, Sequence[Output]], None]


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
        disk: RecordingProgress | None = None,
        onlookers: Sequence[Onlooker] = (),
    ) -> None:
        """Put the parts together; ``roles`` names the device of each section that has a wire.

        ``after_tick`` are called with the time at the end of each tick that was handled,
        ``when_stopping`` once, before beam and motion are stopped.
        ``dead_man`` is told everything the monitor judges by; ``None``: there is no monitor.
        ``disk`` tells whether events reach the disk; ``None``: the journal itself raises.
        ``onlookers`` are called with each event and its outputs, after the commands are sent.
        """
        controller = configuration.controller
        self._controller = controller
        self._measured = RunMeasurements()
        self._engine = RecordedEngine(
            build_engine(controller, step_budget_ns=round(0.5e9 / controller.timing.tick_hz)),
            journal,
            self._measured.journal,
        )
        self._clock = clock
        self._operator = operator
        self._lines = RunLines(say)
        self._say = say
        self._after_tick = tuple(after_tick)
        self._when_stopping = tuple(when_stopping)
        self._dead_man = dead_man
        self._disk = disk
        self._onlookers = tuple(onlookers)
        self._devices = {name: make_device(role, self._on_arrival) for role, name in roles.items()}
        names = {source.device for source in controller.surrogate_sources().values()}
        moves = machine_kind(controller.actuator.kind).moves
        self._measured_command = SendDemand if moves else SendPermit
        self._sensors = [device for name, device in self._devices.items() if name in names]
        self._reported = BeamAndMotion()
        self._ended: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._status_every = max(1, round(controller.timing.tick_hz))

    @property
    def state(self) -> SessionState:
        """The state of the session."""
        return self._engine.state

    async def run(self, duration_s: float | None = None) -> None:
        """Run until told to stop (SIGTERM, SIGINT, `end`), then stop in order.

        Raises what the engine or the journal raised, after beam and motion are stopped;
        `JournalError` if the run could not be recorded to its end.
        """
        self._ended = asyncio.get_running_loop().create_future()
        with _signals_call(self.end), _no_garbage_collection():
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._keep_link(d)) for d in self._devices.values()]
                tasks.append(group.create_task(self._tick_for_ever()))
                try:
                    async with asyncio.timeout(duration_s):
                        await asyncio.shield(self._ended)
                except TimeoutError:
                    self._say(f"{duration_s:g} s are over")
                await self._stop()
                for task in tasks:
                    task.cancel()
        if self._failure is not None:
            raise self._failure
        if self._disk is not None and self._disk.failure:
            raise JournalError(f"not recorded to its end: {self._disk.failure}")

    def end(self) -> None:
        """Make the run stop in order, soon."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def request(self, request: Request) -> None:
        """Handle a request; the onlookers are called with what follows from it."""
        self._handle_or_fail(request)

    def blocking(self, trigger: SessionTrigger) -> tuple[str, ...]:
        """Return the faults for which a start or a resume would be refused now."""
        return self._engine.blocking(trigger, self._clock())

    def figures(self) -> RunFigures:
        """Return what was measured; complete once the devices have finished."""
        return self._measured.figures([device.figures() for device in self._devices.values()])

    # Events -----------------------------------------------------------------------------------

    async def _keep_link(self, device: Device) -> None:
        """Run the link of a device; an exception in it stops the session, not only the link."""
        try:
            await device.run()
        except Exception as error:
            self._fail(error)

    def _on_arrival(self, event: Sample | LinkChanged | RecordingState) -> None:
        """Handle what a device, the monitor or the recorder reports."""
        if self._dead_man is not None:
            self._dead_man.on_arrival(event)
        self._reported.observe(event)
        if isinstance(event, LinkChanged):
            self._say(f"{event.device}: {'up' if event.up else 'down'} {event.detail}".rstrip())
        self._handle_or_fail(event)

    async def _tick_for_ever(self) -> None:
        period_ns = round(1e9 / self._controller.timing.tick_hz)
        await tick_on_schedule(self._clock, period_ns, self._tick_or_fail, self._count_skipped)

    def _count_skipped(self, ticks: int) -> None:
        self._measured.skipped_ticks += ticks

    def _tick_or_fail(self, now_ns: int, due_ns: int) -> None:
        if self._failure is None:
            try:
                self._tick(now_ns, due_ns)
            except Exception as error:
                self._fail(error)

    def _tick(self, now_ns: int, due_ns: int) -> None:
        measured = self._measured
        began = time.perf_counter_ns()
        measured.lateness.add(now_ns - due_ns)
        wish = self._operator.wish(now_ns, self._engine.state, self._all_up())
        if wish is not None:
            self._handle(Request(now_ns, wish, "auto"))
        commanded = self._handle(Tick(now_ns, due_ns))
        took = time.perf_counter_ns() - began
        measured.tick.add(took)
        if commanded:
            costs = (getattr(sensor, "arrival_cost_ns", 0) for sensor in self._sensors)
            measured.sample_to_demand.add(took + max(costs, default=0))
        measured.ticks += 1
        if measured.ticks % self._status_every == 0:
            self._lines.status(now_ns, self._engine.state, self._reported.beam_on, now_ns - due_ns)
        if measured.ticks % TIDY_TICKS == 0:
            gc.collect(1)
        self._end_tick(now_ns)

    def _end_tick(self, now_ns: int) -> None:
        """Do what is due once a tick: after-tick calls, recorder, monitor."""
        for each in self._after_tick:
            each(now_ns)
        if self._disk is not None:
            for changed in self._disk.changes(now_ns):
                self._say(f"recording: {changed.detail or 'all is on disk again'}")
                self._on_arrival(changed)
            if self._disk.failure:
                self.end()
        if self._dead_man is not None:
            for changed in self._dead_man.beat(now_ns, self._engine.state is SessionState.TRACKING):
                self._on_arrival(changed)

    def _all_up(self) -> bool:
        """Whether every device and the monitor are connected."""
        all_up = all(device.up for device in self._devices.values())
        return all_up and (self._dead_man is None or self._dead_man.up)

    def _handle_or_fail(self, event: Event) -> None:
        """Handle an event between ticks; an exception ends the run."""
        if self._failure is not None:
            return
        try:
            self._handle(event)
        except Exception as error:
            self._fail(error)

    def _handle(self, event: Event) -> bool:
        """Have the engine handle an event, and send its commands.

        Tell whether one was a demand; for a machine that follows nothing, whether one was a permit.
        """
        outputs = self._engine.handle(event)
        commanded = False
        for output in outputs:
            if isinstance(output, Command):
                self._send(output)
                commanded = commanded or isinstance(output, self._measured_command)
            else:
                self._lines.observe(output)
        for onlooker in self._onlookers:
            onlooker(event, outputs)
        return commanded

    def _send(self, command: Command) -> None:
        device = self._devices.get(command.device)
        if device is not None:
            device.obey(command)
        if self._dead_man is not None:
            self._dead_man.on_command(command)

    # The end ----------------------------------------------------------------------------------

    def _fail(self, error: BaseException) -> None:
        """Handle no more events after ``error``; hold the beam, stop the motion, end the run."""
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
        """Hold and stop by the session table, then wait until beam and motion have stopped."""
        for each in self._when_stopping:
            each()
        if self._failure is None:
            self._say("stopping")
            self.request(Request(self._clock(), "stop", "system"))
        await self._reported.wait_for_rest(self._say)


@contextmanager
def _signals_call(end: Callable[[], None]) -> Generator[None, None, None]:
    """Let SIGTERM and SIGINT call ``end`` in the running loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextmanager
def _no_garbage_collection() -> Generator[None, None, None]:
    """Collect now, then no more by itself: a full collection would delay a tick."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
