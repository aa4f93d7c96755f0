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
