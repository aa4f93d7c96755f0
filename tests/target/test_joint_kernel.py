"""The compiled filters against the same equations written with whole matrices."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.core.target.joint import kernel
from tracker.core.target.joint.members import LAGGED, LARGE, QUADRATIC, SMALL, Member, bank_of
from tracker.core.target.joint.shape import POPULATION, linearised, shape_of_motion

Reals = NDArray[np.float64]

OMEGA = 1.6
DT = 0.37
SCALE = np.array([0.3, 4.0, 6.0])
BANK = bank_of(4.0, POPULATION, (Member(LAGGED, LARGE, 0.2), Member(QUADRATIC, SMALL, 0.05)))


def transition(member: int) -> tuple[Reals, Reals]:
    """The transition over `DT` and its noise, as whole matrices."""
    n = int(BANK.active[member])
    f, q = np.eye(n), np.zeros((3 * n, 3 * n))
    tau = BANK.tau[member]
    for c in range(n):
        kept = 1.0 if tau[c] == 0.0 else float(np.exp(-DT / tau[c]))
        f[c, c] = kept
        share = DT if tau[c] == 0.0 else 1.0 - kept * kept
        q[3 * c : 3 * c + 3, 3 * c : 3 * c + 3] = share * BANK.noise[member, c]
    kept = f[kernel.SWINGING, kernel.SWINGING]
    c, s = np.cos(OMEGA * DT), np.sin(OMEGA * DT)
    f[2:4, 2:4] = kept * np.array([[c, s], [-s, c]])
    return np.asarray(np.kron(f, np.eye(3)), np.float64), q


def state(member: int) -> tuple[Reals, Reals]:
    n = 3 * int(BANK.active[member])
    chance = np.random.default_rng(3 + member)
    x, root = np.zeros(kernel.SIZE), chance.normal(size=(n, n))
    x[:n] = chance.normal(size=n)
    p = np.zeros((kernel.SIZE, kernel.SIZE))
    p[:n, :n] = root @ root.T / n
    return x, p


def phi_at(y: float, v: float, lagged: float) -> Reals:
    out = np.zeros((3, kernel.COMPONENTS))
    kernel.features(y, v, lagged, SCALE, out)
    return out


@pytest.mark.parametrize("member", [0, 1])
def test_propagate_is_the_transition(member: int) -> None:
    f, q = transition(member)
    x, p = state(member)
    n = len(f)
    expected_x, expected_p = f @ x[:n], f @ p[:n, :n] @ f.T + q
    kernel.propagate(x, p, BANK.active[member], DT, BANK.tau[member], BANK.noise[member], OMEGA)
    np.testing.assert_allclose(x[:n], expected_x, atol=1e-12)
    np.testing.assert_allclose(p[:n, :n], expected_p, atol=1e-12)


@pytest.mark.parametrize("member", [0, 1])
def test_what_is_foretold_is_the_propagated_state_seen_through_the_features(member: int) -> None:
    f, q = transition(member)
    x, p = state(member)
    n = len(f)
    phi = phi_at(2.0, -3.0, 1.0)
    spread, white = np.array([0.04, 0.01, 0.3]), 0.02
    mean, slopes, cov = np.zeros(3), np.zeros((2, 3)), np.full((3, 3), np.nan)
    kernel.foretell(
        x, p, BANK.active[member], DT, BANK.tau[member], BANK.noise[member], OMEGA,
        phi, spread, white, mean, slopes, cov,
    )  # fmt: skip
    g, by_y, by_v = (np.kron(row[: n // 3], np.eye(3)) for row in phi)
    j = np.stack([by_y @ f @ x[:n], by_v @ f @ x[:n]], axis=1)
    surrogate = np.array([[spread[0], spread[1]], [spread[1], spread[2]]])
    expected = g @ (f @ p[:n, :n] @ f.T + q) @ g.T + j @ surrogate @ j.T + white * np.eye(3)
    np.testing.assert_allclose(mean, g @ f @ x[:n], atol=1e-12)
    np.testing.assert_allclose(slopes.T, j, atol=1e-12)
    np.testing.assert_allclose(cov, expected, atol=1e-12)


@pytest.mark.parametrize("member", [0, 1])
def test_observe_is_the_update_of_a_kalman_filter(member: int) -> None:
    x, p = state(member)
    n = 3 * int(BANK.active[member])
    phi = phi_at(-1.0, 2.0, 0.5)
    spread, white = np.array([0.04, 0.01, 0.3]), 0.02
    rows = np.array(
        [[0.8, 0.0, -0.6, 1.0, -6e-4, 0.0, -8e-4, 1.0], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    )
    measured, variance = np.array([0.7, -1.1]), np.array([0.09, 0.25])
    g, by_y, by_v = (np.kron(row[: n // 3], np.eye(3)) for row in phi)
    seen, gradient = linearised(rows, g @ x[:n])
    h = gradient @ g
    j = gradient @ np.stack([by_y @ x[:n], by_v @ x[:n]], axis=1)
    surrogate = np.array([[spread[0], spread[1]], [spread[1], spread[2]]])
    noise = np.diag(variance) + j @ surrogate @ j.T + white * gradient @ gradient.T
    s = h @ p[:n, :n] @ h.T + noise
    gain = p[:n, :n] @ h.T @ np.linalg.inv(s)
    off = measured - seen
    expected_x = x[:n] + gain @ off
    expected_p = p[:n, :n] - gain @ h @ p[:n, :n]
    expected = -0.5 * (off @ np.linalg.inv(s) @ off + np.log(np.linalg.det(s)))
    found = kernel.observe(x, p, BANK.active[member], phi, spread, white, rows, measured, variance)
    assert found == pytest.approx(expected, abs=1e-10)
    np.testing.assert_allclose(x[:n], expected_x, atol=1e-10)
    np.testing.assert_allclose(p[:n, :n], expected_p, atol=1e-10)


def test_derivatives_of_features_are_those_of_the_features() -> None:
    y, v, step = 1.3, -2.2, 1e-6
    phi = phi_at(y, v, 0.4)
    by_y = (phi_at(y + step, v, 0.4)[0] - phi_at(y - step, v, 0.4)[0]) / (2.0 * step)
    by_v = (phi_at(y, v + step, 0.4)[0] - phi_at(y, v - step, 0.4)[0]) / (2.0 * step)
    np.testing.assert_allclose(phi[1], by_y, atol=1e-8)
    np.testing.assert_allclose(phi[2], by_v, atol=1e-8)


def test_shape_of_motion_is_found_from_single_projections_around_the_patient() -> None:
    chance = np.random.default_rng(1)
    along = np.array([0.2, 0.9, -0.39])
    rows, measured, variances = [], [], []
    truth = np.array([3.0, -2.0, 1.0])
    places = truth + np.outer(chance.normal(0.0, 4.0, 60), along)
    for place, angle in zip(places, np.linspace(-np.pi, np.pi, 60), strict=True):
        bottom = [-np.sin(angle) / 1000.0, 0.0, -np.cos(angle) / 1000.0, 1.0]
        row = np.array(
            [[np.cos(angle), 0.0, -np.sin(angle), 0.0, *bottom], [0.0, 1.0, 0.0, 0.0, *bottom]]
        )
        seen, _ = linearised(row, place)
        rows.append(row)
        measured.append(seen + chance.normal(0.0, 0.3, 2))
        variances.append(np.array([0.09, 0.09]))
    mean, covariance = shape_of_motion(rows, measured, variances, 2.0)
    found = np.linalg.eigh(covariance)[1][:, -1]
    assert abs(float(found @ along / np.linalg.norm(along))) > 0.99
    np.testing.assert_allclose(mean, places.mean(axis=0), atol=0.4)


# Sums over a bank, and the judgement of an image -------------------------------------------------


def test_where_the_components_of_a_state_lie() -> None:
    names = (kernel.BASELINE, kernel.RELAXING, kernel.SWINGING, kernel.SWINGING_TOO)
    assert (*names, kernel.FIRST_FEATURE, kernel.COMPONENTS) == (0, 1, 2, 3, 4, 10)
    assert (kernel.SIZE, kernel.ROW, kernel.LIMIT) == (30, 8, 3.0)


@pytest.mark.parametrize(
    ("y", "v", "lagged", "u", "w", "earlier"),
    [
        (1.5, -4.5, -0.9, 0.3, -0.75, -0.3),
        (99.0, 99.0, 99.0, 3.0, 3.0, 3.0),  # cut where nothing was learned
        (-99.0, -99.0, -99.0, -3.0, -3.0, -3.0),
    ],
)
def test_the_features_of_a_breath(
    y: float, v: float, lagged: float, u: float, w: float, earlier: float
) -> None:
    phi = np.full((3, kernel.COMPONENTS), np.nan)
    kernel.features(y, v, lagged, SCALE, phi)
    du, dw = 0.25, 1.0 / 6.0
    expected = [
        [1.0, 1.0, 1.0, 0.0, u, w, u * u, u * w, w * w, earlier],
        [0.0, 0.0, 0.0, 0.0, du, 0.0, 2.0 * u * du, w * du, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, dw, 0.0, u * dw, 2.0 * w * dw, 0.0],
    ]
    np.testing.assert_allclose(phi, expected, rtol=1e-12)


def states() -> tuple[Reals, Reals]:
    both = [state(member) for member in range(2)]
    return np.array([x for x, _ in both]), np.array([p for _, p in both])


ROWS = np.array(
    [[0.8, 0.1, -0.6, 1.0, -6e-4, 1e-4, -8e-4, 1.0], [0.1, 1.0, 0.2, 0.3, -6e-4, 1e-4, -8e-4, 1.1]]
)
MEASURED, VARIANCE = np.array([0.7, -1.1]), np.array([0.09, 0.25])
SPREAD = np.array([0.04, 0.01, 0.3])


def foretold(member: int, phi: Reals) -> tuple[Reals, Reals, Reals]:
    """What one filter foretells `DT` after its state."""
    x, p = state(member)
    mean, slopes, cov = np.zeros(3), np.zeros((2, 3)), np.zeros((3, 3))
    kernel.foretell(
        x, p, BANK.active[member], DT, BANK.tau[member], BANK.noise[member], OMEGA,
        phi, SPREAD, WHITE[member], mean, slopes, cov,
    )  # fmt: skip
    return mean, slopes, cov


WHITE = np.array([0.02, 0.05])


def test_every_filter_of_a_bank_foretells() -> None:
    x, p = states()
    phi = phi_at(2.0, -3.0, 1.0)
    means, slopes, covs = np.zeros((2, 3)), np.zeros((2, 2, 3)), np.zeros((2, 3, 3))
    kernel.foretell_all(
        x, p, BANK.active, DT, BANK.tau, BANK.noise, OMEGA, phi, SPREAD, WHITE, means, slopes, covs
    )
    for k in range(2):
        mean, slope, cov = foretold(k, phi)
        np.testing.assert_array_equal(means[k], mean)
        np.testing.assert_array_equal(slopes[k], slope)
        np.testing.assert_array_equal(covs[k], cov)


def test_every_filter_of_a_bank_is_carried_on_and_corrected() -> None:
    x, p = states()
    phi, found = phi_at(2.0, -3.0, 1.0), np.zeros(2)
    kernel.observe_all(
        x, p, BANK.active, DT, BANK.tau, BANK.noise, OMEGA, phi, SPREAD, WHITE, ROWS, MEASURED,
        VARIANCE, found,
    )  # fmt: skip
    for k in range(2):
        one_x, one_p = state(k)
        active = BANK.active[k]
        kernel.propagate(one_x, one_p, active, DT, BANK.tau[k], BANK.noise[k], OMEGA)
        density = kernel.observe(
            one_x, one_p, active, phi, SPREAD, WHITE[k], ROWS, MEASURED, VARIANCE
        )
        assert found[k] == density
        np.testing.assert_array_equal(x[k], one_x)
        np.testing.assert_array_equal(p[k], one_p)


def test_a_mixture_is_added_with_second_moments_about_zero() -> None:
    chance = np.random.default_rng(8)
    weights = np.array([0.3, 0.6])
    means, slopes, covs = (chance.normal(size=(2, *shape)) for shape in ((3,), (2, 3), (3, 3)))
    mean, slope, cov = (chance.normal(size=shape) for shape in ((3,), (2, 3), (3, 3)))
    expected_mean = mean + np.einsum("k,ka->a", weights, means)
    expected_slope = slope + np.einsum("k,kia->ia", weights, slopes)
    moments = covs + np.einsum("ka,kb->kab", means, means)
    expected_cov = cov + np.einsum("k,kab->ab", weights, moments)
    kernel.mix(weights, means, slopes, covs, mean, slope, cov)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-12)
    np.testing.assert_allclose(slope, expected_slope, rtol=1e-12)
    np.testing.assert_allclose(cov, expected_cov, rtol=1e-12)


def test_the_mean_of_a_bank_is_that_of_what_its_filters_foretell() -> None:
    x, _ = states()
    phi = phi_at(2.0, -3.0, 1.0)
    weights, mean = np.array([0.3, 0.6]), np.array([1.0, -2.0, 0.5])
    expected = mean + sum(w * foretold(k, phi)[0] for k, w in enumerate(weights))
    kernel.mean_all(x, BANK.active, DT, BANK.tau, OMEGA, phi, weights, mean)
    np.testing.assert_allclose(mean, expected, rtol=1e-12)


@pytest.mark.parametrize("coordinates", [1, 2])
def test_the_surprise_of_an_image_is_its_distance_by_what_was_foretold(coordinates: int) -> None:
    mean = np.array([2.0, -3.0, 1.0])
    root = np.array([[1.0, 0.2, 0.0], [0.3, 2.0, 0.5], [0.0, 0.1, 1.5]])
    cov, judged = root @ root.T, np.zeros(2)
    rows, measured, variance = ROWS[:coordinates], MEASURED[:coordinates], VARIANCE[:coordinates]
    kernel.surprise(mean, cov, rows, measured, variance, judged)
    seen, gradient = linearised(rows, mean)
    s = gradient @ cov @ gradient.T + np.diag(variance)
    off = measured - seen
    assert judged[0] == pytest.approx(float(off @ np.linalg.inv(s) @ off), rel=1e-12)
    assert judged[1] == pytest.approx(float(np.log(np.linalg.det(s))), rel=1e-12)


def test_a_measurement_that_is_known_exactly_is_taken_for_one_of_a_micrometre() -> None:
    judged, flat = np.zeros(2), np.zeros((1, 8))
    flat[0, 0] = flat[0, 7] = 1.0
    kernel.surprise(np.zeros(3), np.zeros((3, 3)), flat, np.array([2e-6]), np.zeros(1), judged)
    assert judged[0] == pytest.approx(4.0)
    assert judged[1] == pytest.approx(np.log(1e-12))
