"""Steering of axes that move in whole steps: where it begins, and that the guard passes it."""

import random

import pytest

from tracker.core.machine.guard import DemandGuard, GuardLimits
from tracker.core.machine.steering import Steering
from tracker.core.settings import Actuator

TICK_NS = 10_000_000
LEAF = Actuator(kind="mlc", speed_mm_s=30.0, acceleration_mm_s2=500.0, quantum_mm=(0.0, 2.5, 0.0))
LIMITS = GuardLimits(42.0, 36.0, 2000.0, 3.0, (0.0, 2.5, 0.0))


def test_a_machine_that_stands_between_two_steps_begins_at_the_nearer_one():
    steering = Steering(LEAF)
    steering.start(0, (0.3, 3.7, 0.0))
    assert steering.toward(TICK_NS, (0.3, 3.7, 0.0), (0.0, 0.0, 0.0))[1] == 2.5


@pytest.mark.parametrize("seed", range(3))
def test_the_guard_passes_whatever_steering_makes(seed):
    rng = random.Random(seed)
    steering, guard = Steering(LEAF), DemandGuard(LIMITS)
    start = (0.4, 1.0, 0.0)
    steering.start(0, start)
    guard.start(0, start)
    wanted = (0.0, 0.0, 0.0)
    for k in range(1, 2000):
        if k % 40 == 0:
            wanted = (rng.uniform(-30, 30), rng.uniform(-30, 30), 0.0)
        demand = steering.toward(k * TICK_NS, wanted, (0.0, 0.0, 0.0))
        assert guard.judge(k * TICK_NS, demand) is None
        assert demand[1] % 2.5 == 0.0


def test_the_time_of_the_start_counts_for_the_first_step():
    steering = Steering(LEAF)
    steering.start(10**9, (0.0, 0.0, 0.0))
    wait_ns = round(2.5 / 30.0 * 1e9)
    times = range(10**9 + TICK_NS, 10**9 + 60 * TICK_NS, TICK_NS)
    leaps = [t for t in times if steering.toward(t, (0.0, 9.0, 0.0), (0.0, 0.0, 0.0))[1] > 0.0]
    assert leaps[0] - 10**9 >= wait_ns
    steering.start(2 * 10**9, (0.0, 5.1, 0.0))
    assert steering.toward(2 * 10**9, (0.0, 5.1, 0.0), (0.0, 0.0, 0.0)) == (0.0, 5.0, 0.0)


def test_steps_go_the_way_that_is_wanted():
    steering = Steering(LEAF)
    steering.start(0, (0.0, 0.0, 0.0))
    for k in range(1, 200):
        demand = steering.toward(k * TICK_NS, (4.0, -6.0, 2.0), (0.0, 0.0, 0.0))
    assert demand[1] == -5.0
    assert demand[0] == pytest.approx(4.0, abs=0.01)
    assert demand[2] == pytest.approx(2.0, abs=0.01)
