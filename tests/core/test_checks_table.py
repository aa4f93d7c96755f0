"""The table of checks: all are there, and they tell their faults in a fixed order."""

from msgspec.structs import replace

from tests.core.situations import CAMERA, COUCH, MS, NOW, WELL, S, found
from tracker.core.machine.following import Following
from tracker.core.machine.machine_angles import AngleReport
from tracker.core.safety.checks.table import CHECKS
from tracker.core.safety.fault_table import FAULTS
from tracker.core.safety.situation import Reports
from tracker.core.settings import Session
from tracker.core.surrogate.report import SurrogateReport

SETTINGS = replace(COUCH, session=Session(identify=True))


def all_found(*situations):
    """What all checks find in the last of these situations, in the order in which they tell it."""
    checks = [factory(SETTINGS) for factory in CHECKS]

    def each(situation, conditions):
        for check in checks:
            check(situation, conditions)

    return list(found(each, *situations))


def test_without_a_cause_no_check_finds_anything():
    assert all_found(WELL) == []


def test_the_checks_tell_their_faults_in_the_order_of_the_table():
    now = replace(
        WELL,
        late_ns=S,
        surrogate=SurrogateReport(True, None, None, (replace(CAMERA, bad=(NOW, "x")),)),
        last_shot_ns=NOW - 99 * S,
        prediction=None,
        following=Following(9.0, 9.0, 9.0, True, 1, out_of_reach=True),
        beam_on=None,
        angles=AngleReport(-1),
        reports=Reports(not_recorded="x", bad={"imager": (NOW, "x")}),
    )
    # Some are faults only when they last: the same is seen for three seconds.
    told = all_found(*(replace(now, now_ns=NOW - k * 100 * MS) for k in range(30, -1, -1)))
    assert told == [
        "loop overrun",
        "not recording",
        "not identified",
        "bad samples",
        "surrogate lost",
        "imaging overdue",
        "target unsure",
        "beam off target",
        "not in position",
        "actuator runaway",
        "actuator off demand",
        "gate silent",
        "angles lost",
        "bad image",
    ]
    assert set(told) <= set(FAULTS)


def test_each_check_stands_in_the_table_once():
    assert len(set(CHECKS)) == len(CHECKS)
