"""What a projection measures of the target, from pictures that the simulator's geometry makes."""

import math

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from hal.messages import Pair, ProjectionShot, Triple
from sim.geometry import lying
from tracker.core.frames import Orientation
from tracker.core.settings import Imager
from tracker.core.target.joint.shape import linearised
from tracker.core.target.projection import MeasuredTarget, measure_projection, rows_of

Reals = NDArray[np.float64]

IMAGER = Imager(kind="single")
SOURCE_MM = 1000.0
TARGET = (4.0, -7.0, 3.0)
COUCH = (2.0, 5.0, -1.0)


def matrix_at(angle_deg: float) -> Reals:
    a = math.radians(angle_deg)
    matrix = np.zeros((3, 4))
    matrix[0, :3], matrix[1, 1] = (math.cos(a), 0.0, -math.sin(a)), 1.0
    matrix[2] = (-math.sin(a) / SOURCE_MM, 0.0, -math.cos(a) / SOURCE_MM, 1.0)
    matrix[0] += 0.8 * matrix[2]
    return matrix


def shot_of(
    angle_deg: float,
    orientation: Orientation = "HFS",
    lost: tuple[int, ...] = (),
    swapped: bool = False,
) -> ProjectionShot:
    """The picture of the planned fiducials around `TARGET`, on a couch that has moved."""
    places = (np.array(TARGET) + np.array(IMAGER.fiducials_mm)) @ lying(orientation).T + COUCH
    matrix = matrix_at(angle_deg)
    seen = places @ matrix[:, :3].T + matrix[:, 3]
    flat = (seen[:, :2] / seen[:, 2:]).tolist()
    found: list[Pair | None] = [None if i in lost else (x, y) for i, (x, y) in enumerate(flat)]
    if swapped:
        found[0], found[1] = found[1], found[0]
    numbers = tuple(matrix.ravel().tolist())
    return ProjectionShot("imager", 10, 5, 1, numbers, tuple(found), angle_deg)


def measured(
    shot: ProjectionShot, expected: Triple = (0.0, 0.0, 0.0), orientation: Orientation = "HFS"
) -> MeasuredTarget:
    found = measure_projection(shot, COUCH, IMAGER, orientation, expected)
    assert isinstance(found, MeasuredTarget)
    return found


@pytest.mark.parametrize("orientation", ["HFS", "HFP", "FFS", "FFP"])
@pytest.mark.parametrize("angle_deg", [0.0, 37.0, 200.0])
def test_the_rows_lead_from_the_target_in_the_patient_to_what_was_measured(
    orientation: Orientation, angle_deg: float
) -> None:
    found = measured(shot_of(angle_deg, orientation), TARGET, orientation)
    seen, _ = linearised(found.rows, np.array(TARGET))
    np.testing.assert_allclose(found.measured_mm, seen, atol=1e-9)
    np.testing.assert_allclose(found.position_mm, TARGET, atol=1e-9)


def test_a_target_a_few_millimetres_off_the_expected_one_is_measured_as_well() -> None:
    found = measured(shot_of(30.0))
    seen, _ = linearised(found.rows, np.array(TARGET))
    np.testing.assert_allclose(found.measured_mm, seen, atol=0.02)


def test_the_position_is_moved_square_to_the_view_alone() -> None:
    found = measured(shot_of(90.0), (1.0, 2.0, 2.5))
    assert found.position_mm[0] == pytest.approx(1.0, abs=0.1)
    assert found.position_mm[1:] == pytest.approx(TARGET[1:], abs=0.1)


def test_a_lost_fiducial_makes_the_measurement_less_sure() -> None:
    whole, part = measured(shot_of(0.0), TARGET), measured(shot_of(0.0, lost=(1,)), TARGET)
    np.testing.assert_allclose(part.measured_mm, whole.measured_mm, atol=1e-9)
    assert part.variance_mm2[0] == pytest.approx(1.5 * whole.variance_mm2[0])


REFUSED = {
    "too few": (shot_of(0.0, lost=(0, 2)), "1 of 3 fiducials found, at least 2 needed"),
    "wrong names": (shot_of(0.0, swapped=True), "fiducials fit the plan to"),
    "another plan": (
        ProjectionShot("imager", 10, 5, 1, shot_of(0.0).projection, ((0.0, 0.0),), 0.0),
        "1 fiducials reported, 3 planned",
    ),
    "short matrix": (
        ProjectionShot("imager", 10, 5, 1, (1.0, 0.0), shot_of(0.0).fiducials_mm, 0.0),
        "a projection matrix of 2 numbers",
    ),
    "one direction": (
        ProjectionShot(
            "imager",
            10,
            5,
            1,
            (1.0, 0.0, 0.0, 0.0) * 2 + (0.0, 0.0, 0.0, 1.0),
            shot_of(0.0).fiducials_mm,
            0.0,
        ),
        "does not see two directions",
    ),
    "source at the isocentre": (
        ProjectionShot("imager", 10, 5, 1, (1.0,) * 9 + (0.0,) * 3, ((0.0, 0.0),) * 3, 0.0),
        "source at the isocentre",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_projection_that_cannot_be_trusted_is_refused_in_words(case: str) -> None:
    shot, words = REFUSED[case]
    found = measure_projection(shot, (0.0, 0.0, 0.0), IMAGER, "HFS", TARGET)
    assert isinstance(found, str)
    assert words in found


def test_rows_hold_the_couch() -> None:
    at_rest = rows_of(shot_of(0.0).projection, (0.0, 0.0, 0.0), "HFS")
    moved = rows_of(shot_of(0.0).projection, (3.0, 0.0, 0.0), "HFS")
    assert not isinstance(at_rest, str)
    assert not isinstance(moved, str)
    first, _ = linearised(at_rest, np.array([3.0, 0.0, 0.0]))
    second, _ = linearised(moved, np.zeros(3))
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_a_picture_that_says_its_noise_is_believed() -> None:
    plain, portal = shot_of(0.0), msgspec.structs.replace(shot_of(0.0), noise_mm=0.6)
    ratio = measured(portal).variance_mm2 / measured(plain).variance_mm2
    np.testing.assert_allclose(ratio, (0.6 / IMAGER.noise_mm) ** 2)
    wrong = msgspec.structs.replace(plain, noise_mm=-1.0)
    assert "a noise of -1.0 mm" in str(measure_projection(wrong, COUCH, IMAGER, "HFS", TARGET))
