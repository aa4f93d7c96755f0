"""The axes of a treatment machine: which way it moves when the target moves in the patient.

A machine has three axes of its own, in millimetres from its start pose. The axes are perpendicular
to each other, and a machine may be able to move along some of them only. A target position in the
patient frame is turned into these axes; what lies along an axis that the machine cannot follow
stays in the distance between target and beam.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hal.messages import Triple
from tracker.core.frames import (
    Orientation,
    PatientPoint,
    patient_to_table,
)

Followed = tuple[bool, bool, bool]
ALL_AXES: Followed = (True, True, True)


class MachineAngles(NamedTuple):
    """Angles of the treatment machine after IEC 61217, in degrees."""

    gantry_deg: float = 0.0
    collimator_deg: float = 0.0
    table_deg: float = 0.0


class MachineAxes(Protocol):
    """How positions and velocities of the patient frame lie along the machine's axes.

    Every conversion is linear without offset, so it serves velocities too.
    """

    @property
    def follows(self) -> Followed:
        """The axes that the machine can move along."""
        ...

    def from_patient(self, target: Triple) -> Triple:
        """Return where the machine would have to be to meet the target, on all three axes."""
        ...

    def wanted(self, target: Triple) -> Triple:
        """Return the same with 0 on the axes that the machine does not follow."""
        ...

    def to_patient(self, position_mm: Triple) -> PatientPoint:
        """Return the point of the patient that the beam meets with the machine there."""
        ...


class ParallelAxes:
    """Axes parallel to those of the fixed frame, at any angle of gantry, collimator and table.

    ``direction`` is 1 where the machine moves with the target (it moves the beam) and -1 where it
    moves against the target (it moves the patient).
    """

    __slots__ = ("_signs", "_wanted", "follows")

    def __init__(
        self, direction: float, orientation: Orientation, follows: Followed = ALL_AXES
    ) -> None:
        """Compute the sign of each axis for a patient who lies in this orientation."""
        x, y, z = patient_to_table(PatientPoint((direction, direction, direction)), orientation)
        a, b, c = follows
        self.follows = follows
        self._signs: Triple = (x, y, z)
        self._wanted: Triple = (x if a else 0.0, y if b else 0.0, z if c else 0.0)

    def from_patient(self, target: Triple) -> Triple:
        """Return where the machine would have to be to meet the target, on all three axes."""
        x, y, z = target
        a, b, c = self._signs
        return (a * x, b * y, c * z)

    def wanted(self, target: Triple) -> Triple:
        """Return the same with 0 on the axes that the machine does not follow."""
        x, y, z = target
        a, b, c = self._wanted
        return (a * x, b * y, c * z)

    def to_patient(self, position_mm: Triple) -> PatientPoint:
        """Return the point of the patient that the beam meets with the machine there."""
        x, y, z = position_mm
        a, b, c = self._signs
        return PatientPoint((a * x, b * y, c * z))
