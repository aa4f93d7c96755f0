"""The check of the machine: silent, not in position, off its demand, far off it."""

import pytest

from tests.core.situations import COUCH, MS, NOW, WELL, found, reports, situation
from tracker.core.machine.following import Following
from tracker.core.safety.checks.actuator import ActuatorCheck


def off(error_mm, now_ns=NOW):
    return situation(now_ns=now_ns, following=Following(error_mm, 0.1, 0.1, True, 1))


def reach(now_ms, *, out_of_reach=True):
    following = Following(0.1, 3.01, 0.1, True, 1, out_of_reach)
    return situation(now_ns=NOW + now_ms * MS, following=following)


def test_all_is_well():
    assert found(ActuatorCheck(COUCH), WELL) == {}
    assert found(ActuatorCheck(COUCH), situation(following=Following())) == {}


@pytest.mark.parametrize(
    ("field", "fault", "said"),
    [
        ("actuator_fault", "actuator fault", "couch: x"),
        ("actuator_restarted", "actuator restarted", "couch: x"),
        ("demand_refused", "demand refused", "x"),
    ],
)
def test_what_was_reported_is_told(field, fault, said):
    assert found(ActuatorCheck(COUCH), reports(**{field: "x"})) == {fault: said}


def test_no_position_is_silence():
    said = found(ActuatorCheck(COUCH), situation(following=None))
    assert said == {"actuator silent": "couch: no position for over 200 ms"}


def test_a_machine_out_of_reach_for_two_seconds_is_a_fault():
    check = ActuatorCheck(COUCH)
    for now_ms in range(0, 2000, 10):
        assert found(check, reach(now_ms)) == {}
    assert found(check, reach(2000)) == {
        "not in position": "couch: demand 3.01 mm from the wanted position; out of reach for "
        "longer than within reach"
    }


def test_it_does_not_matter_when_the_count_begins():
    first: list[int] = []
    for start_ns in (0, NOW):
        check, far = ActuatorCheck(COUCH), Following(0.1, 3.01, 0.1, True, 1, out_of_reach=True)
        times = (start_ns + k * 100 * MS for k in range(40))
        told = [found(check, situation(now_ns=at_ns, following=far)) for at_ns in times]
        first.append(next(k for k, said in enumerate(told) if said))
    assert first[0] == first[1]


def test_time_within_reach_is_taken_off():
    check = ActuatorCheck(COUCH)
    for now_ms in range(0, 8000, 10):  # as long out of reach as within it
        assert found(check, reach(now_ms, out_of_reach=now_ms % 2000 < 1000)) == {}
    times = [now_ms for now_ms in range(8000, 30_000, 10)
             if found(check, reach(now_ms, out_of_reach=now_ms % 2000 < 1200))]  # fmt: skip
    # The count gains 0.4 s in each 2 s; it is 0.4 + 1.2 s in the third and 0.8 + 1.2 s in the next.
    assert times[0] == 13_190


def test_the_count_ends_at_its_limit_and_a_gap_counts_as_a_tenth_of_a_second():
    check = ActuatorCheck(COUCH)
    for now_ms in range(0, 9000, 10):
        found(check, reach(now_ms))
    assert found(check, reach(9000, out_of_reach=False)) == {}
    for now_ms in range(9010, 11_000, 10):
        found(check, reach(now_ms, out_of_reach=False))
    assert found(check, *(reach(now_ms) for now_ms in range(11_000, 12_990, 10))) == {}
    late = ActuatorCheck(COUCH)
    assert found(late, reach(0), *(reach(1000 * k) for k in range(1, 20))) == {}
    assert set(found(late, reach(20_000))) == {"not in position"}


def test_an_error_holds_after_its_time():
    check = ActuatorCheck(COUCH)
    assert found(check, off(1.0)) == {}
    assert found(check, off(1.01)) == {}
    assert found(check, off(1.01, NOW + 100 * MS - 1)) == {}
    said = found(check, off(1.01, NOW + 100 * MS))
    assert said == {"actuator off demand": "couch: 1.01 mm from the demand, limit 1 mm for 100 ms"}
    assert found(check, off(1.0, NOW + 110 * MS)) == {}
    assert found(check, off(1.01, NOW + 120 * MS)) == {}


def test_without_a_demand_to_answer_the_time_begins_anew():
    check = ActuatorCheck(COUCH)
    assert found(check, off(2.0), off(None, NOW + 50 * MS), off(2.0, NOW + 100 * MS)) == {}


def test_silence_does_not_begin_the_time_anew():
    check = ActuatorCheck(COUCH)
    silent = situation(now_ns=NOW + 50 * MS, following=None)
    said = found(check, off(2.0), silent, off(2.0, NOW + 100 * MS))
    assert set(said) == {"actuator off demand"}


def test_far_off_its_demand_it_is_stopped_at_once():
    assert found(ActuatorCheck(COUCH), off(3.0)) == {}
    said = found(ActuatorCheck(COUCH), off(3.01))
    assert said == {"actuator runaway": "couch: 3.01 mm from the demand, limit 3 mm"}


@pytest.mark.parametrize("begin_ns", [0, NOW])
def test_the_time_begins_with_the_first_tick_off_the_demand(begin_ns):
    check = ActuatorCheck(COUCH)
    assert found(check, off(0.5, begin_ns), off(1.01, begin_ns + 10 * MS)) == {}
    assert found(check, off(1.01, begin_ns + 110 * MS - 1)) == {}
    assert set(found(check, off(1.01, begin_ns + 110 * MS))) == {"actuator off demand"}


def test_the_time_may_begin_at_the_start_of_the_run():
    check = ActuatorCheck(COUCH)
    assert found(check, off(1.01, 0), off(1.01, 60 * MS)) == {}
    assert set(found(check, off(1.01, 100 * MS))) == {"actuator off demand"}
