"""The twin of a single imager: its matrices lead from the fiducials to what it reports."""

import math

import numpy as np
import pytest

from hal.events import SendExpose
from hal.messages import ProjectionShot, Sample
from sim.imager import SimulatedImager
from sim.patient import SimulatedPatient
from sim.sampling import NEVER_NS
from sim.scenario import Mishap, RoomImager, RoomScenario

SECOND = 1_000_000_000
ROOM = RoomScenario(duration_s=20.0)
PATIENT = SimulatedPatient.generated(ROOM, 1)
QUIET = RoomImager(kind="single", noise_mm=0.0, jitter_ms=0.0, portal_noise_mm=0.0)


def gantry_at(time_s: float) -> np.ndarray:
    """Axes of a gantry that turns by 10 degrees a second."""
    a = math.radians(10.0 * time_s)
    return np.array(
        [[math.cos(a), 0.0, -math.sin(a)], [0.0, 1.0, 0.0], [math.sin(a), 0.0, math.cos(a)]]
    )


def answers(
    settings: RoomImager, *mishaps: Mishap, until_s: float = 3.0, on_from_s: float = 99.0
) -> list[Sample]:
    imager = SimulatedImager(
        settings, "imager", PATIENT, "HFS", mishaps, 1,
        axes_at=gantry_at, beam_on=lambda t_ns: t_ns >= on_from_s * SECOND,
    )  # fmt: skip
    imager.obey(SendExpose(SECOND, "imager", 7))
    out: list[Sample] = []
    imager.collect(round(until_s * SECOND), None, out)
    return out


def places_at(t_ns: int) -> np.ndarray:
    inside = PATIENT.internal(np.array([t_ns * 1e-9]))[0]
    return np.array(QUIET.fiducials_mm) + inside


def projected(shot: ProjectionShot) -> np.ndarray:
    matrix = np.array(shot.projection).reshape(3, 4)
    seen = places_at(shot.ticks) @ matrix[:, :3].T + matrix[:, 3]
    return seen[:, :2] / seen[:, 2:]


def test_what_is_reported_is_the_projection_of_the_fiducials() -> None:
    (shot,) = answers(QUIET)
    assert isinstance(shot, ProjectionShot)
    assert shot.shot_id == 7
    np.testing.assert_allclose(np.array(shot.fiducials_mm), projected(shot), atol=1e-9)


def test_the_source_stands_square_to_the_beam_and_turns_with_the_gantry() -> None:
    (shot,) = answers(QUIET)
    assert isinstance(shot, ProjectionShot)
    assert shot.angle_deg == pytest.approx(90.0 + 10.0 * shot.ticks / SECOND)
    # At about 100 degrees the picture shows little of left and right, and much of front and back.
    matrix = np.array(shot.projection).reshape(3, 4)
    assert abs(matrix[0, 0]) < 0.2
    assert matrix[0, 2] < -0.9


def test_a_point_nearer_to_the_source_is_magnified() -> None:
    (shot,) = answers(QUIET)
    assert isinstance(shot, ProjectionShot)
    matrix = np.array(shot.projection).reshape(3, 4)
    a = math.radians(shot.angle_deg)
    toward = np.array([math.sin(a), 0.0, math.cos(a)])
    for depth_mm in (-100.0, 100.0):
        seen = matrix @ np.append(depth_mm * toward + [0.0, 10.0, 0.0], 1.0)
        shift = matrix @ np.append(depth_mm * toward, 1.0)
        along = seen[1] / seen[2] - shift[1] / shift[2]
        assert along == pytest.approx(10.0 * 1000.0 / (1000.0 - depth_mm))


def test_a_lost_fiducial_is_none_and_a_swap_changes_names() -> None:
    lost = Mishap(kind="fiducial_lost", on="imager", at_s=0.5, duration_s=5.0, which=1)
    (shot,) = answers(QUIET, lost)
    assert isinstance(shot, ProjectionShot)
    assert shot.fiducials_mm[1] is None
    swap = Mishap(kind="fiducial_swap", on="imager", at_s=0.5, duration_s=5.0, which=0)
    (other,) = answers(QUIET, swap)
    assert isinstance(other, ProjectionShot)
    plain = projected(other)
    np.testing.assert_allclose(np.array(other.fiducials_mm), plain[[1, 0, 2]], atol=1e-9)


def test_pictures_of_the_beam_come_by_themselves_while_it_is_on() -> None:
    settings = RoomImager(
        kind="single", noise_mm=0.0, jitter_ms=0.0, portal_every_s=2.0, portal_noise_mm=0.4
    )
    shots = answers(settings, until_s=9.0, on_from_s=5.0)
    portals = [s for s in shots if isinstance(s, ProjectionShot) and s.shot_id == 0]
    assert [s.ticks / SECOND for s in portals] == [6.0, 8.0]
    assert [s.noise_mm for s in portals] == [0.4, 0.4]
    assert portals[0].angle_deg == pytest.approx(60.0)
    off = np.array(portals[0].fiducials_mm) - projected(portals[0])
    assert 0.01 < float(np.abs(off).max()) < 2.0


def test_without_portal_pictures_nothing_is_due_before_a_request() -> None:
    imager = SimulatedImager(QUIET, "imager", PATIENT, "HFS", (), 1)
    assert imager.due_ns == NEVER_NS
