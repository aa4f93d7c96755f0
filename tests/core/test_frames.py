"""Frames: asymmetric vectors that any changed sign or swapped axis fails."""

import itertools

import pytest

from tracker.core.frames import (
    CameraPoint,
    CameraPose,
    FixedPoint,
    PatientPoint,
    TablePoint,
    fixed_to_table,
    patient_to_table,
    rotation,
    table_to_patient,
)

POINT = (1.0, 20.0, 300.0)


@pytest.mark.parametrize(
    ("orientation", "patient"),
    [
        # Head first supine on a table seen from the foot end: left is right of the viewer.
        ("HFS", (1.0, 20.0, 300.0)),
        # Prone: turned about the long axis, so left and anterior change side.
        ("HFP", (-1.0, 20.0, -300.0)),
        # Feet first: turned about the vertical, so left and superior change side.
        ("FFS", (-1.0, -20.0, 300.0)),
        ("FFP", (1.0, -20.0, -300.0)),
    ],
)
def test_orientation_of_the_patient(orientation, patient):
    assert table_to_patient(TablePoint(*POINT), orientation) == PatientPoint(*patient)
    assert patient_to_table(PatientPoint(*patient), orientation) == TablePoint(*POINT)


def test_every_orientation_is_right_handed():
    axes = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
    for orientation in ("HFS", "HFP", "FFS", "FFP"):
        signs = [table_to_patient(TablePoint(*a), orientation)[i] for i, a in enumerate(axes)]
        assert signs[0] * signs[1] * signs[2] == 1.0


def test_couch_motion_is_taken_away():
    couch = FixedPoint(0.5, -4.0, 7.0)
    assert fixed_to_table(FixedPoint(*POINT), couch) == TablePoint(0.5, 24.0, 293.0)


@pytest.mark.parametrize(
    ("angles", "turned"),
    [
        ((90.0, 0.0, 0.0), (1.0, -300.0, 20.0)),  # about X: y goes to z
        ((0.0, 90.0, 0.0), (300.0, 20.0, -1.0)),  # about Y: z goes to x
        ((0.0, 0.0, 90.0), (-20.0, 1.0, 300.0)),  # about Z: x goes to y
        ((90.0, 90.0, 0.0), (20.0, -300.0, -1.0)),  # X first, then Y
        ((0.0, 90.0, 90.0), (-20.0, 300.0, -1.0)),  # Y first, then Z
    ],
)
def test_rotation_turns_about_x_then_y_then_z(angles, turned):
    pose = CameraPose(rotation(angles), FixedPoint(0.0, 0.0, 0.0))
    assert pose.to_fixed(CameraPoint(*POINT)) == pytest.approx(turned)


def test_camera_pose_turns_then_moves():
    pose = CameraPose.of((10.0, -2000.0, 1500.0), (90.0, 0.0, 0.0))
    assert pose.to_fixed(CameraPoint(0.0, 0.0, 0.0)) == FixedPoint(10.0, -2000.0, 1500.0)
    assert pose.to_fixed(CameraPoint(*POINT)) == pytest.approx((11.0, -2300.0, 1520.0))


def test_rotation_matrices_are_orthonormal():
    rows = rotation((12.0, -34.0, 56.0))
    for a, b in itertools.product(range(3), repeat=2):
        dot = sum(rows[a][k] * rows[b][k] for k in range(3))
        assert dot == pytest.approx(1.0 if a == b else 0.0)
