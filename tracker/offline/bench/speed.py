"""``tidetrack bench --speed``: time compiled kernels against other libraries, in one run.

Everything is timed on the same synthetic breathing in the same process, alternately, the best of
a few rounds of each, and every comparison checks that both sides compute the same numbers. The
ratios are of kernels to libraries over whole traces, as benchmark and tuner use them; ``mix`` is
timed live, step by step through ``learn`` and ``predict``.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.compiled import compiled
from tracker.core.prediction.kalman import correct, propagate
from tracker.core.prediction.registry import make_predictor
from tracker.core.prediction.regression import absorb, restart

Reals = NDArray[np.float64]

_RATE_HZ = 30.0
_HORIZON_NS = 115_000_000
_SAMPLES = 4000
_ROUNDS = 5
_ORDER = 20
_FORGETTING = 0.999
_AGILITY = 200.0


class Live(NamedTuple):
    """Time of one live step, learn and predict together, in microseconds.

    ``p999_us`` and ``max_us`` are measured in elapsed time and include what other processes took;
    ``busy_p999_us`` is the processor time of this thread alone.
    """

    median_us: float
    p999_us: float
    max_us: float
    busy_p999_us: float


class Comparison(NamedTuple):
    """Time per step of both sides in microseconds, and the largest difference of their output."""

    ours_us: float
    theirs_us: float
    difference: float

    @property
    def ratio(self) -> float:
        """How many times faster the compiled kernel is."""
        return self.theirs_us / self.ours_us


def breathing(samples: int, channels: int) -> Reals:
    """Return synthetic breathing (samples, channels): drifting period, harmonics, noise."""
    draw = np.random.Generator(np.random.PCG64(7))
    times = np.arange(samples) / _RATE_HZ
    phase = 2.0 * np.pi * (times / 4.0 + 0.05 * np.sin(times / 9.0))
    scales = np.linspace(8.0, 2.0, channels)
    lags = np.linspace(0.0, 0.6, channels)
    turned = phase[:, None] - lags
    noise = 0.05 * draw.standard_normal((samples, channels))
    return scales * (np.cos(turned) + 0.2 * np.cos(2.0 * turned)) + noise


def time_live(name: str, channels: int = 3) -> Live:
    """Step a live predictor through a recording, timing each learn-and-predict."""
    positions = breathing(_SAMPLES, channels)
    predictor = make_predictor(name, channels=channels, rate_hz=_RATE_HZ, horizon_ns=_HORIZON_NS)
    period_ns = round(1e9 / _RATE_HZ)
    taken, busy = np.zeros(_SAMPLES), np.zeros(_SAMPLES)
    for i in range(_SAMPLES):
        busy_begin = time.thread_time_ns()
        begin = time.perf_counter_ns()
        predictor.learn(i * period_ns, positions[i])
        predictor.predict(i * period_ns + _HORIZON_NS)
        taken[i] = time.perf_counter_ns() - begin
        busy[i] = time.thread_time_ns() - busy_begin
    settled = taken[200:] * 1e-3
    return Live(
        median_us=float(np.median(settled)),
        p999_us=float(np.percentile(settled, 99.9)),
        max_us=float(settled.max()),
        busy_p999_us=float(np.percentile(busy[200:] * 1e-3, 99.9)),
    )


def _kalman_trace(positions: Reals, dt_s: float, agility: float, out: Reals) -> None:
    mean, covariance = np.zeros((1, 2)), np.eye(2) * 10.0
    _kalman_steps(positions, dt_s, agility, mean, covariance, np.eye(2), np.zeros((2, 2)), out)


@compiled
def _kalman_steps(
    positions: Reals,
    dt_s: float,
    agility: float,
    mean: Reals,
    covariance: Reals,
    transition: Reals,
    product: Reals,
    out: Reals,
) -> None:
    for i in range(positions.shape[0]):
        propagate(mean, covariance, transition, product, dt_s, agility)
        correct(mean, covariance, product, positions[i])
        out[i, 0] = mean[0, 0]
        out[i, 1] = mean[0, 1]


def _rls_trace(positions: Reals, order: int, ahead: int, forgetting: float, out: Reals) -> None:
    inverse, weights = np.zeros((order, order)), np.zeros((order, 1))
    restart(inverse, 0.001)
    work = np.zeros((3, order))
    _rls_steps(positions, order, ahead, forgetting, inverse, weights, work, np.zeros(1), out)


@compiled
def _rls_steps(
    positions: Reals,
    order: int,
    ahead: int,
    forgetting: float,
    inverse: Reals,
    weights: Reals,
    work: Reals,
    target: Reals,
    out: Reals,
) -> None:
    features, gain, pull = work[0], work[1], work[2]
    for i in range(order + ahead, positions.size):
        for lag in range(order):
            features[lag] = positions[i - ahead - lag]
        target[0] = positions[i]
        absorb(inverse, weights, features, target, forgetting, 0, 0.0, gain, pull)
        value = 0.0
        for lag in range(order):
            value += weights[lag, 0] * positions[i - lag]
        out[i] = value


def _filterpy_trace(positions: Reals, dt_s: float, agility: float, out: Reals) -> None:
    common: Any = importlib.import_module("filterpy.common")
    kalman: Any = importlib.import_module("filterpy.kalman").KalmanFilter(dim_x=2, dim_z=1)
    kalman.F = np.array([[1.0, dt_s], [0.0, 1.0]])
    kalman.H = np.array([[1.0, 0.0]])
    kalman.Q = common.Q_discrete_white_noise(2, dt_s, agility**2)
    kalman.R = np.array([[1.0]])
    kalman.P = np.eye(2) * 10.0
    for i in range(positions.shape[0]):
        kalman.predict()
        kalman.update(positions[i])
        out[i] = kalman.x[:, 0]


def _padasip_trace(positions: Reals, order: int, ahead: int, forgetting: float, out: Reals) -> None:
    filters: Any = importlib.import_module("padasip.filters")
    rls = filters.FilterRLS(order, mu=forgetting, eps=0.001, w="zeros")
    for i in range(order + ahead, positions.size):
        rls.adapt(positions[i], positions[i - ahead - order + 1 : i - ahead + 1][::-1])
        out[i] = rls.predict(positions[i - order + 1 : i + 1][::-1])


def _compare(
    ours: Callable[..., None], theirs: Callable[..., None], arguments: tuple[Any, ...], out: Reals
) -> Comparison:
    first, second = np.zeros_like(out), np.zeros_like(out)
    ours(*arguments, first)
    theirs(*arguments, second)
    difference = float(np.abs(first - second).max())
    best_ours = best_theirs = float("inf")
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        ours(*arguments, first)
        between = time.perf_counter()
        theirs(*arguments, second)
        best_ours = min(best_ours, between - begin)
        best_theirs = min(best_theirs, time.perf_counter() - between)
    steps = out.shape[0]
    return Comparison(best_ours / steps * 1e6, best_theirs / steps * 1e6, difference)


def compare_kalman() -> Comparison:
    """Time the compiled constant-velocity Kalman filter against filterpy's; both must agree."""
    positions = breathing(_SAMPLES, 1)
    arguments = (positions, 1.0 / _RATE_HZ, _AGILITY)
    return _compare(_kalman_trace, _filterpy_trace, arguments, np.zeros((_SAMPLES, 2)))


