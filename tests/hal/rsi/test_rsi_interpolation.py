"""The correction never leaves its box, its speed or its acceleration, whatever is demanded."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.messages import Triple
from hal.motion_limits import MotionLimits
from hal.rsi.interpolation import Interpolator

CYCLE_NS = 4_000_000
LIMITS = MotionLimits((-12.0, -20.0, -3.0), (12.0, 15.0, 20.0), 60.0, 600.0)


def within(limits: MotionLimits, path: list[Triple], cycle_ns: int = CYCLE_NS) -> None:
    """Assert the three promises on positions one cycle apart, from rest at the first."""
    dt_s = cycle_ns * 1e-9
    before = (0.0, 0.0, 0.0)
    for earlier, later in itertools.pairwise(path):
        assert limits.encloses(later)
        velocity = tuple((b - a) / dt_s for a, b in zip(earlier, later, strict=True))
        assert math.hypot(*velocity) <= limits.speed_mm_s * (1 + 1e-9)
        change = math.dist(velocity, before) / dt_s
        assert change <= limits.acceleration_mm_s2 * (1 + 1e-6)
        before = velocity


def corner_or_inside(rng: random.Random) -> Triple:
    """Demands dense at the faces and corners of the box."""
    return tuple(
        rng.choice((low, up, rng.uniform(low, up)))
        for low, up in zip(LIMITS.lower_mm, LIMITS.upper_mm, strict=True)
    )  # type: ignore[return-value]


@pytest.mark.parametrize("cycle_ns", [4_000_000, 12_000_000])
@pytest.mark.parametrize("seed", range(12))
def test_promises_hold_for_any_demands(seed: int, cycle_ns: int) -> None:
    rng = random.Random(seed)
    motion = Interpolator(LIMITS, cycle_ns, 10_000_000)
    path = [motion.position_mm]
    calm = rng.choice((0.02, 0.2, 0.9))
    for cycle in range(2500):
        now_ns = cycle * cycle_ns + rng.randrange(-1_500_000, 1_500_000)
        if rng.random() < calm:
            motion.demand(corner_or_inside(rng), now_ns)
        if rng.random() < 0.002:
            motion.stop(now_ns)
        path.append(motion.advance(now_ns))
    within(LIMITS, path, cycle_ns)


@given(
    st.lists(
        st.tuples(
            st.floats(-12.0, 12.0),
            st.floats(-20.0, 15.0),
            st.floats(-3.0, 20.0),
            st.integers(0, 40),
        ),
        max_size=30,
    ),
    st.floats(0.5, 500.0),
    st.floats(1.0, 20000.0),
)
def test_promises_hold_for_other_limits(
    demands: list[tuple[float, float, float, int]], speed: float, acceleration: float
) -> None:
    limits = MotionLimits(LIMITS.lower_mm, LIMITS.upper_mm, speed, acceleration)
    motion = Interpolator(limits, CYCLE_NS, 10_000_000)
    path = [motion.position_mm]
    now_ns = 0
    for x, y, z, cycles in demands:
        motion.demand((x, y, z), now_ns)
        for _ in range(cycles):
            path.append(motion.advance(now_ns))
            now_ns += CYCLE_NS
    within(limits, path)


def test_follows_breathing_one_demand_period_behind() -> None:
    motion = Interpolator(LIMITS, CYCLE_NS, 10_000_000)

    def breathing(now_ns: int) -> Triple:
        angle = 2 * math.pi * now_ns / 4e9
        return (3.0 * math.sin(angle), -2.0 * math.sin(angle), 8.0 * (1 - math.cos(angle)))

    worst = 0.0
    for tick in range(1000):
        now_ns = tick * 2_000_000
        if now_ns % 10_000_000 == 0:
            motion.demand(breathing(now_ns), now_ns)
        if now_ns % CYCLE_NS == 0:
            sent = motion.advance(now_ns)
            if tick > 200:  # the reply takes effect one cycle later
                worst = max(worst, math.dist(sent, breathing(now_ns + CYCLE_NS - 10_000_000)))
    assert worst < 0.05


def test_reaches_a_step_soon_without_overshoot() -> None:
    motion = Interpolator(LIMITS, CYCLE_NS, 10_000_000)
    motion.demand((5.0, 0.0, 0.0), 0)
    path = [motion.advance(cycle * CYCLE_NS) for cycle in range(100)]
    last_step_mm = 600.0 * (CYCLE_NS * 1e-9) ** 2 / 8.0  # braking comes in whole cycles
    assert max(place[0] for place in path) <= 5.0 + last_step_mm
    assert path[-1] == pytest.approx((5.0, 0.0, 0.0), abs=1e-6)
    arrived = next(i for i, place in enumerate(path) if place[0] > 4.99) * CYCLE_NS * 1e-9
    bang_bang_s = 2 * math.sqrt(5.0 / 600.0)
    assert arrived < bang_bang_s + 0.02


def test_stop_brakes_at_full_deceleration_and_stays() -> None:
    motion = Interpolator(LIMITS, CYCLE_NS, 10_000_000)
    motion.demand((12.0, 0.0, 0.0), 0)
    for cycle in range(30):
        motion.advance(cycle * CYCLE_NS)
    speed = motion.velocity_mm_s[0]
    assert speed > 40.0
    motion.stop(30 * CYCLE_NS)
    began = motion.position_mm[0]
    path = [motion.advance((30 + cycle) * CYCLE_NS)[0] for cycle in range(60)]
    assert path[-1] - began <= speed**2 / (2 * 600.0) + 1e-9
    settled = next(i for i, place in enumerate(path) if abs(place - path[-1]) < 1e-3)
    assert settled * CYCLE_NS * 1e-9 <= speed / 600.0 + 0.02


def test_a_demand_outside_the_box_is_refused_and_changes_nothing() -> None:
    motion = Interpolator(LIMITS, CYCLE_NS, 10_000_000)
    outside = [(12.001, 0.0, 0.0), (0.0, -20.1, 0.0), (0.0, 0.0, math.nan), (math.inf, 0.0, 0.0)]
    for demand in outside:
        with pytest.raises(ValueError, match="outside"):
            motion.demand(demand, 0)
    assert motion.advance(0) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lower_mm": (1.0, -1.0, -1.0)},
        {"upper_mm": (math.nan, 1.0, 1.0)},
        {"speed_mm_s": 0.0},
        {"acceleration_mm_s2": math.inf},
    ],
)
def test_limits_that_cannot_be_kept_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        MotionLimits(**wrong)  # type: ignore[arg-type]
