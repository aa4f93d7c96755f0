"""Motion: it begins where the actuator stands, gives demands past keep-out and guard, and stops."""

import pytest

from tracker.core.machine.following import Follower
from tracker.core.machine.guard import DemandGuard, GuardLimits
from tracker.core.machine.keep_out import KeepOutVolumes
from tracker.core.machine.motion import Motion, NoDemand
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.machine.steering import Steering
from tracker.core.settings import Actuator, Box, Controller, KeepOut

TICK_NS = 10_000_000
REST = (0.0, 0.0, 0.0)
HERE = (1.0, -2.0, 3.0)
GOAL = (2.0, -1.0, 2.0)
BOX = Box(low_mm=(-9.0, 20.0, -9.0), high_mm=(9.0, 40.0, 9.0))


def motion(*, step_mm=2.0, acceleration_mm_s2=500.0, boxes=(), horizon_ms=300.0) -> Motion:
    return Motion(
        Steering(Actuator()),
        DemandGuard(
            GuardLimits(
                position_mm=52.0,
                speed_mm_s=25.0,
                acceleration_mm_s2=acceleration_mm_s2,
                step_mm=step_mm,
            )
        ),
        KeepOutVolumes(KeepOut(boxes_mm=boxes, horizon_ms=horizon_ms)),
        Follower(Controller()),
    )


def begun(made: Motion, here=HERE, t_ns=TICK_NS) -> Motion:
    assert made.step(t_ns, GOAL, REST, here) == NoDemand(began=True)
    return made


def test_at_first_it_stands_still():
    made = motion()
    assert (made.moving, made.settled, made.variance_mm2) == (False, False, REST)
    assert made.step(TICK_NS, None, REST, HERE) == NoDemand()
    assert made.step(2 * TICK_NS, GOAL, REST, None) == NoDemand(), "nobody knows where it stands"
    assert not made.moving


def test_it_begins_where_the_actuator_stands_and_goes_to_the_goal():
    made = begun(motion())
    assert made.moving
    steering = Steering(Actuator())
    steering.start(TICK_NS, HERE)
    for k in range(2, 12):
        velocity = (0.3 * k, -0.2, 0.1)
        demand = steering.toward(k * TICK_NS, GOAL, velocity)
        assert made.step(k * TICK_NS, GOAL, velocity, HERE) == demand


def test_without_a_goal_it_stops_once():
    made = begun(motion())
    assert made.step(2 * TICK_NS, None, REST, HERE) == NoDemand(stop=True)
    assert not made.moving
    assert made.step(3 * TICK_NS, None, REST, HERE) == NoDemand()
    begun(made, t_ns=4 * TICK_NS)


@pytest.mark.parametrize(("gap_ns", "goes_on"), [(100_000_000, True), (100_000_001, False)])
def test_after_a_gap_it_stops_and_begins_anew(gap_ns, goes_on):
    made = begun(motion())
    assert isinstance(made.step(2 * TICK_NS, GOAL, REST, HERE), tuple)
    step = made.step(2 * TICK_NS + gap_ns, GOAL, REST, HERE)
    assert isinstance(step, tuple) is goes_on
    assert made.moving is goes_on
    if not goes_on:
        assert step == NoDemand(stop=True)
        begun(made, t_ns=60 * TICK_NS)


def test_a_gap_is_counted_from_the_beginning_too():
    made = begun(motion(), t_ns=50 * TICK_NS)
    assert isinstance(made.step(60 * TICK_NS, GOAL, REST, HERE), tuple)


def test_a_refused_demand_is_told_and_the_gap_goes_on():
    made = begun(motion(step_mm=1e-6))
    for k in range(2, 12):
        step = made.step(k * TICK_NS, GOAL, REST, HERE)
        assert isinstance(step, NoDemand)
        assert step.refused.startswith("step of ")
        assert (step.stop, step.began, step.keep_out) == (False, False, "")
        assert made.moving
    assert made.step(12 * TICK_NS, GOAL, REST, HERE) == NoDemand(stop=True)


@pytest.mark.parametrize("here", [(0.0, 25.0, 0.0), (0.0, 15.5, 0.0)])
def test_a_way_too_near_to_a_volume_stops_the_motion(here):
    made = begun(motion(boxes=(BOX,)), REST)
    step = made.step(2 * TICK_NS, (0.0, 0.1, 0.0), REST, here)
    assert step == NoDemand(stop=True, keep_out="the way comes within 5 mm of keep-out box 1")
    assert not made.moving


def test_a_velocity_towards_a_volume_stops_the_motion():
    """At 20 mm/s and with 2 s of horizon the way ends 40 mm on."""
    made = begun(motion(boxes=(BOX,), horizon_ms=2000.0), REST)
    steps = [
        made.step(k * TICK_NS, (0.0, 14.0, 0.0), REST, (0.0, -40.0, 0.0)) for k in range(2, 12)
    ]
    stops = [step for step in steps if isinstance(step, NoDemand)]
    assert stops[0] == NoDemand(stop=True, keep_out="the way comes within 5 mm of keep-out box 1")
    free = begun(motion(boxes=(BOX,)), REST)
    assert all(
        isinstance(free.step(k * TICK_NS, (0.0, 14.0, 0.0), REST, None), tuple)
        for k in range(2, 12)
    ), "0.3 s of horizon; and the way begins at the demand where no position is known"


