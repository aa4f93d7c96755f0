"""What a projection measures of the target, from pictures that the simulator's geometry makes."""

import math

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from hal.messages import FiducialShot, Pair, ProjectionShot, Triple
from sim.geometry import lying
from tracker.core.frames import Orientation
from tracker.core.settings import Imager
from tracker.core.target.joint.shape import linearised
from tracker.core.target.projection import (
    MeasuredTarget,
    measure_pair,
    measure_projection,
    rows_of,
)

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
    still = msgspec.structs.replace(IMAGER, noise_mm=0.0)
    assert "a noise of 0.0 mm" in str(measure_projection(plain, COUCH, still, "HFS", TARGET))


# Pairs -------------------------------------------------------------------------------------------


def pair_of(lost: tuple[int, ...] = (), orientation: Orientation = "HFP") -> FiducialShot:
    """The planned fiducials around `TARGET`, located by a pair."""
    places = (np.array(TARGET) + np.array(IMAGER.fiducials_mm)) @ lying(orientation).T + COUCH
    found: list[Triple | None] = [
        None if i in lost else (x, y, z) for i, (x, y, z) in enumerate(places.tolist())
    ]
    return FiducialShot("imager", 10, 5, 1, tuple(found))


def test_a_pair_measures_the_three_coordinates_of_the_target() -> None:
    found = measure_pair(pair_of(lost=(1,)), COUCH, IMAGER, "HFP")
    assert isinstance(found, MeasuredTarget)
    assert isinstance(found.position_mm, tuple)
    np.testing.assert_allclose(found.measured_mm, TARGET, atol=1e-9)
    np.testing.assert_allclose(found.position_mm, TARGET, atol=1e-9)
    np.testing.assert_allclose(found.variance_mm2, np.full(3, IMAGER.noise_mm**2 / 2.0))
    expected = np.zeros((3, 8))
    expected[(0, 1, 2), (0, 1, 2)], expected[:, 7] = 1.0, 1.0
    np.testing.assert_array_equal(found.rows, expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"rigid_residual_mm": 1e-3}, "limit 0.001 mm"), ({"rotation_deg": 1e-3}, "limit 0.001")],
)
def test_a_pair_that_does_not_fit_the_plan_is_refused(
    changes: dict[str, float], words: str
) -> None:
    shot = pair_of()
    first = shot.fiducials_mm[0]
    assert first is not None
    bent = msgspec.structs.replace(
        shot, fiducials_mm=((first[0] + 0.5, *first[1:]), *shot.fiducials_mm[1:])
    )
    imager = msgspec.structs.replace(IMAGER, **changes)
    found = measure_pair(bent, COUCH, imager, "HFP")
    assert isinstance(found, str)
    assert words in found


# The geometry of one view ------------------------------------------------------------------------

ONE = Imager(kind="single", fiducials_mm=((0.0, 0.0, 0.0),))
PARALLEL = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def seen_at(numbers: tuple[float, ...], *places: Pair | None) -> ProjectionShot:
    return ProjectionShot("imager", 10, 5, 1, numbers, places, 0.0)


@pytest.mark.parametrize("z", [150.0, 1300.0, -1300.0])
def test_the_position_is_the_nearest_that_the_view_allows(z: float) -> None:
    """One of the far ones lies behind the source, and counts as near to it."""
    expected = (30.0, -20.0, z)
    numbers = tuple(matrix_at(40.0).ravel().tolist())
    found = measure_projection(seen_at(numbers, (55.0, -31.0)), COUCH, ONE, "FFP", expected)
    assert isinstance(found, MeasuredTarget)
    rows = rows_of(numbers, COUCH, "FFP")
    assert not isinstance(rows, str)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.variance_mm2, np.full(2, ONE.noise_mm**2), rtol=1e-12)
    place = np.array(expected)
    bottom = max(float(rows[0, 4:7] @ place) + float(rows[0, 7]), 0.1)
    seen = (rows[:, :3] @ place + rows[:, 3]) / bottom
    gradient = (rows[:, :3] - np.outer(seen, rows[0, 4:7])) / bottom
    shift = np.array((55.0, -31.0)) - seen
    np.testing.assert_allclose(found.measured_mm, (55.0, -31.0), atol=1e-9)
    moved = np.array(found.position_mm) - place
    np.testing.assert_allclose(gradient @ moved, shift, rtol=1e-9)
    across = np.cross(gradient[0], gradient[1])
    assert abs(float(moved @ across)) <= 1e-9 * float(
        np.linalg.norm(moved) * np.linalg.norm(across)
    )


@pytest.mark.parametrize("factor", [3.0, -2.0, 1e-9])
def test_the_scale_of_a_matrix_does_not_matter(factor: float) -> None:
    plain = rows_of(PARALLEL, COUCH, "HFS")
    scaled = rows_of(tuple(factor * each for each in PARALLEL), COUCH, "HFS")
    assert not isinstance(plain, str)
    assert not isinstance(scaled, str)
    np.testing.assert_allclose(scaled, plain, rtol=1e-12)


def test_one_direction_seen_twice_is_refused_wherever_it_is_seen() -> None:
    shifted = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 1.0)
    assert "does not see two directions" in str(rows_of(shifted, COUCH, "HFS"))
    assert "does not see two directions" in str(
        rows_of((*shifted[:8], 0.0, 1e-3, 0.0, 1.0), COUCH, "HFS")
    )


def test_the_limit_of_the_fit_itself_is_allowed() -> None:
    imager = Imager(
        kind="single", rigid_residual_mm=2.0, fiducials_mm=((8.0, 0.0, 0.0), (-8.0, 0.0, 0.0))
    )
    at_limit = seen_at(PARALLEL, (10.0, 0.0), (-10.0, 0.0))
    found = measure_projection(at_limit, (0.0, 0.0, 0.0), imager, "HFS", (0.0, 0.0, 0.0))
    assert isinstance(found, MeasuredTarget)
    np.testing.assert_array_equal(found.measured_mm, (0.0, 0.0))


def test_a_fiducial_without_a_place_is_refused() -> None:
    shot = seen_at(PARALLEL, None, (math.nan, 1.0), (0.0, 0.0))
    found = measure_projection(shot, COUCH, IMAGER, "HFS", TARGET)
    assert found == "a fiducial is at (nan, 1.0)"
