"""Frames: asymmetric vectors that any changed sign or swapped axis fails."""

import cmath
import itertools
import math

import numpy as np
import pytest

from hal.messages import Triple
from tracker.core.frames import (
    CameraPoint,
    CameraPose,
    FixedPoint,
    PatientPoint,
    TablePoint,
    beams_eye_rows,
    fixed_to_table,
    patient_to_table,
    rotation,
    table_to_patient,
)

POINT = (3.0, 20.0, 300.0)


@pytest.mark.parametrize(
    ("orientation", "patient"),
    [
        # Head first supine on a table seen from the foot end: left is right of the viewer.
        ("HFS", (3.0, 20.0, 300.0)),
        # Prone: turned about the long axis, so left and anterior change side.
        ("HFP", (-3.0, 20.0, -300.0)),
        # Feet first: turned about the vertical, so left and superior change side.
        ("FFS", (-3.0, -20.0, 300.0)),
        ("FFP", (3.0, -20.0, -300.0)),
    ],
)
def test_orientation_of_the_patient(orientation, patient):
    assert table_to_patient(TablePoint(POINT), orientation) == PatientPoint(patient)
    assert patient_to_table(PatientPoint(patient), orientation) == TablePoint(POINT)


def test_every_orientation_is_right_handed():
    axes = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    for orientation in ("HFS", "HFP", "FFS", "FFP"):
        signs = [table_to_patient(TablePoint(a), orientation)[i] for i, a in enumerate(axes)]
        assert signs[0] * signs[1] * signs[2] == 1.0


def test_couch_motion_is_taken_away():
    couch = FixedPoint((0.5, -4.0, 7.0))
    assert fixed_to_table(FixedPoint(POINT), couch) == TablePoint((2.5, 24.0, 293.0))


@pytest.mark.parametrize(
    ("angles", "turned"),
    [
        ((90.0, 0.0, 0.0), (3.0, -300.0, 20.0)),  # about X: y goes to z
        ((0.0, 90.0, 0.0), (300.0, 20.0, -3.0)),  # about Y: z goes to x
        ((0.0, 0.0, 90.0), (-20.0, 3.0, 300.0)),  # about Z: x goes to y
        ((90.0, 90.0, 0.0), (20.0, -300.0, -3.0)),  # X first, then Y
        ((0.0, 90.0, 90.0), (-20.0, 300.0, -3.0)),  # Y first, then Z
    ],
)
def test_rotation_turns_about_x_then_y_then_z(angles, turned):
    pose = CameraPose(rotation(angles), FixedPoint((0.0, 0.0, 0.0)))
    assert pose.to_fixed(CameraPoint(POINT)) == pytest.approx(turned)


def about(axis, angle_deg, vector):
    """A right-handed turn about one axis, worked out in the plane it turns."""
    one, two = (axis + 1) % 3, (axis + 2) % 3
    turned = complex(vector[one], vector[two]) * cmath.rect(1.0, math.radians(angle_deg))
    out = list(vector)
    out[one], out[two] = turned.real, turned.imag
    return tuple(out)


@pytest.mark.parametrize("angles", [(12.0, -34.0, 56.0), (-100.0, 20.0, 7.0), (5.0, 160.0, -80.0)])
def test_rotation_is_three_turns_in_their_planes(angles):
    expected = POINT
    for axis in range(3):
        expected = about(axis, angles[axis], expected)
    pose = CameraPose.of((10.0, -200.0, 1500.0), angles)
    moved = tuple(a + b for a, b in zip(expected, (10.0, -200.0, 1500.0), strict=True))
    assert pose.to_fixed(CameraPoint(POINT)) == pytest.approx(moved)


@pytest.mark.parametrize(
    ("orientation", "head", "face", "left_hand"),
    [
        # IEC 61217, table at zero: +Y toward the gantry, +Z up, +X to the right of a person
        # who faces the gantry. Where head, face and left hand of the patient then are.
        ("HFS", (0, 1, 0), (0, 0, 1), (1, 0, 0)),
        ("HFP", (0, 1, 0), (0, 0, -1), (-1, 0, 0)),
        ("FFS", (0, -1, 0), (0, 0, 1), (-1, 0, 0)),
        ("FFP", (0, -1, 0), (0, 0, -1), (1, 0, 0)),
    ],
)
def test_where_head_face_and_left_hand_are(orientation, head, face, left_hand):
    assert patient_to_table(PatientPoint((0, 1, 0)), orientation) == TablePoint(head)
    assert patient_to_table(PatientPoint((0, 0, 1)), orientation) == TablePoint(face)
    assert patient_to_table(PatientPoint((1, 0, 0)), orientation) == TablePoint(left_hand)


def test_camera_pose_turns_then_moves():
    pose = CameraPose.of((10.0, -2000.0, 1500.0), (90.0, 0.0, 0.0))
    assert pose.to_fixed(CameraPoint((0.0, 0.0, 0.0))) == FixedPoint((10.0, -2000.0, 1500.0))
    assert pose.to_fixed(CameraPoint(POINT)) == pytest.approx((13.0, -2300.0, 1520.0))


def test_rotation_matrices_are_orthonormal():
    rows = rotation((12.0, -34.0, 56.0))
    for a, b in itertools.product(range(3), repeat=2):
        dot = sum(rows[a][k] * rows[b][k] for k in range(3))
        assert dot == pytest.approx(1.0 if a == b else 0.0)


def test_each_frame_has_a_type_of_its_own_of_three_numbers() -> None:
    types = (FixedPoint, TablePoint, PatientPoint, CameraPoint)
    assert [each.__supertype__ for each in types] == [Triple] * 4
    assert len({each.__name__ for each in types}) == 4


def test_the_beams_eye_view_is_the_chain_of_gantry_collimator_and_table():
    """At angles whose sines and cosines all differ, in size and not only in sign."""

    def turn(axis, degrees):
        a, b = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        i, j = (axis + 1) % 3, (axis + 2) % 3
        matrix = np.eye(3)
        matrix[i, i] = matrix[j, j] = a
        matrix[i, j], matrix[j, i] = -b, b
        return matrix

    for gantry, collimator, table in ((20.0, 35.0, 62.0), (-110.0, 200.0, -17.0)):
        chain = turn(1, gantry) @ turn(2, collimator)
        expected = chain.T @ turn(2, table)
        assert np.array(beams_eye_rows(gantry, collimator, table)) == pytest.approx(expected)
