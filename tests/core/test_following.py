"""How the machine follows: which demand it answers, when it has settled, its share of error."""

import math

import pytest

from tests.core.situations import COUCH, situation
from tests.core.situations import found as found_by
from tracker.core.machine.following import Follower, Following
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.safety.checks.actuator import ActuatorCheck

TICK = 10_000_000
LATENCY = 150_000_000
"""Of the shipped couch."""


def halted(creeps_mm):
    """What is said of a couch stopped 4 mm short of its demand, which then creeps."""
    follower, track, check = Follower(COUCH), ActuatorTrack(0), ActuatorCheck(COUCH)
    said = set()
    for k in range(300):
        now = k * TICK
        demand = min(0.2 * k, 20.0)
        if k < 100:
            follower.add_demand(now, (0.0, demand, 0.0))
        if k == 100:
            follower.stop(now)
        creep = creeps_mm if k >= 200 else 0.0
        track.add(now, (0.0, max(demand - 4.0, 0.0) + creep, 0.0))
        if k >= 100:
            following = follower.measure(now, track, None, None, beam=False)
            said |= found_by(check, situation(now_ns=now, following=following)).keys()
    return said


def test_a_stopped_couch_is_not_held_to_demands_it_was_told_to_forget():
    assert halted(0.0) == set()


@pytest.mark.parametrize(
    ("creeps_mm", "said"),
    [(1.5, {"actuator off demand"}), (4.0, {"actuator off demand", "actuator runaway"})],
)
def test_but_it_must_stay_where_it_stopped(creeps_mm, said):
    assert halted(creeps_mm) == said


def ramp(lag_ns: int, ticks: int = 60) -> float | None:
    """The error of a couch that answers a ramp after a lag."""
    follower, track, last = Follower(COUCH), ActuatorTrack(0), None
    for k in range(ticks):
        now = k * TICK
        follower.add_demand(now, (1e-8 * now, 2e-8 * now, -1e-8 * now))
        answered = max(0, now - lag_ns)
        track.add(now, (1e-8 * answered, 2e-8 * answered, -1e-8 * answered))
        last = follower.measure(now, track, None, None, beam=False)
    assert last is not None
    return last.error_mm


def test_a_couch_on_time_early_or_late_within_four_tenths_of_the_latency_follows():
    for lag_ns in (LATENCY, round(0.65 * LATENCY), round(1.35 * LATENCY)):
        error = ramp(lag_ns)
        assert error is not None
        assert error < COUCH.actuator.follow_error_mm


def test_one_that_is_far_behind_does_not():
    # 1.4 latencies are the latest; 30 ticks are 90 ms more, at 24.5 mm/s on the way.
    assert ramp(300 * 1_000_000) == pytest.approx(math.sqrt(6.0) * 10.0 * (0.3 - 0.21), abs=0.3)


def test_before_a_demand_is_one_latency_old_nothing_is_judged():
    assert ramp(LATENCY, 15) is None
    assert ramp(LATENCY, 16) is not None


def test_without_a_position_there_is_nothing_to_measure():
    follower, track = Follower(COUCH), ActuatorTrack(0)
    assert follower.measure(0, track, None, None, beam=False) is None
    track.add(0, (0.0, 0.0, 0.0))
    assert follower.measure(200_000_000, track, None, None, beam=False) == Following()
    assert follower.measure(200_000_001, track, None, None, beam=False) is None


def settle(offset_mm, aim_mm, ticks=40):
    """The follower after a couch stood still, so far from the target, with demands so far off."""
    follower, track = Follower(COUCH), ActuatorTrack(0)
    follower.begin()
    for k in range(ticks):
        now = k * TICK
        track.add(now, (0.0, 0.0, 0.0))
        follower.measure(now, track, (aim_mm, 0.0, 0.0), (0.0, offset_mm, 0.0), beam=False)
        follower.add_demand(now, (0.0, 0.0, 0.0))
    return follower


