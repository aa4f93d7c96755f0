"""The target now and one latency from now, and when predictions are not followed."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from msgspec.structs import replace

from tests.core.forecast_parts import Breath, TellingModel, ToldPredictor, state_of
from tests.core.situations import COUCH, MS, S
from tracker.core.settings import Prediction
from tracker.core.surrogate.breathing import BreathingRange
from tracker.core.target.correlation import TargetState
from tracker.core.target.forecast import Forecast
from tracker.core.target.target_estimate import TargetEstimator

LATENCY = 150 * MS
TICK = 10 * MS
START = 10 * S
SPAN = BreathingRange(1.0, 5.0, 8.0)
MODEL: Any = TellingModel()
SETTINGS = replace(COUCH, timing=replace(COUCH.timing, latency_ms=150.0))
STILL = [2.0, 1.5], [[0.04, -0.005], [-0.005, 0.0225]]
"""What a predictor says on the surrogate of a state that stays as `state_of` gives it."""


class Room:
    """An estimator whose predictor always answers with the given prediction."""

    def __init__(self, where: Literal["surrogate", "target"] = "surrogate"):
        self.predictors: list[ToldPredictor] = []
        settings = Prediction(where=where, learn_hz=20.0, settle_ms=0.0)
        self.forecast = Forecast(settings, LATENCY, self._make)
        self.estimator = TargetEstimator(SETTINGS, self.forecast)
        self.breath: Any = Breath()

    def _make(self, channels, horizon_ns):
        self.predictors.append(ToldPredictor(channels, horizon_ns))
        return self.predictors[-1]

    def learn(self, t_ns, mean=None, spread=STILL[1], *, doubtful=False):
        """Learn a moment, after which the predictor says this."""
        predictor = self.predictors[-1]
        predictor.mean = None if mean is None else np.array(mean)
        predictor.covariance = np.array(spread)
        self.estimator.learn(t_ns, self.breath, SPAN, MODEL, doubtful=doubtful)

    def estimate(self, t_ns, *, y=2.0, calm=True):
        return self.estimator.estimate(t_ns, state_of(t_ns, y), MODEL, calm=calm)

    def judged(self, ticks, step_ns=TICK, off_mm=0.0, *, calm=True):
        """Learn and estimate tick by tick; return why predictions are not followed at each.

        Predictions of the amplitude are off by so much.
        """
        said = []
        for k in range(ticks):
            now_ns = START + k * step_ns
            self.learn(now_ns, [2.0 + off_mm, 1.5])
            # Each prediction is taken to be for the moment it is asked for.
            self.forecast._at_ns = now_ns + LATENCY
            self.estimate(now_ns, calm=calm)
            said.append(self.estimator.prediction_off)
        return said


def first(said):
    return said.index(next(filter(None, said)))


def test_the_estimate_is_that_of_the_model_for_the_breathing_state_now():
    room = Room()
    assert room.estimator.prediction_off == ""
    estimate, prediction = room.estimate(START)
    apart = MODEL.apart(2.0, 3.0, (2.25, 1.5))
    assert estimate == MODEL.target_at(START, 2.0, 3.0, 0.04, 0.09, -0.01, apart)
    assert prediction is None
    assert room.estimator.prediction_off == ""


def test_the_prediction_is_the_forecast_for_one_latency_from_now():
    room = Room()
    room.learn(START, *STILL)
    estimate, prediction = room.estimate(START + 7 * MS)
    apart = MODEL.apart(2.0, 3.0, (2.25, 1.5))
    assert estimate is not None
    assert prediction is not None
    at_ns = START + 7 * MS + LATENCY
    assert prediction == room.forecast.predict(at_ns, MODEL, estimate, apart)


def test_on_the_target_the_variance_of_the_estimate_is_part_of_that_of_the_prediction():
    room = Room("target")
    room.learn(START, [1.0, 2.0, 3.0, 0.0, 0.0, 0.0], 0.5 * np.eye(6))
    estimate, prediction = room.estimate(START)
    assert estimate is not None
    assert prediction is not None
    assert prediction.variance_mm2 == pytest.approx([x + 0.5 for x in estimate.variance_mm2])


def test_predictions_that_come_true_are_followed():
    room = Room()
    assert not any(room.judged(100))
    room = Room("target")
    for k in range(100):
        now_ns = START + k * TICK
        apart = MODEL.apart(2.0, 3.0, (2.25, 1.5))
        at_ns = now_ns + LATENCY
        to_come = MODEL.target_at(at_ns, 2.0, 3.0, 0.04, 0.09, -0.01, apart).position_mm
        room.learn(now_ns, [*to_come, 0.0, 0.0, 0.0], 0.01 * np.eye(6))
        room.forecast._at_ns = at_ns
        room.estimate(now_ns)
        assert room.estimator.prediction_off == ""


def test_a_prediction_is_judged_at_its_own_moment():
    # 1 mm of amplitude is 2 mm of the first axis and 1 mm of the second; the channel allows it.
    room, said = Room(), []
    for k in range(80):
        now_ns = START + k * TICK
        room.learn(now_ns, [3.5, 1.5], [[9.0, 0.0], [0.0, 0.0225]])
        room.forecast._at_ns = now_ns + LATENCY
        room.estimate(now_ns)
        said.append(room.estimator.prediction_off)
    assert first(said) == 15 + 50
    assert "half a second" in said[65]


def test_small_misses_count_only_while_all_is_calm():
    for calm in (True, False):
        room = Room()
        said = room.judged(130, 100 * MS, 0.8, calm=calm)
        assert bool(said[-1]) is calm
        assert all(each == "" or "RMS" in each for each in said)


def test_channels_are_compared_with_what_the_predictor_is_shown():
    room = Room()
    said = room.judged(60, off_mm=1.5)
    assert "misses squared" in said[first(said)]
    assert first(said) == 15 + 30


def test_a_prediction_that_is_not_followed_is_replaced_by_the_estimate():
    room = Room()
    room.judged(60, off_mm=1.5)
    estimate, prediction = room.estimate(START + S)
    assert room.estimator.prediction_off != ""
    assert estimate is not None
    assert prediction is not None
    assert prediction.position_mm == estimate.position_mm
    assert prediction.velocity_mm_s == (0.0, 0.0, 0.0)
    # The target moves at 6, -3 and 1.5 mm/s: in 0.15 s by 0.9, 0.45 and 0.225 mm.
    a, b, c = estimate.variance_mm2
    assert prediction.variance_mm2 == pytest.approx(
        (a + 0.9**2, b + 0.45**2, c + 0.225**2), rel=1e-12
    )


def test_a_predictor_that_gives_no_number_is_replaced_by_a_fresh_one():
    room = Room()
    room.learn(START, [np.nan, 0.0])
    estimate, prediction = room.estimate(START)
    assert "no number" in room.estimator.prediction_off
    assert len(room.predictors) == 2
    assert isinstance(estimate, TargetState)
    assert prediction is not None
    assert prediction.position_mm == estimate.position_mm
    room.estimate(START + TICK)
    assert "no number" in room.estimator.prediction_off
    assert len(room.predictors) == 2


def test_another_run_of_motion_judges_no_earlier_prediction():
    room = Room()
    room.judged(60, off_mm=1.5)
    room.estimator.forget_misses()
    assert len(room.predictors) == 1
    room.estimate(START + S)
    assert room.estimator.prediction_off == ""


def test_another_model_has_a_fresh_predictor_and_no_misses():
    room = Room()
    room.learn(START, [np.nan, 0.0])
    room.estimate(START)
    assert room.estimator.prediction_off != ""
    room.estimator.forget()
    assert room.estimator.prediction_off == ""
    assert len(room.predictors) == 3
    room.estimate(START + TICK)
    assert room.estimator.prediction_off == ""


def test_what_is_in_doubt_is_not_learned():
    room = Room()
    room.learn(START)
    room.learn(START + 50 * MS, doubtful=True)
    room.learn(START + 100 * MS)
    told = [t_ns for t_ns, _ in room.predictors[-1].learned]
    assert told == [START, START + 100 * MS]


def test_on_the_target_learning_needs_the_model_and_the_range_of_breathing():
    room = Room("target")
    room.estimator.learn(START, room.breath, SPAN, None, doubtful=False)
    assert room.predictors[-1].learned == []
    narrow = BreathingRange(1.0, 0.1, 8.0)
    room.estimator.learn(START + 50 * MS, room.breath, narrow, MODEL, doubtful=False)
    assert room.predictors[-1].learned == []
    room.learn(START + 100 * MS)
    assert len(room.predictors[-1].learned) == 1


def test_without_breathing_or_model_the_target_is_unknown():
    room = Room()
    room.learn(START, [np.nan, 0.0])
    room.estimate(START)
    assert room.estimator.no_estimate() == (None, None)
    assert room.estimator.prediction_off == ""


def test_the_swing_of_the_surrogate_is_told_while_predictions_are_followed():
    room = Room()
    room.learn(START, *STILL)
    room.forecast._at_ns = START + LATENCY
    assert room.estimator.swing_later(START + LATENCY + 100 * MS) == pytest.approx((2.3, 3.0))
    room = Room()
    room.judged(60, off_mm=1.5)
    assert room.estimator.swing_later(START + S) is None
