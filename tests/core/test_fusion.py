"""Fusion: filterpy's filter as the oracle, order of arrival without effect, honest covariance."""

import copy
import itertools
import math

import numpy as np
import pytest
from filterpy.kalman import ExtendedKalmanFilter

from tracker.core.settings import Belt, Fusion
from tracker.core.surrogate.fusion import MotionModel, Points, SurrogateFilter, Value

BELT = Value(2.0, 30.0, 500.0, 3.0, 20.0, 0.03, 0.3)
MODEL = MotionModel((1.2, 0.8), (1.2 / 2.08, 0.8 / 2.08), 3.5, (Points(2, 0.1), BELT))
RATE_HZ = 160.0
FRAME_NS = 16_666_667
BELT_NS = 10_000_000


def filter_of(model=MODEL, **fusion):
    return SurrogateFilter(model, Fusion(**fusion), RATE_HZ, 0)


def known(filter_, t_ns):
    state = filter_.state_at(t_ns)
    assert state is not None
    return state


def breath(t_s):
    return 5.0 * math.sin(2 * math.pi * t_s / 4.0)


def measurements(seconds, seed=1):
    rng = np.random.default_rng(seed)
    found = []
    for k in range(1, int(seconds * 60)):
        t = k * FRAME_NS
        y = breath(t * 1e-9)
        found.append((t, "markers", tuple(a * y + rng.normal(0, 0.1) for a in MODEL.amplitudes)))
    for k in range(1, int(seconds * 100)):
        t = k * BELT_NS
        found.append((t, "belt", 30.0 * breath(t * 1e-9) + 500.0 + rng.normal(0, 2.0)))
    return sorted(found)


def feed(filter_, found):
    for t, kind, value in found:
        if kind == "markers":
            filter_.add(0, t, value)
        else:
            filter_.add(1, t, (value,))


def oracle(found):
    """The same filter written with filterpy's matrices."""
    ekf = ExtendedKalmanFilter(dim_x=6, dim_z=1)
    ekf.x = np.array([[0.0, 0.0, 0.0, 0.0, 30.0, 500.0]]).T
    ekf.P = np.diag([400.0, 400.0, 400.0, 400.0, 9.0, 400.0])
    a, w = np.array(MODEL.amplitudes), np.array(MODEL.weights)
    common = (3.5 * Fusion().agility_per_s2) ** 2
    own = (3.5 * Fusion().own_agility_per_s2) ** 2
    walk = (Belt().gain_drift_per_s * 30.0) ** 2
    last = 0
    for t, kind, value in found:
        dt = (t - last) * 1e-9
        last = t
        ekf.F = np.eye(6)
        ekf.F[0, 1] = ekf.F[2, 3] = dt
        q = np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
        ekf.Q = np.zeros((6, 6))
        ekf.Q[:4, :4] = np.kron(common * np.outer(a, a) + own * np.eye(2), q)
        ekf.Q[4, 4], ekf.Q[5, 5] = walk * dt, 100.0 * walk * dt
        ekf.predict()
        if kind == "markers":
            for i in range(2):
                row = np.zeros((1, 6))
                row[0, 2 * i] = 1.0
                ekf.R = np.array([[0.01]])
                ekf.update(np.array([[value[i]]]), lambda x, r=row: r, lambda x, r=row: r @ x)
        else:
            x = ekf.x[:, 0]
            y = w @ x[[0, 2]]
            spread = w**2 @ np.diag(ekf.P)[[0, 2]]
            row = np.array([[x[4] * w[0], 0.0, x[4] * w[1], 0.0, y, 1.0]])
            ekf.R = np.array([[4.0 + spread * ekf.P[4, 4]]])
            ekf.update(
                np.array([[value]]),
                lambda x, r=row: r,
                lambda x, v=x[4] * y + x[5]: np.array([[v]]),
            )
    return ekf.x[:, 0], ekf.P


