"""The check of the breathing state: its age, its speed, its certainty, in any number of sources."""

from msgspec import structs
from msgspec.structs import replace

from tests.core.situations import (
    BELT,
    CAMERA,
    COUCH,
    MS,
    NOW,
    SPAN,
    STATE,
    WELL,
    found,
    surrogate,
)
from tracker.core.safety.checks.breathing import BreathingCheck
from tracker.core.surrogate.report import SurrogateReport

CHECK = BreathingCheck(COUCH)


def aged(camera_ms, belt_ms):
    camera = replace(CAMERA, newest_ns=NOW - camera_ms * MS)
    return surrogate(sources=(camera, replace(BELT, newest_ns=NOW - belt_ms * MS)))


def test_all_is_well():
    assert found(CHECK, WELL) == {}


def test_before_the_breath_is_learned_nothing_is_missed():
    assert found(CHECK, replace(WELL, surrogate=SurrogateReport())) == {}


def test_lost_means_that_every_source_is_too_old():
    assert found(CHECK, aged(101, 100)) == {}
    said = found(CHECK, aged(101, 102))
    assert said == {"surrogate lost": "camera, belt: newest sample 101 ms old, limit 100 ms"}


def test_a_state_that_is_unknown_is_lost_too():
    assert set(found(CHECK, surrogate(state=None))) == {"surrogate lost"}


def test_one_source_may_be_lost_while_the_other_carries_the_estimate():
    assert found(CHECK, aged(200, 5)) == {}
    said = found(CHECK, aged(201, 5))
    assert said == {"markers lost": "camera: no usable sample for 0.2 s, limit 0.2 s"}
    said = found(CHECK, aged(20, 201))
    assert said == {"belt lost": "belt: no usable sample for 0.2 s, limit 0.2 s"}


def test_without_any_source_the_signal_is_lost():
    assert set(found(CHECK, surrogate(sources=()))) == {"surrogate lost"}


def test_unusual_breathing_is_told():
    assert found(CHECK, surrogate(novelty="T2")) == {"unusual breathing": "T2"}


def test_sudden_movement_is_four_and_a_half_times_the_usual_speed_either_way():
    for sign in (1.0, -1.0):
        at = surrogate(state=structs.replace(STATE, velocity_mm_s=sign * 36.0))
        over = surrogate(state=structs.replace(STATE, velocity_mm_s=sign * 36.1))
        assert found(CHECK, at) == {}
        said = found(CHECK, over)["irregular breathing"]
        assert said == "36.1 mm/s, limit 36 mm/s (4.5 times the usual speed)"


def test_after_a_breath_hold_the_usual_speed_counts_as_three():
    slow = SPAN._replace(speed_mm_s=0.2)
    at = surrogate(state=structs.replace(STATE, velocity_mm_s=13.5), span=slow)
    over = surrogate(state=structs.replace(STATE, velocity_mm_s=13.6), span=slow)
    assert found(CHECK, at) == {}
    assert set(found(CHECK, over)) == {"irregular breathing"}


def test_before_the_range_is_known_no_speed_is_unusual():
    assert (
        found(CHECK, surrogate(state=structs.replace(STATE, velocity_mm_s=99.0), span=None)) == {}
    )


def test_an_amplitude_known_too_badly_holds():
    assert found(CHECK, surrogate(state=structs.replace(STATE, amplitude_variance=2.25))) == {}
    said = found(CHECK, surrogate(state=structs.replace(STATE, amplitude_variance=2.2502)))
    assert said == {"surrogate unsure": "amplitude known to 1.5001 mm, limit 1.5 mm"}


def test_the_signal_is_lost_a_nanosecond_after_its_limit():
    for age_ns, lost in ((100 * MS, False), (100 * MS + 1, True)):
        source = replace(BELT, newest_ns=NOW - age_ns)
        assert ("surrogate lost" in found(CHECK, surrogate(sources=(source,)))) is lost


def test_a_source_without_any_sample_counts_from_before_the_start_of_the_run():
    never = surrogate(sources=(replace(CAMERA, newest_ns=-1),))
    assert found(CHECK, replace(never, now_ns=100 * MS - 1)) == {}
    assert set(found(CHECK, replace(never, now_ns=100 * MS))) == {"surrogate lost"}
    assert found(CHECK, replace(surrogate(sources=()), now_ns=100 * MS - 1)) == {}


def test_of_three_sources_those_older_than_the_limit_are_lost():
    said = found(
        CHECK,
        surrogate(
            sources=(
                replace(CAMERA, newest_ns=NOW - 200 * MS),
                replace(BELT, newest_ns=NOW - 250 * MS),
                replace(CAMERA, device="camera2"),
            )
        ),
    )
    assert set(said) == {"belt lost"}


def test_without_points_the_amplitude_has_no_millimetres():
    belts = (BELT, replace(BELT, device="lower-belt"))
    state = structs.replace(STATE, velocity_mm_s=36.1, amplitude_variance=1.5001**2)
    assert found(CHECK, surrogate(state=state, sources=belts)) == {
        "irregular breathing": "36.1 SD of quiet breathing/s, limit 36 SD of quiet breathing/s "
        "(4.5 times the usual speed)",
        "surrogate unsure": "amplitude known to 1.5001 SD of quiet breathing, "
        "limit 1.5 SD of quiet breathing",
    }
