"""The guard: dense at each limit, refuses what is over, forgets what it refused."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.machine.guard import DemandGuard, GuardLimits

TICK_NS = 10_000_000
LIMITS = GuardLimits(position_mm=52.0, speed_mm_s=25.0, acceleration_mm_s2=500.0, step_mm=2.0)
WIDE = 1e12


def guard_at(position=(0.0, 0.0, 0.0), start_ns=0, **limits):
    wide = {"position_mm": WIDE, "speed_mm_s": WIDE, "acceleration_mm_s2": WIDE, "step_mm": WIDE}
    guard = DemandGuard(GuardLimits(**{**wide, **limits}))
    guard.start(start_ns, position)
    return guard


def axis(value, which):
    x, y, z = (value if k == which else 0.0 for k in range(3))
    return (x, y, z)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({"position_mm": 52.0}, 52.0),
        ({"step_mm": 2.0}, 2.0),
        ({"speed_mm_s": 25.0}, 0.25),
        ({"acceleration_mm_s2": 500.0}, 0.05),
    ],
)
def test_each_limit_on_each_axis_both_ways(limits, most, which, sign):
    for share in (0.0, 0.5, 0.999, 0.999999, 1.0):
        assert guard_at(**limits).judge(TICK_NS, axis(sign * most * share, which)) is None
    for share in (1.000001, 1.001, 2.0, 1e6):
        refusal = guard_at(**limits).judge(TICK_NS, axis(sign * most * share, which))
        assert refusal is not None
        assert refusal.endswith(f"along {'xyz'[which]}")
        assert refusal.replace("demand", "position").startswith(next(iter(limits)).split("_")[0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_what_is_no_number_is_refused(value, which):
    assert guard_at().judge(TICK_NS, axis(value, which)) is not None


def test_a_demand_before_the_start_is_refused():
    assert "before motion" in (DemandGuard(LIMITS).judge(TICK_NS, (0.0, 0.0, 0.0)) or "")


@pytest.mark.parametrize("t_ns", [0, -1])
def test_time_must_go_on(t_ns):
    assert "not after" in (guard_at().judge(t_ns, (0.0, 0.0, 0.0)) or "")


def test_a_refused_demand_leaves_no_trace():
    guard, twin = guard_at(step_mm=2.0), guard_at(step_mm=2.0)
    assert guard.judge(TICK_NS, (9.0, 0.0, 0.0)) is not None
    for k in range(2, 6):
        there = (0.4 * k, 0.0, 0.0)
        assert guard.judge(k * TICK_NS, there) == twin.judge(k * TICK_NS, there)


START_NS = 5_000_000_000
START_MM = (10.0, -20.0, 30.0)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("limits", "moved_mm", "words"),
    [
        ({"step_mm": 0.5}, 0.75, "step of {:.3f} mm is over 0.5 mm"),
        ({"speed_mm_s": 25.0}, 0.3, "speed of {:.1f} mm/s is over 25 mm/s"),
        ({"acceleration_mm_s2": 500.0}, 0.4, "acceleration of {:.0f} mm/s2 is over 500 mm/s2"),
    ],
)
def test_a_refusal_says_value_with_its_sign_limit_and_axis(limits, moved_mm, words, sign, which):
    """Of the steps 0.75, 0.3 and 0.4 mm in 0.01 s the last two are 30 mm/s and 4,000 mm/s2."""
    value = {"step_mm": 0.75, "speed_mm_s": 30.0, "acceleration_mm_s2": 4000.0}[next(iter(limits))]
    guard = guard_at(START_MM, start_ns=START_NS, **limits)
    x, y, z = (a + b for a, b in zip(START_MM, axis(sign * moved_mm, which), strict=True))
    refusal = f"{words.format(sign * value)} along {'xyz'[which]}"
    assert guard.judge(START_NS + TICK_NS, (x, y, z)) == refusal


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_position_is_refused_wherever_it_comes_from(which, sign):
    guard = guard_at(axis(sign * 9.25, which), start_ns=START_NS, position_mm=9.0)
    refusal = f"demand of {sign * 9.5:.3f} mm is outside +-9 mm along {'xyz'[which]}"
    assert guard.judge(START_NS + TICK_NS, axis(sign * 9.5, which)) == refusal


def test_a_time_that_does_not_go_on_is_told_with_both_times():
    guard = guard_at(start_ns=START_NS)
    words = "demand at 4999999999 ns is not after the last at 5000000000 ns"
    assert guard.judge(START_NS - 1, (0.0, 0.0, 0.0)) == words


def test_motion_that_starts_again_starts_at_rest():
    guard = guard_at(acceleration_mm_s2=500.0)
    for k in range(1, 6):
        assert guard.judge(k * TICK_NS, (0.02 * k * k, 0.02 * k * k, 0.02 * k * k)) is None
    guard.start(6 * TICK_NS, (1.0, 2.0, 3.0))
    assert guard.judge(7 * TICK_NS, (1.0, 2.0, 3.0)) is None


def test_each_axis_accelerates_from_its_own_speed():
    """After 30, -10 and 50 mm/s the next step may change each by no more than 5 mm/s."""
    before = (0.3, -0.1, 0.5)
    for which, speed in enumerate((30.0, -10.0, 50.0)):
        for change, passes in ((4.9, True), (-4.9, True), (5.1, False), (-5.1, False)):
            guard = guard_at()
            assert guard.judge(TICK_NS, before) is None
            guard._limits.acceleration_mm_s2 = 500.0
            steps = [0.3, -0.1, 0.5]
            steps[which] = (speed + change) * 0.01
            x, y, z = (a + b for a, b in zip(before, steps, strict=True))
            assert (guard.judge(2 * TICK_NS, (x, y, z)) is None) == passes


@pytest.mark.parametrize("which", ["position_mm", "speed_mm_s", "acceleration_mm_s2", "step_mm"])
def test_a_small_limit_is_a_limit(which):
    limits: dict[str, Any] = {
        "position_mm": 1.0,
        "speed_mm_s": 1.0,
        "acceleration_mm_s2": 1.0,
        "step_mm": 1.0,
    }
    assert getattr(GuardLimits(**{**limits, which: 1e-6}), which) == 1e-6


def test_acceleration_counts_from_the_last_passed_demand():
    guard = guard_at(acceleration_mm_s2=500.0)
    assert guard.judge(TICK_NS, (0.05, 0.0, 0.0)) is None  # 5 mm/s
    assert guard.judge(2 * TICK_NS, (0.15, 0.0, 0.0)) is None  # 10 mm/s
    assert "acceleration" in (guard.judge(3 * TICK_NS, (0.15, 0.0, 0.0)) or "")  # 0 mm/s at once


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("which", ["position_mm", "speed_mm_s", "acceleration_mm_s2", "step_mm"])
def test_a_limit_that_is_none_is_refused(value, which):
    with pytest.raises(ValueError, match="no limit"):
        guard_at(**{which: value})


numbers = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(st.integers(-5, 50), numbers, numbers, numbers), max_size=40))
def test_nothing_outside_the_envelope_ever_passes(demands):
    guard = DemandGuard(LIMITS)
    guard.start(0, (0.0, 0.0, 0.0))
    now, last_ns, last, speed = 0, 0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    for gap, *position in demands:
        now += gap * 1_000_000
        if guard.judge(now, tuple(position)) is not None:
            continue
        dt = (now - last_ns) * 1e-9
        assert dt > 0
        moved = tuple((b - a) / dt for a, b in zip(last, position, strict=True))
        assert all(abs(p) <= 52.0 for p in position)
        assert all(abs(b - a) <= 2.0 for a, b in zip(last, position, strict=True))
        assert all(abs(v) <= 25.0 for v in moved)
        assert all(abs(b - a) / dt <= 500.0 for a, b in zip(speed, moved, strict=True))
        last_ns, last, speed = now, tuple(position), moved
