"""The whole treatment room on one timeline: messages out, commands in, and the truth about both.

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

from operator import attrgetter

import msgspec
import numpy as np

from hal.events import Command, SendExpose, SendHold, SendPermit
from hal.messages import Sample, Triple
from sim import mishaps
from sim.actuator import STEP_NS, Actuator
from sim.belt import Belt
from sim.camera import Camera
from sim.gate import Gate
from sim.geometry import lying, rotated
from sim.imager import Imager
from sim.patient import Patient
from sim.sampling import NEVER_NS
from sim.scenario import Orientation
from sim.scenario import Room as RoomSettings

TRUTH_STEP_NS = 10_000_000
ORIGIN: Triple = (0.0, 0.0, 0.0)


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    """The names the controller's configuration gives the devices."""

    camera: str = "camera"
    belt: str = "belt"
    imager: str = "imager"
    actuator: str = "couch"
    gate: str = "gate"


class Truth(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What really was, every 10 ms; only the simulator knows. Millimetres."""

    t_ns: int
    target_mm: Triple
    """The target from its reference point, patient frame."""
    target_fixed_mm: Triple
    """The target in the fixed frame, the couch's displacement included."""
    beam_fixed_mm: Triple
    """Where the beam aims: the isocentre, or the robot's position."""
    actuator_mm: Triple
    """True position of couch or robot, fixed frame."""
    surrogate_mm: float
    """The chest signal."""
    beam_on: bool
    scored: bool
    """False where the recording does not know the truth."""


class Room:
    """Every twin on one timeline of virtual nanoseconds."""

    def __init__(
        self,
        settings: RoomSettings,
        patient: Patient,
        seed: int,
        *,
        devices: Devices | None = None,
        orientation: Orientation = "HFS",
    ) -> None:
        """Furnish the room; raises `ValueError` for a mishap that cannot happen."""
        mishaps.check(settings, len(patient.marker_rest_mm))
        names = Devices() if devices is None else devices
        duration_s = patient.duration_s
        befall = settings.mishaps
        self.settings = settings
        self.devices = names
        self.duration_ns = int(duration_s * 1e9)
        self.actuator = Actuator(settings.actuator, names.actuator, befall, seed, duration_s)
        self._is_couch = settings.actuator.kind == "couch"
        self._couch = self.actuator if self._is_couch else None
        self.camera = Camera(settings.camera, names.camera, patient, orientation, befall, seed)
        self.belt = (
            Belt(settings.belt, names.belt, patient, befall, seed)
            if settings.belt.enabled
            else None
        )
        self.imager = Imager(settings.imager, names.imager, patient, orientation, befall, seed)
        self.gate = Gate(settings.gate, names.gate, befall, seed, duration_s)
        self._now_ns = -1
        self._plan_truth(patient, orientation)

    def next_due_ns(self) -> int:
        """Return when the next message arrives; `NEVER_NS` after the last one."""
        belt_ns = NEVER_NS if self.belt is None else self.belt.due_ns
        return min(
            self.camera.due_ns,
            belt_ns,
            self.imager.due_ns,
            self.actuator.due_ns,
            self.gate.due_ns,
        )

    def advance(self, to_ns: int) -> list[Sample]:
        """Return all messages that arrive at or before ``to_ns`` and were not returned before.

        In order of arrival; at the same moment camera, belt, imager, actuator, gate.
        """
        if to_ns < self._now_ns:
            raise ValueError(f"time {to_ns} ns is before {self._now_ns} ns; a room cannot go back")
        self._now_ns = to_ns
        out: list[Sample] = []
        if self.camera.due_ns <= to_ns:
            self.camera.collect(to_ns, self._couch, out)
        if self.belt is not None and self.belt.due_ns <= to_ns:
            self.belt.collect(to_ns, out)
        if self.imager.due_ns <= to_ns:
            self.imager.collect(to_ns, self._couch, out)
        if self.actuator.due_ns <= to_ns:
            self.actuator.collect(to_ns, out)
        if self.gate.due_ns <= to_ns:
            self.gate.collect(to_ns, out)
        if len(out) > 1:
            out.sort(key=attrgetter("t_ns"))
        return out

    def obey(self, command: Command) -> None:
        """Hand a command to its device; raises `ValueError` for a device that is not there."""
        names = self.devices
        if isinstance(command, SendPermit | SendHold):
            expected = names.gate
            if command.device == expected:
                return self.gate.obey(command)
        elif isinstance(command, SendExpose):
            expected = names.imager
            if command.device == expected:
                return self.imager.obey(command)
        else:
            expected = names.actuator
            if command.device == expected:
                return self.actuator.obey(command)
        kind = type(command).__name__
        raise ValueError(f"{kind} to {command.device!r}, but here that is {expected!r}")

    def truth_between(self, from_ns: int, to_ns: int) -> list[Truth]:
        """Return the truth on the 10 ms grid, ``from_ns`` included, ``to_ns`` not."""
        first = -(-max(from_ns, 0) // TRUTH_STEP_NS)
        last = min(-(-to_ns // TRUTH_STEP_NS), len(self._target))
        if last <= first:
            return []
        ratio = TRUTH_STEP_NS // STEP_NS
        self.actuator.run_to((last - 1) * ratio)
        moved = self.actuator.positions[first * ratio : (last - 1) * ratio + 1 : ratio].tolist()
        on_at = self.gate.on_at
        is_couch = self._is_couch
        records: list[Truth] = []
        for step, (x, y, z) in enumerate(moved, first):
            t_ns = step * TRUTH_STEP_NS
            fixed = self._fixed[step]
            where = (x, y, z)
            if is_couch:
                fixed = (fixed[0] + x, fixed[1] + y, fixed[2] + z)
            records.append(
                Truth(
                    t_ns,
                    self._target[step],
                    fixed,
                    ORIGIN if is_couch else where,
                    where,
                    self._chest[step],
                    on_at(t_ns),
                    self._scored[step],
                )
            )
        return records

    def _plan_truth(self, patient: Patient, orientation: Orientation) -> None:
        """Work out what the controller cannot change, on the 10 ms grid."""
        steps = self.duration_ns // TRUTH_STEP_NS + 1
        times = np.arange(steps, dtype=np.float64) * (TRUTH_STEP_NS / 1e9)
        target = patient.internal(times)
        self._target: list[Triple] = [(x, y, z) for x, y, z in target.tolist()]
        fixed = rotated(target, lying(orientation))
        self._fixed: list[Triple] = [(x, y, z) for x, y, z in fixed.tolist()]
        self._chest: list[float] = patient.belt(times).tolist()
        self._scored: list[bool] = patient.scored(times).tolist()
