"""Predictions against what comes (H11): a lasting miss, their RMS, and the innovations."""

import math

import pytest

from tracker.core.settings import Gating
from tracker.core.target.forecast_quality import ForecastQuality

TICK = 10_000_000
LATENCY = 15 * TICK
HERE = (0.0, 0.0, 0.0)


def judged(errors_mm, variance=0.01, channel_error_mm=0.0, calm=True):
    """What is said tick by tick when predictions miss by so much."""
    quality = ForecastQuality(Gating(), LATENCY)
    said = []
    for k, error in enumerate(errors_mm, 1):
        quality.add_prediction(k * TICK, (error, 0.0, 0.0), ((channel_error_mm, variance),))
        said.append(quality.judge(k * TICK, HERE, (0.0,), calm=calm))
    return said


def first(said):
    return said.index(next(filter(None, said)))


def test_a_large_miss_counts_after_half_a_second():
    said = judged([3.1] * 60)
    assert first(said) == 50
    assert "3.10 mm for half a second, limit 3 mm" in said[50]
    assert not any(judged(([3.1] * 49 + [2.9]) * 3))


def test_a_small_miss_counts_over_half_a_minute():
    said = judged([1.6] * 1500)
    assert first(said) == 990  # ten seconds are the least
    assert "1.600 mm RMS over 30 s, limit 1.5 mm" in said[990]
    assert not any(judged([1.4] * 4000))
    assert not any(judged([1.6] * 1500, calm=False))


def test_the_root_mean_square_forgets_what_is_over_half_a_minute_old():
    said = judged([1.6] * 2000 + [0.1] * 3200)
    assert said[2000]
    assert not said[-1]


def test_innovations_count_three_times_a_latency_apart():
    unlikely = math.sqrt(10.9 * (0.01 + 0.16))
    said = judged([0.0] * 100, channel_error_mm=unlikely)
    assert first(said) == 30
    assert "3 times" in said[30]
    assert not any(judged([0.0] * 100, channel_error_mm=0.99 * unlikely))


@pytest.mark.parametrize("variance", [-0.1, math.nan, math.inf])
def test_a_variance_that_is_none_is_found_at_once(variance):
    assert "no variance" in judged([0.0], variance=variance)[0]


def test_a_mean_that_is_no_number_is_found_at_once():
    assert "no number" in judged([0.0], channel_error_mm=math.nan)[0]


def test_a_variance_of_zero_is_a_variance():
    assert judged([0.0], variance=0.0) == [""]


def test_a_failure_stays_noted_until_motion_begins_again():
    quality = ForecastQuality(Gating(), LATENCY)
    quality.add_failure()
    assert "no number" in quality.judge(TICK, HERE, (0.0,), calm=True)
    assert "no number" in quality.judge(2 * TICK, HERE, (0.0,), calm=True)
    quality.forget()
    assert quality.judge(3 * TICK, HERE, (0.0,), calm=True) == ""


def test_a_prediction_is_judged_at_its_moment_and_not_before():
    quality = ForecastQuality(Gating(), LATENCY)
    quality.add_prediction(20 * TICK, (99.0, 0.0, 0.0), ((math.nan, 1.0),))
    assert quality.judge(20 * TICK - 1, HERE, (0.0,), calm=True) == ""
    assert quality.judge(20 * TICK, HERE, (0.0,), calm=True) != ""


def test_of_several_predictions_that_are_due_the_newest_is_judged():
    quality = ForecastQuality(Gating(), LATENCY)
    quality.add_prediction(TICK, HERE, ((math.nan, 1.0),))
    quality.add_prediction(2 * TICK, HERE, ((0.0, 1.0),))
    assert quality.judge(3 * TICK, HERE, (0.0,), calm=True) == ""


def test_three_channels_have_the_limit_of_three_degrees_of_freedom():
    each = math.sqrt(16.3 / 3 * (0.01 + 0.16))
    for size, found in ((each, True), (0.99 * each, False)):
        quality = ForecastQuality(Gating(), LATENCY)
        said = []
        for k in range(1, 60):
            quality.add_prediction(k * TICK, HERE, ((size, 0.01), (-size, 0.01), (size, 0.01)))
            said.append(quality.judge(k * TICK, HERE, HERE, calm=True))
        assert any(said) is found


# At the limits ----------------------------------------------------------------------------------

SECOND = 1_000_000_000
CLEAR = (0.0, 0.01)
"""A channel that says what comes."""


class Judged:
    """The judgement of predictions that miss by so much, at any moments."""

    def __init__(self, latency_ns=LATENCY):
        self.quality = ForecastQuality(Gating(), latency_ns)

    def at(self, now_ns, error_mm=0.0, channel=CLEAR, value=0.0):
        self.quality.add_prediction(now_ns, (0.0, error_mm, 0.0), (channel,))
        return self.quality.judge(now_ns, HERE, (value,), calm=True)


@pytest.mark.parametrize("start_ns", [0, 10 * SECOND])
def test_a_miss_counts_from_half_a_second_after_it_began(start_ns):
    judge = Judged()
    assert judge.at(start_ns, 3.1) == ""
    assert judge.at(start_ns + SECOND // 4, 3.1) == ""
    assert judge.at(start_ns + SECOND // 2 - 1, 3.1) == ""
    assert "half a second" in judge.at(start_ns + SECOND // 2, 3.1)


def test_a_miss_begins_with_the_first_tick_over_the_limit():
    assert not any(judged([3.0] * 90))
    assert not any(judged([2.9] + [3.1] * 50))
    assert any(judged([2.9] + [3.1] * 51))


def test_the_root_mean_square_is_that_of_the_last_three_hundred_misses():
    judge = Judged()
    said = [judge.at(k * SECOND // 10, 30.0 if k == 0 else 0.0) for k in range(302)]
    assert not any(said[:99])  # ten seconds are the least
    assert said[99] == "3.000 mm RMS over 30 s, limit 1.5 mm (TG-306)"
    assert "RMS" in said[299]
    assert said[300:] == ["", ""]


def test_a_root_mean_square_of_exactly_the_limit_is_well():
    assert not any(judged([1.5] * 1500))


def unlikely(judge, now_ns):
    return judge.at(now_ns, channel=(2.0, 0.01))


def test_the_three_events_are_one_latency_apart_and_in_a_row():
    judge = Judged()
    start = 10 * SECOND
    assert [unlikely(judge, start + k * LATENCY) != "" for k in range(3)] == [False, False, True]
    assert judge.at(start + 3 * LATENCY) == ""
    assert [unlikely(judge, start + k * LATENCY) != "" for k in range(4, 6)] == [False, False]
    assert "3 times" in unlikely(judge, start + 6 * LATENCY)
    judge = Judged()
    assert [unlikely(judge, start + k * TICK) != "" for k in range(30)] == [False] * 30
    assert unlikely(judge, start + 30 * TICK) != ""


def test_without_a_latency_three_moments_are_three_events():
    judge = Judged(latency_ns=0)
    assert [unlikely(judge, SECOND + k) != "" for k in range(3)] == [False, False, True]


def test_a_channel_is_compared_with_what_came():
    judge = Judged()
    for value in (5.0, -7.0):
        assert not any(judge.at(k * LATENCY, channel=(value, 0.01), value=value) for k in range(9))


def test_a_square_of_exactly_the_limit_is_well():
    miss, variance = 1.4715977711317725, 0.04
    assert miss**2 / (variance + 0.4**2) == 10.828
    judge = Judged()
    assert not any(judge.at(k * LATENCY, channel=(miss, variance)) for k in range(9))
