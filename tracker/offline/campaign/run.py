"""Run one run of a campaign: a deterministic closed loop on virtual time, and its figures.

No journal is written and nothing is encoded: the motion and the beam are read from the twins at the
end, and of the engine's outputs only faults, states and demands are kept. The same name, seed,
length, configuration and recordings give the same `RunRecord` on any machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import struct
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import msgspec

from hal.events import Request, SendDemand, SendExpose, SendHold, SendPermit, SendStop, Tick
from sim.recording import Recording
from sim.room import SimulatedRoom
from tracker.build.engine import build_engine
from tracker.build.room import furnish
from tracker.build.scripted_operator import Operator
from tracker.build.virtual_time import tick_events
from tracker.build.warm_up import warm
from tracker.config import Configuration
from tracker.core.safety.checks.table import CHECKS, CheckFactory
from tracker.core.session import SessionState
from tracker.core.types import FaultChanged, Output, SessionChanged, WindowChanged
from tracker.offline.campaign.kinds import MishapTrouble, absent_twins, drawn
from tracker.offline.campaign.patients import CampaignPatient, patient_of
from tracker.offline.campaign.record import Kept, RunRecord, judge

_DEMAND = struct.Struct("<q3d")
_PERMIT = struct.Struct("<2q")
_GRACE_NS = 2_000_000_000
"""How long a stopped session is watched before the run is over."""


class Cast(NamedTuple):
    """Everything that makes a run, before it is run."""

    configuration: Configuration
    """The configuration, with the patient and the mishaps in its room."""
    patient: CampaignPatient
    troubles: tuple[MishapTrouble, ...]


def cast_run(
    fault: str,
    seed: int,
    length_s: float,
    configuration: Configuration,
    recordings: tuple[Recording, ...],
) -> Cast:
    """Draw patient and mishaps of a run."""
    assert configuration.room is not None
    patient = patient_of(seed, configuration.room, recordings, length_s)
    if patient.recording is not None:
        start_s = patient.room.patient.start_s
        length_s = min(length_s, float(patient.recording.times_s[-1]) - start_s)
    troubles = drawn(fault, seed, length_s, absent_twins(configuration))
    befall = tuple(mishap for trouble in troubles for mishap in trouble.mishaps)
    room = msgspec.structs.replace(patient.room, mishaps=(*patient.room.mishaps, *befall))
    return Cast(dataclasses.replace(configuration, room=room), patient, troubles)


class Single:
    """Runs one after the other in one process."""

    def __init__(
        self, configuration: Configuration, recordings: tuple[Recording, ...], length_s: float
    ) -> None:
        """Take what all runs of a campaign have in common."""
        self._configuration = configuration
        self._recordings = recordings
        self._length_s = length_s

    def warm_up(self) -> None:
        """Compile, or load from the cache, all that runs call."""
        warm(self._configuration)
        gc.collect()
        gc.freeze()  # what is loaded stays; looking through it after each run would take long

    def run(self, fault: str, seed: int) -> RunRecord:
        """Do one run; raises ``ValueError`` where its room cannot be."""
        made = cast_run(fault, seed, self._length_s, self._configuration, self._recordings)
        room = furnish(made.configuration, made.patient.recording, seed)
        with _no_collection():
            kept = run_room(made.configuration, room)
        traces = room.traces(kept.end_ns)
        return judge(fault, seed, made.patient, made.troubles, kept, traces)


@contextlib.contextmanager
def _no_collection() -> Generator[None]:
    """Switch the garbage collector off: a run leaves almost nothing to collect."""
    was = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class _Keeper:
    """Passes commands to the room, keeps what the figures need, and computes the digest."""

    def __init__(self, room: SimulatedRoom) -> None:
        self.faults: list[FaultChanged] = []
        self.states: list[SessionChanged] = []
        self.windows: list[WindowChanged] = []
        self.shots = 0
        self._obey = room.obey
        self._signed: list[bytes] = []
        self._receivers: dict[type, Callable[[Any], None]] = {
            SendDemand: self._demand,
            SendPermit: self._permit,
            SendHold: self._command,
            SendStop: self._command,
            SendExpose: self._expose,
            FaultChanged: self._fault,
            SessionChanged: self._state,
            WindowChanged: self.windows.append,
        }

    def record(self, outputs: list[Output]) -> None:
        receivers = self._receivers
        for output in outputs:
            receive = receivers.get(type(output))
            if receive is not None:
                receive(output)

    def kept(self, end_ns: int, last_turn_ns: int) -> Kept:
        digest = hashlib.sha256(b"".join(self._signed)).hexdigest()
        return Kept(
            end_ns, last_turn_ns, self.faults, self.states, self.shots, digest, self.windows
        )

    def _demand(self, demand: SendDemand) -> None:
        self._obey(demand)
        self._signed.append(_DEMAND.pack(demand.t_ns, *demand.position_mm))

    def _permit(self, permit: SendPermit) -> None:
        self._obey(permit)
        self._signed.append(_PERMIT.pack(permit.t_ns, permit.until_ns))

    def _expose(self, expose: SendExpose) -> None:
        self.shots += 1
        self._command(expose)

    def _command(self, command: SendHold | SendStop | SendExpose) -> None:
        self._obey(command)
        self._signed.append(repr(command).encode())

    def _fault(self, change: FaultChanged) -> None:
        self.faults.append(change)
        self._signed.append(repr(change).encode())

    def _state(self, change: SessionChanged) -> None:
        self.states.append(change)
        self._signed.append(repr(change).encode())


def run_room(
    configuration: Configuration, room: SimulatedRoom, checks: Sequence[CheckFactory] = CHECKS
) -> Kept:
    """Run to the end of the patient, or until the session has stopped for good."""
    engine = build_engine(configuration.controller, checks=checks)
    operator, keeper = Operator(), _Keeper(room)
    handle, record = engine.handle, keeper.record
    now = stopped_ns = 0
    for now, due, events in tick_events(room, configuration.controller):
        for event in events:
            if outputs := handle(event):
                record(outputs)
        wish = operator.wish(now, engine.state)
        if wish is not None:
            record(handle(Request(now, wish)))
        if outputs := handle(Tick(now, due)):
            record(outputs)
        if engine.state is SessionState.STOPPED:
            stopped_ns = stopped_ns or now
            if now - stopped_ns >= _GRACE_NS:
                break
    else:
        turned_ns, now = now, room.duration_ns  # one that died leaves the room to itself
        return keeper.kept(now, turned_ns)
    return keeper.kept(now, now)
