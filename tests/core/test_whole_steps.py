"""Axes that move in whole steps: the nearest step, no flutter, no faster than the axis can."""

from itertools import pairwise

from tracker.core.machine.whole_steps import WholeSteps
from tracker.core.settings import Actuator

TICK_NS = 10_000_000
LEAF = Actuator(kind="mlc", speed_mm_s=30.0, acceleration_mm_s2=500.0, quantum_mm=(0.0, 2.5, 0.0))


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


def test_the_start_is_the_step_nearest_to_where_each_axis_stands():
    steps = WholeSteps(Actuator(quantum_mm=(2.0, 3.0, 0.5)))
    assert steps.needed is True
    assert steps.start(0, (2.9, -4.6, 0.7)) == (2.0, -6.0, 0.5)
    assert steps.nearest(0, (2.9, -4.6, 0.7)) == (2.0, -6.0, 0.5)
    assert WholeSteps(Actuator()).start(0, (2.9, -4.6, 0.7)) == (2.9, -4.6, 0.7)


def test_without_a_start_every_axis_begins_at_zero():
    steps = WholeSteps(Actuator(quantum_mm=(0.5, 0.5, 0.5)))
    assert steps.needed is True
    assert steps.nearest(0, (0.0, 0.0, 0.0)) == (0.0, 0.0, 0.0)


def test_the_wait_is_counted_from_the_start_and_from_the_last_step():
    steps = WholeSteps(Actuator(speed_mm_s=1.0, quantum_mm=(2.0, 2.0, 2.0)))
    wanted = (9.0, -9.0, 9.0)
    assert steps.nearest(1_999_999_999, wanted) == (0.0, 0.0, 0.0)
    assert steps.nearest(2_000_000_000, wanted) == (2.0, -2.0, 2.0)
    assert steps.nearest(3_999_999_999, wanted) == (2.0, -2.0, 2.0)
    assert steps.nearest(4_000_000_000, wanted) == (4.0, -4.0, 4.0)
    steps.start(5_000_000_000, (0.0, 0.0, 0.0))
    assert steps.nearest(6_999_999_999, wanted) == (0.0, 0.0, 0.0)
    assert steps.nearest(7_000_000_000, wanted) == (2.0, -2.0, 2.0)


def test_the_last_step_is_kept_up_to_its_share():
    steps = WholeSteps(Actuator(speed_mm_s=1.0, quantum_mm=(1.0, 1.0, 1.0)))
    late = 10_000_000_000
    assert steps.nearest(late, (0.6, -0.6, 0.61)) == (0.0, 0.0, 1.0)
