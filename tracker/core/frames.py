"""The frames positions are given in, and every conversion between them.

Frames follow IEC 61217. *Fixed*: origin at the isocentre, +X to the right of a person facing the
gantry, +Y toward the gantry, +Z up. *Table*: axes of the fixed frame, moving with the couch.
*Patient*: +X left, +Y superior, +Z anterior, moving with the couch. *Camera*: the camera's own.
A position is a triple in millimetres and its frame is its type, so a value in the wrong frame is a
type error; at run time nothing is wrapped, since every marker of every frame comes through here.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, NewType

from hal.messages import Triple

Orientation = Literal["HFS", "HFP", "FFS", "FFP"]
Rows = tuple[Triple, Triple, Triple]


FixedPoint = NewType("FixedPoint", Triple)
"""A position in the fixed frame."""
TablePoint = NewType("TablePoint", Triple)
"""A position relative to the table top."""
PatientPoint = NewType("PatientPoint", Triple)
"""A position in the patient: left, superior, anterior."""
CameraPoint = NewType("CameraPoint", Triple)
"""A position in the camera's own frame."""

_PATIENT_SIGNS: dict[Orientation, Triple] = {
    "HFS": (1.0, 1.0, 1.0),
    "HFP": (-1.0, 1.0, -1.0),
    "FFS": (-1.0, -1.0, 1.0),
    "FFP": (1.0, -1.0, -1.0),
}
"""Signs of left, superior, anterior along table X, Y, Z: head or feet first, supine or prone.

Head first supine: the patient looks up, head toward the gantry, so left is +X, superior is +Y and
anterior is +Z. Prone turns by 180 degrees about Y, feet first by 180 degrees about Z.
"""


def rotation(angles_deg: Triple) -> Rows:
    """Give the matrix that turns about X, then Y, then Z of the fixed frame (right-handed)."""
    a, b, c = (math.radians(angle) for angle in angles_deg)
    ca, sa, cb, sb, cc, sc = (
        math.cos(a),
        math.sin(a),
        math.cos(b),
        math.sin(b),
        math.cos(c),
        math.sin(c),
    )
    return (
        (cc * cb, cc * sb * sa - sc * ca, cc * sb * ca + sc * sa),
        (sc * cb, sc * sb * sa + cc * ca, sc * sb * ca - cc * sa),
        (-sb, cb * sa, cb * ca),
    )


class CameraPose(NamedTuple):
    """Where the camera hangs: its axes (as rows of the matrix to the fixed frame) and origin."""

    rows: Rows
    origin: FixedPoint

    @staticmethod
    def of(position_mm: Triple, rotation_deg: Triple) -> CameraPose:
        """Build a pose from a position in the fixed frame and three angles."""
        return CameraPose(rotation(rotation_deg), FixedPoint(position_mm))

    def to_fixed(self, point: CameraPoint) -> FixedPoint:
        """Bring a camera position into the fixed frame."""
        x, y, z = point
        (a, b, c), (d, e, f), (g, h, i) = self.rows
        ox, oy, oz = self.origin
        return FixedPoint(
            (a * x + b * y + c * z + ox, d * x + e * y + f * z + oy, g * x + h * y + i * z + oz)
        )


def beams_eye_rows(gantry_deg: float, collimator_deg: float, table_deg: float) -> Rows:
    """Return the axes of the beam's-eye view in the table's axes, as rows: X, Y and Z.

    X and Y are those of the beam limiting device, and Z points to the source. The gantry turns
    about +Y of the fixed frame: at 90 degrees the source is at +X. The collimator turns about Z of
    the gantry, the table about +Z of the fixed frame, each right-handed (IEC 61217).
    """
    g, c, t = math.radians(gantry_deg), math.radians(collimator_deg), math.radians(table_deg)
    cg, sg, cc, sc, ct, st = (
        math.cos(g),
        math.sin(g),
        math.cos(c),
        math.sin(c),
        math.cos(t),
        math.sin(t),
    )
    fixed: Rows = (
        (cc * cg, sc, -cc * sg),
        (-sc * cg, cc, sc * sg),
        (sg, 0.0, cg),
    )
    (a, b, e), (d, f, h), (i, j, k) = fixed
    return (
        (a * ct + b * st, b * ct - a * st, e),
        (d * ct + f * st, f * ct - d * st, h),
        (i * ct + j * st, j * ct - i * st, k),
    )


def fixed_to_table(point: FixedPoint, couch: FixedPoint) -> TablePoint:
    """Take away the couch's displacement."""
    return TablePoint((point[0] - couch[0], point[1] - couch[1], point[2] - couch[2]))


def table_to_patient(point: TablePoint, orientation: Orientation) -> PatientPoint:
    """Turn table axes into left, superior, anterior."""
    sx, sy, sz = _PATIENT_SIGNS[orientation]
    return PatientPoint((sx * point[0], sy * point[1], sz * point[2]))


def patient_to_table(point: PatientPoint, orientation: Orientation) -> TablePoint:
    """Turn left, superior, anterior into table axes."""
    sx, sy, sz = _PATIENT_SIGNS[orientation]
    return TablePoint((sx * point[0], sy * point[1], sz * point[2]))
