"""The check of the machine: silent, not in position, off its demand, far off it."""

import pytest

from tests.core.situations import COUCH, MS, NOW, WELL, found, reports, situation
from tracker.core.machine.following import Following
from tracker.core.safety.checks.actuator import ActuatorCheck


def off(error_mm, now_ns=NOW):
    return situation(now_ns=now_ns, following=Following(error_mm, 0.1, 0.1, True, 1))


def aim(aim_mm, settled=True):
    return situation(following=Following(0.1, aim_mm, 0.1, settled, 1))


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


def test_a_demand_too_far_from_the_wanted_position_holds_once_it_was_there():
    check = ActuatorCheck(COUCH)
    assert found(check, aim(3.0)) == {}
    said = found(check, aim(3.01))
    assert said == {"not in position": "couch: demand 3.01 mm from the wanted position, limit 3 mm"}
    assert found(check, aim(3.01, settled=False)) == {}


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
