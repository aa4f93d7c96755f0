"""Following at its limits: which demand counts, what a stop changes, what each axis adds."""

import pytest
from msgspec.structs import replace

from tests.core.situations import COUCH, MS, S
from tracker.core.machine.following import Follower, Following
from tracker.core.machine.position_history import ActuatorTrack

HERE = (0.0, 0.0, 0.0)
FAR = (2.0, 3.0, 6.0)
"""7 mm from `HERE`, by another distance on each axis."""
LATENCY_NS, OLDEST_NS, NEWEST_NS = 150 * MS, 210 * MS, 90 * MS
"""Of the shipped couch: the latency, and when it may answer a demand at the latest and earliest."""
BRAKED_NS = OLDEST_NS + 100 * MS
"""After a stop from 20 mm/s at 200 mm/s^2."""


def measured(follower, t_ns, position=HERE, wanted=None, target=None, *, beam=False) -> Following:
    """How the actuator follows at a moment at which it reports this position."""
    track = ActuatorTrack(0)
    track.add(t_ns, position)
    following = follower.measure(t_ns, track, wanted, target, beam=beam)
    assert following is not None
    return following


def error(demands, t_ns, position=HERE):
    """The error of a couch that was sent these demands."""
    follower = Follower(COUCH)
    for at_ns, demand in demands:
        follower.add_demand(at_ns, demand)
    return measured(follower, t_ns, position).error_mm


# Which demand counts ----------------------------------------------------------------------------


def test_the_first_demand_counts_once_it_is_one_latency_old():
    demands = [(100 * MS, FAR)]
    assert error(demands, 100 * MS + LATENCY_NS - 1) is None
    assert error(demands, 100 * MS + LATENCY_NS) == 7.0


def test_a_demand_counts_from_six_tenths_of_the_latency_on():
    demands = [(0, FAR), (100 * MS, HERE)]
    assert error(demands, 100 * MS + NEWEST_NS - 1) == 7.0
    assert error(demands, 100 * MS + NEWEST_NS) == 0.0


def test_a_demand_counts_until_the_next_one_is_fourteen_tenths_of_the_latency_old():
    demands = [(0, HERE), (10 * MS, FAR)]
    assert error(demands, 10 * MS + OLDEST_NS - 1) == 0.0
    assert error(demands, 10 * MS + OLDEST_NS) == 7.0


def test_the_oldest_demand_that_is_near_enough_is_the_one_that_is_answered():
    limit_mm = COUCH.actuator.follow_error_mm
    for off_mm, answered_mm in ((limit_mm, limit_mm), (0.9, 0.9), (limit_mm + 0.01, 0.0)):
        demands = [(0, (0.0, off_mm, 0.0)), (10 * MS, HERE)]
        assert error(demands, 10 * MS + LATENCY_NS) == answered_mm


# Stops ------------------------------------------------------------------------------------------


def stopped(at_ns=S, settings=COUCH):
    follower = Follower(settings)
    follower.add_demand(at_ns, FAR)
    follower.stop(at_ns)
    return follower


@pytest.mark.parametrize("at_ns", [0, S])
def test_after_a_stop_it_must_stand_once_it_has_had_time_to_brake(at_ns):
    follower = stopped(at_ns)
    still = at_ns + BRAKED_NS
    assert measured(follower, still, FAR).error_mm is None
    assert measured(follower, still + 1, HERE).error_mm == 0.0
    assert measured(follower, still + MS, FAR).error_mm == 7.0


def test_the_time_to_brake_is_speed_by_acceleration():
    slow = replace(COUCH, actuator=replace(COUCH.actuator, acceleration_mm_s2=5.0))
    follower = stopped(settings=slow)
    still = S + OLDEST_NS + 4 * S
    assert measured(follower, still).error_mm is None
    assert measured(follower, still + 1).error_mm == 0.0


def test_without_a_stop_it_need_not_stand():
    follower = Follower(COUCH)
    assert measured(follower, 9 * S) == Following()
    follower.begin()
    assert measured(follower, 10 * S).error_mm is None


# A new run of motion ----------------------------------------------------------------------------


def test_a_new_run_of_motion_forgets_demands_stops_and_predictions():
    follower = Follower(COUCH)
    follower.add_demand(0, FAR)
    follower.begin()
    assert measured(follower, S).error_mm is None
    follower.stop(S)
    follower.begin()
    assert measured(follower, 9 * S).error_mm is None
    measured(follower, 10 * S, HERE, wanted=FAR, target=HERE, beam=True)
    measured(follower, 10 * S + LATENCY_NS, HERE, wanted=FAR, target=HERE, beam=True)
    assert follower.variance_mm2 != HERE
    follower.begin()
    assert follower.variance_mm2 == HERE
    for t_ns in (10 * S + LATENCY_NS + MS, 10 * S + 2 * LATENCY_NS):
        measured(follower, t_ns, HERE, wanted=FAR, target=HERE, beam=True)
    assert follower.variance_mm2 == HERE


