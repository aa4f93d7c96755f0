"""Where the tuner looks, and what it refuses to look at."""

from __future__ import annotations

import math

import pytest

from tracker.core.prediction.registry import METHODS, parameter_record
from tracker.offline.tuning.errors import TuningError
from tracker.offline.tuning.space import COSTS_TIME, REACH, away, ranges_of, rounded

TUNABLE = [name for name in METHODS if name != "hold"]


@pytest.mark.parametrize("predictor", TUNABLE)
def test_every_range_holds_the_default_and_keeps_to_the_bounds(predictor: str) -> None:
    ranges = ranges_of(predictor)
    assert ranges
    for name, place in ranges.items():
        low, high = METHODS[predictor].bounds[name]
        assert low <= place.low <= place.default <= place.high <= high
        assert place.low < place.high
        assert not place.logarithmic or place.low > 0.0
        assert name not in COSTS_TIME
    for end in ("low", "high"):
        parameter_record(predictor, {name: getattr(place, end) for name, place in ranges.items()})


def test_a_range_is_a_factor_around_the_default() -> None:
    place = ranges_of("rls")["memory_s"]
    assert (place.low, place.high) == (place.default / REACH, place.default * REACH)
    assert place.logarithmic


def test_a_range_asked_for_overrules_and_a_point_leaves_alone() -> None:
    ranges = ranges_of("rls", ["memory_s=100:400", "history_s=4:4"])
    assert ranges["memory_s"][1:3] == (100.0, 400.0)
    assert "history_s" not in ranges


@pytest.mark.parametrize(
    ("predictor", "asked", "line"),
    [
        ("rsl", [], "--predictor rsl: no such predictor; did you mean rls?"),
        ("quite else", [], "--predictor quite else: no such predictor; known are hold, "),
        ("hold", [], "--predictor hold: has no parameter to tune; name another"),
        ("rls", ["memory_s"], "--range memory_s: not understood; write NAME=LOW:HIGH"),
        ("rls", ["memory_s=1"], "--range memory_s=1: not understood"),
        ("rls", ["memory_s=nan:2"], "--range memory_s=nan:2: not understood"),
        ("rls", ["memry_s=100:400"], "rls has no parameter memry_s; did you mean memory_s?"),
        ("rls", ["memory_s=400:100"], "must ascend within 1 to 3600; narrow it"),
        ("rls", ["memory_s=0.1:400"], "must ascend within 1 to 3600; narrow it"),
        ("rls", ["memory_s=1:100"], "leaves out the default 200, which every trial is"),
    ],
)
def test_what_is_wrong_is_one_line(predictor: str, asked: list[str], line: str) -> None:
    with pytest.raises(TuningError) as refused:
        ranges_of(predictor, asked)
    assert len(refused.value.problems) == 1
    assert line in refused.value.problems[0]


def test_values_are_short_and_stay_inside_and_the_default_is_exact() -> None:
    ranges = ranges_of("rls", ["history_s=3.12344:7"])
    drawn = {"memory_s": 123.456789, "history_s": 3.12344, "penalty": ranges["penalty"].default}
    values = rounded(drawn, ranges)
    assert values["memory_s"] == 123.46
    assert values["history_s"] == 3.12344
    assert values["penalty"] == ranges["penalty"].default


def test_away_counts_each_parameter_on_its_own_scale() -> None:
    ranges = ranges_of("rls", ["history_s=2:7"])
    defaults = {name: place.default for name, place in ranges.items()}
    assert away(defaults, ranges) == 0.0
    assert not ranges["history_s"].logarithmic
    assert ranges["memory_s"].logarithmic
    linear = {**defaults, "history_s": 7.0}
    assert away(linear, ranges) == pytest.approx((7.0 - 4.0) / 5.0 / math.sqrt(len(ranges)))
    place = ranges["memory_s"]
    up, down = ({**defaults, "memory_s": place.default * by} for by in (2.0, 0.5))
    assert away(up, ranges) == pytest.approx(away(down, ranges))
    assert away(up, ranges) < away({**up, "history_s": 7.0}, ranges)
