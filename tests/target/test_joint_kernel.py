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
    mean, slopes, cov = np.zeros(3), np.zeros((2, 3)), np.zeros((3, 3))
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
