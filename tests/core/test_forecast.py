"""The forecast: which moments the predictor learns, and what is made of its predictions."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from msgspec.structs import astuple

from tests.core.forecast_parts import Breath, TellingModel, ToldPredictor, state_of
from tracker.core.settings import Prediction
from tracker.core.surrogate.breathing import BreathingRange
from tracker.core.target.correlation import TargetState
from tracker.core.target.forecast import VELOCITY_SCALE_S, Forecast

MS = 1_000_000
S = 1_000_000_000
LATENCY = 150 * MS
SETTLE = 30 * MS
PERIOD = 50 * MS
HORIZON = LATENCY + SETTLE + PERIOD // 2
START = 10 * S
SPAN = BreathingRange(1.0, 5.0, 8.0)
MODEL: Any = TellingModel()


class Learner:
    """A forecast with its predictors, the newest last."""

    def __init__(self, where: Literal["surrogate", "target"] = "surrogate", learn_hz=20.0):
        self.predictors: list[ToldPredictor] = []
        settings = Prediction(where=where, learn_hz=learn_hz, settle_ms=30.0)
        self.forecast = Forecast(settings, LATENCY, self._make)
        self.breath: Any = Breath()

    def _make(self, channels, horizon_ns):
        self.predictors.append(ToldPredictor(channels, horizon_ns))
        return self.predictors[-1]

    @property
    def predictor(self):
        return self.predictors[-1]

    def learn(self, ripe_ns, span: BreathingRange | None = SPAN, model=MODEL):
        """Learn up to a moment: so long ago that it is old enough now."""
        self.forecast.learn(ripe_ns + SETTLE, self.breath, span, model)

    @property
    def moments(self):
        """The moments that were learned."""
        return [t_ns for t_ns, _ in self.predictor.learned]

    def told(self, mean, covariance=None):
        """Learn one moment, after which the predictor says this of ``START`` + `HORIZON`."""
        self.predictor.mean = np.array(mean)
        if covariance is not None:
            self.predictor.covariance = np.array(covariance)
        self.learn(START)
        return self.forecast


# Which moments are learned ----------------------------------------------------------------------


@pytest.mark.parametrize(("where", "channels"), [("surrogate", 2), ("target", 6)])
def test_the_predictor_is_built_for_the_channels_and_the_way_ahead(where, channels):
    learner = Learner(where)
    assert len(learner.predictors) == 1
    assert learner.predictor.channels == channels
    assert learner.predictor.horizon_ns == HORIZON == 205 * MS
    assert learner.forecast.on_surrogate is (where == "surrogate")


def test_each_moment_of_the_grid_is_learned_once_when_it_is_old_enough():
    learner = Learner()
    learner.learn(START)
    assert learner.moments == [START]
    learner.learn(START + PERIOD - 1)
    assert learner.moments == [START]
    learner.learn(START + PERIOD)
    learner.learn(START + PERIOD)
    assert learner.moments == [START, START + PERIOD]
    learner.learn(START + 4 * PERIOD + 7)
    assert learner.moments == [START + k * PERIOD for k in range(5)]


def test_the_grid_may_begin_at_time_zero():
    learner = Learner()
    learner.learn(0)
    learner.learn(PERIOD - 1)
    assert learner.moments == [0]
    learner.learn(PERIOD)
    assert learner.moments == [0, PERIOD]


def test_a_grid_that_begins_before_time_zero_goes_on_from_there():
    for doubtful in (False, True):
        learner = Learner()
        learner.breath.unknown = {-PERIOD}
        learner.learn(-PERIOD)
        if doubtful:
            learner.forecast.skip(SETTLE)
        learner.learn(20 * MS)
        assert learner.moments == ([] if doubtful else [0])


def test_the_period_is_the_nanosecond_nearest_to_that_of_the_rate():
    learner = Learner(learn_hz=2.1)
    learner.learn(START)
    learner.learn(START + 476_190_475)
    assert learner.moments == [START]
    learner.learn(START + 476_190_476)
    assert len(learner.moments) == 2


def test_a_moment_is_learned_once_there_are_samples_after_it():
    learner = Learner()
    learner.learn(START)
    learner.breath.newest_ns = START + PERIOD - 1
    learner.learn(START + 3 * PERIOD)
    assert learner.moments == [START]
    learner.breath.newest_ns = START + PERIOD
    learner.learn(START + 3 * PERIOD)
    assert learner.moments == [START, START + PERIOD]


def test_after_more_than_a_second_the_moments_between_are_left_out():
    for late_ns, first in ((S, 1), (S + 1, 19)):
        learner = Learner()
        learner.learn(START)
        learner.learn(START + PERIOD + late_ns - SETTLE)
        assert learner.moments[1] == START + first * PERIOD + (0 if first == 1 else PERIOD)
        assert learner.moments[-1] == START + 20 * PERIOD


def test_without_newer_samples_the_grid_stays_where_it_is():
    learner = Learner()
    learner.learn(START)
    learner.breath.newest_ns = START + 10 * MS
    learner.learn(START + 9 * S)
    assert learner.moments == [START]
    learner.breath.newest_ns = START + 9 * S
    learner.learn(START + 9 * S)
    assert learner.moments[1:] == [START + 9 * S]


def test_what_is_in_doubt_is_left_out():
    learner = Learner()
    learner.forecast.skip(START)
    learner.learn(START)
    learner.forecast.skip(START + PERIOD + SETTLE - 1)
    learner.learn(START + PERIOD)
    assert learner.moments == [START, START + PERIOD]
    learner.forecast.skip(START + 2 * PERIOD + SETTLE)
    learner.learn(START + 2 * PERIOD)
    learner.forecast.skip(START + 5 * PERIOD + SETTLE + 3)
    learner.learn(START + 5 * PERIOD + 3)
    assert learner.moments == [START, START + PERIOD]
    learner.learn(START + 6 * PERIOD)
    assert learner.moments[2:] == [START + 6 * PERIOD]


def test_doubt_before_the_first_moment_changes_nothing():
    learner = Learner()
    learner.forecast.skip(START)
    learner.learn(START + 20 * MS)
    assert learner.moments == [START + 20 * MS]
    zero = Learner()
    zero.learn(0)
    zero.forecast.skip(PERIOD + SETTLE)
    zero.learn(PERIOD)
    assert zero.moments == [0]


def test_a_moment_without_a_state_is_not_learned_nor_predicted_from():
    learner = Learner()
    learner.breath.unknown = {START, START + 2 * PERIOD}
    learner.learn(START)
    assert learner.moments == []
    assert learner.predictor.asked_ns == []
    learner.learn(START + 2 * PERIOD)  # one of the two is known
    assert learner.moments == [START + PERIOD]
    assert learner.predictor.asked_ns == [START + 2 * PERIOD + HORIZON]
    learner.learn(START + 3 * PERIOD)
    assert learner.predictor.asked_ns[1:] == [START + 3 * PERIOD + HORIZON]


@pytest.mark.parametrize(
    ("y", "v", "learned"),
    [
        (11.0, 0.0, True),
        (11.01, 0.0, False),
        (-9.0, 0.0, True),
        (-9.01, 0.0, False),
        (1.0, 32.0, True),
        (1.0, 32.01, False),
        (1.0, -32.0, True),
        (1.0, -32.01, False),
    ],
)
def test_a_state_far_outside_the_range_of_the_last_breaths_is_left_out(y, v, learned):
    for span, expected in ((SPAN, learned), (None, True)):
        learner = Learner()
        learner.breath = Breath(lambda t_ns: state_of(t_ns, y, v))
        learner.learn(START, span)
        assert bool(learner.moments) is expected
        assert bool(learner.predictor.asked_ns) is expected


# What is learned --------------------------------------------------------------------------------


def test_on_the_surrogate_amplitude_and_scaled_velocity_are_learned():
    for model in (MODEL, None):
        learner = Learner()
        learner.learn(START, model=model)
        assert learner.predictor.learned == [(START, [2.0, 3.0 * VELOCITY_SCALE_S])]


def test_on_the_target_its_position_and_its_way_in_the_scale_of_time_are_learned():
    learner = Learner("target")
    learner.learn(START)
    apart = MODEL.apart(2.0, 3.0, (2.25, 1.5))
    position = MODEL.target_at(START, 2.0, 3.0, 0.0, 0.0, 0.0, apart).position_mm
    # In half a second the amplitude goes on by 1.5 mm.
    assert learner.predictor.learned == [(START, [*position, 3.0, -1.5, 0.0])]


def test_on_the_target_nothing_is_learned_without_a_model():
    learner = Learner("target")
    learner.learn(START, model=None)
    assert learner.moments == []
    assert learner.predictor.asked_ns == []


# What is made of a prediction -------------------------------------------------------------------

AT = START + HORIZON
NOW = TargetState((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.5, 0.7, 0.9))
SPREAD = [[0.4, 0.05], [0.05, 0.9]]


def test_the_predictor_is_asked_for_one_horizon_after_the_newest_moment():
    learner = Learner()
    learner.learn(START)
    learner.learn(START + 3 * PERIOD)
    assert learner.predictor.asked_ns == [AT, AT + 3 * PERIOD]


def test_between_two_moments_the_prediction_goes_on_along_its_velocity():
    forecast = Learner().told([2.0, 1.5], SPREAD)
    for later_ns, step in ((0, 0.0), (100 * MS, 0.2), (-100 * MS, -0.2)):
        ((mean, variance),) = forecast.channels_at(AT + later_ns)
        assert mean == pytest.approx(2.0 + 1.5 * step)
        assert variance == pytest.approx(0.4 + 2.0 * step * 0.05 + step * step * 0.9)


def test_on_the_surrogate_the_model_is_evaluated_for_the_future():
    forecast = Learner().told([2.0, 1.5], SPREAD)
    apart = np.array([0.3, -0.7])
    for later_ns, step in ((0, 0.0), (100 * MS, 0.2)):
        said = forecast.predict(AT + later_ns, MODEL, NOW, apart)
        amplitude, variance = forecast.channels_at(AT + later_ns)[0]
        # The velocity is scaled by half a second: 1.5 mm are 3 mm/s.
        cross = 2.0 * (0.05 + step * 0.9)
        expected = MODEL.target_at(AT + later_ns, amplitude, 3.0, variance, 4.0 * 0.9, cross, apart)
        assert said is not None
        for ours, theirs in zip(astuple(said), astuple(expected), strict=True):
            assert ours == pytest.approx(theirs)


def test_on_the_target_each_axis_has_its_own_channels():
    learner = Learner("target")
    spread = np.diag([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    for i, cross in enumerate((0.01, 0.02, 0.03)):
        spread[i, 3 + i] = spread[3 + i, i] = cross
    forecast = learner.told([1.0, 2.0, 3.0, 4.0, 5.0, -6.0], spread)
    for later_ns, step in ((0, 0.0), (50 * MS, 0.1)):
        said = forecast.predict(AT + later_ns, MODEL, NOW)
        assert said is not None
        assert said.position_mm == pytest.approx((1 + 4 * step, 2 + 5 * step, 3 - 6 * step))
        assert said.velocity_mm_s == pytest.approx((8.0, 10.0, -12.0))
        assert said.variance_mm2 == pytest.approx((0.6, 0.9, 1.2))
        channels = forecast.channels_at(AT + later_ns)
        assert [mean for mean, _ in channels] == pytest.approx(list(said.position_mm))
        assert [variance for _, variance in channels] == pytest.approx(
            [
                0.1 + step * (0.02 + step * 0.4),
                0.2 + step * (0.04 + step * 0.5),
                0.3 + step * (0.06 + step * 0.6),
            ]
        )


def test_before_the_first_prediction_there_is_none():
    learner = Learner()
    assert learner.forecast.predict(AT, MODEL, NOW) is None
    learner.learn(START)
    assert learner.forecast.predict(AT, MODEL, NOW) is None
    assert learner.forecast.broken is False


def test_a_predictor_that_gives_no_prediction_leaves_the_last_one():
    learner = Learner()
    forecast = learner.told([2.0, 1.5], SPREAD)
    learner.predictor.mean = None
    learner.learn(START + PERIOD)
    # It is taken for the moment that was asked for last.
    assert forecast.channels_at(AT + PERIOD) == ((2.0, 0.4),)


@pytest.mark.parametrize(
    ("mean", "broken"),
    [([1.0, 2.0], False), ([np.nan, 2.0], True), ([1.0, np.inf], True), ([0.0, 0.0], False)],
)
def test_no_number_is_broken(mean, broken):
    forecast = Learner().told(mean)
    assert forecast.broken is broken
    assert (forecast.predict(AT, MODEL, NOW) is None) is bool(np.isnan(mean[0]))


def test_to_forget_is_to_begin_again():
    learner = Learner()
    forecast = learner.told([2.0, 1.5], SPREAD)
    forecast.forget()
    assert len(learner.predictors) == 2
    assert forecast.predict(AT, MODEL, NOW) is None
    learner.learn(START + 20 * MS)
    assert learner.moments == [START + 20 * MS]


def test_amplitude_and_velocity_of_the_surrogate_go_on_along_the_predicted_velocity():
    learner = Learner()
    assert learner.forecast.swing_at(AT) is None
    forecast = learner.told([2.0, 1.5], SPREAD)
    for later_ns, amplitude in ((0, 2.0), (100 * MS, 2.3), (-200 * MS, 1.4)):
        assert forecast.swing_at(AT + later_ns) == pytest.approx((amplitude, 3.0))
    for unknown in (np.nan, np.inf):
        assert Learner().told([unknown, 1.0]).swing_at(AT) is None
    assert Learner("target").told([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).swing_at(AT) is None
