"""Gather from a session's records what its summary and its report need.

Numbers go into flat columns, so that an hour of records is some ten megabytes; the few records
that are read one by one (shots, models, changes of state) are kept as they are.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.events import Event, SendDemand, SendHold, SendPermit
from hal.messages import ActuatorStatus, BeamStatus
from tracker.core.types import (
    FaultChanged,
    ModelRefitted,
    Notice,
    Observation,
    Output,
    SessionChanged,
    SurrogateState,
    TargetEstimate,
    TargetPrediction,
)
from tracker.journal import Digest, Journal
from tracker.report.holds import HoldBook

Table = NDArray[np.float64]
"""One row a record, one column a field; times in nanoseconds."""

TRACKING = "TRACKING"
STOPPED = "STOPPED"
_TOGETHER = 4096


class Columns:
    """Rows of ``width`` numbers, appended one by one and taken as one array."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._flat = array("d")
        self.append = self._flat.extend

    def extend(self, rows: Iterable[tuple[float, ...]]) -> None:
        """Append several rows."""
        self._flat.extend(chain.from_iterable(rows))

    def table(self) -> Table:
        """Return a copy of all rows so far."""
        return np.array(self._flat, dtype=np.float64).reshape(-1, self._width)


class Records(NamedTuple):
    """A session's records by kind, in the order they came; empty tables where there are none."""

    truth: Table
    """t, target (3), target fixed (3), beam fixed (3), actuator (3), surrogate, beam on, scored,
    unit vector to the source (3)."""
    surrogate: Table
    """t, amplitude, velocity, standard deviation."""
    estimate: Table
    """t, position (3)."""
    prediction: Table
    """made, at, position (3)."""
    demand: Table
    """t, position (3)."""
    status: Table
    """t, position (3)."""
    beam: Table
    """t, on."""
    observations: list[Observation]
    models: list[ModelRefitted]
    session: list[SessionChanged]
    log: list[SessionChanged | FaultChanged | Notice]
    """All records that tell a person what happened, in their order."""
    holds: HoldBook
    end_ns: int
    events: int
    outputs: int

    @property
    def tracking_ns(self) -> int | None:
        """The time at which tracking was first started; ``None``: never."""
        return next((each.t_ns for each in self.session if each.after == TRACKING), None)

    @property
    def stopped_ns(self) -> int:
        """The time at which the session was stopped or ended, after tracking was first started."""
        start = self.tracking_ns or 0
        stops = (e.t_ns for e in self.session if e.after == STOPPED and e.t_ns >= start)
        return next(stops, self.end_ns)


class Collector:
    """Gathers a session's events, outputs and truth as they occur; keeps what a report needs.

    Records wait and are sorted by kind a few thousand together, which is faster than one by one.
    """

    def __init__(self) -> None:
        self._truth = Columns(19)
        self._surrogate = Columns(4)
        self._estimate = Columns(4)
        self._prediction = Columns(5)
        self._demand = Columns(4)
        self._status = Columns(4)
        self._beam = Columns(2)
        self._observations: list[Observation] = []
        self._models: list[ModelRefitted] = []
        self._session: list[SessionChanged] = []
        self._log: list[SessionChanged | FaultChanged | Notice] = []
        self._holds = HoldBook()
        self._end_ns = 0
        self._events = 0
        self._outputs = 0
        self._new_events: list[Event] = []
        self._new_outputs: list[Output] = []
        self._keep: dict[type, Callable[[Any], None]] = {
            SendPermit: self._holds.permit,
            SendHold: self._holds.hold,
            Observation: self._observations.append,
            ModelRefitted: self._models.append,
            SessionChanged: self._keep_session,
            FaultChanged: self._keep_fault,
            Notice: self._log.append,
        }

    def event(self, event: Event) -> None:
        """Add an event."""
        self._new_events.append(event)
        if len(self._new_events) >= _TOGETHER:
            self._sort()

    def outputs(self, outputs: Iterable[Output]) -> None:
        """Add what the engine returned for an event."""
        self._new_outputs.extend(outputs)
        if len(self._new_outputs) >= _TOGETHER:
            self._sort()

    def truth(self, r: Any) -> None:
        """Add what the simulator knows: the fields of `tracker.journal.Truth`."""
        if r.t_ns > self._end_ns:
            self._end_ns = r.t_ns
        self._truth.append(
            (
                r.t_ns,
                *r.target_mm,
                *r.target_fixed_mm,
                *r.beam_fixed_mm,
                *r.actuator_mm,
                r.surrogate_mm,
                r.beam_on,
                r.scored,
                *r.to_source,
            )
        )

    def _sort(self) -> None:
        """Sort the new records by their kind."""
        self._events += len(self._new_events)
        self._outputs += len(self._new_outputs)
        self._sort_events(self._new_events)
        self._sort_outputs(self._new_outputs)
        self._new_events.clear()
        self._new_outputs.clear()

    def _sort_events(self, events: list[Event]) -> None:
        self._end_ns = max([self._end_ns, *[event.t_ns for event in events]])
        self._status.extend(
            [(r.t_ns, *r.position_mm) for r in events if isinstance(r, ActuatorStatus)]
        )
        self._beam.extend([(r.t_ns, r.on) for r in events if isinstance(r, BeamStatus)])

    def _sort_outputs(self, outputs: list[Output]) -> None:
        """Put the frequent outputs into columns, kind by kind; keep the others in their order."""
        self._surrogate.extend(
            [
                (r.t_ns, r.amplitude_mm, r.velocity_mm_s, r.sigma_mm)
                for r in outputs
                if isinstance(r, SurrogateState)
            ]
        )
        self._estimate.extend(
            [(r.t_ns, *r.position_mm) for r in outputs if isinstance(r, TargetEstimate)]
        )
        self._prediction.extend(
            [
                (r.made_ns, r.at_ns, *r.position_mm)
                for r in outputs
                if isinstance(r, TargetPrediction)
            ]
        )
        self._demand.extend(
            [(r.t_ns, *r.position_mm) for r in outputs if isinstance(r, SendDemand)]
        )
        keep = self._keep
        for output in outputs:
            if type(output) in keep:
                keep[type(output)](output)

    def records(self) -> Records:
        """Return everything that was added so far."""
        self._sort()
        return Records(
            truth=self._truth.table(),
            surrogate=self._surrogate.table(),
            estimate=self._estimate.table(),
            prediction=self._prediction.table(),
            demand=self._demand.table(),
            status=self._status.table(),
            beam=self._beam.table(),
            observations=self._observations,
            models=self._models,
            session=self._session,
            log=self._log,
            holds=self._holds,
            end_ns=self._end_ns,
            events=self._events,
            outputs=self._outputs,
        )

    def _keep_session(self, change: SessionChanged) -> None:
        self._session.append(change)
        self._log.append(change)
        self._holds.session(change)

    def _keep_fault(self, change: FaultChanged) -> None:
        self._log.append(change)
        self._holds.fault(change)


def collect(journal: Journal) -> tuple[Records, str]:
    """Return a journal's records, up to the end of its readable part, and its outputs' digest."""
    collector = Collector()
    digest = Digest()
    for entry in journal.entries():
        if entry.kind == "output":
            collector.outputs((entry.record,))
            digest.add_encoded((entry.data,))
        elif entry.kind == "event":
            collector.event(entry.record)
        elif entry.kind == "truth":
            collector.truth(entry.record)
    return collector.records(), digest.hexdigest()
