"""The check of each sensor's samples: every source counts, and the detail names it."""

from msgspec.structs import replace

from tests.core.situations import BELT, CAMERA, COUCH, MS, NOW, WELL, camera, found, surrogate
from tracker.core.safety.checks.sensors import SensorCheck
from tracker.core.surrogate.report import SourceReport
from tracker.core.surrogate.sources.traits import Form

CHECK = SensorCheck(COUCH)
RECENT = NOW - 200 * MS + 1
OLD = NOW - 200 * MS


def test_nothing_is_wrong_with_two_good_sensors_or_none():
    assert found(CHECK, WELL) == {}
    assert found(CHECK, surrogate(sources=())) == {}


def test_a_bad_sample_counts_for_a_fifth_of_a_second():
    assert found(CHECK, camera(bad=(RECENT, "camera: x"))) == {"bad samples": "camera: x"}
    assert found(CHECK, camera(bad=(OLD, "camera: x"))) == {}


def test_a_clock_jump_names_the_device():
    said = found(CHECK, camera(jumped_ns=RECENT))
    assert said == {"clock jump": "camera: its counter no longer runs with the computer's clock"}
    assert found(CHECK, camera(jumped_ns=OLD)) == {}


def test_a_clock_that_was_set_is_told_for_a_fifth_of_a_second():
    assert found(CHECK, camera(clock_set=(RECENT, "camera: x"))) == {"clock set anew": "camera: x"}
    assert found(CHECK, camera(clock_set=(OLD, "camera: x"))) == {}


def test_bursts_are_told_while_they_last():
    assert found(CHECK, camera(delivery="of 12")) == {"sensor rate off": "camera: of 12"}
    assert found(CHECK, camera(delivery="")) == {}


def test_a_clock_that_never_jumped_is_none_at_the_start_of_a_run():
    early = replace(WELL, now_ns=50 * MS)
    assert found(CHECK, early) == {}


def test_ten_identical_samples_are_a_frozen_sensor():
    assert found(CHECK, camera(frozen=9)) == {}
    said = found(CHECK, camera(frozen=10))
    assert said == {"sensor frozen": "camera: 10 identical samples, limit 10"}


def test_a_marker_that_is_too_fast_is_a_sudden_movement():
    assert found(CHECK, camera(fast=(RECENT, "marker 1"))) == {"irregular breathing": "marker 1"}
    assert found(CHECK, camera(fast=(OLD, "marker 1"))) == {}


def test_markers_out_of_place_are_told():
    assert found(CHECK, surrogate(misplaced="marker 2")) == {"markers misplaced": "marker 2"}


def test_any_of_several_sources_is_judged():
    second = SourceReport("camera2", Form.POINTS, frozen=10, bad=(NOW, "camera2: y"), jumped_ns=NOW)
    said = found(CHECK, surrogate(sources=(CAMERA, BELT, second)))
    assert set(said) == {"bad samples", "clock jump", "sensor frozen"}
    assert all(detail.startswith("camera2: ") for detail in said.values())


def test_a_clock_may_jump_at_the_start_of_a_run():
    assert set(found(CHECK, replace(camera(jumped_ns=0), now_ns=50 * MS))) == {"clock jump"}
