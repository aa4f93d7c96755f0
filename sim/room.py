"""Simulate the whole treatment room on one timeline: messages, commands and the truth.

    room = Room(settings, patient, seed)
    while (due_ns := room.next_due_ns()) < end_ns:
        for sample in room.advance(due_ns): ...       # what arrived, in order of arrival
        room.obey(command)                            # takes effect at command.t_ns
    room.truth_between(0, end_ns)

A command must be given before the room is asked about times after ``command.t_ns``; commands with
the moment of the last `advance` are in time. Same settings, patient and seed give the same room,
however finely the run is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hal.events import Command, SendDemand, SendExpose, SendHold, SendPermit, SendStop
from hal.messages import Sample, Triple
from sim import mishaps
from sim.actuator import STEP_NS, SimulatedActuator
from sim.gate import SimulatedGate
from sim.geometry import lying, rotated
from sim.imager import SimulatedImager
from sim.linac import SimulatedLinac
from sim.machines import simulated_machine
from sim.patient import SimulatedPatient
from sim.sampling import NEVER_NS
from sim.scenario import Orientation
from sim.scenario import RoomScenario as RoomSettings
from sim.source_twin import SourceTwin, Surroundings
from sim.source_twins import (
    SOURCE_TWINS,
    SourceTwins,
    befallen_as,
    source_settings,
    twin_kind_of,
)

TRUTH_STEP_NS = 10_000_000
_ARRIVAL = attrgetter("t_ns")
ORIGIN: Triple = (0.0, 0.0, 0.0)


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    """The names the controller's configuration gives the devices, and further sources by name."""

    camera: str = "camera"
    belt: str = "belt"
    imager: str = "imager"
    actuator: str = "couch"
    gate: str = "gate"
    linac: str = "linac"
    sources: dict[str, str] = {}
    """Further surrogate sources: name of the section, name of the device."""

    def source(self, name: str) -> str:
        """Return the device of a surrogate source; one the controller does not know: its name."""
        return {"camera": self.camera, "belt": self.belt, **self.sources}.get(name, name)


class RoomTruth(msgspec.Struct, frozen=True, gc=False, tag="Truth"):
    """The true positions every 10 ms, in millimetres; only the simulator knows them."""

    t_ns: int
    target_mm: Triple
    """The target from its reference point, patient frame."""
    target_fixed_mm: Triple
    """The target in the fixed frame; it moves with the machine where that moves the patient."""
    beam_fixed_mm: Triple
    """Where the beam aims: the isocentre, or the machine's position where that moves the beam."""
    actuator_mm: Triple
    """True position of the treatment machine, fixed frame."""
    surrogate_mm: float
    """The chest signal."""
    beam_on: bool
    scored: bool
    """False where the recording does not know the truth."""
    to_source: Triple = (0.0, 0.0, 1.0)
    """Unit vector from the beam's aim to its source, fixed frame."""


class Traces(NamedTuple):
    """The result of a whole run, every 10 ms; one entry for each moment."""

    t_ns: NDArray[np.int64]
    error_mm: NDArray[np.float64]
    """Distance of the target from the beam: 3-D, or in beam's-eye view where that is what counts
    of the machine."""
    permitted: NDArray[np.bool_]
    """Whether the beam is on behind a faultless gate."""
    on: NDArray[np.bool_]
    """Whether the beam is on."""
    scored: NDArray[np.bool_]


