"""Every kernel against an oracle: plain numpy, filterpy, or what a library computes."""

import math

import numpy as np
from filterpy.common import Q_discrete_white_noise
from filterpy.kalman import IMMEstimator, KalmanFilter
from scipy import stats

from tests.prediction.traces import MS, breathing, grid
from tracker.core.prediction import harmonic, imm, svr
from tracker.core.prediction.autoregression import begin_autoregression
from tracker.core.prediction.calibration import chi2_quantile
from tracker.core.prediction.cholesky import backward, factorise, forward
from tracker.core.prediction.expert import lag_places
from tracker.core.prediction.kalman import correct, propagate
from tracker.core.prediction.registry import METHODS, make_predictor, parameter_record
from tracker.core.prediction.regression import absorb, restart
from tracker.core.prediction.stream import admit, begin_stream, next_labelled

RATE_HZ = 10.0
HORIZON_NS = 300 * MS


def run(name: str, positions: np.ndarray, **parameters: float) -> np.ndarray:
    """Means said at each sample of a uniform trace, one horizon ahead."""
    times = grid(len(positions), RATE_HZ)
    channels = positions.shape[1]
    means = np.zeros_like(positions)
    covariances = np.zeros((len(positions), channels, channels))
    method, record = METHODS[name], parameter_record(name, parameters)
    state = method.begin(record, channels, RATE_HZ, HORIZON_NS)
    method.run(record, state, times, positions, times + HORIZON_NS, means, covariances)
    return means


def test_chi2_quantile_is_scipys() -> None:
    for channels in range(1, 25):
        assert math.isclose(chi2_quantile(channels), stats.chi2.ppf(0.95, channels), rel_tol=1e-9)


def test_cholesky_is_numpys() -> None:
    draw = np.random.Generator(np.random.PCG64(1))
    for size in (1, 3, 7, 24):
        root = draw.standard_normal((size, size))
        matrix = root @ root.T + np.eye(size)
        right = draw.standard_normal(size)
        lower, solution = np.zeros((size, size)), np.zeros(size)
        factorise(matrix, lower)
        np.testing.assert_allclose(np.tril(lower), np.linalg.cholesky(matrix), rtol=1e-9)
        forward(lower, right, solution)
        backward(lower, solution, solution)
        np.testing.assert_allclose(solution, np.linalg.solve(matrix, right), rtol=1e-9)


def test_regression_is_the_ridge_solution() -> None:
    """The recursion equals the normal equations with every pseudo-sample written out."""
    draw = np.random.Generator(np.random.PCG64(2))
    size, outputs, forgetting, penalty, start = 6, 2, 0.97, 0.3, 0.5
    inverse, weights = np.zeros((size, size)), np.zeros((size, outputs))
    restart(inverse, start)
    moment, cross = start * np.eye(size), np.zeros((size, outputs))
    gain, pull = np.zeros(size), np.zeros(size)
    for i in range(500):
        features, target = draw.standard_normal(size), draw.standard_normal(outputs)
        assert absorb(inverse, weights, features, target, forgetting, i % size, penalty, gain, pull)
        moment = forgetting * moment + np.outer(features, features)
        moment[i % size, i % size] += penalty
        cross = forgetting * cross + np.outer(features, target)
        assert np.array_equal(inverse, inverse.T)
    np.testing.assert_allclose(inverse, np.linalg.inv(moment), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weights, np.linalg.solve(moment, cross), rtol=1e-9, atol=1e-12)


def test_regression_refuses_what_is_out_of_scale() -> None:
    inverse, weights = np.zeros((2, 2)), np.zeros((2, 1))
    restart(inverse, 1e-12)
    before = inverse.copy()
    gain, pull = np.zeros(2), np.zeros(2)
    features = np.array([1e3, 1.0])
    assert not absorb(inverse, weights, features, np.ones(1), 1.0, 0, 0.1, gain, pull)
    assert np.array_equal(inverse, before)


def test_kalman_is_filterpys() -> None:
    positions = breathing(60.0, RATE_HZ, 1)
    draw = np.random.Generator(np.random.PCG64(3))
    steps_s = draw.uniform(0.02, 0.3, len(positions))
    for order, agility in ((2, 200.0), (3, 60.0)):
        oracle = KalmanFilter(dim_x=order, dim_z=1)
        oracle.H = np.eye(1, order)
        oracle.R = np.array([[1.0]])
        oracle.P = np.eye(order)
        oracle.x = np.zeros(order)
        mean, covariance = np.zeros((1, order)), np.eye(order)
        transition, product = np.eye(order), np.zeros((order, order))
        for dt_s, position in zip(steps_s, positions, strict=True):
            oracle.F = np.array([[1.0, dt_s, 0.5 * dt_s**2], [0.0, 1.0, dt_s], [0.0, 0.0, 1.0]])[
                :order, :order
            ]
            oracle.Q = Q_discrete_white_noise(order, dt_s, agility**2)
            oracle.predict()
            oracle.update(position)
            propagate(mean, covariance, transition, product, dt_s, agility)
            correct(mean, covariance, product, position)
            np.testing.assert_allclose(mean[0], oracle.x, rtol=1e-7, atol=1e-8)
            np.testing.assert_allclose(covariance, oracle.P, rtol=1e-6, atol=1e-8)