def test_following_is_measured_in_motion_only():
    made = motion()
    track = ActuatorTrack(0)
    track.add(1, HERE)
    still = made.follow(2, track, GOAL, HERE, beam=False)
    assert still is not None
    assert still.offset_mm is None
    begun(made)
    track.add(TICK_NS, HERE)
    moving = made.follow(TICK_NS, track, GOAL, (1.0, -2.0, 3.5), beam=True)
    assert moving is not None
    assert moving.offset_mm == pytest.approx(0.5)


def follow_closely(made: Motion, *, beam: bool) -> ActuatorTrack:
    """Let the actuator stand at the goal, to which the demands go, for half a second."""
    track = ActuatorTrack(0)
    for k in range(2, 60):
        now_ns = k * TICK_NS
        track.add(now_ns, GOAL)
        made.follow(now_ns, track, GOAL, GOAL, beam=beam)
        made.step(now_ns, GOAL, REST, GOAL)
    return track


def test_it_is_settled_while_it_moves_and_has_been_where_it_should_be():
    made = begun(motion())
    assert not made.settled
    follow_closely(made, beam=False)
    assert made.settled
    made.stop(60 * TICK_NS)
    assert not made.settled
    assert not made.moving
    begun(made, t_ns=61 * TICK_NS)
    assert not made.settled


def test_it_is_out_of_reach_only_while_it_moves():
    made = begun(motion())
    track = follow_closely(made, beam=False)
    assert made.out_of_reach is False
    track.add(60 * TICK_NS, GOAL)
    made.follow(60 * TICK_NS, track, GOAL, (90.0, 0.0, 0.0), beam=False)
    assert made.out_of_reach is True
    made.stop(61 * TICK_NS)
    assert made.out_of_reach is False


def test_the_guard_counts_time_from_the_beginning():
    """The first step of steering accelerates by 200 mm/s2."""
    step = begun(motion(acceleration_mm_s2=150.0)).step(2 * TICK_NS, GOAL, REST, HERE)
    assert isinstance(step, NoDemand)
    assert step.refused == "acceleration of 200 mm/s2 is over 150 mm/s2 along x"
    assert isinstance(
        begun(motion(acceleration_mm_s2=250.0)).step(2 * TICK_NS, GOAL, REST, HERE), tuple
    )


def test_demands_are_remembered_with_their_time():
    """An actuator that is where it was demanded one latency ago (150 ms) follows without error."""
    made, track, demands = begun(motion(), REST), ActuatorTrack(0), [REST] * 16
    following = None
    for k in range(2, 60):
        track.add(k * TICK_NS, demands[-15])
        following = made.follow(k * TICK_NS, track, REST, REST, beam=False)
        goal = (0.1 * k, 0.0, 0.0)
        step = made.step(k * TICK_NS, goal, (10.0, 0.0, 0.0), demands[-15])
        assert isinstance(step, tuple)
        demands.append(step)
    assert following is not None
    assert following.error_mm is not None
    assert following.error_mm < 0.7, "the oldest demand that is near enough"
    assert demands[-1][0] - demands[-15][0] > 1.3


def stop_by_request(made: Motion) -> None:
    made.stop(60 * TICK_NS)


def stop_for_want_of_a_goal(made: Motion) -> None:
    assert made.step(60 * TICK_NS, None, REST, GOAL) == NoDemand(stop=True)


def stop_before_a_volume(made: Motion) -> None:
    step = made.step(60 * TICK_NS, GOAL, REST, (0.0, 30.0, 0.0))
    assert isinstance(step, NoDemand)
    assert step.keep_out


@pytest.mark.parametrize("stop", [stop_by_request, stop_for_want_of_a_goal, stop_before_a_volume])
def test_after_a_stop_the_actuator_must_stand(stop):
    """It may brake for 1.4 latencies and from full speed, 310 ms; from then on it must not move."""
    made = begun(motion(boxes=(BOX,)))
    track = follow_closely(made, beam=False)
    stop(made)
    for k, error_mm in ((90, None), (92, 0.0), (93, 0.5)):
        x, y, z = GOAL
        track.add(k * TICK_NS, (x + (error_mm or 0.0), y, z))
        following = made.follow(k * TICK_NS, track, None, None, beam=False)
        assert following is not None
        assert following.error_mm == (None if error_mm is None else pytest.approx(error_mm))


def test_a_step_cannot_be_changed():
    with pytest.raises(AttributeError):
        NoDemand().stop = True  # pyright: ignore[reportAttributeAccessIssue]


def test_a_stop_is_told_to_the_judgement_of_following():
    made = begun(motion())
    track = follow_closely(made, beam=False)
    made.stop(60 * TICK_NS)
    after = made.follow(61 * TICK_NS, track, GOAL, GOAL, beam=False)
    assert after is not None
    assert after.error_mm is None, "no demand counts any more"


def test_the_actuators_share_of_the_error_region_is_handed_on():
    made = begun(motion())
    track = ActuatorTrack(0)
    for k in range(2, 60):
        track.add(k * TICK_NS, HERE)
        made.follow(k * TICK_NS, track, GOAL, GOAL, beam=True)
        made.step(k * TICK_NS, GOAL, REST, HERE)
    assert min(made.variance_mm2) > 0.0