class SimulatedRoom:
    """Every twin on one timeline of virtual nanoseconds."""

    def __init__(
        self,
        settings: RoomSettings,
        patient: SimulatedPatient,
        seed: int,
        *,
        devices: Devices | None = None,
        orientation: Orientation = "HFS",
        source_twins: SourceTwins = SOURCE_TWINS,
    ) -> None:
        """Make the room's twins; raises `ValueError` for an impossible mishap or machine."""
        further = befallen_as(settings, source_twins)
        mishaps.check(settings, len(patient.marker_rest_mm), further)
        names = Devices() if devices is None else devices
        duration_s = patient.duration_s
        befall = settings.mishaps
        self.settings = settings
        self.devices = names
        self.duration_ns = int(duration_s * 1e9)
        self.actuator = SimulatedActuator(
            settings.actuator, names.actuator, befall, seed, duration_s
        )
        self._machine = simulated_machine(settings.actuator.kind)
        self._acts = self._machine.acts
        self._couch = self.actuator if self._machine.moves_patient else None
        self._sources: list[SourceTwin] = []
        for name, source in source_settings(settings).items():
            if source.enabled:
                device = names.source(name)
                around = Surroundings(name, device, patient, orientation, befall, seed)
                self._sources.append(twin_kind_of(source, source_twins).make(source, around))
        self.gate = SimulatedGate(settings.gate, names.gate, befall, seed, duration_s)
        self.linac = SimulatedLinac(
            settings.linac, names.linac, self.gate, befall, seed, duration_s
        )
        self.imager = SimulatedImager(
            settings.imager,
            names.imager,
            patient,
            orientation,
            befall,
            seed,
            axes_at=lambda t: self.linac.axes(np.array([t]), collimator=False)[0],
            source_mm=settings.linac.source_mm,
            beam_on=self.gate.on_at,
        )
        self._obeys: dict[type, tuple[str, Callable[[Any], None]]] = {
            SendPermit: (names.gate, self.gate.obey),
            SendHold: (names.gate, self.gate.obey),
            SendExpose: (names.imager, self.imager.obey),
            SendDemand: (names.actuator, self.actuator.obey),
            SendStop: (names.actuator, self.actuator.obey),
        }
        self._now_ns = -1
        self._plan_truth(patient, orientation)

    def next_due_ns(self) -> int:
        """Return when the next message arrives; `NEVER_NS` after the last one."""
        return min(
            *(source.due_ns for source in self._sources),
            self.imager.due_ns,
            self.actuator.due_ns if self._acts else NEVER_NS,
            self.gate.due_ns,
            self.linac.due_ns,
        )

    def advance(self, to_ns: int) -> list[Sample]:
        """Return all messages that arrive at or before ``to_ns`` and were not returned before.

        In order of arrival; at the same moment camera, belt, further sources, imager, actuator,
        gate, linac.
        """
        if to_ns < self._now_ns:
            raise ValueError(f"time {to_ns} ns is before {self._now_ns} ns; a room cannot go back")
        self._now_ns = to_ns
        self.actuator.run_to(to_ns // STEP_NS)
        out: list[Sample] = []
        for source in self._sources:
            if source.due_ns <= to_ns:
                source.collect(to_ns, self._couch, out)
        if self.imager.due_ns <= to_ns:
            self.imager.collect(to_ns, self._couch, out)
        if self._acts and self.actuator.due_ns <= to_ns:
            self.actuator.collect(to_ns, out)
        if self.gate.due_ns <= to_ns:
            self.gate.collect(to_ns, out)
        if self.linac.due_ns <= to_ns:
            self.linac.collect(to_ns, out)
        if len(out) > 1:
            out.sort(key=_ARRIVAL)
        return out

    def obey(self, command: Command) -> None:
        """Hand a command to its device; raises `ValueError` for a device that is not there."""
        device, obey = self._obeys[type(command)]
        if command.device != device:
            kind = type(command).__name__
            raise ValueError(f"{kind} to {command.device!r}, but here that is {device!r}")
        obey(command)

    def truth_between(self, from_ns: int, to_ns: int) -> list[RoomTruth]:
        """Return the truth on the 10 ms grid, ``from_ns`` included, ``to_ns`` not."""
        first = -(-max(from_ns, 0) // TRUTH_STEP_NS)
        last = min(-(-to_ns // TRUTH_STEP_NS), len(self._target))
        if last <= first:
            return []
        on_at = self.gate.on_at
        moves_patient = self._machine.moves_patient
        records: list[RoomTruth] = []
        rows = zip(
            range(first * TRUTH_STEP_NS, last * TRUTH_STEP_NS, TRUTH_STEP_NS),
            self._moved(first, last).tolist(),
            *(each.tolist() for each in self._beam(first, last)),
            self._target[first:last].tolist(),
            self._fixed[first:last].tolist(),
            self._chest[first:last].tolist(),
            self._scored[first:last].tolist(),
            strict=True,
        )
        for t_ns, (x, y, z), beam, source, target, (a, b, c), chest, scored in rows:
            fixed, where = (a, b, c), (x, y, z)
            if moves_patient:
                fixed = (a + x, b + y, c + z)
            on = on_at(t_ns)
            records.append(
                RoomTruth(
                    t_ns, tuple(target), fixed, tuple(beam), where, chest, on, scored, tuple(source)
                )
            )
        return records

    def traces(self, to_ns: int) -> Traces:
        """Return the result up to ``to_ns``; all commands up to then must have been given."""
        last = min(to_ns // TRUTH_STEP_NS + 1, len(self._target))
        t_ns = np.arange(last, dtype=np.int64) * TRUTH_STEP_NS
        moved = self._moved(0, last)
        apart = self._fixed[:last]
        if self._machine.moves_patient:
            apart = apart + moved
        beam, to_source = self._beam(0, last)
        if self._machine.moves_beam:
            apart = apart - beam
        if self._machine.in_beams_eye:
            apart = apart - np.einsum("ij,ij->i", apart, to_source)[:, None] * to_source
        permitted, on = self.gate.over(t_ns)
        error_mm = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        return Traces(t_ns, error_mm, permitted, on, self._scored[:last])

    def _moved(self, first: int, last: int) -> NDArray[np.float64]:
        """Return where the actuator was at truth steps ``first`` to ``last`` - 1, (N, 3)."""
        ratio = TRUTH_STEP_NS // STEP_NS
        self.actuator.run_to((last - 1) * ratio)
        return self.actuator.positions[first * ratio : (last - 1) * ratio + 1 : ratio]

    def _beam(self, first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where the beam aims and which way its source lies, fixed frame, (N, 3) each.

        A machine that shifts the beam in beam's-eye view leaves the source where it is: the beam
        goes from there through the shifted point of the isocentre plane.
        """
        machine = self._machine
        times = np.arange(first, last, dtype=np.float64) * (TRUTH_STEP_NS / 1e9)
        axes = self.linac.axes(times)
        central = axes[:, 2]
        if not machine.moves_beam:
            return np.zeros((last - first, 3)), central
        moved = self._moved(first, last)
        if not machine.turns:
            return moved, central
        if machine.turns == "gantry":
            axes = self.linac.axes(times, collimator=False)
        aim = moved[:, :1] * axes[:, 0] + moved[:, 1:2] * axes[:, 1]
        to_source = self.settings.linac.source_mm * central - aim
        return aim, to_source / np.linalg.norm(to_source, axis=1)[:, None]

    def _plan_truth(self, patient: SimulatedPatient, orientation: Orientation) -> None:
        """Compute what the controller cannot change, on the 10 ms grid."""
        steps = self.duration_ns // TRUTH_STEP_NS + 1
        times = np.arange(steps, dtype=np.float64) * (TRUTH_STEP_NS / 1e9)
        self._target = patient.internal(times)
        self._fixed = rotated(self._target, lying(orientation))
        self._chest = patient.belt(times)
        self._scored = patient.scored(times)
