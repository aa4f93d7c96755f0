"""The checks behind the fault table, each by itself: limits, hysteresis, and what ends them."""

from __future__ import annotations

import hashlib
import math

import msgspec
import numpy as np
import pytest

from hal.events import Identity
from tracker.config import SHIPPED, load_configuration
from tracker.core.machine.keep_out import KeepOutVolumes, crosses_box, crosses_sphere
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.safety.identity import differences, model_sha256
from tracker.core.safety.off_target import OffTarget
from tracker.core.safety.watch import Watch
from tracker.core.settings import Box, Controller, Gating, KeepOut, Prediction, Sphere
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.surrogate.breaths import Breaths
from tracker.core.surrogate.novelty import Novelty
from tracker.core.target.drift import Drift
from tracker.core.target.forecast import Ahead
from tracker.core.target.forecast_quality import PredictionWatch

S = 1_000_000_000
TICK = 10_000_000
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
    assert not drift.take((residual[0], residual[1], residual[2]))
    assert drift.take((residual[0], residual[1], residual[2]))
    assert "2 shots in a row" in drift.found


def test_one_shot_far_off_and_shots_that_alternate_are_no_drift():
    drift = Drift(2.0)
    assert not drift.take((0.0, 4.9, 0.0))
    drift.forget()
    assert not any(drift.take((0.0, 1.9 * (-1) ** k, 0.0)) for k in range(20))


def test_a_drift_is_over_after_three_calm_shots():
    drift = Drift(2.0)
    for _ in range(2):
        drift.take((0.0, 2.5, 0.0))
    for left in (2, 1, 0):
        assert drift.found
        drift.take((0.1, -0.5, 0.3))
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


# After a stop (H13) -----------------------------------------------------------------------------


def halted(creeps_mm):
    """What is said of a couch stopped 4 mm short of its demand, which then creeps."""
    controller = load_configuration(SHIPPED / "couch.toml").controller
    watch, track = Watch(controller), ActuatorTrack(0)
    said = set()
    for k in range(300):
        now = k * TICK
        demand = min(0.2 * k, 20.0)
        if k < 100:
            watch.demanded(now, (0.0, demand, 0.0))
        if k == 100:
            watch.stopped(now)
        creep = creeps_mm if k >= 200 else 0.0
        track.add(now, (0.0, max(demand - 4.0, 0.0) + creep, 0.0))
        found = {}
        if k >= 100:
            watch.actuator(found, now, track, None)
        said |= found.keys()
    return said


def test_a_stopped_couch_is_not_held_to_demands_it_was_told_to_forget():
    assert halted(0.0) == set()


@pytest.mark.parametrize(
    ("creeps_mm", "said"),
    [(1.5, {"actuator off demand"}), (4.0, {"actuator off demand", "actuator runaway"})],
)
def test_but_it_must_stay_where_it_stopped(creeps_mm, said):
    assert halted(creeps_mm) == said


# Predictions (H11) ------------------------------------------------------------------------------


def judged(errors_mm, variance=0.01, nis_error_mm=0.0, gating=None, calm=True):
    """What is said tick by tick when predictions miss by so much."""
    watch = PredictionWatch(gating or Gating(), 15 * TICK)
    said = []
    for k, error in enumerate(errors_mm, 1):
        watch.predicted(k * TICK, (error, 0.0, 0.0), Ahead((nis_error_mm,), (variance,)))
        said.append(watch.judge(k * TICK, (0.0, 0.0, 0.0), (0.0,), calm=calm))
    return said


def test_a_large_miss_counts_after_half_a_second():
    said = judged([3.1] * 60)
    assert said.index(next(filter(None, said))) == 50
    assert "half a second" in said[50]
    assert not any(judged(([3.1] * 49 + [2.9]) * 3))


def test_a_small_miss_counts_over_half_a_minute():
    said = judged([1.6] * 1500)
    assert said.index(next(filter(None, said))) == 990  # ten seconds are the least
    assert "RMS" in said[990]
    assert not any(judged([1.4] * 4000))
    assert not any(judged([1.6] * 1500, calm=False))


def test_innovations_count_three_times_a_latency_apart():
    unlikely = math.sqrt(10.9 * (0.01 + 0.16))
    said = judged([0.0] * 100, nis_error_mm=unlikely)
    assert said.index(next(filter(None, said))) == 30
    assert "3 times" in said[30]
    assert not any(judged([0.0] * 100, nis_error_mm=0.99 * unlikely))


@pytest.mark.parametrize("variance", [-0.1, math.nan, math.inf])
def test_a_variance_that_is_none_is_found_at_once(variance):
    assert "no variance" in judged([0.0], variance=variance)[0]


# Beam and target (H13, H27) ---------------------------------------------------------------------


def offset_for(offsets_mm, *, beam=True, residual_mm=0.0):
    off = OffTarget(Gating())
    off.residual_mm = residual_mm
    persists = []
    for k, offset in enumerate(offsets_mm, 1):
        off.take(k * TICK, (offset, 0.0, 0.0), (0.0, 0.0, 0.0), beam=beam)
        persists.append(off.persists(k * TICK))
    return off, persists


def test_apart_is_seven_tenths_of_the_tolerance():
    assert offset_for([3.49])[0].apart() == ""
    assert "3.5 mm" in offset_for([3.51])[0].apart()


def test_a_small_error_may_not_last():
    _, persists = offset_for([3.1] * 600)
    assert persists.index(next(filter(None, persists))) == 501
    assert not any(offset_for([2.9] * 3000)[1])
    assert not any(offset_for([3.1] * 600, beam=False)[1])


def test_what_the_model_leaves_counts_too():
    _, persists = offset_for([2.2] * 600, residual_mm=2.2)
    assert any(persists)


def test_nor_come_again_and_again():
    often = ([0.0] * 95 + [3.1] * 5) * 40
    off, persists = offset_for(often)
    first = persists.index(next(filter(None, persists)))
    assert first >= 2999
    assert "of the beam" in persists[first]
    off.reviewed()
    assert off.persists(0) == ""
    assert not any(offset_for(([0.0] * 99 + [3.1]) * 60)[1])


def test_the_actuator_has_a_share_in_the_error_region():
    off = OffTarget(Gating())
    for k in range(1, 4000):
        off.aimed(k * TICK, (0.0, 0.0, 0.0))
        off.take(k * TICK, (0.6, 0.0, -0.2), (0.0, 0.0, 0.0), beam=True)
    assert off.variance_mm2 == pytest.approx((0.36, 0.0, 0.04), rel=0.05)


# Identity (H22) ---------------------------------------------------------------------------------


def test_everything_told_must_be_the_same():
    settings = Controller()
    right = Identity(0, "PHANTOM", "DEMO", "HFS", model_sha256(settings))
    assert differences(right, settings) == ""
    assert differences(Identity(0, "PHANTOM", "DEMO"), settings) == ""
    for field, value in (
        ("patient_id", "JANE"),
        ("plan_id", "OTHER"),
        ("orientation", "FFP"),
        ("model_sha256", "0" * 64),
    ):
        wrong = msgspec.structs.replace(right, **{field: value})
        assert value in differences(wrong, settings)


def test_the_models_sum_follows_its_parameters():
    one, other = Controller(), Controller(prediction=Prediction(parameters={"memory_s": 9.0}))
    assert model_sha256(one) == model_sha256(Controller())
    assert model_sha256(one) != model_sha256(other)
    assert len(model_sha256(one)) == hashlib.sha256().digest_size * 2
