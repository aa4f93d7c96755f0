"""The arithmetic of steering: worked examples of one step, and rounding exactly as Python's."""

import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from tracker.core.machine.steering_kernel import COUNTS_PER_MM, as_sent, axis_step, step, within

LIMIT, SPEED, ACCELERATION, BANDWIDTH = 50.0, 20.0, 200.0, 40.0
WIDE = 1e9
LIMITS = (LIMIT, SPEED, ACCELERATION, BANDWIDTH)


def test_within_cuts_both_ways_and_leaves_what_is_no_number():
    assert [within(v, 2.0) for v in (-9.0, -2.0, -1.5, 0.0, 1.5, 2.0, 9.0)] == [
        -2.0, -2.0, -1.5, 0.0, 1.5, 2.0, 2.0,
    ]  # fmt: skip
    assert math.isnan(within(math.nan, 2.0))


def moved(p, v, wanted, flow, *, dt=0.01, gain=1.0, limit=LIMIT, speed=WIDE, acceleration=WIDE):
    return axis_step(p, v, wanted, flow, dt, gain, limit, speed, acceleration, BANDWIDTH)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_near_the_goal_the_speed_is_half_the_bandwidth_times_the_distance(sign):
    # From 3 mm to 4 mm, which itself moves by 10 mm/s x 0.01 s = 0.1 mm meanwhile: 0.9 mm to go.
    # The demand closes in by 20 /s x 0.9 mm = 18 mm/s, besides the 10 mm/s of the goal.
    p, v = moved(sign * 3.0, sign * 6.0, sign * 4.0, sign * 10.0)
    assert v == pytest.approx(sign * 28.0)
    assert p == pytest.approx(sign * 3.28)


