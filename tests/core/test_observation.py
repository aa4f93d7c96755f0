"""Observation: the target is found wherever it lies and turns; what does not fit is refused."""

import math

import numpy as np
import pytest

from hal.messages import FiducialShot
from tracker.core.target.observation import LocatedTarget, locate

PLAN = ((11.0, -3.0, 5.0), (-7.0, 9.0, 2.0), (1.0, -13.0, -8.0))
"""Asymmetric, and not centred at the reference point."""
REST = (0.0, 0.0, 0.0)
COUCH = (3.0, -11.0, 2.0)
TARGET = (1.5, -4.0, 7.25)


def moved(points, by):
    return [tuple(a + b for a, b in zip(point, by, strict=True)) for point in points]


def turned(angle_deg, about=2, points=PLAN):
    """Turn points about an axis through the reference point, right-handed."""
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    i, j = (about + 1) % 3, (about + 2) % 3
    made = []
    for point in points:
        new = list(point)
        new[i], new[j] = c * point[i] - s * point[j], s * point[i] + c * point[j]
        made.append(tuple(new))
    return made


def located(fiducials, *, couch=REST, plan=PLAN, orientation="HFS", residual_mm=2.0, deg=15.0):
    shot = FiducialShot("imager", 9, 8, 7, tuple(fiducials))
    return locate(shot, couch, plan, orientation, residual_mm, deg)


def test_a_moved_target_is_found_and_the_couch_taken_off():
    found = located(moved(moved(PLAN, TARGET), COUCH), couch=COUCH)
    assert isinstance(found, LocatedTarget)
    assert found.position_mm == pytest.approx(TARGET, abs=1e-9)
    assert found.residual_mm == pytest.approx(0.0, abs=1e-9)
    assert found.fiducials == 3


def test_a_target_in_a_patient_who_lies_otherwise_is_found_in_patient_axes():
    """Feet first, prone: superior is -Y and anterior is -Z of the table."""
    fixed = [(x, -y, -z) for x, y, z in moved(PLAN, TARGET)]
    found = located(moved(fixed, COUCH), couch=COUCH, orientation="FFP")
    assert isinstance(found, LocatedTarget)
    assert found.position_mm == pytest.approx(TARGET, abs=1e-9)


@pytest.mark.parametrize("about", [0, 1, 2])
@pytest.mark.parametrize("angle_deg", [10.0, -14.999])
def test_a_turned_tumour_is_found_at_its_reference_point(about, angle_deg):
    found = located(moved(turned(angle_deg, about), TARGET))
    assert isinstance(found, LocatedTarget)
    assert found.position_mm == pytest.approx(TARGET, abs=1e-9)
    assert found.residual_mm == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("about", [0, 1, 2])
def test_a_tumour_turned_too_far_is_refused(about):
    said = located(turned(15.001, about))
    assert said == "fiducials are turned by 15 degrees, limit 15"
    assert located(turned(-90.0, about)) == "fiducials are turned by 90 degrees, limit 15"
    assert isinstance(located(turned(170.0, about), deg=171.0), LocatedTarget)
    assert "170 degrees, limit 169" in str(located(turned(170.0, about), deg=169.0))


