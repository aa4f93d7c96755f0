"""The check of unreadable messages: a warning by the role of the device, for a second."""

import pytest

from tests.core.situations import COUCH, NOW, WELL, S, found, reports
from tracker.core.safety.checks.messages import MessageCheck
from tracker.core.safety.fault_table import FAULTS, Reaction


@pytest.mark.parametrize(
    ("role", "fault"),
    [
        ("imager", "bad image"),
        ("gate", "bad gate message"),
        ("actuator", "bad actuator message"),
        ("unknown", "unknown device"),
    ],
)
def test_each_role_has_a_warning_that_lasts_a_second(role, fault):
    check = MessageCheck(COUCH)
    assert found(check, reports(bad={role: (NOW - S + 1, "x: y")})) == {fault: "x: y"}
    assert found(check, reports(bad={role: (NOW - S, "x: y")})) == {}
    assert FAULTS[fault].reaction is Reaction.WARN


def test_two_roles_are_told_side_by_side():
    said = found(MessageCheck(COUCH), reports(bad={"gate": (NOW, "g"), "imager": (NOW, "i")}))
    assert said == {"bad gate message": "g", "bad image": "i"}
    assert found(MessageCheck(COUCH), WELL) == {}
