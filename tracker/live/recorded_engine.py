"""The engine with its journal: each event is recorded before it is handled, its outputs after."""

from __future__ import annotations

import time

from hal.events import Event
from tracker.core.engine import Engine
from tracker.core.session import SessionState, SessionTrigger
from tracker.core.types import Output
from tracker.journal import JournalWriter
from tracker.live.durations import Durations


class RecordedEngine:
    """Handles events; raises whatever the engine or the journal raises."""

    def __init__(self, engine: Engine, journal: JournalWriter, journal_took: Durations) -> None:
        """``journal_took`` counts how long the records of each event took to append."""
        self._engine = engine
        self._journal = journal
        self._journal_took = journal_took

    @property
    def state(self) -> SessionState:
        """The state of the session."""
        return self._engine.state

    def blocking(self, trigger: SessionTrigger, now_ns: int) -> tuple[str, ...]:
        """Return the faults for which a request would be refused at ``now_ns``."""
        return self._engine.blocking(trigger, now_ns)

    def handle(self, event: Event) -> list[Output]:
        """Record the event, handle it, record what the engine answers, and return that."""
        began = time.perf_counter_ns()
        self._journal.event(event)
        took = time.perf_counter_ns() - began
        outputs = self._engine.handle(event)
        if outputs:
            began = time.perf_counter_ns()
            self._journal.outputs(outputs)
            took += time.perf_counter_ns() - began
        self._journal_took.add(took)
        return outputs
