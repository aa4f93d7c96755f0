"""Run predictors of other libraries causally on the same traces: ``bench --against reference``.

Each channel is predicted alone. Positions are centred and scaled by the part before scoring starts,
because these libraries do not scale online; this can only help them. Labels are delayed until they
exist. Settings follow the reference benchmark or the library's defaults. These predictors give no
covariance, so coverage is blank.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tracker.offline.bench.traces import Replayed, Trace

Reals = NDArray[np.float64]

_HISTORY_S = 4.0
_MOST_LAGS = 60
_REFIT_S = 2.0
_FIT_S = 60.0


def _lags(rate_hz: float) -> int:
    return min(max(8, int(_HISTORY_S * rate_hz)), _MOST_LAGS)


def _adaptive(make: Callable[[int], Any], x: Reals, ahead: int, rate_hz: float) -> Reals:
    """Predict the change over the horizon from the last lags with a padasip filter."""
    lags = _lags(rate_hz)
    model = make(lags + 1)
    said = x.copy()

    def features(at: int) -> Reals:
        window = x[at - lags + 1 : at + 1][::-1]
        return np.concatenate([[1.0, window[0]], window[1:] - window[0]])

    for at in range(lags - 1, x.size):
        if at - ahead >= lags - 1:
            model.adapt(x[at] - x[at - ahead], features(at - ahead))
        said[at] = x[at] + model.predict(features(at))
    return said


def padasip_rls(x: Reals, ahead: int, rate_hz: float) -> Reals:
    """Predict by recursive least squares with the reference benchmark's settings."""
    filters: Any = importlib.import_module("padasip.filters")
    make = partial(filters.FilterRLS, mu=0.9995, eps=0.1, w="zeros")
    return _adaptive(make, x, ahead, rate_hz)


def padasip_nlms(x: Reals, ahead: int, rate_hz: float) -> Reals:
    """Predict by normalised LMS with the reference benchmark's settings."""
    filters: Any = importlib.import_module("padasip.filters")
    make = partial(filters.FilterNLMS, mu=0.05, eps=1e-6, w="zeros")
    return _adaptive(make, x, ahead, rate_hz)


def _kalman(x: Reals, ahead: int, order: int, noise: float) -> Reals:
    common: Any = importlib.import_module("filterpy.common")
    kalman = importlib.import_module("filterpy.kalman").KalmanFilter(dim_x=order, dim_z=1)
    steps = np.arange(order)
    factorials = np.cumprod(np.maximum(steps, 1))
    kalman.F = np.array(
        [[1.0 / factorials[j - i] if j >= i else 0.0 for j in steps] for i in steps]
    )
    kalman.H = np.eye(1, order)
    kalman.Q = common.Q_discrete_white_noise(order, 1.0, noise)
    kalman.R = np.array([[0.01]])
    kalman.x = np.zeros(order)
    kalman.x[0] = x[0]
    carry = float(ahead) ** steps / factorials
    said = np.empty_like(x)
    for at in range(x.size):
        kalman.predict()
        kalman.update(x[at])
        said[at] = carry @ kalman.x
    return said


def filterpy_cv(x: Reals, ahead: int, rate_hz: float) -> Reals:
    """Predict with constant velocity."""
    del rate_hz
    return _kalman(x, ahead, 2, 0.1)


def filterpy_ca(x: Reals, ahead: int, rate_hz: float) -> Reals:
    """Predict with constant acceleration."""
    del rate_hz
    return _kalman(x, ahead, 3, 0.01)


def river_linear(x: Reals, ahead: int, rate_hz: float) -> Reals:
    """Predict by River's online linear regression on the last lags, by stochastic gradient."""
    from river import linear_model, optim

    lags = _lags(rate_hz)
    model: Any = linear_model.LinearRegression(optimizer=optim.Adam(0.01), intercept_lr=0.01)
    said = x.copy()

    def features(at: int) -> dict[str, float]:
        return {f"l{lag}": float(x[at - lag]) for lag in range(lags)}

    for at in range(lags - 1, x.size):
        if at - ahead >= lags - 1:
            model.learn_one(features(at - ahead), float(x[at] - x[at - ahead]))
        said[at] = x[at] + model.predict_one(features(at))
    return said


def statsmodels_ar(x: Reals, ahead: int, rate_hz: float) -> Reals:
    """Predict by an autoregression that is refitted every two seconds to the last minute."""
    model: Any = importlib.import_module("statsmodels.tsa.ar_model")
    lags = min(_lags(rate_hz), 20)
    every, span = max(1, round(_REFIT_S * rate_hz)), round(_FIT_S * rate_hz)
    said = x.copy()
    weights: Reals | None = None
    for at in range(x.size):
        if at >= 4 * lags and at % every == 0:
            recent = x[max(0, at + 1 - span) : at + 1]
            weights = np.asarray(model.AutoReg(recent, lags).fit().params)
        if weights is not None:
            window = list(x[at - lags + 1 : at + 1][::-1])
            for _ in range(ahead):
                window.insert(0, float(weights[0] + weights[1:] @ np.array(window[:lags])))
            said[at] = window[0]
    return said


RIVALS: dict[str, Callable[[Reals, int, float], Reals]] = {
    "padasip_rls": padasip_rls,
    "padasip_nlms": padasip_nlms,
    "filterpy_cv": filterpy_cv,
    "filterpy_ca": filterpy_ca,
    "river_linear": river_linear,
    "statsmodels_ar": statsmodels_ar,
}


def check_installed() -> None:
    """Raise `BenchError` with what to install when a library is missing."""
    from tracker.offline.bench.traces import BenchError

    needed = ("padasip", "filterpy", "river", "statsmodels")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchError(
            f"--against reference: {', '.join(missing)} not installed; "
            "pip install 'tidetrack[bench]'"
        )


def replay_rival(trace: Trace, name: str, ahead: int) -> Replayed:
    """Run a rival over every channel; blanks are filled with the last value before them."""
    from tracker.offline.bench.traces import Replayed

    positions = trace.positions.copy()
    for row in range(1, len(positions)):
        blank = np.isnan(positions[row])
        positions[row, blank] = positions[row - 1, blank]
    positions = np.nan_to_num(positions)
    start = int(np.argmax(trace.scored))
    centre = positions[:start].mean(axis=0)
    scale = positions[:start].std(axis=0) + 1e-9
    scaled = (positions - centre) / scale
    begin = time.perf_counter()
    columns = [RIVALS[name](column, ahead, trace.rate_hz) for column in scaled.T]
    step_us = (time.perf_counter() - begin) / len(positions) * 1e6
    count, channels = positions.shape
    return Replayed(
        means=np.stack(columns, axis=1) * scale + centre,
        covariances=np.full((count, channels, channels), np.nan),
        step_us=step_us,
    )
