"""The check of beam and target: apart now, or a smaller error for too long."""

import pytest
from msgspec.structs import replace

from tests.core.situations import COUCH, NOW, S, found, situation
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


def test_a_machine_that_follows_with_the_beam_off_has_half_a_second():
    check = BeamOffsetCheck(COUCH)
    slow = [
        replace(each, following=Following(0.0, 0.0, 3.51, True, 1, True))
        for each in (at(k, 3.51, beam=False) for k in range(51))
    ]
    assert all(found(check, each) == {} for each in slow[:50])
    assert set(found(check, slow[50])) == {"beam off target"}
    near = at(51, 3.5)
    assert found(check, near, *slow[:50]) == {}
    assert set(found(check, at(52, 3.51))) == {"beam off target"}


def test_half_a_second_begins_anew_when_the_beam_has_been_near():
    check = BeamOffsetCheck(COUCH)

    def slow(k, offset_mm=3.51):
        following = Following(0.0, 0.0, offset_mm, True, 1, out_of_reach=True)
        return situation(now_ns=k * TICK, following=following)

    assert all(found(check, slow(k)) == {} for k in range(50))
    assert found(check, slow(50, 3.5)) == {}
    assert all(found(check, slow(k)) == {} for k in range(51, 101))
    assert set(found(check, slow(101))) == {"beam off target"}
    begins = BeamOffsetCheck(COUCH)
    told = [found(begins, slow(k)) for k in range(52)]
    assert [bool(said) for said in told] == [False] * 50 + [True] * 2


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


STEP = 62_500_000
"""A sixteenth of a second: times in seconds are exact."""


def told(check, offsets_mm, start_ns=NOW, step_ns=STEP, **changes):
    """What is said of `error persists`, in steps of a sixteenth of a second."""
    return [
        found(check, at_ns(start_ns + k * step_ns, offset, **changes)).get("error persists", "")
        for k, offset in enumerate(offsets_mm)
    ]


def at_ns(now_ns, offset_mm, *, beam=True, begun=1, reviewed_ns=-1):
    return situation(
        now_ns=now_ns,
        following=Following(0.0, 0.0, offset_mm, True, begun),
        permit_until_ns=now_ns if beam else now_ns - 1,
        reviewed_ns=reviewed_ns,
    )


def often(steps, every):
    """An error at every so many steps; it never lasts."""
    return [3.1 if k % every == 0 else 0.0 for k in range(steps)]


def test_an_error_lasts_too_long_a_nanosecond_after_its_limit():
    check = BeamOffsetCheck(COUCH)
    assert told(check, [3.1, 3.1], step_ns=5 * S) == ["", ""]
    said = found(check, at_ns(NOW + 5 * S + 1, 3.1))
    assert said == {"error persists": "over 3 mm for 5.000000001 s, limit 5 s"}


def test_an_error_of_exactly_the_limit_is_none():
    assert not any(told(BeamOffsetCheck(COUCH), [3.0] * 600))


def test_the_share_is_judged_after_more_than_half_a_minute_of_beam():
    said = told(BeamOffsetCheck(COUCH), often(500, 2))
    assert first(said) == 481  # the first step has no length yet: 480 are 30 s
    assert said[481] == "over 3 mm for 49.9 % of the beam, limit 2 %"


def test_the_share_must_be_over_its_limit_and_shows_that_it_is():
    # After 50 s of beam, 16 steps of error are 1 s: exactly two hundredths.
    offsets = [0.0] + [3.1, 0.0] * 16 + [0.0] * 800
    check = BeamOffsetCheck(COUCH)
    said = told(check, offsets)
    assert said[799] == "over 3 mm for 2.003 % of the beam, limit 2 %"
    assert said[800] == ""
    said = told(check, [3.1] + [0.0] * 8, NOW + len(offsets) * STEP)
    assert said[0] == "over 3 mm for 2.04 % of the beam, limit 2 %"


def test_a_long_gap_is_a_tenth_of_a_second_of_beam():
    said = told(BeamOffsetCheck(COUCH), often(400, 2), step_ns=S)
    assert 300 <= first(said) <= 302


def test_time_without_beam_is_no_beam_time():
    check = BeamOffsetCheck(COUCH)
    assert not any(told(check, [3.1] * 600, beam=False))
    assert not any(told(check, often(480, 2), NOW + 600 * STEP))


def test_a_run_may_begin_at_time_zero():
    assert told(BeamOffsetCheck(COUCH), [3.1] * 90, 0) == told(BeamOffsetCheck(COUCH), [3.1] * 90)
    offsets = often(500, 2)
    assert told(BeamOffsetCheck(COUCH), offsets, 0) == told(BeamOffsetCheck(COUCH), offsets)


def test_the_count_of_another_run_of_motion_begins_like_the_first():
    check, offsets = BeamOffsetCheck(COUCH), often(500, 2)
    one = told(check, offsets)
    assert any(one)
    assert told(check, offsets, NOW + 500 * STEP, begun=2) == one


def test_after_a_review_the_count_begins_once():
    check = BeamOffsetCheck(COUCH)
    told(check, [3.1] * 60)
    said = told(check, [3.1] * 90, NOW + 60 * STEP, reviewed_ns=NOW)
    assert first(said) == 81
    assert any(told(check, often(500, 2), NOW + 150 * STEP, reviewed_ns=NOW))


def test_before_the_first_tick_nothing_has_been_counted():
    # The first run of motion is number 0 here, so that nothing begins anew at the first tick.
    assert told(BeamOffsetCheck(COUCH), [3.1], begun=0) == [""]
    assert not any(told(BeamOffsetCheck(COUCH), [0.0] * 600, begun=0))
    fresh = told(BeamOffsetCheck(COUCH), often(500, 2))
    assert told(BeamOffsetCheck(COUCH), often(500, 2), begun=0) == fresh


@pytest.mark.parametrize(
    ("permitted", "beam_on", "judged"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_a_beam_that_gating_keeps_off_is_not_off_its_target(permitted, beam_on, judged):
    until_ns = NOW if permitted else NOW - 1
    for gated_off, expected in ((True, judged), (False, True)):
        now = replace(at(0, 9.0), gated_off=gated_off, beam_on=beam_on, permit_until_ns=until_ns)
        assert bool(found(BeamOffsetCheck(COUCH), now)) is expected
