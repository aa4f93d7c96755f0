"""What the checks rest on, each part by itself: breaths, drift, keep-out volumes, novelty."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tracker.core.machine.keep_out import KeepOutVolumes, crosses_box, crosses_sphere
from tracker.core.settings import Box, KeepOut, Sphere
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.surrogate.breaths import Breaths
from tracker.core.surrogate.novelty import Novelty
from tracker.core.target.drift import Drift

S = 1_000_000_000
SPAN = BreathingRange(0.0, 5.0, 8.0)

# Breaths (H12) ----------------------------------------------------------------------------------


def breathe(breaths, until_s, period_s=4.0, depth_mm=5.0, from_s=0.0):
    for k in range(round(from_s * 20), round(until_s * 20)):
        t = k / 20
        phase = 2 * math.pi * (t - from_s) / period_s
        breaths.add(k * S // 20, -depth_mm * math.cos(phase), SPAN)


def test_regular_breaths_are_counted():
    breaths = Breaths()
    breathe(breaths, 42.0)
    assert breaths.count == 10  # eleven crossings
    assert breaths.regular == 10


@pytest.mark.parametrize(
    ("period_s", "depth_mm"), [(1.9, 5.0), (8.0, 5.0), (4.0, 15.0), (4.0, 1.6)]
)
def test_a_breath_unlike_the_others_ends_the_row(period_s, depth_mm):
    breaths = Breaths()
    breathe(breaths, 24.0)
    breathe(breaths, 24.0 + 2.2 * period_s, period_s, depth_mm, from_s=24.0)
    assert breaths.regular < breaths.count
    assert breaths.regular <= 1


# Drift (H10) ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_shots_off_the_same_way_are_a_drift(axis, sign):
    drift = Drift(2.0)
    residual = [0.0, 0.0, 0.0]
    residual[axis] = sign * 2.0
    assert not drift.add((residual[0], residual[1], residual[2]))
    assert drift.add((residual[0], residual[1], residual[2]))
    assert "2 shots in a row" in drift.found


def test_one_shot_far_off_and_shots_that_alternate_are_no_drift():
    drift = Drift(2.0)
    assert not drift.add((0.0, 4.9, 0.0))
    drift.forget()
    assert not any(drift.add((0.0, 1.9 * (-1) ** k, 0.0)) for k in range(20))


def test_a_drift_is_over_after_three_calm_shots():
    drift = Drift(2.0)
    for _ in range(2):
        drift.add((0.0, 2.5, 0.0))
    for left in (2, 1, 0):
        assert drift.found
        drift.add((0.1, -0.5, 0.3))
        assert bool(drift.found) is (left > 0)


# Keep-out (H15) ---------------------------------------------------------------------------------


def nearest_mm(start, end, distance):
    """The least distance along the way, by brute force."""
    share = np.linspace(0.0, 1.0, 401)[:, None]
    return float(distance(start + share * (end - start)).min())


def test_ways_past_volumes_against_brute_force():
    rng = np.random.default_rng(5)
    margin = 5.0
    met = 0
    for _ in range(3000):
        start, end = rng.uniform(-60.0, 60.0, (2, 3))
        low = rng.uniform(-60.0, 40.0, 3)
        high = low + rng.uniform(1.0, 40.0, 3)
        box = Box(low_mm=tuple(low), high_mm=tuple(high))
        ball = Sphere(centre_mm=tuple(low), radius_mm=float(rng.uniform(1.0, 30.0)))

        def to_box(points, low=low, high=high):
            outside = np.maximum(np.maximum(low - points, points - high), 0.0)
            return np.linalg.norm(outside, axis=1)

        def to_ball(points, low=low, ball=ball):
            return np.linalg.norm(points - low, axis=1) - ball.radius_mm

        refused = crosses_box(tuple(start), tuple(end), box, margin)
        least = nearest_mm(start, end, to_box)
        assert refused or least > margin
        assert not refused or least < margin * math.sqrt(3.0) + 0.5
        refused = crosses_sphere(tuple(start), tuple(end), ball, margin)
        least = nearest_mm(start, end, to_ball)
        assert refused or least > margin
        assert not refused or least < margin + 0.5
        met += refused
    assert 200 < met < 2800


def test_the_way_on_counts_too():
    volumes = KeepOutVolumes(
        KeepOut(boxes_mm=(Box(low_mm=(-9.0, 20.0, -9.0), high_mm=(9.0, 40.0, 9.0)),))
    )
    here, demand = (0.0, 10.0, 0.0), (0.0, 10.1, 0.0)
    assert volumes.judge(here, demand, (0.0, 10.0, 0.0)) is None
    assert "box 1" in (volumes.judge(here, demand, (0.0, 20.0, 0.0)) or "")
    assert "box 1" in (volumes.judge(here, (0.0, 15.1, 0.0), (0.0, 0.0, 0.0)) or "")


def test_without_volumes_every_way_is_free():
    assert (
        KeepOutVolumes(KeepOut()).judge((0.0, 0.0, 0.0), (99.0, 0.0, 0.0), (1e9, 0.0, 0.0)) is None
    )


# Novelty (H06, a warning) -----------------------------------------------------------------------


def learned_novelty():
    novelty = Novelty()
    rng = np.random.default_rng(2)
    for k in range(600):
        novelty.observe(state(k, 0.0, rng), (1.2, 0.8), learning=True)
    return novelty, rng


def state(k, apart_mm, rng, scale=1.0):
    y = scale * 4.0 * math.sin(2 * math.pi * k / 80)
    noise = rng.normal(0.0, 0.1, 2)
    markers = (1.2 * y + apart_mm + noise[0], 0.8 * y - apart_mm + noise[1])
    return BreathingState(k * S // 20, y, 0.0, 0.01, 0.01, 0.0, markers)


def test_the_same_breathing_is_nothing_new():
    novelty, rng = learned_novelty()
    for k in range(2000):
        novelty.observe(state(k, 0.0, rng), (1.2, 0.8), learning=False)
        assert novelty.found == ""


@pytest.mark.parametrize(("apart_mm", "scale"), [(1.5, 1.0), (0.0, 10.0)])
def test_markers_that_part_and_breaths_far_out_are(apart_mm, scale):
    novelty, rng = learned_novelty()
    for k in range(200):
        novelty.observe(state(k, apart_mm, rng, scale), (1.2, 0.8), learning=False)
    found = [novelty.found]
    for k in range(200, 400):
        novelty.observe(state(k, apart_mm, rng, scale), (1.2, 0.8), learning=False)
        found.append(novelty.found)
    assert any(found)


def test_markers_that_part_make_the_amplitude_unsure():
    novelty, rng = learned_novelty()
    novelty.observe(state(0, 0.0, rng), (1.2, 0.8), learning=False)
    usual = [novelty.scatter_mm2(state(k, 0.0, rng), (1.2, 0.8)) for k in range(400)]
    assert sum(map(bool, usual)) <= 4
    assert max(usual) < 0.1**2  # of three standard deviations, what is left over
    parted = novelty.scatter_mm2(state(0, 4.0, rng), (1.2, 0.8))
    # y of two markers with weights a / sum of a squared, each 4 mm off
    assert parted == pytest.approx(16.0 * (1.2**2 + 0.8**2) / (1.2**2 + 0.8**2) ** 2, rel=0.1)


def test_deep_and_fast_breaths_may_part_the_markers_farther():
    novelty, rng = learned_novelty()
    novelty.observe(state(0, 0.0, rng), (1.2, 0.8), learning=False)
    at_rest = novelty.scatter_mm2(state(0, 0.6, rng), (1.2, 0.8))
    deep = novelty.scatter_mm2(state(20, 0.6, rng, scale=8.0), (1.2, 0.8))
    assert at_rest > 0.0
    assert deep == 0.0