def test_a_limit_is_a_limit_and_not_over_it():
    assert isinstance(located(PLAN, deg=0.0, residual_mm=1e-12), LocatedTarget)
    shrunk = [(-2.0, 0.0, 0.0), (2.0, 0.0, 0.0)]
    plan = ((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    assert isinstance(located(shrunk, plan=plan, residual_mm=2.0), LocatedTarget)
    said = located(shrunk, plan=plan, residual_mm=1.999)
    assert said == "fiducials fit the plan to 2.0 mm, limit 1.999 mm"


def test_fiducials_in_a_plane_are_turned_and_never_mirrored():
    """Of a plane the mirror image would fit as well; the half turn about it is what is found."""
    plane = ((10.0, 0.0, 0.0), (-4.0, 6.0, 0.0), (-6.0, -6.0, 0.0))
    flipped = [(-x, y, -z) for x, y, z in plane]
    assert "180 degrees" in str(located(flipped, plan=plane))
    found = located(moved(flipped, TARGET), plan=plane, deg=180.0)
    assert isinstance(found, LocatedTarget)
    assert found.residual_mm == pytest.approx(0.0, abs=1e-9)
    mirrored = [(x, y, -z) for x, y, z in [*PLAN, (3.0, 4.0, -9.0)]]
    said = located(mirrored, plan=(*PLAN, (3.0, 4.0, -9.0)), deg=180.0, residual_mm=0.5)
    assert "fit the plan" in str(said)


def test_the_rotation_found_is_the_best_one():
    """No small further turn brings the fiducials nearer; one fiducial is off by 1.5 mm."""
    seen = turned(8.0)
    seen[1] = (seen[1][0] + 0.9, seen[1][1] - 1.0, seen[1][2] + 0.7)
    found = located(seen, residual_mm=9.0)
    assert isinstance(found, LocatedTarget)
    centre = np.mean(seen, axis=0) - np.array(found.position_mm)
    plan_centre = np.mean(PLAN, axis=0)
    # The rotation carries the plan's centre onto that of the fiducials.
    assert np.linalg.norm(centre) == pytest.approx(np.linalg.norm(plan_centre), rel=1e-12)
    best = _least_squares(seen)
    assert found.position_mm == pytest.approx(best, abs=1e-6)


def _least_squares(seen):
    """The reference point by a search over rotation vectors, without an SVD."""
    from scipy.optimize import least_squares
    from scipy.spatial.transform import Rotation

    plan, points = np.array(PLAN), np.array(seen)

    def off(turn_and_shift):
        rotated = Rotation.from_rotvec(turn_and_shift[:3]).apply(plan)
        return (rotated + turn_and_shift[3:] - points).ravel()

    return least_squares(off, np.zeros(6), xtol=1e-14, ftol=1e-14, gtol=1e-14).x[3:]


def test_the_residual_is_the_largest_distance_from_the_fitted_plan():
    """Two fiducials pushed apart by 0.8 mm in all along their line: 0.4 mm each, 0.8 between."""
    plan = ((-10.0, 0.0, 0.0), (10.0, 0.0, 0.0))
    found = located([(-10.4, 0.0, 0.0), (10.4, 0.0, 0.0)], plan=plan)
    assert isinstance(found, LocatedTarget)
    assert found.residual_mm == pytest.approx(0.8, abs=1e-9)
    # Turned by 0.1 about Z: no distance changes, and a translation alone leaves 1 mm of each.
    found = located([(-10.0, -1.0, 0.0), (10.0, 1.0, 0.0)], plan=plan)
    assert isinstance(found, LocatedTarget)
    assert found.residual_mm == pytest.approx(1.0, abs=1e-9)
    assert found.fiducials == 2
    # All three axes count, and the farthest of the fiducials.
    off = [(-10.0, 0.0, 0.0), (10.6, 0.8, -2.4)]
    found = located(off, plan=plan, residual_mm=9.0)
    assert isinstance(found, LocatedTarget)
    assert found.residual_mm == pytest.approx(math.sqrt(0.09 + 0.16 + 1.44), abs=1e-9)


def test_each_distance_between_fiducials_is_judged():
    """The third of four is off along the line to the last: only that distance shows it whole."""
    plan = ((0.0, 0.0, 0.0), (20.0, 0.0, 0.0), (0.0, 20.0, 0.0), (0.0, 0.0, 20.0))
    seen = [*plan[:2], (0.0, 20.0 + math.sqrt(0.5), -math.sqrt(0.5)), plan[3]]
    found = located(seen, plan=plan)
    assert isinstance(found, LocatedTarget)
    between = math.dist(seen[2], seen[3]) - math.dist(plan[2], plan[3])
    assert found.residual_mm == pytest.approx(between, abs=1e-9)
    assert found.fiducials == 4


def test_two_fiducials_are_enough_and_one_is_not():
    found = located(moved([PLAN[0], PLAN[2]], TARGET), plan=(PLAN[0], PLAN[2]))
    assert isinstance(found, LocatedTarget)
    two = moved(PLAN, TARGET)
    two[1] = None
    found = located(two)
    assert isinstance(found, LocatedTarget)
    assert found.position_mm == pytest.approx(TARGET, abs=1e-9)
    assert found.fiducials == 2
    said = located([None, PLAN[1], None])
    assert said == "1 of 3 fiducials found, at least 2 needed"


def test_a_plan_with_one_fiducial_takes_it():
    found = located(moved(PLAN[:1], TARGET), plan=PLAN[:1])
    assert isinstance(found, LocatedTarget)
    assert found.position_mm == pytest.approx(TARGET, abs=1e-9)
    assert located([None], plan=PLAN[:1]) == "0 of 1 fiducials found, at least 2 needed"


@pytest.mark.parametrize(
    ("fiducials", "words"),
    [
        ([PLAN[1], PLAN[0], PLAN[2]], "limit"),  # two exchanged
        ([(PLAN[0][0] + 5.0, PLAN[0][1], PLAN[0][2]), PLAN[1], PLAN[2]], "limit"),
        ([*PLAN, PLAN[0]], "4 fiducials reported, 3 planned"),
        (PLAN[:2], "2 fiducials reported, 3 planned"),
        ([PLAN[0], PLAN[1], (math.nan, 0.0, 0.0)], "fiducial 3 is at (nan, 0.0, 0.0)"),
        ([(0.0, math.inf, 0.0), PLAN[1], PLAN[2]], "fiducial 1 is at (0.0, inf, 0.0)"),
    ],
)
def test_what_does_not_fit_the_plan_is_refused_in_words(fiducials, words):
    assert words in str(located(fiducials))


def test_rounding_never_makes_an_angle_that_does_not_exist():
    """The cosine of no turn and of half a turn comes out a little over 1 for some positions."""
    for k in range(60):
        aside = (0.1 * k, 0.0, 0.0)
        assert isinstance(located(moved(PLAN, aside)), LocatedTarget)
        for about in (1, 2):
            assert "by 180 degrees" in str(located(moved(turned(180.0, about), aside)))
