"""Keep-out: which way comes too near to which volume, dense at every face and at the margin."""

import math

import pytest

from tracker.core.machine.keep_out import KeepOutVolumes, crosses_box, crosses_sphere
from tracker.core.settings import Box, KeepOut, Sphere

LOW, HIGH = (10.0, -20.0, 30.0), (16.0, -8.0, 34.0)
BOX = Box(low_mm=LOW, high_mm=HIGH)
MIDDLE = (13.0, -14.0, 32.0)
MARGIN = 2.0
BALL = Sphere(centre_mm=(10.0, -20.0, 30.0), radius_mm=4.0)
REST = (0.0, 0.0, 0.0)
FAR = 1000.0


def at(axis: int, value: float, elsewhere=MIDDLE) -> tuple[float, float, float]:
    x, y, z = (value if k == axis else elsewhere[k] for k in range(3))
    return (x, y, z)


def volumes(*, boxes=(), spheres=(), margin_mm=MARGIN, horizon_ms=200.0) -> KeepOutVolumes:
    return KeepOutVolumes(
        KeepOut(boxes_mm=boxes, spheres_mm=spheres, margin_mm=margin_mm, horizon_ms=horizon_ms)
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_way_along_an_axis_meets_the_grown_box_from_either_side(axis):
    for face, away in ((LOW[axis] - MARGIN, -1.0), (HIGH[axis] + MARGIN, 1.0)):
        start = at(axis, face + away * 5.0)
        for beyond, meets in ((0.01, False), (0.0, True), (-0.01, True)):
            assert crosses_box(start, at(axis, face + away * beyond), BOX, MARGIN) is meets
            assert crosses_box(at(axis, face + away * beyond), start, BOX, MARGIN) is meets
        assert crosses_box(start, at(axis, face - away * FAR), BOX, MARGIN), "through it"
        assert not crosses_box(start, at(axis, face + away * FAR), BOX, MARGIN), "away from it"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_way_past_a_face_passes_and_one_along_the_face_does_not(axis):
    other = (axis + 1) % 3
    for face, away in ((LOW[axis] - MARGIN, -1.0), (HIGH[axis] + MARGIN, 1.0)):
        for beyond, meets in ((0.01, False), (0.0, True), (-0.01, True)):
            beside = at(axis, face + away * beyond)
            start, end = at(other, -FAR, beside), at(other, FAR, beside)
            assert crosses_box(start, end, BOX, MARGIN) is meets
            assert crosses_box(beside, beside, BOX, MARGIN) is meets, "standing still"


def test_a_slanting_way_past_an_edge_misses_the_box():
    # In the plane z = 32 the grown box ends at x = 18 and y = -6: the way crosses both lines
    # outside the corner, then inside it.
    assert not crosses_box((15.0, -1.9, 32.0), (21.0, -7.9, 32.0), BOX, MARGIN)
    assert not crosses_box((21.0, -7.9, 32.0), (15.0, -1.9, 32.0), BOX, MARGIN)
    assert crosses_box((15.0, -4.1, 32.0), (21.0, -10.1, 32.0), BOX, MARGIN)
    assert crosses_box((21.0, -10.1, 32.0), (15.0, -4.1, 32.0), BOX, MARGIN)
    assert not crosses_box((13.0, -1.9, 39.0), (13.0, -7.9, 33.0), BOX, 0.0)


def test_a_very_short_way_counts_as_standing():
    thin = Box(low_mm=(5e-13, -1.0, -1.0), high_mm=(1.0, 1.0, 1.0))
    assert crosses_box(REST, (1e-12, 0.0, 0.0), thin, 0.0)
    assert not crosses_box(REST, (0.9e-12, 0.0, 0.0), thin, 0.0)
    beside = LOW[0] - MARGIN - 1e-13
    assert not crosses_box(at(0, beside), at(0, beside + 9e-13), BOX, MARGIN)
    assert crosses_box(at(0, beside), at(0, beside + 3e-12), BOX, MARGIN)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_way_meets_the_grown_ball_from_every_side(axis, sign):
    centre = BALL.centre_mm[axis]
    start = at(axis, centre + sign * 50.0, BALL.centre_mm)
    for apart, meets in ((6.01, False), (6.0, True), (5.99, True)):
        end = at(axis, centre + sign * apart, BALL.centre_mm)
        assert crosses_sphere(start, end, BALL, MARGIN) is meets
        assert crosses_sphere(end, start, BALL, MARGIN) is meets
        assert crosses_sphere(end, end, BALL, MARGIN) is meets, "standing still"
    assert crosses_sphere(start, at(axis, centre - sign * 70.0, BALL.centre_mm), BALL, MARGIN)


@pytest.mark.parametrize(("along", "across"), [(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_way_past_the_ball_is_judged_where_it_is_nearest(along, across, sign):
    for apart, meets in ((6.01, False), (5.99, True)):
        beside = at(across, BALL.centre_mm[across] + sign * apart, BALL.centre_mm)
        start = at(along, BALL.centre_mm[along] - 30.0, beside)
        end = at(along, BALL.centre_mm[along] + 20.0, beside)
        assert crosses_sphere(start, end, BALL, MARGIN) is meets
        assert crosses_sphere(end, start, BALL, MARGIN) is meets


def test_a_slanting_way_past_the_ball():
    # Along (1, 2, 2) / 3; (2, 1, -2) / 3 is perpendicular to it.
    x, y, z = BALL.centre_mm
    for apart, meets in ((6.01, False), (5.99, True)):
        p = (x + apart * 2 / 3, y + apart / 3, z - apart * 2 / 3)
        start = (p[0] - 7.0, p[1] - 14.0, p[2] - 14.0)
        end = (p[0] + 5.0, p[1] + 10.0, p[2] + 10.0)
        assert crosses_sphere(start, end, BALL, MARGIN) is meets


# The way of a machine ---------------------------------------------------------------------------


def test_without_volumes_every_way_is_free():
    assert volumes().judge(REST, (FAR, FAR, FAR), (1e9, 1e9, 1e9)) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_where_it_would_come_within_the_horizon_counts(axis):
    """At 50 mm/s the machine goes 10 mm on in 0.2 s; with 2 mm of margin 12 mm are too near."""
    for face, sign in ((LOW[axis], 1.0), (HIGH[axis], -1.0)):
        velocity = at(axis, sign * 50.0, REST)
        here = at(axis, face - sign * 30.0)
        for apart, meets in ((12.01, False), (11.99, True)):
            demand = at(axis, face - sign * apart)
            said = volumes(boxes=(BOX,)).judge(here, demand, velocity)
            assert (said is not None) is meets
            assert volumes(boxes=(BOX,)).judge(here, demand, REST) is None
            assert volumes(boxes=(BOX,)).judge(here, demand, at(axis, -sign * 50.0, REST)) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_way_to_the_demand_counts(axis):
    through = at(axis, LOW[axis] - 30.0), at(axis, HIGH[axis] + 30.0)
    for here, demand in (through, through[::-1]):
        said = volumes(boxes=(BOX,)).judge(here, demand, REST)
        assert said == "the way comes within 2 mm of keep-out box 1"


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_no_point_of_the_way_may_touch_the_volume_or_lie_behind_it(axis, side, which):
    """Start, demand and end beside the box; one of them at its margin, or on the other side."""
    face = LOW[axis] - MARGIN if side < 0.0 else HIGH[axis] + MARGIN
    for coordinate, free in ((face + side, True), (face, False), (-side * FAR, False)):
        points = [at(axis, face + 5.0 * side)] * 3
        points[which] = at(axis, coordinate)
        here, demand, end = points
        x, y, z = (5.0 * (b - a) for a, b in zip(demand, end, strict=True))  # in 0.2 s
        said = volumes(boxes=(BOX,)).judge(here, demand, (x, y, z))
        assert (said is None) is free, (here, demand, end)


def test_the_way_goes_over_the_demand():
    """From below to above the box, over a demand beside it: the short way would cross the box."""
    here, demand, velocity = (13.0, -40.0, 32.0), (60.0, -14.0, 32.0), (-235.0, 130.0, 0.0)
    assert volumes(boxes=(BOX,)).judge(here, demand, velocity) is None
    assert crosses_box(here, (13.0, 12.0, 32.0), BOX, MARGIN)


def test_the_first_leg_of_the_way_is_named_first():
    near = Box(low_mm=(-1.0, 9.0, -1.0), high_mm=(1.0, 11.0, 1.0))
    late = Box(low_mm=(-1.0, 29.0, -1.0), high_mm=(1.0, 31.0, 1.0))
    judge = volumes(boxes=(late, near)).judge
    assert judge(REST, (0.0, 20.0, 0.0), (0.0, 100.0, 0.0)) == (
        "the way comes within 2 mm of keep-out box 2"
    )


def test_a_volume_is_named_by_its_kind_and_number():
    other = Box(low_mm=(100.0, 100.0, 100.0), high_mm=(110.0, 110.0, 110.0))
    far = Sphere(centre_mm=(-300.0, 0.0, 0.0), radius_mm=5.0)
    judge = volumes(boxes=(other, BOX), spheres=(far, BALL), margin_mm=1.5).judge
    assert judge(MIDDLE, MIDDLE, REST) == "the way comes within 1.5 mm of keep-out box 2"
    ball = (8.0, -22.0, 28.0)
    assert judge(ball, ball, REST) == "the way comes within 1.5 mm of keep-out sphere 2"
    assert judge((0.0, 0.0, 0.0), (1.0, 2.0, 3.0), REST) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("centre", [BALL.centre_mm, (-10.0, 20.0, -30.0)])
def test_a_sphere_is_met_as_soon_as_its_margin(axis, sign, centre):
    """The quick look at the box around a ball must not be narrower than the ball."""
    ball = Sphere(centre_mm=centre, radius_mm=4.0)
    for apart, meets in ((6.01, False), (5.99, True)):
        place = at(axis, centre[axis] + sign * apart, centre)
        assert (volumes(spheres=(ball,)).judge(place, place, REST) is not None) is meets


def test_a_box_is_met_on_the_other_side_of_the_start_pose_too():
    box = Box(low_mm=(-16.0, 8.0, -34.0), high_mm=(-10.0, 20.0, -30.0))
    for axis, (low, high) in enumerate(zip(box.low_mm, box.high_mm, strict=True)):
        for coordinate, free in (
            (low - MARGIN - 0.01, True),
            (low - MARGIN, False),
            (high + MARGIN, False),
            (high + MARGIN + 0.01, True),
        ):
            place = at(axis, coordinate, (-13.0, 14.0, -32.0))
            assert (volumes(boxes=(box,)).judge(place, place, REST) is None) is free


def test_the_corner_of_the_box_around_a_ball_is_free():
    x, y, z = BALL.centre_mm
    corner = (x + 5.9, y + 5.9, z + 5.9)
    assert volumes(spheres=(BALL,)).judge(corner, corner, REST) is None
    assert math.dist(corner, BALL.centre_mm) > 6.0


def test_what_is_no_number_does_not_pass_by_unseen():
    assert not crosses_sphere((math.nan, 0.0, 0.0), REST, BALL, MARGIN)
    assert volumes(boxes=(BOX,)).judge((math.nan, 0.0, 0.0), MIDDLE, REST) is not None
