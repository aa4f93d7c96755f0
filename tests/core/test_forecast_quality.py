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