def test_equals_filterpy_on_markers_and_belt():
    found = measurements(1.5)
    ours = filter_of(gate_sigma=20.0, history_ms=2000.0)
    feed(ours, found)
    x, p = oracle(found)
    w = np.array(MODEL.weights)
    state = known(ours, found[-1][0])
    assert state.amplitude_mm == pytest.approx(w @ x[[0, 2]], abs=1e-9)
    assert state.velocity_mm_s == pytest.approx(w @ x[[1, 3]], abs=1e-8)
    assert state.amplitude_variance == pytest.approx(w @ p[np.ix_([0, 2], [0, 2])] @ w, rel=1e-7)
    assert ours.gain_of(0) == pytest.approx(x[4], rel=1e-9)


def test_order_of_arrival_does_not_matter():
    found = measurements(1.2)
    in_order, late = filter_of(), filter_of()
    feed(in_order, found)
    # Markers arrive 35 ms after the belt samples of their moment.
    feed(late, sorted(found, key=lambda m: m[0] + (35_000_000 if m[1] == "markers" else 0)))
    t = found[-1][0] + 3_000_000
    assert late.state_at(t) == in_order.state_at(t)


def test_a_sample_older_than_the_buffer_is_dropped_and_said():
    found = measurements(2.0)
    ours = filter_of(history_ms=100.0)
    feed(ours, found)
    before = ours.state_at(found[-1][0])
    assert not ours.add(0, found[-1][0] - 500_000_000, (50.0, 50.0))
    assert ours.state_at(found[-1][0]) == before


def test_an_outlier_is_gated_out_alone():
    found = measurements(2.0)
    ours = filter_of()
    feed(ours, found)
    t = found[-1][0] + 1
    y = breath(t * 1e-9)
    ours.add(0, t, (1.2 * y + 8.0, 0.8 * y))
    assert (ours.applied, ours.rejected) == (1, 1)
    assert known(ours, t).amplitude_mm == pytest.approx(y, abs=0.5)


def test_belt_alone_carries_the_estimate_and_says_how_unsure_it_becomes():
    squares, sigmas = [], []
    for seed in range(12):
        found = measurements(14.0, seed=seed)
        ours = filter_of()
        feed(ours, [m for m in found if m[0] < 8e9 or m[1] == "belt"])
        t = found[-1][0]
        state = known(ours, t)
        squares.append((state.amplitude_mm - breath(t * 1e-9)) ** 2 / state.amplitude_variance)
        sigmas.append(math.sqrt(state.amplitude_variance))
    with_markers = filter_of()
    feed(with_markers, measurements(8.0))
    sure = math.sqrt(known(with_markers, 7_900_000_000).amplitude_variance)
    assert min(sigmas) > 1.2 * sure
    assert max(sigmas) < 1.5
    assert np.mean(squares) < 3.0  # the belt of this test drifts less than it might


def test_without_samples_the_covariance_grows():
    ours = filter_of()
    feed(ours, measurements(3.0))
    spread = [known(ours, 3_000_000_000 + k * 50_000_000).amplitude_variance for k in range(6)]
    assert all(b > a for a, b in itertools.pairwise(spread))


def test_missing_marker_follows_the_others():
    ours = filter_of()
    for t, kind, value in measurements(6.0):
        if kind == "belt":
            ours.add(1, t, (value,))
        else:
            ours.add(0, t, (value[0], math.nan) if t > 4e9 else value)
    t = 5_900_000_000
    assert known(ours, t).markers_mm[1] == pytest.approx(0.8 * breath(5.9), abs=1.0)


def test_state_before_the_buffer_is_unknown():
    ours = filter_of(history_ms=100.0)
    feed(ours, measurements(3.0))
    assert ours.state_at(1_000_000) is None


def test_a_copy_goes_on_by_itself():
    """Its arrays are its own, and what it reads lies in them."""
    found = measurements(6.0)
    whole, half = filter_of(), filter_of()
    feed(whole, found)
    feed(half, found[: len(found) // 2])
    kept = known(half, found[len(found) // 2 - 1][0])
    other = copy.deepcopy(half)
    feed(other, found[len(found) // 2 :])
    end_ns = found[-1][0]
    assert known(other, end_ns) == known(whole, end_ns)
    assert known(half, kept.t_ns) == kept
