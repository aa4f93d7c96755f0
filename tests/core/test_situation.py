"""The situation: what holds where nothing was told, and when the beam is permitted."""

from typing import get_args

import pytest

from tracker.core.safety.situation import DeviceRole, Reports, Situation
from tracker.core.surrogate.report import SurrogateReport
from tracker.core.target.shot_findings import ShotFindings


def test_where_nothing_was_told_nothing_has_been_and_nothing_is_permitted():
    now = Situation(5)
    never = (now.last_shot_ns, now.permit_since_ns, now.permit_until_ns)
    assert never == (-1, -1, -1)
    assert (now.beam_status_ns, now.reviewed_ns) == (-1, -1)
    assert (now.now_ns, now.late_ns) == (5, 0)
    assert now.actuator_variance_mm2 == (0.0, 0.0, 0.0)
    assert (now.model, now.prediction, now.following, now.beam_on) == (None,) * 4
    assert (now.surrogate, now.shots, now.prediction_off) == (SurrogateReport(), ShotFindings(), "")
    assert now.reports == Reports()
    assert (now.region_variance_mm2, now.angles) == (None, None)
    assert (now.permitted, now.gated_off) == (False, False)


def test_where_nothing_was_told_nobody_has_been_identified_and_nothing_is_wrong():
    reports = Reports()
    assert reports.identified is False
    assert (reports.not_recorded, reports.no_monitor, reports.misidentified) == ("", "", "")
    assert (reports.actuator_fault, reports.actuator_restarted) == ("", "")
    assert (reports.demand_refused, reports.bad) == ("", {})


@pytest.mark.parametrize(
    ("now_ns", "permitted"), [(0, True), (99, True), (100, True), (101, False)]
)
def test_the_beam_is_permitted_until_its_lease_ends(now_ns, permitted):
    assert Situation(now_ns, permit_until_ns=100).permitted is permitted


@pytest.mark.parametrize("value", [Situation(0), Reports()])
def test_no_check_can_change_what_the_next_one_sees(value):
    with pytest.raises(AttributeError, match="immutable"):
        setattr(value, value.__struct_fields__[0], 1)


def test_every_device_that_is_no_breathing_sensor_has_a_role():
    assert get_args(DeviceRole) == ("imager", "gate", "actuator", "linac", "unknown")