def test_a_gain_takes_part_of_the_change_of_speed():
    _, v = moved(3.0, 6.0, 4.0, 10.0, gain=0.25)
    assert v == pytest.approx(6.0 + 0.25 * (28.0 - 6.0))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_far_from_the_goal_the_speed_is_one_from_which_it_can_brake(sign):
    # 8 mm to go: half the bandwidth would be 160 mm/s; sqrt(200 mm/s2 x 8 mm) is 40 mm/s.
    _, v = moved(0.0, sign * 39.0, sign * 8.1, sign * 10.0, acceleration=ACCELERATION)
    assert v == pytest.approx(sign * 41.0), "2 mm/s more, as 200 mm/s2 allow in 0.01 s"
    _, v = moved(0.0, sign * 49.0, sign * 8.1, sign * 10.0, acceleration=ACCELERATION)
    assert v == pytest.approx(sign * 50.0), "10 mm/s of the goal and 40 mm/s to close in"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_speed_and_acceleration_are_limited(sign):
    _, v = moved(0.0, sign * 19.0, sign * 8.0, 0.0, speed=SPEED)
    assert v == sign * 20.0
    _, v = moved(0.0, sign * -19.0, sign * 8.0, 0.0, acceleration=ACCELERATION)
    assert v == pytest.approx(sign * -17.0)
    _, v = moved(0.0, 0.0, sign * 8.0, 0.0, speed=SPEED, gain=0.5)
    assert v == sign * 10.0, "the gain counts from the speed that is allowed"


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("beyond", [0.0, 0.5, 300.0])
def test_at_the_limit_of_the_position_the_goal_stands(sign, beyond):
    p, v = moved(sign * 4.5, 0.0, sign * (5.0 + beyond), sign * 30.0, limit=5.0)
    assert v == pytest.approx(sign * 20.0 * 0.5)
    assert p == pytest.approx(sign * 4.6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_just_inside_the_limit_the_goal_moves(sign):
    # 4.99 mm + 0.1 mm - 4.5 mm to go, and 10 mm/s of the goal.
    _, v = moved(sign * 4.5, 0.0, sign * 4.99, sign * -10.0, limit=5.0)
    assert v == pytest.approx(sign * (20.0 * 0.59 - 10.0))


@pytest.mark.parametrize("place", range(4))
def test_what_is_no_number_stays_none(place):
    values = [0.0, 0.0, 1.0, 0.0]
    values[place] = math.nan
    assert all(math.isnan(value) for value in moved(*values, speed=SPEED))


@pytest.mark.parametrize(
    ("limit", "speed", "acceleration"),
    [
        (WIDE, WIDE, WIDE),
        (WIDE, 0.5, WIDE),
        (WIDE, WIDE, 30.0),
        (0.8, WIDE, WIDE),
        (LIMIT, SPEED, ACCELERATION),
    ],
)
def test_each_axis_has_its_own_position_speed_and_goal(limit, speed, acceleration):
    """Without limits, then with each of them in force on all axes."""
    state = np.array([1.0, -2.0, 30.0, 4.0, -5.0, 6.0])
    before = state.copy()
    goal, flow = (1.5, -1.0, 29.0), (3.0, 7.0, -9.0)
    demand, velocity = step(state, 0.0125, *goal, *flow, limit, speed, acceleration, 32.0)
    for axis in range(3):
        # The gain is 2 x 32 /s x 0.0125 s.
        p, v = axis_step(
            before[axis], before[3 + axis], goal[axis], flow[axis],
            0.0125, 0.8, limit, speed, acceleration, 32.0,
        )  # fmt: skip
        assert (state[axis], state[3 + axis], velocity[axis]) == (p, v, v)
        assert demand[axis] == round(float(p), 4)


def test_each_axis_brakes_in_time():
    before = np.array([0.0, 0.0, 0.0, 950.0, -1400.0, 1700.0])
    state, goal = before.copy(), (100.0, -200.0, 300.0)
    step(state, 0.0125, *goal, 0.0, 0.0, 0.0, WIDE, WIDE, 1e4, 32.0)
    for axis in range(3):
        # sqrt(10,000 mm/s2 x distance), not 16 /s x distance; 0.8 of the change is made.
        allowed = math.copysign(math.sqrt(1e4 * abs(goal[axis])), goal[axis])
        change = allowed - before[3 + axis]
        assert state[3 + axis] == pytest.approx(before[3 + axis] + 0.8 * change)


def test_a_long_step_takes_the_whole_change_of_speed():
    state = np.zeros(6)
    step(state, 0.1, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, LIMIT, WIDE, WIDE, BANDWIDTH)
    assert state[3] == pytest.approx(20.0), "and no more, whatever the gain would be"
    assert state[0] == pytest.approx(2.0)


HALVES = [(k + 0.5) * 1e-4 for k in range(-60, 60)]
EXACT_HALVES = [0.03125, 0.09375, -0.03125, -0.09375, 0.15625, -0.21875, 5.03125, -77.34375]
"""Odd multiples of 1/32 mm: these lie in the middle between two counts, to the bit."""


def test_a_demand_is_rounded_as_python_rounds_it():
    rng = random.Random(1)
    values = [0.0, -0.0, 1e-5, -1e-5, 1.23456, -1.23456, 49.99995, -1e7, 123456.78905]
    values += [rng.uniform(-300.0, 300.0) for _ in range(300)]
    values += [near for half in HALVES + EXACT_HALVES for near in beside(half)]
    values += [near for half in HALVES for near in beside(half + 41.0)]
    assert COUNTS_PER_MM == 10_000.0
    for value in values:
        sent = as_sent(value)
        assert sent == round(value, 4), value
        assert math.copysign(1.0, sent) == math.copysign(1.0, round(value, 4)), value


def beside(value: float) -> list[float]:
    """Return the value and the next numbers on either side."""
    return [math.nextafter(value, -math.inf), value, math.nextafter(value, math.inf)]


def test_what_cannot_be_rounded_is_sent_as_it_is():
    assert math.isnan(as_sent(math.nan))
    with np.errstate(invalid="ignore"):  # numpy warns, compiled code does not
        assert [as_sent(v) for v in (math.inf, -math.inf, 1e300)] == [math.inf, -math.inf, 1e300]


def test_compiled_and_plain_give_the_same_bits():
    compare(step, getattr(step, "py_func", step))


def compare(one: Callable[..., object], two: Callable[..., object]) -> None:
    """Let both walk towards the same goals."""
    rng = random.Random(2)
    a = np.array([1.0, -2.0, 30.0, 4.0, -5.0, 6.0])
    b = a.copy()
    for _ in range(200):
        goal = [rng.uniform(-60.0, 60.0) for _ in range(6)]
        dt = rng.choice((0.001, 0.01, 0.03))
        assert one(a, dt, *goal, *LIMITS) == two(b, dt, *goal, *LIMITS)
        assert a.tobytes() == b.tobytes()
