"""Axes that move in whole steps: the nearest step, no flutter, no faster than the axis can."""

import random
from itertools import pairwise

import pytest

from tracker.core.machine.guard import DemandGuard, GuardLimits
from tracker.core.machine.steering import Steering
from tracker.core.machine.whole_steps import WholeSteps
from tracker.core.settings import Actuator

TICK_NS = 10_000_000
LEAF = Actuator(kind="mlc", speed_mm_s=30.0, acceleration_mm_s2=500.0, quantum_mm=(0.0, 2.5, 0.0))
LIMITS = GuardLimits(42.0, 36.0, 2000.0, 3.0, (0.0, 2.5, 0.0))


def test_a_continuous_machine_has_no_steps():
    steps = WholeSteps(Actuator())
    assert not steps.needed
    assert steps.nearest(1, (1.23, 4.56, 7.89)) == (1.23, 4.56, 7.89)


def test_a_step_is_taken_past_its_middle_and_kept_through_jitter():
    steps, t_ns = WholeSteps(LEAF), 0
    assert steps.needed
    seen = []
    for wanted in (0.0, 1.4, 1.49, 1.51, 1.3, 1.1, 0.99, 0.0):
        t_ns += 1_000_000_000
        seen.append(steps.nearest(t_ns, (wanted, wanted, wanted)))
    assert [y for _, y, _ in seen] == [0.0, 0.0, 0.0, 2.5, 2.5, 2.5, 0.0, 0.0]
    assert [x for x, _, _ in seen] == [0.0, 1.4, 1.49, 1.51, 1.3, 1.1, 0.99, 0.0]


def test_steps_are_as_far_apart_in_time_as_the_axis_needs():
    steps = WholeSteps(LEAF)
    times = []
    last = 0.0
    for k in range(1, 100):
        _, y, _ = steps.nearest(k * TICK_NS, (0.0, 10.0, 0.0))
        if y != last:
            times.append(k * TICK_NS)
            assert y == last + 2.5
            last = y
    assert last == 10.0
    assert min(b - a for a, b in pairwise(times)) >= 2.5 / 30.0 * 1e9


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


def guard_at(y: float = 0.0) -> DemandGuard:
    guard = DemandGuard(LIMITS)
    guard.start(0, (0.0, y, 0.0))
    return guard


@pytest.mark.parametrize(
    ("t_ns", "demand", "said"),
    [
        (10**9, (0.0, 1.0, 0.0), "demand of 1.000 mm is no whole step of 2.5 mm along y"),
        (10**9, (0.0, 5.0, 0.0), "step of 5.000 mm is over one of 2.5 mm along y"),
        (60_000_000, (0.0, 2.5, 0.0), "speed of 41.7 mm/s is over 36 mm/s along y"),
        (10**9, (0.0, float("nan"), 0.0), "demand of nan mm is outside +-42 mm along y"),
        (10**7, (3.1, 0.0, 0.0), "step of 3.100 mm is over 3 mm along x"),
        (10**7, (0.0, 0.0, 0.5), "speed of 50.0 mm/s is over 36 mm/s along z"),
        (10**7, (0.3, 0.0, 0.0), "acceleration of 3000 mm/s2 is over 2000 mm/s2 along x"),
    ],
)
def test_what_the_guard_refuses_of_a_machine_with_steps(t_ns, demand, said):
    guard = guard_at()
    assert guard.judge(t_ns, demand) == said
    assert guard.judge(t_ns, (0.0, 0.0, 0.0)) is None, "a refused demand is not remembered"


def test_the_guard_lets_whole_steps_pass_and_counts_the_time_between_them():
    guard = guard_at(y=0.9)
    assert guard.judge(70_000_000, (0.0, 2.5, 0.0)) is None
    assert guard.judge(100_000_000, (0.0, 2.5, 0.0)) is None
    assert guard.judge(138_000_000, (0.0, 0.0, 0.0)) == "speed of 36.8 mm/s is over 36 mm/s along y"
    assert guard.judge(140_000_000, (0.0, 0.0, 0.0)) is None


@pytest.mark.parametrize("quantum", [-1.0, float("inf"), float("nan")])
def test_a_step_that_is_none_is_refused(quantum):
    with pytest.raises(ValueError, match="is no step"):
        GuardLimits(1.0, 1.0, 1.0, 1.0, (0.0, quantum, 0.0))