def test_imm_is_filterpys() -> None:
    """One channel, 100 steps: states and model probabilities."""
    positions = breathing(10.0, RATE_HZ, 1)
    dt_s = 1.0 / RATE_HZ
    record = imm.ImmParameters()
    state = imm.begin(record, 1, RATE_HZ, HORIZON_NS)
    times = grid(len(positions), RATE_HZ)
    imm.step(record, state, int(times[0]), positions[0])
    transition = np.zeros((3, 3))
    filters = []
    for model in range(3):
        one = KalmanFilter(dim_x=3, dim_z=1)
        imm._write_transition(model, dt_s, transition)
        one.F = transition.copy()
        one.H = np.eye(1, 3)
        one.x = state.mean[0, model].copy().reshape(3, 1)
        one.P = state.covariance[0, model].copy()
        filters.append(one)
    stay = math.exp(-dt_s / record.stay_s)
    switch = np.full((3, 3), (1.0 - stay) / 2.0)
    np.fill_diagonal(switch, stay)
    oracle = IMMEstimator(filters, np.full(3, 1.0 / 3.0), switch)
    agilities = (record.velocity, record.acceleration, record.quiet)
    for i in range(1, len(positions)):
        imm.step(record, state, int(times[i]), positions[i])
        variance = state.stream.variance[0] + 1e-12 * state.stream.centre[0] ** 2 + 1e-12
        for model, (one, agility) in enumerate(zip(filters, agilities, strict=True)):
            enter = np.array([0.5 * dt_s**2, dt_s, 1.0 if model == imm.ACCELERATION else 0.0])
            one.Q = np.outer(enter, enter) * agility**2 * variance
            one.R = np.array([[record.noise**2 * variance]])
        oracle.predict()
        oracle.update(positions[i])
        np.testing.assert_allclose(state.shares[0], oracle.mu, rtol=1e-3, atol=1e-4)
        for model in range(3):
            np.testing.assert_allclose(
                state.mean[0, model], filters[model].x.ravel(), rtol=1e-3, atol=1e-2
            )


def test_harmonic_jacobian_is_the_derivative() -> None:
    mean = np.array([3.0, 0.2, 1.0, -2.0, 0.5, 0.3, 1.6])
    size = mean.size
    carried, jacobian = np.zeros(size), np.zeros((size, size))
    harmonic.turn(mean, 0.3, carried, jacobian)
    scratch, moved, back = np.zeros((size, size)), np.zeros(size), np.zeros(size)
    for k in range(size):
        step = np.zeros(size)
        step[k] = 1e-6
        harmonic.turn(mean + step, 0.3, moved, scratch)
        harmonic.turn(mean - step, 0.3, back, scratch)
        np.testing.assert_allclose(jacobian[:, k], (moved - back) / 2e-6, atol=1e-8)


def test_linear_is_polyfit() -> None:
    positions = breathing(20.0, RATE_HZ, 2)
    means = run("linear", positions, span_s=0.3)
    for i in range(10, 200, 13):
        for channel in range(2):
            fit = np.polyfit([-0.3, -0.2, -0.1, 0.0], positions[i - 3 : i + 1, channel], 1)
            assert math.isclose(means[i, channel], np.polyval(fit, 0.3), rel_tol=1e-6)


def test_mulin_is_its_expansion() -> None:
    positions = breathing(20.0, RATE_HZ, 1)
    means = run("mulin", positions, order=2.0, smoothing_s=0.0)
    x = positions[:, 0]
    for i in range(10, 200):
        first = x[i] - x[i - 3]
        second = first - (x[i - 3] - x[i - 6])
        assert math.isclose(means[i, 0], x[i] + first + second, rel_tol=1e-9, abs_tol=1e-9)


def test_nlms_is_its_formula() -> None:
    positions = breathing(40.0, RATE_HZ, 1)
    x = positions[:, 0]
    means = run("nlms", positions, history_s=1.0)
    lags, ahead, rate = 10, 3, 0.05
    weights = np.eye(1, lags)[0]
    centre = variance = 0.0
    for i in range(len(x)):
        share = max(1.0 / (i + 1), 0.1 / 60.0)
        off = x[i] - centre
        centre += share * off
        variance += share * ((1.0 - share) * off * off - variance)
        if i - ahead >= lags - 1:
            u = x[i - ahead - lags + 1 : i - ahead + 1][::-1] - centre
            error = x[i] - centre - weights @ u
            floor = 1e-6 * (variance + 1e-12 * centre**2 + 1e-12)
            weights = weights + rate * error * u / (u @ u + floor)
        said = x[i]
        if i >= lags - 1:
            said = centre + weights @ (x[i - lags + 1 : i + 1][::-1] - centre)
        assert math.isclose(means[i, 0], said, rel_tol=1e-9, abs_tol=1e-9)


