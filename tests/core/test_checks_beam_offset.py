"""The check of beam and target: apart now, or a smaller error for too long."""

from tests.core.situations import COUCH, NOW, found, situation
from tracker.core.machine.following import Following
from tracker.core.safety.checks.beam_offset import BeamOffsetCheck
from tracker.core.target.shot_findings import ShotFindings

TICK = 10_000_000


def at(k, offset, *, beam=True, left_mm=0.0, settled=True, begun=1, reviewed_ns=-1):
    now = NOW + k * TICK
    return situation(
        now_ns=now,
        following=Following(0.0, 0.0, offset, settled, begun),
        permit_until_ns=now if beam else now - 1,
        shots=ShotFindings(left_mm=left_mm),
        reviewed_ns=reviewed_ns,
    )


def run(check, offsets_mm, first=0, **changes):
    """What is said of `error persists`, tick by tick."""
    return [
        found(check, at(k, offset, **changes)).get("error persists", "")
        for k, offset in enumerate(offsets_mm, first)
    ]


def persists(offsets_mm, **changes):
    return run(BeamOffsetCheck(COUCH), offsets_mm, **changes)


def first(said):
    return said.index(next(filter(None, said)))


def test_apart_is_seven_tenths_of_the_tolerance():
    assert found(BeamOffsetCheck(COUCH), at(0, 3.5)) == {}
    said = found(BeamOffsetCheck(COUCH), at(0, 3.51))
    assert said == {"beam off target": "beam 3.51 mm from the target as estimated, limit 3.5 mm"}


def test_nothing_is_said_before_the_actuator_has_settled_or_when_nothing_was_measured():
    assert found(BeamOffsetCheck(COUCH), at(0, 9.0, settled=False)) == {}
    assert found(BeamOffsetCheck(COUCH), at(0, None)) == {}
    assert found(BeamOffsetCheck(COUCH), situation(following=None)) == {}


def test_a_small_error_may_not_last():
    said = persists([3.1] * 600)
    assert first(said) == 501
    assert said[501] == "over 3 mm for 5.01 s, limit 5 s"
    assert not any(persists([2.9] * 3000))
    assert not any(persists([3.1] * 600, beam=False))


def test_what_the_model_leaves_counts_too():
    assert any(persists([2.2] * 600, left_mm=2.2))
    assert not any(persists([2.1] * 600, left_mm=2.1))


def test_a_break_begins_the_count_anew():
    assert not any(persists(([3.1] * 500 + [2.9]) * 2))
    check = BeamOffsetCheck(COUCH)
    assert not any(run(check, [3.1] * 400))
    assert not any(run(check, [3.1], 400, beam=False))
    assert not any(run(check, [3.1] * 500, 401))


def test_nor_come_again_and_again():
    often = ([0.0] * 95 + [3.1] * 5) * 40
    check = BeamOffsetCheck(COUCH)
    said = run(check, often)
    assert first(said) == 3000
    assert said[3000].startswith("over 3 mm for 5.0 % of the beam, limit 2 %")
    assert said[-1]
    reviewed = run(check, [0.0] * 10, len(often), reviewed_ns=NOW)
    assert not any(reviewed)
    assert not any(persists(([0.0] * 99 + [3.1]) * 60))


def test_another_run_of_motion_begins_the_count_anew():
    check = BeamOffsetCheck(COUCH)
    assert not any(run(check, [3.1] * 500))
    assert not any(run(check, [3.1] * 500, 500, begun=2))


def test_a_long_gap_counts_as_a_tenth_of_a_second():
    check = BeamOffsetCheck(COUCH)
    # 40 s of beam in which every second tick comes late; the error stays for 1 of 500 ticks.
    said = [
        found(check, at(300 * k, 3.1 if k == 0 else 0.0)).get("error persists", "")
        for k in range(299)
    ]
    assert not any(said)
    assert found(check, at(300 * 299, 3.1)) == {}
