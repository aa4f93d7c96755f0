"""Run the engine and a simulated room against each other on virtual time.

At every tick the room returns the messages that arrived since the last one, in order. The engine
handles them and then the tick, and the room obeys the engine's commands. A scripted operator asks
for the model, start and stop, and resumes a latched hold. Journal, summary and report get events
and outputs exactly as they came.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, cast, get_args

from hal.events import Command, Event, Request, Tick
from sim.room import RoomTruth, SimulatedRoom
from tracker.build.engine import build_engine
from tracker.build.scripted_operator import Operator
from tracker.build.virtual_time import tick_events
from tracker.config import Configuration
from tracker.core.session import SessionState
from tracker.core.types import Output
from tracker.journal import Digest
from tracker.report.records import Collector, Records

_TRUTH_BLOCK_NS = 1_000_000_000
_COMMANDS = frozenset(get_args(Command))

Progress = Callable[[float], None]
"""Called with the share of the run that is done, 0 to 1."""


class JournalSink(Protocol):
    """What a closed loop needs of a journal."""

    @property
    def digest(self) -> str:
        """The SHA-256 over all outputs so far."""
        ...

    def event(self, event: Event) -> None:
        """Record an event before the engine handles it."""
        ...

    def outputs(self, outputs: list[Output]) -> None:
        """Record what the engine returned for the event."""
        ...

    def truth(self, record: RoomTruth) -> None:
        """Record what the simulator knows."""
        ...


class DigestOnly:
    """A journal that keeps nothing but the digest of the outputs."""

    def __init__(self) -> None:
        self._digest = Digest()
        self.outputs = self._digest.add

    @property
    def digest(self) -> str:
        """The SHA-256 over all outputs so far."""
        return self._digest.hexdigest()

    def event(self, event: Event) -> None:
        """Keep nothing of an event."""

    def truth(self, record: RoomTruth) -> None:
        """Keep nothing of the truth."""


class Finished(NamedTuple):
    """The result of a closed loop: records, digest, realtime factor and final session state."""

    records: Records
    digest: str
    realtime_factor: float
    state: SessionState


@contextmanager
def _startup_objects_frozen() -> Generator[None]:
    """Keep the garbage collector away from what exists now, until the run has ended.

    Those are mostly imported modules, and to walk through all of them again takes a tenth of a
    second. Where a caller has frozen objects already, nothing changes.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class ClosedLoop:
    """Runs one engine in one simulated room."""

    def __init__(
        self, configuration: Configuration, room: SimulatedRoom, journal: JournalSink | None = None
    ) -> None:
        """Build the engine for this room; ``journal`` records everything where one is given."""
        self._room = room
        self._controller = configuration.controller
        self._engine = build_engine(configuration.controller)
        self._tick_ns = round(1e9 / configuration.controller.timing.tick_hz)
        self._operator = Operator()
        self._collector = Collector()
        self._journal: JournalSink = DigestOnly() if journal is None else journal

    def run(self, progress: Progress | None = None) -> Finished:
        """Run to the end of the patient and stop the session."""
        with _startup_objects_frozen():
            return self._run(progress)

    def _run(self, progress: Progress | None) -> Finished:
        began = time.perf_counter()
        room, tick_ns = self._room, self._tick_ns
        end_ns = room.duration_ns
        last_ns = end_ns // tick_ns * tick_ns
        truth_ns = 0
        handle = self._handle_in_turn()
        for now, due, events in tick_events(room, self._controller):
            for event in events:
                handle(event)
            name = self._operator.wish(now, self._engine.state)
            if now == last_ns:
                name = "stop"
            if name is not None:
                handle(Request(now, name))
            handle(Tick(now, due))
            if now - truth_ns >= _TRUTH_BLOCK_NS:
                self._keep_truth(truth_ns, now)
                truth_ns = now
                if progress is not None:
                    progress(now / last_ns)
        self._keep_truth(truth_ns, end_ns)
        factor = end_ns * 1e-9 / (time.perf_counter() - began)
        return Finished(self._collector.records(), self._journal.digest, factor, self._engine.state)

    def _handle_in_turn(self) -> Callable[[Event], None]:
        """Return a function that gives one event to journal, collector, engine and room.

        The methods are looked up here once, and not for each of the many events.
        """
        journal_event, journal_outputs = self._journal.event, self._journal.outputs
        collect_event, collect_outputs = self._collector.event, self._collector.outputs
        engine, obey, commands = self._engine.handle, self._room.obey, _COMMANDS

        def handle(event: Event) -> None:
            journal_event(event)
            collect_event(event)
            outputs = engine(event)
            if not outputs:
                return
            journal_outputs(outputs)
            collect_outputs(outputs)
            for output in outputs:
                if type(output) in commands:
                    obey(cast(Command, output))

        return handle

    def _keep_truth(self, from_ns: int, to_ns: int) -> None:
        for record in self._room.truth_between(from_ns, to_ns):
            self._collector.truth(record)
            self._journal.truth(record)
