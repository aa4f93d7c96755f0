"""Steering: follows without lag, keeps its limits whatever is asked."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.machine.steering import Steering
from tracker.core.settings import Actuator

TICK_NS = 10_000_000
REST = (0.0, 0.0, 0.0)


def sine(t):
    w = 2 * math.pi / 4
    return (0.0, 8 * math.sin(w * t), 0.0), (0.0, 8 * w * math.cos(w * t), 0.0)


def test_follows_breathing_without_lag():
    steering = Steering(Actuator())
    steering.start(0, REST)
    errors = []
    for k in range(1, 1200):
        wanted, velocity = sine(k * 0.01)
        demand = steering.toward(k * TICK_NS, wanted, velocity)
        if k > 200:
            errors.append(abs(demand[1] - wanted[1]))
    assert max(errors) < 0.1


def test_jitter_is_softened():
    rng = np.random.default_rng(0)
    steering = Steering(Actuator())
    steering.start(0, REST)
    passed = []
    for k in range(1, 2000):
        demand = steering.toward(k * TICK_NS, (0.0, rng.normal(0, 0.3), 0.0), REST)
        passed.append(demand[1])
    assert np.std(passed[200:]) < 0.15


def test_a_far_goal_is_reached_without_overshoot():
    steering = Steering(Actuator())
    steering.start(0, REST)
    path = [steering.toward(k * TICK_NS, (0.0, 15.0, 0.0), REST)[1] for k in range(1, 400)]
    assert max(path) < 15.05
    assert path[-1] == pytest.approx(15.0, abs=0.01)


anything = st.floats(-500, 500)


@given(
    st.lists(st.tuples(anything, anything), min_size=5, max_size=60),
    st.lists(st.integers(1, 40), min_size=5, max_size=60),
)
def test_limits_are_kept_whatever_is_asked(asked, gaps_ms):
    limits = Actuator()
    steering = Steering(limits)
    steering.start(0, REST)
    now, before, speed_before = 0, 0.0, 0.0
    for (wanted, velocity), gap in zip(asked, gaps_ms, strict=False):
        dt = gap * 1e-3
        now += gap * 1_000_000
        at = steering.toward(now, (wanted, 0.0, 0.0), (velocity, 0.0, 0.0))[0]
        speed = (at - before) / dt
        assert abs(speed) <= limits.speed_mm_s + 1e-6
        assert abs(speed - speed_before) <= limits.acceleration_mm_s2 * dt + 1e-6
        # The goal is clamped to the limit; braking may overrun it by what the last step allows.
        assert abs(at) <= limits.limit_mm + 1.0
        before, speed_before = at, speed


def test_the_same_moment_again_changes_nothing():
    steering = Steering(Actuator())
    steering.start(0, REST)
    first = steering.toward(TICK_NS, (5.0, 0.0, 0.0), REST)
    assert steering.toward(TICK_NS, (9.0, 0.0, 0.0), REST) == first
