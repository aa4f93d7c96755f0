"""Turn a beam's direction in the patient into the angles of gantry, collimator and table, and back.

The patient frame is left, superior, anterior; DICOM's is left, posterior, superior.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from hal.messages import Triple
from tracker.core.frames import (
    Orientation,
    PatientPoint,
    TablePoint,
    beams_eye_rows,
    patient_to_table,
    table_to_patient,
)


class BeamAngles(NamedTuple):
    """Angles after IEC 61217, in degrees from 0 to below 360."""

    gantry_deg: float
    collimator_deg: float
    table_deg: float


def to_dicom(point: Triple) -> Triple:
    """Return a point of the patient frame in DICOM's axes."""
    left, superior, anterior = point
    return (left, -anterior, superior)


def from_dicom(point: Triple) -> Triple:
    """Return a point in DICOM's axes in the patient frame."""
    left, posterior, superior = point
    return (left, superior, -posterior)


def angles_of(
    direction: Triple, across: Triple | None, orientation: Orientation = "HFS"
) -> BeamAngles:
    """Return the angles at which a beam runs along ``direction``, its width along ``across``.

    The table turns by at most 90 degrees to either side. ``direction`` points from the source to
    the isocentre, patient frame.
    """
    to_source = PatientPoint((-direction[0], -direction[1], -direction[2]))
    x, y, z = patient_to_table(to_source, orientation)
    side = math.hypot(x, y)
    if side < 1e-9:
        gantry, table = (0.0 if z > 0.0 else 180.0), 0.0
    else:
        # The source is at (sin g cos t, -sin g sin t, cos g) in the table's axes.
        sign = 1.0 if x >= 0.0 else -1.0
        gantry = math.degrees(math.atan2(sign * side, z))
        table = math.degrees(math.atan2(-sign * y, sign * x))
    collimator = 0.0
    if across is not None:
        rows = beams_eye_rows(gantry, 0.0, table)
        wide = patient_to_table(PatientPoint(across), orientation)
        on_x = sum(a * b for a, b in zip(rows[0], wide, strict=True))
        on_y = sum(a * b for a, b in zip(rows[1], wide, strict=True))
        collimator = math.degrees(math.atan2(on_y, on_x))
    return BeamAngles(_turn(gantry), _turn(collimator), _turn(table))


def axes_of(angles: BeamAngles, orientation: Orientation) -> tuple[Triple, Triple, Triple]:
    """Return the beam's-eye axes X and Y and the direction from the source, patient frame."""
    x, y, z = beams_eye_rows(*angles)
    across = table_to_patient(TablePoint(x), orientation)
    up = table_to_patient(TablePoint(y), orientation)
    a, b, c = table_to_patient(TablePoint(z), orientation)
    return across, up, (-a, -b, -c)


def _turn(angle_deg: float) -> float:
    """Return an angle from 0 to below 360, rounded to a millionth of a degree."""
    return round(angle_deg, 6) % 360.0
