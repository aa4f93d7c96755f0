"""The axes of a treatment machine: which way it moves when the target moves in the patient.

A machine has three axes of its own, in millimetres from its start pose. The axes are perpendicular
to each other, and a machine may be able to move along some of them only. A target position in the
patient frame is turned into these axes; what lies along an axis that the machine cannot follow
stays in the distance between target and beam. The axes say too what of a distance between target
and beam is judged: all of it, or what is seen in beam's-eye view.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hal.messages import Triple
from tracker.core.frames import (
    Orientation,
    PatientPoint,
    beams_eye_rows,
    patient_to_table,
)

Followed = tuple[bool, bool, bool]
ALL_AXES: Followed = (True, True, True)
ACROSS_THE_BEAM: Followed = (True, True, False)
"""The two axes of the beam's-eye view."""
NO_AXIS: Followed = (False, False, False)


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

    def judged(self, target: Triple) -> Triple:
        """Return `from_patient` with 0 on the axes that the gate does not judge."""
        ...

    def judged_variance(self, variance_mm2: Triple) -> Triple:
        """Return the variance along the axes, 0 on those that the gate does not judge.

        ``variance_mm2`` is that along the axes of the patient frame, in which errors are taken to
        be independent.
        """
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

    def judged(self, target: Triple) -> Triple:
        """Return where the machine would have to be; all three axes are judged."""
        return self.from_patient(target)

    def judged_variance(self, variance_mm2: Triple) -> Triple:
        """Return the variance as it is: the axes are those of the patient, up to their sign."""
        return variance_mm2


class BeamsEyeAxes:
    """Axes of the beam's-eye view: X and Y of the beam limiting device, and Z toward the source.

    The beam is moved across itself, so nothing along Z matters: it is neither followed nor judged.
    The projection is parallel. That of a source at 1000 mm differs from it by 1 % of the distance
    from the axis for every 10 mm that the target lies above or below the isocentre.
    """

    __slots__ = ("_across", "_along", "_to_source", "follows")

    def __init__(
        self, orientation: Orientation, angles: MachineAngles, follows: Followed = ACROSS_THE_BEAM
    ) -> None:
        """Compute the axes for a patient in this orientation, with the machine at these angles."""
        x, y, z = patient_to_table(PatientPoint((1.0, 1.0, 1.0)), orientation)
        rows = beams_eye_rows(*angles)
        self.follows = follows
        self._across, self._along, self._to_source = ((a * x, b * y, c * z) for a, b, c in rows)

    def from_patient(self, target: Triple) -> Triple:
        """Return the target along the three axes: across, along, and toward the source."""
        x, y, z = target
        (a, b, c), (d, e, f), (g, h, i) = self._across, self._along, self._to_source
        return (a * x + b * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z)

    def wanted(self, target: Triple) -> Triple:
        """Return the target along the axes that the machine follows, and 0 along the others."""
        x, y, z = self.from_patient(target)
        a, b, c = self.follows
        return (x if a else 0.0, y if b else 0.0, z if c else 0.0)

    def to_patient(self, position_mm: Triple) -> PatientPoint:
        """Return the point of the patient, in the isocentre plane, that the beam meets."""
        x, y, z = position_mm
        (a, b, c), (d, e, f), (g, h, i) = self._across, self._along, self._to_source
        return PatientPoint((a * x + d * y + g * z, b * x + e * y + h * z, c * x + f * y + i * z))

    def judged(self, target: Triple) -> Triple:
        """Return the target in beam's-eye view, with 0 along the beam."""
        x, y, _ = self.from_patient(target)
        return (x, y, 0.0)

    def judged_variance(self, variance_mm2: Triple) -> Triple:
        """Return the variances across and along the view; that along the beam does not matter."""
        x, y, z = variance_mm2
        (a, b, c), (d, e, f) = self._across, self._along
        return (a * a * x + b * b * y + c * c * z, d * d * x + e * e * y + f * f * z, 0.0)
