"""The check of permit against read-back: silent, shut under a permit, on without one."""

from tests.core.situations import COUCH, MS, NOW, WELL, S, found, situation
from tracker.core.safety.checks.gate import GateCheck


def at(ms, on, since_ms: int | None = -1000, until_ms=1000, status_ms: int | None = None):
    """So many ms after `NOW`, with a permit from and to so many ms after it."""
    return situation(
        now_ns=NOW + ms * MS,
        beam_on=on,
        beam_status_ns=NOW + (ms if status_ms is None else status_ms) * MS,
        permit_since_ns=-1 if since_ms is None else NOW + since_ms * MS,
        permit_until_ns=NOW + until_ms * MS,
    )


def test_all_is_well():
    assert found(GateCheck(COUCH), WELL) == {}
    assert found(GateCheck(COUCH), at(0, on=False, since_ms=None, until_ms=-500)) == {}


def test_no_read_back_is_silence():
    said = {"gate silent": "gate: no read-back for over 200 ms"}
    assert found(GateCheck(COUCH), at(0, on=None)) == said
    assert found(GateCheck(COUCH), at(0, on=True, status_ms=-200)) == {}
    assert found(GateCheck(COUCH), at(0, on=True, status_ms=-201)) == said


def test_a_permitted_beam_that_stays_off_is_a_gate_that_stays_shut():
    check = GateCheck(COUCH)
    assert found(check, at(200, on=False, since_ms=0)) == {}
    said = found(check, at(201, on=False, since_ms=0))
    assert said == {"gate stays shut": "gate: no beam for 201 ms of permit, limit 200 ms"}


def test_the_time_shut_begins_when_the_beam_was_last_seen_on():
    check = GateCheck(COUCH)
    assert found(check, at(500, on=True, since_ms=0)) == {}
    assert found(check, at(700, on=False, since_ms=0)) == {}
    assert set(found(check, at(701, on=False, since_ms=0))) == {"gate stays shut"}


def test_without_a_permit_a_shut_gate_is_right():
    assert found(GateCheck(COUCH), at(900, on=False, since_ms=None, until_ms=0)) == {}
    assert found(GateCheck(COUCH), at(900, on=False, since_ms=0, until_ms=899)) == {}


def test_a_beam_without_a_permit_disagrees():
    check = GateCheck(COUCH)
    assert found(check, at(100, on=True, until_ms=0)) == {}
    assert found(check, at(200, on=True, until_ms=0)) == {}
    said = found(check, at(201, on=True, until_ms=0))
    assert said == {"gate disagrees": "gate: beam on 201 ms after the permit ended, limit 200 ms"}


def test_a_beam_that_was_never_permitted_disagrees_from_the_start_of_the_run():
    never = situation(
        now_ns=S, beam_on=True, beam_status_ns=S, permit_since_ns=-1, permit_until_ns=-1
    )
    said = found(GateCheck(COUCH), never)
    assert said == {"gate disagrees": "gate: beam on 1000 ms after the permit ended, limit 200 ms"}


def test_the_time_of_disagreement_begins_anew_when_the_beam_was_off():
    check = GateCheck(COUCH)
    assert found(check, at(150, on=True, until_ms=0)) == {}
    assert found(check, at(160, on=False, until_ms=0)) == {}
    assert found(check, at(190, on=True, until_ms=180)) == {}
    assert found(check, at(380, on=True, until_ms=180)) == {}
    assert set(found(check, at(381, on=True, until_ms=180))) == {"gate disagrees"}


def test_a_permit_that_lasts_to_this_very_moment_counts():
    check = GateCheck(COUCH)
    assert found(check, at(500, on=True, until_ms=500)) == {}
    assert set(found(check, at(500, on=False, since_ms=0, until_ms=500))) == set()


def test_silence_begins_a_nanosecond_after_its_limit():
    assert set(found(GateCheck(COUCH), on_at(NOW, status_ns=NOW - 200 * MS - 1))) == {"gate silent"}


def on_at(now_ns, until_ns=NOW + S, status_ns=None, since_ns=-1, on=True):
    """A read-back at a moment in nanoseconds, with a permit until another."""
    return situation(
        now_ns=now_ns,
        beam_on=on,
        beam_status_ns=now_ns if status_ns is None else status_ns,
        permit_since_ns=since_ns,
        permit_until_ns=until_ns,
    )


def test_a_permit_from_the_start_of_the_run_has_a_start():
    for now_ns, shut in ((200 * MS, False), (200 * MS + 1, True)):
        now = on_at(now_ns, since_ns=0, on=False)
        assert ("gate stays shut" in found(GateCheck(COUCH), now)) is shut


def test_a_beam_in_the_last_moment_of_its_permit_is_permitted():
    check = GateCheck(COUCH)
    assert found(check, on_at(NOW, NOW), on_at(NOW + 300 * MS, NOW + 300 * MS)) == {}
    assert found(check, on_at(NOW + 500 * MS, NOW + 300 * MS)) == {}


def test_a_permit_that_no_tick_saw_does_not_begin_the_time_anew():
    for start_ns in (0, NOW):
        check = GateCheck(COUCH)
        assert found(check, on_at(start_ns + 100 * MS, start_ns)) == {}
        said = found(check, on_at(start_ns + 201 * MS, start_ns + 5 * MS))
        assert set(said) == {"gate disagrees"}


def test_without_any_permit_the_time_begins_at_the_start_of_the_run():
    assert found(GateCheck(COUCH), on_at(200 * MS, -1)) == {}
    assert set(found(GateCheck(COUCH), on_at(200 * MS + 1, -1))) == {"gate disagrees"}