def test_wlms_coefficients_add_up_to_the_position() -> None:
    """Before anything is learned the sum over scales is the newest position: it holds."""
    positions = breathing(4.0, RATE_HZ, 1)
    means = run("wlms", positions, rate=1e-4)
    np.testing.assert_allclose(means[:30], positions[:30], atol=0.05)


def test_rls_is_the_weighted_ridge_solution() -> None:
    """The predictor's weights are those of the normal equations over all labels so far."""
    positions = breathing(40.0, RATE_HZ, 1)
    x = positions[:, 0]
    means = run("rls", positions, history_s=0.8, memory_s=20.0, penalty=1e-9)
    lags, ahead = 8, 3
    at = len(x) - 1
    rows, targets, ages = [], [], []
    for s in range(lags - 1, at - ahead + 1):
        window = x[s - lags + 1 : s + 1][::-1]
        rows.append(np.concatenate([[1.0, window[0]], window[1:] - window[0]]))
        targets.append(x[s + ahead] - x[s])
        ages.append(at - ahead - s)
    root = np.exp(-0.5 * np.array(ages) * 0.1 / 20.0)
    solved = np.linalg.lstsq(np.array(rows) * root[:, None], np.array(targets) * root, rcond=None)
    window = x[at - lags + 1 : at + 1][::-1]
    newest = np.concatenate([[1.0, window[0]], window[1:] - window[0]])
    assert math.isclose(means[at, 0], x[at] + newest @ solved[0], rel_tol=1e-3)
    assert begin_autoregression(1, lags, 20.0, 1e-9).features.size == lags + 1


def test_svr_descends_to_the_optimum() -> None:
    """Coordinate steps reach the optimality conditions of the epsilon-insensitive dual."""
    draw = np.random.Generator(np.random.PCG64(4))
    points = draw.standard_normal((30, 2))
    kernel = np.exp(-0.5 * ((points[:, None] - points[None]) ** 2).sum(axis=2))
    targets = np.sin(points[:, 0])
    duals, outputs = np.zeros(30), np.zeros(30)
    epsilon, cost = 0.05, 2.0
    for step in range(30 * 2000):
        svr.descend(kernel, targets, duals, outputs, step % 30, epsilon, cost)
    np.testing.assert_allclose(outputs, kernel @ duals, atol=1e-9)
    residual = targets - outputs
    inside = (duals > -cost + 1e-9) & (duals < cost - 1e-9) & (np.abs(duals) > 1e-9)
    np.testing.assert_allclose(np.abs(residual[inside]), epsilon, atol=1e-3)
    assert np.all(np.abs(residual[np.abs(duals) < 1e-9]) <= epsilon + 1e-3)


def test_windows_are_read_off_by_time() -> None:
    """Lags and labels of a jittered line are on the line; none reach across a gap."""
    stream = begin_stream(1, 10.0, 250 * MS, 6)
    draw = np.random.Generator(np.random.PCG64(5))
    times = grid(100, 10.0) + draw.integers(0, 40 * MS, 100)
    labels = 0
    for i in range(100):
        at_ns = int(times[i]) + (3_000 * MS if i >= 60 else 0)
        slot = admit(stream, at_ns, np.array([at_ns * 1e-9]))
        since = i % 60 if i >= 60 else i
        filled = int(stream.filled[slot])
        assert filled >= min(6, since)
        expected = at_ns * 1e-9 - 0.1 * np.arange(filled)
        np.testing.assert_allclose(stream.windows[slot, :filled, 0], expected, atol=0.0101)
        while True:
            due = next_labelled(stream)
            if due < 0:
                break
            labels += 1
            assert math.isclose(stream.label[0], stream.times[due] * 1e-9 + 0.25, abs_tol=1e-9)
    assert 90 <= labels <= 96


def test_lags_are_dense_and_then_sparse() -> None:
    lags = lag_places(3.0, 30.0, 1)
    assert list(lags[:8]) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert lags[-1] == 90
    assert len(lags) <= 20
    assert list(lag_places(1.0, 5.0, 3)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(lag_places(3.0, 30.0, 24)) <= 10


def test_between_two_samples_answers_are_smooth_and_good() -> None:
    """Half a period late costs less than a fifth more than being trained for it."""
    fine = breathing(120.0, 300.0, 1, seed=2)
    period_ns, late_ns = round(1e9 / 30.0), round(0.5e9 / 30.0)
    plain = make_predictor("kernel", channels=1, rate_hz=30.0, horizon_ns=200 * MS)
    aimed = make_predictor("kernel", channels=1, rate_hz=30.0, horizon_ns=200 * MS + late_ns)
    off, trained = [], []
    for i in range(3400):
        now_ns = i * period_ns
        plain.learn(now_ns, fine[10 * i])
        aimed.learn(now_ns, fine[10 * i])
        if i > 1800:
            truth = fine[10 * i + 65]
            at_ns = now_ns + 200 * MS + late_ns
            for predictor, errors in ((plain, off), (aimed, trained)):
                said = predictor.predict(at_ns)
                assert said is not None
                errors.append((said.mean - truth)[0])
    assert np.std(off) < 1.2 * np.std(trained)
