"""Driver and controller twin, back to back on virtual time: following, and every failure."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from hal.errors import DeviceError, LinkError
from hal.events import SendDemand, SendHold, SendStop
from hal.messages import ActuatorStatus, BadSample, Triple
from hal.motion_limits import MotionLimits
from hal.rsi.codec import robot_form, sensor_form
from hal.rsi.configuration import EthernetConfiguration
from hal.rsi.session import TABLE, RsiSession, RsiSettings, RsiState, RsiTrigger
from sim.rsi import ControllerSettings, RobotTwin

Make = Callable[..., Any]
ROTATED = ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0))


def breathing(now_ns: int) -> Triple:
    angle = 2 * math.pi * now_ns / 4e9
    return (2.0 * math.sin(angle), -1.0 * math.sin(angle), 6.0 * (1 - math.cos(angle)))


def statuses(pair: Any) -> list[ActuatorStatus]:
    return [s for s in pair.samples if isinstance(s, ActuatorStatus)]


@pytest.mark.parametrize("cycle_ns", [4_000_000, 12_000_000])
def test_every_cycle_is_answered_and_the_robot_follows(back_to_back: Make, cycle_ns: int) -> None:
    pair = back_to_back(RsiSettings(cycle_ns=cycle_ns), ControllerSettings(cycle_ns=cycle_ns))
    worst = 0.0

    def steer(now_ns: int) -> None:
        nonlocal worst
        if pair.session.ready:
            pair.demand(breathing(now_ns))
        if now_ns > 100_000_000:
            behind = breathing(now_ns - 2 * cycle_ns)
            worst = max(worst, math.dist(pair.twin.offset_mm, behind))

    pair.run(8.0, steer)
    assert pair.broken is None
    assert pair.twin.faulty_packets == 0
    assert pair.twin.refused == 0
    assert len(pair.replies) == pair.twin.cycles == pair.session.cycles
    assert worst < 0.2
    reported = statuses(pair)
    assert len(reported) == len(pair.samples)
    assert len(reported) >= 8.0 / 0.012 - 2
    assert math.dist(reported[-1].position_mm, pair.twin.offset_mm) < 0.1
    assert reported[-1].fault == ""
    assert "late 0" in pair.twin.text


def test_reply_repeats_the_ipoc_and_stays_zero_without_demands(
    back_to_back: Make, ethernet: EthernetConfiguration
) -> None:
    pair = back_to_back()
    pair.run(0.1)
    form = sensor_form(ethernet)
    ipocs = [form.decode(reply).ipoc for reply in pair.replies]
    assert ipocs == list(range(ipocs[0], ipocs[0] + 4 * len(ipocs), 4))
    assert all(set(form.decode(reply).numbers.values()) == {0.0} for reply in pair.replies)


def test_what_goes_out_stays_inside_the_limits(
    back_to_back: Make, ethernet: EthernetConfiguration
) -> None:
    limits = MotionLimits((-5.0, -5.0, -5.0), (5.0, 5.0, 5.0), 30.0, 400.0)
    pair = back_to_back(limits=limits)
    corners = itertools.cycle([(5.0, -5.0, 5.0), (-5.0, 5.0, 5.0), (5.0, 5.0, -5.0)])

    def steer(now_ns: int) -> None:
        if pair.session.ready and now_ns % 700_000_000 < 4_000_000:
            pair.demand(next(corners))

    pair.run(5.0, steer)
    form = sensor_form(ethernet)
    sent = [form.decode(reply).numbers for reply in pair.replies]
    path = [tuple(numbers[f"RKorr.{axis}"] for axis in "XYZ") for numbers in sent]
    wire_mm = 1e-4 * math.sqrt(3)  # the last decimal on the wire
    before = (0.0, 0.0, 0.0)
    for earlier, later in itertools.pairwise(path):
        assert limits.encloses(later)  # type: ignore[arg-type]
        assert math.dist(earlier, later) <= 30.0 * 0.004 + wire_mm
        step = tuple(b - a for a, b in zip(earlier, later, strict=True))
        assert math.dist(step, before) <= 400.0 * 0.004**2 + 2 * wire_mm
        before = step
    assert max(abs(value) for place in path for value in place) > 4.999


def test_frames_are_turned_there_and_back(back_to_back: Make) -> None:
    pair = back_to_back(RsiSettings(base_from_fixed=ROTATED))
    pair.run(0.02)
    pair.demand((1.0, 2.0, 3.0))
    pair.run(1.0)
    assert pair.twin.offset_mm == pytest.approx((-2.0, 3.0, -1.0), abs=2e-4)
    assert statuses(pair)[-1].position_mm == pytest.approx((1.0, 2.0, 3.0), abs=2e-4)


@pytest.mark.parametrize(
    ("position", "says"),
    [
        ((20.0001, 0.0, 0.0), "20.000, 0.000, 0.000"),
        ((0.0, -25.0, 0.0), "limits are"),
        ((math.nan, 0.0, 0.0), "refused"),
    ],
)
def test_out_of_range_correction_is_refused_before_it_is_sent(
    back_to_back: Make, position: Triple, says: str
) -> None:
    pair = back_to_back()
    pair.run(0.02)
    pair.demand((3.0, 0.0, 0.0))
    with pytest.raises(DeviceError, match=says):
        pair.demand(position)
    pair.run(1.0)
    assert pair.twin.asked_mm == pytest.approx((3.0, 0.0, 0.0), abs=2e-4)
    assert not pair.twin.clamped


def test_the_room_may_move_the_robot(ethernet: EthernetConfiguration) -> None:
    twin = RobotTwin("twin", ethernet)
    twin.begin(0)
    (asked,) = twin.wake(0)
    assert asked == SendDemand(0, "twin", (0.0, 0.0, 0.0))
    twin.show(ActuatorStatus("robot", 1, (1.0, 2.0, 3.0)), 1)
    twin.wake(4_000_000)
    telegram = robot_form(ethernet).decode(twin.data_to_send())
    assert telegram.numbers["RIst.Y"] == ControllerSettings().start_mm[1] + 2.0
    assert telegram.numbers["RSol.Y"] == ControllerSettings().start_mm[1]


def test_stop_brakes_and_the_next_demand_moves_again(back_to_back: Make) -> None:
    pair = back_to_back()
    pair.run(0.02)
    pair.demand((15.0, 0.0, 0.0))
    pair.run(0.15)
    pair.session.obey(SendStop(pair.now_ns, "robot"), pair.now_ns)
    at_stop = pair.twin.asked_mm[0]
    pair.run(0.5)
    rested = pair.twin.asked_mm[0]
    assert 0 < rested - at_stop <= 60.0**2 / (2 * 600.0) + 60.0 * 0.008
    pair.run(0.5)
    assert pair.twin.asked_mm[0] == rested < 15.0
    pair.demand((0.0, 0.0, 0.0))
    pair.run(1.0)
    assert pair.twin.asked_mm[0] == pytest.approx(0.0, abs=2e-4)


def test_a_lost_reply_leaves_the_robot_where_it_is_and_is_counted(back_to_back: Make) -> None:
    pair = back_to_back()
    pair.lost = lambda direction, cycle: direction == "answer" and cycle % 50 == 0
    steps: list[float] = []
    last = (0.0, 0.0, 0.0)

    def steer(now_ns: int) -> None:
        nonlocal last
        if pair.session.ready:
            pair.demand(breathing(now_ns))
        steps.append(math.dist(last, pair.twin.offset_mm))
        last = pair.twin.offset_mm

    pair.run(4.0, steer)
    assert pair.broken is None
    assert 18 <= pair.session.late_packets == pair.twin.faulty_packets <= 21
    assert statuses(pair)[-1].fault == ""
    assert max(steps) <= 60.0 * 0.004  # never two cycles' worth in one


def test_a_stalled_driver_makes_no_jump_when_it_wakes_up(back_to_back: Make) -> None:
    pair = back_to_back()
    stall_until = 1_400_000_000
    pair.think_ns = lambda _cycle: (
        stall_until - pair.now_ns if 1_300_000_000 < pair.now_ns < stall_until else 100_000
    )
    places: list[Triple] = []

    def steer(now_ns: int) -> None:
        if pair.session.ready:
            pair.demand(breathing(now_ns))
        places.append(pair.twin.offset_mm)

    pair.run(3.0, steer)
    assert pair.broken is None
    assert 20 <= pair.twin.faulty_packets <= 26
    assert pair.twin.refused == pair.twin.faulty_packets
    steps = [math.dist(a, b) for a, b in itertools.pairwise(places)]
    assert max(steps) <= 60.0 * 0.004


def test_late_counter_is_a_fault_from_half_the_timeout_on(back_to_back: Make) -> None:
    pair = back_to_back(RsiSettings(timeout_packets=40), ControllerSettings(timeout_packets=40))
    pair.lost = lambda direction, cycle: direction == "answer" and 10 <= cycle < 30
    pair.run(1.0)
    assert pair.twin.ready
    assert statuses(pair)[-1].fault.startswith("RSI late packets 20 of 40")


def test_rsi_timeout_breaks_off_and_the_link_is_given_up(back_to_back: Make) -> None:
    pair = back_to_back()
    pair.lost = lambda direction, cycle: direction == "answer" and cycle > 20
    pair.run(2.0)
    assert not pair.twin.ready
    assert "RSITimeout" in pair.twin.pendant
    assert pair.twin.faulty_packets == 101
    assert pair.broken is not None
    assert "RSI broke off (RSITimeout) with 100 late packets" in str(pair.broken)
    assert pair.session.state is RsiState.LOST
    with pytest.raises(DeviceError, match="fell silent"):
        pair.demand((0.0, 0.0, 0.0))


def test_lost_controller_is_noticed_after_25_silent_cycles(back_to_back: Make) -> None:
    pair = back_to_back()
    pair.run(0.5)
    pair.twin.stop(pair.now_ns, "power cut")
    silent_from = pair.now_ns
    assert pair.session.wake_ns is not None
    assert pair.session.wake_ns - silent_from <= 100_000_000 + pair.wire_ns
    pair.run(1.0)
    assert "controller lost, no telegram for 100 ms" in str(pair.broken)
    assert not pair.session.ready


def test_after_a_loss_only_a_new_run_is_taken_over(back_to_back: Make) -> None:
    """A run that went on meanwhile holds an offset nobody knows: it is not answered."""
    pair = back_to_back(twin_settings=ControllerSettings(restart_ns=500_000_000))
    pair.run(0.02)
    pair.demand((8.0, 0.0, 0.0))
    pair.run(1.0)
    pair.session.begin(pair.now_ns)  # as the link does after trouble of its own
    asked = pair.twin.asked_mm
    pair.samples.clear()
    replies = len(pair.replies)
    pair.run(0.3)
    assert pair.session.state is RsiState.FOREIGN
    assert not pair.session.ready
    assert len(pair.replies) == replies
    assert pair.twin.asked_mm == asked
    (said,) = pair.samples
    assert isinstance(said, BadSample)
    assert "restart RSI on the robot" in said.what
    pair.run(1.0)  # Timeout ends that run, the operator starts the next
    assert pair.session.ready
    assert pair.twin.faulty_packets == 0
    pair.demand((1.0, 0.0, 0.0))
    pair.run(0.5)
    assert pair.twin.asked_mm == pytest.approx((1.0, 0.0, 0.0), abs=2e-4)


def test_a_run_already_late_when_the_driver_begins_is_foreign(
    ethernet: EthernetConfiguration,
) -> None:
    twin, session = RobotTwin("twin", ethernet), RsiSession("robot", ethernet, MotionLimits())
    twin.begin(0)
    for cycle in range(3):
        twin.wake(cycle * 4_000_000)
    session.begin(9_000_000)
    (said,) = session.receive(twin.data_to_send(), 9_000_000)
    assert isinstance(said, BadSample)
    assert session.state is RsiState.FOREIGN
    assert session.data_to_send() == b""


def test_a_new_run_is_taken_over_at_once_when_the_last_one_ended_long_ago(
    back_to_back: Make,
) -> None:
    pair = back_to_back()
    pair.run(0.5)
    pair.twin.stop(pair.now_ns)
    pair.run(0.3)
    assert pair.broken is not None
    pair.broken = None
    pair.session.begin(pair.now_ns)
    pair.twin.begin(pair.now_ns + 1_000_000)  # nobody listened to the silence before it
    pair.run(0.1)
    assert pair.session.ready
    assert pair.twin.faulty_packets == 0


def test_a_run_that_starts_after_a_pause_is_taken_over_whatever_it_counted(
    ethernet: EthernetConfiguration,
) -> None:
    """Should a controller keep its late counter from run to run, the pause tells them apart."""
    session = RsiSession("robot", ethernet, MotionLimits())
    form = robot_form(ethernet)
    twin = RobotTwin("twin", ethernet)
    twin.begin(0)
    twin.wake(0)
    first = form.decode(twin.data_to_send())
    late = {**first.numbers, "Delay.D": 17.0}
    session.begin(0)
    session.receive(form.encode(type(first)(first.ipoc, late)), 200_000_000)
    assert session.ready
    assert session.late_packets == 0


def test_corrupt_telegrams_are_reported_unanswered_and_forgotten(back_to_back: Make) -> None:
    pair = back_to_back()
    pair.run(0.1)
    good = pair.twin.cycles
    for garbage in (b"", b"\x00" * 100, b"<Rob", b'<Rob Type="KUKA"></Rob>'):
        (said,) = pair.session.receive(garbage, pair.now_ns)
        assert isinstance(said, BadSample)
        assert pair.session.data_to_send() == b""
    pair.run(0.1)
    assert pair.session.cycles == pair.twin.cycles > good
    assert pair.twin.faulty_packets == 0


def test_a_pose_that_jumps_is_no_status(
    back_to_back: Make, ethernet: EthernetConfiguration
) -> None:
    pair = back_to_back()
    pair.run(0.1)
    pair.twin.wake(pair.twin.wake_ns)
    telegram = re.sub(rb'<RIst X="1620', b'<RIst X="9620', pair.twin.data_to_send())
    (said,) = pair.session.receive(telegram, pair.now_ns)
    assert isinstance(said, BadSample)
    assert said.what == "robot pose jumps"
    assert "8000.0 mm in 1 cycles" in said.value
    assert sensor_form(ethernet).decode(pair.session.data_to_send())  # the cycle is answered


def test_an_old_telegram_is_not_answered_and_a_new_run_closes_the_link(
    back_to_back: Make, ethernet: EthernetConfiguration
) -> None:
    pair = back_to_back()
    pair.run(0.1)
    other = RobotTwin("other", ethernet, ControllerSettings(first_ipoc=1000))
    other.begin(0)
    telegrams: list[bytes] = []
    for cycle in range(4):
        other.wake(cycle * 4_000_000)
        telegrams.append(other.data_to_send())
    for telegram in telegrams[:3]:
        (said,) = pair.session.receive(telegram, pair.now_ns)
        assert isinstance(said, BadSample)
        assert said.what == "RSI telegram out of order"
        assert pair.session.data_to_send() == b""
    with pytest.raises(LinkError, match="started anew"):
        pair.session.receive(telegrams[3], pair.now_ns)


def test_only_demands_and_stops_are_obeyed_and_only_while_following(
    ethernet: EthernetConfiguration,
) -> None:
    session = RsiSession("robot", ethernet, MotionLimits())
    session.begin(0)
    session.obey(SendStop(0, "robot"), 0)
    with pytest.raises(DeviceError, match="no run of RSI heard yet"):
        session.obey(SendDemand(0, "robot", (0.0, 0.0, 0.0)), 0)
    with pytest.raises(DeviceError, match="cannot obey"):
        session.obey(SendHold(0, "robot", ()), 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cycle_ns": 5_000_000},
        {"timeout_packets": 0},
        {"silence_cycles": 1},
        {"base_from_fixed": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))},
        {"base_from_fixed": ((1.0, 0.1, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))},
    ],
)
def test_settings_no_controller_has_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="RSI"):
        RsiSettings(**wrong)


def test_the_table_knows_every_state_and_ends_nowhere() -> None:
    assert {state for state, _ in TABLE} == set(RsiState) == set(TABLE.values())
    for state in RsiState:
        assert TABLE[state, RsiTrigger.BEGIN] is RsiState.LISTENING
    silent = {state for state, trigger in TABLE if trigger is RsiTrigger.SILENCE}
    assert silent == {RsiState.FOREIGN, RsiState.FOLLOWING}
