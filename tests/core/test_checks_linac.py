"""The check of the machine's angles: none, too old, suspect, and stopped under a permit."""

import pytest

from tests.core.situations import COUCH, MS, NOW, WELL, found, situation
from tracker.core.machine.machine_angles import AngleReport
from tracker.core.safety.checks.linac import LinacCheck

CHECK = LinacCheck(COUCH)
STALE_NS = 200 * MS


def at(newest_ns, now_ns=NOW, **changes):
    return situation(
        now_ns=now_ns, permit_until_ns=now_ns, angles=AngleReport(newest_ns=newest_ns, **changes)
    )


def test_a_machine_that_needs_no_angles_misses_none():
    assert found(CHECK, WELL) == {}
    assert found(CHECK, situation(angles=None)) == {}


@pytest.mark.parametrize("newest_ns", [0, NOW - 7 * MS])
def test_angles_are_lost_once_they_are_older_than_their_limit(newest_ns):
    assert found(CHECK, at(newest_ns, newest_ns + STALE_NS)) == {}
    assert set(found(CHECK, at(newest_ns, newest_ns + STALE_NS + 1))) == {"angles lost"}
    said = found(CHECK, at(newest_ns, newest_ns + STALE_NS + 31 * MS))
    assert said == {"angles lost": "linac: no angles, the newest is 231 ms old, limit 200 ms"}


def test_before_the_first_angles_they_are_lost():
    said = {"angles lost": "linac: no angles, none has come, limit 200 ms"}
    assert found(CHECK, at(-1, 0)) == said
    assert found(CHECK, at(-1)) == said


def test_a_suspect_angle_is_wrong_with_or_without_a_permit():
    for now in (at(NOW, suspect="x"), situation(angles=AngleReport(NOW, suspect="x"))):
        assert found(CHECK, now) == {"angles wrong": "linac: x"}
    assert set(found(CHECK, at(-1, suspect="x"))) == {"angles lost"}


def test_angles_that_stop_are_wrong_while_the_beam_is_permitted():
    assert found(CHECK, at(NOW, stopped="y")) == {"angles wrong": "linac: y"}
    off = situation(permit_until_ns=NOW - 1, angles=AngleReport(newest_ns=NOW, stopped="y"))
    assert found(CHECK, off) == {}
    assert found(CHECK, at(NOW)) == {}
    assert found(CHECK, at(NOW, suspect="x", stopped="y")) == {"angles wrong": "linac: x"}
