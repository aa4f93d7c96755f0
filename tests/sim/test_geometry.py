"""Where things appear: vectors without symmetry, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hal.events import SendDemand, SendExpose
from hal.messages import FiducialShot, MarkerFrame
from sim.geometry import lying, rotated, turned_xyz
from sim.patient import SimulatedPatient
from sim.room import SimulatedRoom
from sim.scenario import ChestMarker, Derived, RoomActuator, RoomCamera, RoomImager
from sim.scenario import RoomPatient as PatientSettings
from sim.scenario import RoomScenario as RoomSettings

SECOND = 1_000_000_000

PATIENT_TO_FIXED = {
    "HFS": (1.0, 2.0, 5.0),
    "HFP": (-1.0, 2.0, -5.0),
    "FFS": (-1.0, -2.0, 5.0),
    "FFP": (1.0, -2.0, -5.0),
}
"""(1 left, 2 superior, 5 anterior) in the fixed frame."""


@pytest.mark.parametrize("orientation", PATIENT_TO_FIXED)
def test_orientation(orientation):
    matrix = lying(orientation)
    assert tuple(rotated(np.array([1.0, 2.0, 5.0]), matrix)) == PATIENT_TO_FIXED[orientation]
    assert np.linalg.det(matrix) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("rotation_deg", "image"),
    [
        ((90.0, 0.0, 0.0), (1.0, -5.0, 2.0)),  # x stays, y to z, z to -y
        ((0.0, 90.0, 0.0), (5.0, 2.0, -1.0)),  # y stays, z to x, x to -z
        ((0.0, 0.0, 90.0), (-2.0, 1.0, 5.0)),  # z stays, x to y, y to -x
        ((90.0, 0.0, 90.0), (5.0, 1.0, 2.0)),  # about X first: x to y, y to z, z to x
        ((180.0, 0.0, 0.0), (1.0, -2.0, -5.0)),
    ],
)
def test_camera_axes_are_turned_about_x_then_y_then_z_of_the_fixed_frame(rotation_deg, image):
    assert rotated(np.array([1.0, 2.0, 5.0]), turned_xyz(rotation_deg)) == pytest.approx(image)


def settled_room(still, orientation: str, kind: str = "couch") -> SimulatedRoom:
    """A patient who does not breathe, on a couch that has gone to (3, -7, 11)."""
    marker = ChestMarker(rest_mm=(10.0, -40.0, 115.0))
    settings = RoomSettings(
        patient=PatientSettings(markers=(marker,), derived=Derived(wander_mm=0.0)),
        camera=RoomCamera(
            noise_mm=0.0, position_mm=(100.0, -2000.0, 1500.0), rotation_deg=(90.0, 0.0, 90.0)
        ),
        imager=RoomImager(noise_mm=0.0, fiducials_mm=((1.0, 12.0, 4.0), (9.0, -6.0, -3.0))),
        actuator=RoomActuator(kind=kind, encoder_noise_mm=0.0),  # pyright: ignore[reportArgumentType]
    )
    patient = SimulatedPatient.recorded(settings, still(), 1)
    room = SimulatedRoom(settings, patient, 1, orientation=orientation)  # pyright: ignore[reportArgumentType]
    room.obey(SendDemand(0, "couch", (3.0, -7.0, 11.0)))
    room.advance(9 * SECOND)
    room.obey(SendExpose(9 * SECOND, "imager", 77))
    return room


# Rest of the marker in the fixed frame, plus the couch's (3, -7, 11).
MARKER_FIXED = {
    "HFS": (13.0, -47.0, 126.0),
    "HFP": (-7.0, -47.0, -104.0),
    "FFS": (-7.0, 33.0, 126.0),
    "FFP": (13.0, 33.0, -104.0),
}


@pytest.mark.parametrize("orientation", MARKER_FIXED)
def test_camera_sees_the_marker_where_couch_and_orientation_put_it(still, orientation):
    room = settled_room(still, orientation)
    x, y, z = MARKER_FIXED[orientation]
    # The camera's x is the room's y, its y the room's z, its z the room's x.
    seen = (y + 2000.0, z - 1500.0, x - 100.0)
    frames = [s for s in room.advance(10 * SECOND) if isinstance(s, MarkerFrame)]
    assert len(frames) > 50
    for frame in frames:
        assert frame.markers_mm == (pytest.approx(seen, abs=1e-3),)


def test_imager_finds_the_fiducials_in_the_fixed_frame(still):
    room = settled_room(still, "FFS")
    (shot,) = [s for s in room.advance(10 * SECOND) if isinstance(s, FiducialShot)]
    assert shot.shot_id == 77
    assert shot.ticks == 9 * SECOND + 10_000_000
    assert shot.fiducials_mm[0] == pytest.approx((2.0, -19.0, 15.0), abs=1e-3)
    assert shot.fiducials_mm[1] == pytest.approx((-6.0, -1.0, 8.0), abs=1e-3)
    assert shot.t_ns - shot.ticks == pytest.approx(300e6, abs=30.1e6)


def test_a_robot_does_not_carry_the_patient(still):
    room = settled_room(still, "HFS", kind="robot")
    frames = [s for s in room.advance(10 * SECOND) if isinstance(s, MarkerFrame)]
    assert frames[-1].markers_mm == (pytest.approx((1960.0, -1385.0, -90.0), abs=1e-6),)


def test_truth_tells_target_in_both_frames(still):
    target = np.zeros((201, 4))
    target[150:, :3] = (1.0, 2.0, 5.0)
    settings = RoomSettings(patient=PatientSettings(reference_s=10.0))
    patient = SimulatedPatient.recorded(settings, still(values=target), 1)
    room = SimulatedRoom(settings, patient, 1, orientation="FFP")
    (truth,) = room.truth_between(18 * SECOND, 18 * SECOND + 1)
    assert truth.target_mm == pytest.approx((1.0, 2.0, 5.0))
    assert truth.target_fixed_mm == pytest.approx((1.0, -2.0, -5.0))
