"""A predictor by name learns, answers, refuses."""

import numpy as np
import pytest

from tracker.core.prediction.registry import METHODS, make_predictor

MS = 1_000_000


@pytest.mark.parametrize("name", METHODS)
def test_learns_and_answers(name: str) -> None:
    predictor = make_predictor(name, channels=2, rate_hz=25.0, horizon_ns=115 * MS)
    assert predictor.predict(0) is None
    for i in range(400):
        phase = 2 * np.pi * i * 0.04 / 4.0
        predictor.learn(i * 40 * MS, np.array([10 * np.cos(phase), np.sin(phase)]))
    made = 399 * 40 * MS
    prediction = predictor.predict(made + 115 * MS)
    assert prediction is not None
    assert prediction.made_ns == made
    assert prediction.mean.shape == (2,)
    assert np.all(np.linalg.eigvalsh(prediction.covariance) > 0.0)
    with pytest.raises(ValueError, match="not after"):
        predictor.learn(made, np.zeros(2))
    with pytest.raises(ValueError, match="not finite"):
        predictor.learn(made + 1, np.array([0.0, np.nan]))


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="kalman_cv"):
        make_predictor("kalman", channels=1, rate_hz=10.0, horizon_ns=MS)


def test_parameter_out_of_bounds() -> None:
    with pytest.raises(ValueError, match=r"memory_s = 0.0 is outside 1 to 3600"):
        make_predictor("rls", channels=1, rate_hz=10.0, horizon_ns=MS, parameters={"memory_s": 0.0})