def settled(follower, target=HERE):
    """Send a demand, and look one latency later whether the actuator counts as settled."""
    follower.add_demand(0, HERE)
    following = measured(follower, LATENCY_NS, HERE, wanted=HERE, target=target)
    return follower.settled, following.settled


def test_it_has_not_settled_while_the_target_is_unknown():
    follower = Follower(COUCH)
    assert settled(follower, target=None) == (False, False)
    assert settled(follower) == (True, True)
    assert follower.settled is True
    follower.begin()
    assert settled(follower, target=None) == (False, False)


# What is reported -------------------------------------------------------------------------------


def test_without_a_demand_the_distance_from_the_target_is_told_alone():
    follower = Follower(COUCH)
    follower.begin()
    follower.begin()
    following = measured(follower, 0, HERE, wanted=HERE, target=FAR)
    assert following == Following(None, None, 7.0, settled=False, begun=2)
    settled(follower)
    follower.stop(LATENCY_NS)
    following = measured(follower, LATENCY_NS + MS, HERE, wanted=HERE, target=FAR)
    assert following == Following(None, None, 7.0, settled=True, begun=2)
    assert following.settled is True


def test_each_distance_is_told_in_its_own_place():
    follower = Follower(COUCH)
    follower.begin()
    follower.begin()
    follower.add_demand(0, (0.0, 4.0, 0.0))
    following = measured(follower, LATENCY_NS, HERE, wanted=(0.0, 9.0, 0.0), target=FAR)
    assert following == Following(4.0, 5.0, 7.0, settled=False, begun=2)


def aim_of(quantum_mm, wanted, demand=HERE):
    """How far the last demand is from the wanted position, for axes that move in such steps."""
    settings = replace(COUCH, actuator=replace(COUCH.actuator, quantum_mm=quantum_mm))
    follower = Follower(settings)
    follower.add_demand(0, demand)
    return measured(follower, LATENCY_NS, HERE, wanted=wanted, target=HERE).aim_mm


def test_what_no_whole_step_reaches_is_no_distance():
    # Six tenths of a step of 5, 1 and 10 mm are 3, 0.6 and 6 mm.
    steps = (5.0, 1.0, 10.0)
    assert aim_of(steps, (3.0, 0.6, -6.0)) == pytest.approx(0.0, abs=1e-12)
    assert aim_of(steps, (-5.0, 3.6, 12.0)) == pytest.approx(7.0)
    demand = (-1.0, 2.0, -4.0)
    assert aim_of(steps, (4.0, -1.6, 8.0), demand) == pytest.approx(7.0)
    assert aim_of((0.0, 0.0, 0.0), (-2.0, 3.0, 6.0)) == pytest.approx(7.0)
    assert aim_of((0.0, 0.0, 10.0), (-2.0, 3.0, 12.0)) == pytest.approx(7.0)


@pytest.mark.parametrize(("wanted", "target"), [(HERE, None), (None, FAR)])
def test_without_both_target_and_aim_the_beam_is_not_compared(wanted, target):
    follower = Follower(COUCH)
    assert measured(follower, S, HERE, wanted=wanted, target=target).offset_mm is None


# The share of the error region ------------------------------------------------------------------


def test_the_share_is_the_mean_square_from_the_prediction_axis_by_axis():
    follower, seen = Follower(COUCH), []
    here, aim = (1.0, -2.0, 0.5), (3.0, 0.5, -0.75)
    for k in range(60):
        measured(follower, k * 10 * MS, here, wanted=aim, target=HERE, beam=True)
        seen.append(follower.variance_mm2)
    # From the 15th tick on each adds a thousandth of what is missing.
    done = 1.0 - 0.999**45
    assert seen[14] == HERE
    assert seen[-1] == pytest.approx((4.0 * done, 6.25 * done, 1.5625 * done))


def test_a_long_gap_adds_as_much_as_a_tenth_of_a_second():
    follower = Follower(COUCH)
    for t_ns in (0, S):
        measured(follower, t_ns, (1.0, 0.0, 0.0), wanted=HERE, target=HERE, beam=True)
    assert follower.variance_mm2 == pytest.approx((0.01, 0.0, 0.0))


@pytest.mark.parametrize("begun", [0, 1])
def test_the_first_measurement_has_no_length(begun):
    follower, track = Follower(COUCH), ActuatorTrack(0)
    for _ in range(begun):
        follower.begin()
    assert follower.measure(0, track, HERE, HERE, beam=True) is None
    measured(follower, S, FAR, wanted=HERE, target=HERE, beam=True)
    assert follower.variance_mm2 == HERE