def test_it_has_settled_once_beam_and_demand_are_near():
    assert settle(2.0, 3.0).settled
    assert not settle(2.01, 3.0).settled
    assert not settle(2.0, 3.01).settled
    assert not settle(0.0, 0.0, ticks=15).settled


@pytest.mark.parametrize(
    ("aim_mm", "offset_mm", "out"),
    [(3.0, 0.0, False), (3.01, 0.0, True), (0.0, 3.5, False), (0.0, 3.51, True), (2.9, 3.4, False)],
)
def test_demand_or_beam_too_far_is_out_of_reach(aim_mm, offset_mm, out):
    follower = settle(0.0, 0.0)
    assert measured(follower, 50, aim_mm, offset_mm).out_of_reach is out
    assert follower.out_of_reach is out


@pytest.mark.parametrize(
    ("aim_mm", "offset_mm", "out"),
    [(2.25, 2.62, False), (2.26, 0.0, True), (0.0, 2.63, True), (0.0, 0.0, False)],
)
def test_both_must_be_near_again_to_be_within_reach(aim_mm, offset_mm, out):
    follower = settle(0.0, 0.0)
    assert measured(follower, 50, 4.0, 0.0).out_of_reach
    assert measured(follower, 51, aim_mm, offset_mm).out_of_reach is out
    follower.begin()
    assert not follower.out_of_reach


def test_before_it_has_settled_nothing_is_out_of_reach():
    assert Follower(COUCH).out_of_reach is False
    assert not settle(9.0, 9.0).out_of_reach


def measured(follower, k, aim_mm, offset_mm):
    """What is measured of a couch that stands at the origin, in tick ``k``."""
    track = ActuatorTrack(0)
    track.add(k * TICK, (0.0, 0.0, 0.0))
    wanted, target = (0.0, aim_mm, 0.0), (0.0, 0.0, offset_mm)
    following = follower.measure(k * TICK, track, wanted, target, beam=False)
    assert following is not None
    return following


def test_settled_stays_until_motion_begins_again():
    follower, track = settle(0.0, 0.0), ActuatorTrack(0)
    track.add(50 * TICK, (0.0, 0.0, 0.0))
    far = follower.measure(50 * TICK, track, (9.0, 0.0, 0.0), (9.0, 0.0, 0.0), beam=False)
    assert far == Following(0.0, 9.0, 9.0, settled=True, begun=1, out_of_reach=True)
    follower.begin()
    assert not follower.settled


def test_the_actuator_has_a_share_in_the_error_region():
    follower, track = Follower(COUCH), ActuatorTrack(0)
    for k in range(4000):
        track.add(k * TICK, (0.6, 0.0, -0.2))
        follower.measure(k * TICK, track, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), beam=True)
    assert follower.variance_mm2 == pytest.approx((0.36, 0.0, 0.04), rel=0.05)


def test_its_share_is_counted_with_beam_alone():
    follower, track = Follower(COUCH), ActuatorTrack(0)
    for k in range(400):
        track.add(k * TICK, (0.6, 0.0, -0.2))
        follower.measure(k * TICK, track, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), beam=False)
    assert follower.variance_mm2 == (0.0, 0.0, 0.0)


def test_a_prediction_counts_one_latency_after_it_was_made():
    follower, track = Follower(COUCH), ActuatorTrack(0)
    for k in range(16):
        track.add(k * TICK, (1.0, 2.0, 3.0))
        needed = (0.0, 0.0, 0.0) if k == 0 else (1.0, 2.0, 3.0)
        follower.measure(k * TICK, track, needed, (1.0, 2.0, 3.0), beam=True)
        assert (follower.variance_mm2 != (0.0, 0.0, 0.0)) is (k == 15)
    share = 0.01 / 10.0
    assert follower.variance_mm2 == pytest.approx((share, 4 * share, 9 * share))
