"""Steering: follows without lag, keeps its limits for every target, keeps its last demand."""

import math
import random

import pytest

from tracker.core.machine.steering import Steering
from tracker.core.settings import Actuator

TICK_NS = 10_000_000
REST = (0.0, 0.0, 0.0)
COUNT_MM = 0.0001
"""A demand is rounded to this."""


def sine(t: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Where the target is after ``t`` seconds and how fast it moves: each axis its own way."""
    w = 2 * math.pi / 4
    return (
        (2 * math.sin(w * t), 8 * math.cos(w * t), -5 * math.sin(w * t + 1)),
        (2 * w * math.cos(w * t), -8 * w * math.sin(w * t), -5 * w * math.cos(w * t + 1)),
    )


def test_each_axis_follows_breathing_without_lag():
    steering = Steering(Actuator())
    steering.start(0, REST)
    for k in range(1, 400):
        wanted, velocity = sine(k * 0.01)
        demand = steering.toward(k * TICK_NS, wanted, velocity)
        if k > 200:
            assert demand == pytest.approx(wanted, abs=0.05)
            assert steering.velocity == pytest.approx(velocity, abs=0.3)


def test_jitter_is_softened():
    rng = random.Random(0)
    steering = Steering(Actuator())
    steering.start(0, REST)
    passed = [
        steering.toward(k * TICK_NS, (0.0, rng.gauss(0.0, 0.3), 0.0), REST)[1]
        for k in range(1, 1000)
    ]
    assert math.sqrt(sum(y * y for y in passed) / len(passed)) < 0.15


def test_a_far_goal_is_reached_without_overshoot():
    steering = Steering(Actuator())
    steering.start(0, REST)
    path = [steering.toward(k * TICK_NS, (0.0, 15.0, 0.0), REST)[1] for k in range(1, 400)]
    assert max(path) < 15.05
    assert path[-1] == pytest.approx(15.0, abs=0.01)


def anything(rng: random.Random) -> tuple[float, float, float]:
    x, y, z = (rng.uniform(-500.0, 500.0) for _ in range(3))
    return (x, y, z)


@pytest.mark.parametrize("seed", range(20))
def test_limits_are_kept_whatever_is_asked(seed):
    rng = random.Random(seed)
    limits = Actuator(speed_mm_s=20.0, acceleration_mm_s2=300.0, limit_mm=30.0)
    steering = Steering(limits)
    steering.start(0, REST)
    now, before, velocity_before = 0, REST, REST
    for _ in range(60):
        gap_ms = rng.randint(1, 40)
        dt, now = gap_ms * 1e-3, now + gap_ms * 1_000_000
        demand = steering.toward(now, anything(rng), anything(rng))
        for at, last, v, last_v in zip(
            demand, before, steering.velocity, velocity_before, strict=True
        ):
            assert at - last == pytest.approx(v * dt, abs=1.01 * COUNT_MM)
            assert abs(v) <= 20.0
            assert abs(v - last_v) <= 300.0 * dt + 1e-9
            # The goal is cut to the limit; braking may overrun it by what the last step allows.
            assert abs(at) <= 31.0
        before, velocity_before = demand, steering.velocity


def test_each_limit_is_the_one_of_the_settings():
    def way(ticks: int, actuator: Actuator) -> tuple[list[float], list[float]]:
        """Positions and speeds of the demand on its way to 100 mm along x."""
        steering = Steering(actuator)
        steering.start(0, REST)
        places: list[float] = []
        speeds: list[float] = []
        for k in range(1, ticks + 1):
            places.append(steering.toward(k * TICK_NS, (100.0, 0.0, 0.0), REST)[0])
            speeds.append(steering.velocity[0])
        return places, speeds

    places, speeds = way(500, Actuator(limit_mm=35.0, speed_mm_s=11.0))
    assert places[-1] == pytest.approx(35.0, abs=1e-3)
    assert max(speeds) == 11.0
    assert way(1, Actuator(acceleration_mm_s2=70.0))[1] == [pytest.approx(0.7)]
    brisk, slow = (
        Steering(Actuator(bandwidth_per_s=bandwidth, acceleration_mm_s2=5000.0))
        for bandwidth in (20.0, 5.0)
    )
    for steering in (brisk, slow):
        steering.start(0, REST)
        steering.toward(TICK_NS, (0.1, 0.0, 0.0), REST)
    # Half the bandwidth times 0.1 mm, of which 2 x bandwidth x 0.01 s is taken in this step.
    assert brisk.velocity[0] == pytest.approx(10.0 * 0.1 * 0.4)
    assert slow.velocity[0] == pytest.approx(2.5 * 0.1 * 0.1)


def test_motion_starts_where_and_when_the_actuator_stands():
    start = (1.00004, -2.00006, 3.0)
    steering = Steering(Actuator())
    steering.start(5 * TICK_NS, start)
    assert steering.velocity == REST
    assert steering.toward(5 * TICK_NS, REST, REST) == (1.0, -2.0001, 3.0)
    assert steering.toward(6 * TICK_NS, start, REST) == (1.0, -2.0001, 3.0)
    assert steering.toward(7 * TICK_NS, (2.0, -2.0, 3.0), REST)[0] > 1.0
    assert steering.velocity[0] > 0.0
    steering.start(8 * TICK_NS, REST)
    assert steering.velocity == REST, "at rest again, wherever it came from"
    assert steering.toward(9 * TICK_NS, REST, REST) == REST


def test_before_a_start_it_stands_at_the_start_pose():
    steering = Steering(Actuator())
    assert (steering.velocity, steering.toward(0, (5.0, 6.0, 7.0), REST)) == (REST, REST)
    steering.toward(1, (5.0, 6.0, 7.0), REST)
    assert min(steering.velocity) > 0.0, "and moves from the first moment"


def test_a_moment_that_is_not_later_changes_nothing():
    steering, twin = Steering(Actuator()), Steering(Actuator())
    for each in (steering, twin):
        each.start(0, REST)
    first = steering.toward(TICK_NS, (5.0, 3.0, 1.0), REST)
    assert twin.toward(TICK_NS, (5.0, 3.0, 1.0), REST) == first
    assert steering.toward(TICK_NS, (9.0, 9.0, 9.0), REST) == first
    assert steering.toward(TICK_NS, (math.nan, 9.0, 9.0), REST) == first
    assert steering.toward(0, (9.0, 9.0, 9.0), REST) == first
    later = steering.toward(3 * TICK_NS, (5.0, 3.0, 1.0), (1.0, 2.0, 3.0))
    assert twin.toward(3 * TICK_NS, (5.0, 3.0, 1.0), (1.0, 2.0, 3.0)) == later