def compare_rls() -> Comparison:
    """Time compiled recursive least squares against padasip's of equal order; both must agree."""
    positions = np.ascontiguousarray(breathing(_SAMPLES, 1)[:, 0])
    arguments = (positions, _ORDER, 3, _FORGETTING)
    return _compare(_rls_trace, _padasip_trace, arguments, np.zeros(_SAMPLES))


def print_speed() -> None:
    """Time everything and print it."""
    live = time_live("mix")
    print(
        f"mix, 3 channels at 30 Hz, learn + predict: median {live.median_us:.0f} us, "
        f"p99.9 {live.p999_us:.0f} us (limits: 150, 1000), max {live.max_us:.0f} us; "
        f"p99.9 of processor time {live.busy_p999_us:.0f} us"
    )
    kalman = compare_kalman()
    print(
        f"kalman cv per step: compiled {kalman.ours_us:.3f} us, filterpy "
        f"{kalman.theirs_us:.1f} us: {kalman.ratio:.0f} x, largest difference "
        f"{kalman.difference:.1e}"
    )
    try:
        rls = compare_rls()
    except ImportError:
        print("rls: padasip is not installed; pip install 'tidetrack[bench]'")
        return
    print(
        f"rls of order {_ORDER} per step: compiled {rls.ours_us:.2f} us, padasip "
        f"{rls.theirs_us:.1f} us: {rls.ratio:.0f} x, largest difference "
        f"{rls.difference:.1e}"
    )
