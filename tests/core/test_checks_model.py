"""The check of model, shots and their age."""

from msgspec import structs
from msgspec.structs import replace

from tests.core.situations import COUCH, MS, NOW, SPAN, STATE, WELL, S, found, situation, surrogate
from tracker.core.safety.checks.model import ModelCheck
from tracker.core.settings import Correlation
from tracker.core.target.shot_findings import ShotFindings

SLOW = replace(COUCH, correlation=Correlation(extrapolation_ms=100.0))


def at_mm(amplitude_mm, now_ns=NOW, **changes):
    state = structs.replace(STATE, amplitude_mm=amplitude_mm)
    return replace(surrogate(state=state, **changes), now_ns=now_ns, last_shot_ns=now_ns)


def test_what_the_shots_found_is_told():
    for field, fault in (
        ("fiducials_moved", "fiducials moved"),
        ("out_of_time", "shots out of time"),
        ("model_wrong", "model wrong"),
        ("model_doubtful", "model doubtful"),
        ("drifts", "baseline drifts"),
    ):
        shots = ShotFindings()._replace(**{field: "x"})
        said = found(ModelCheck(COUCH), situation(shots=shots))
        assert said == {fault: "x"}


def test_without_a_model_only_the_shots_themselves_are_judged():
    shots = ShotFindings("a", "b", "c", "d", "e")
    said = found(ModelCheck(COUCH), situation(model=None, shots=shots, last_shot_ns=-1))
    assert said == {
        "fiducials moved": "a",
        "shots out of time": "b",
        "model missing": "no shot has made a model yet",
    }


def test_a_shot_is_late_and_then_overdue():
    def after(age_s):
        return found(ModelCheck(COUCH), situation(last_shot_ns=NOW - round(age_s * 1e9)))

    assert after(45.0) == {}
    said = after(45.1)
    assert said == {
        "imaging late": "last shot 45.1 s ago, warned of from 45 s on, held from 60 s on"
    }
    assert set(after(59.9)) == {"imaging late"}
    assert after(60.1) == {"imaging overdue": "last shot 60.1 s ago, limit 60 s"}


def test_a_breath_outside_the_range_of_the_shots():
    check = ModelCheck(COUCH)
    assert found(check, at_mm(10.0)) == {}
    said = found(check, at_mm(-10.1))
    assert said == {"extrapolating": "51.0 % of its range outside that of the shots, limit 50 %"}


def test_the_range_of_breathing_counts_where_it_is_larger():
    wide = SPAN._replace(half_range_mm=10.0)
    assert found(ModelCheck(COUCH), at_mm(15.0, span=wide)) == {}
    assert set(found(ModelCheck(COUCH), at_mm(15.1, span=wide))) == {"extrapolating"}
    assert found(ModelCheck(COUCH), at_mm(10.0, span=None)) == {}


def test_an_unknown_state_is_not_outside():
    assert found(ModelCheck(COUCH), surrogate(state=None)) == {}


def test_it_must_last_as_long_as_is_set():
    check = ModelCheck(SLOW)
    assert found(check, at_mm(11.0)) == {}
    assert found(check, at_mm(11.0, NOW + 100 * MS - 1)) == {}
    assert set(found(check, at_mm(11.0, NOW + 100 * MS))) == {"extrapolating"}
    assert found(check, at_mm(0.0, NOW + 110 * MS)) == {}
    assert found(check, at_mm(11.0, NOW + 120 * MS)) == {}
    assert found(check, at_mm(11.0, NOW + 219 * MS)) == {}
    assert set(found(check, at_mm(11.0, NOW + 220 * MS))) == {"extrapolating"}


def test_a_shot_is_as_old_as_its_exposure():
    early = replace(WELL, now_ns=3 * S, last_shot_ns=1 * S)
    assert found(ModelCheck(COUCH), early) == {}


def test_a_shot_is_overdue_once_it_is_older_than_the_limit():
    # 64 s is a power of two: the age in seconds is exact.
    check = ModelCheck(replace(COUCH, imager=replace(COUCH.imager, overdue_s=64.0)))
    assert set(found(check, situation(last_shot_ns=NOW - 64 * S))) == {"imaging late"}
    assert set(found(check, situation(last_shot_ns=NOW - 64 * S - 1))) == {"imaging overdue"}


class AskedModel:
    """A model that remembers what it was asked, and says that nothing is outside."""

    def __init__(self):
        self.asked = []

    def extrapolation(self, y, breathing_mm=0.0):
        self.asked.append((y, breathing_mm))
        return 0.0


def test_the_model_is_asked_with_amplitude_and_whole_range_of_the_breath():
    model = AskedModel()
    for span in (SPAN._replace(half_range_mm=4.0), None):
        found(ModelCheck(COUCH), replace(at_mm(-3.0, span=span), model=model))
    assert model.asked == [(-3.0, 8.0), (-3.0, 0.0)]


def test_the_time_outside_may_begin_at_the_start_of_the_run():
    check = ModelCheck(SLOW)
    assert found(check, at_mm(11.0, 0), at_mm(11.0, 60 * MS)) == {}
    assert set(found(check, at_mm(11.0, 100 * MS))) == {"extrapolating"}
