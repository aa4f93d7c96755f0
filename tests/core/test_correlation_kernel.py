"""The kernel: features in closed form, derivatives, and variance by propagation of errors."""

import math

import numpy as np
import pytest

from tracker.core.target import correlation_kernel as kernel

Y, V = 2.3, -1.7
MIDDLE, HALF_RANGE, SPEED = 0.5, 4.0, 5.0
EXPECTED = np.array([[0.1, -0.2], [0.9, 0.3], [-0.4, 0.5]])
APART = np.array([0.25, -0.35])


def features(y, v, apart=APART):
    """Return the three rows of features, written into an array of other numbers."""
    out = np.full((3, 8), 99.0)
    kernel.features(y, v, MIDDLE, HALF_RANGE, SPEED, EXPECTED, apart, out)
    return out


def test_the_features_are_those_of_the_page():
    u, w = 1.8 / 4.0, -1.7 / 5.0
    s = math.tanh(2.0 * w)
    latent = [0.1 + 0.9 * u - 0.4 * w + 0.25, -0.2 + 0.3 * u + 0.5 * w - 0.35]
    assert features(Y, V)[0] == pytest.approx([1.0, u, u * u, w, s, s * u, *latent], rel=1e-14)


def test_the_indices_name_their_features():
    assert kernel.FEATURES == 8
    assert features(Y, V)[0, kernel.AMPLITUDE] == pytest.approx((Y - MIDDLE) / HALF_RANGE)
    latent = features(Y, V)[0, kernel.LATENT :] - features(Y, V, np.zeros(2))[0, kernel.LATENT :]
    assert latent == pytest.approx(APART)


@pytest.mark.parametrize(("y", "v"), [(Y, V), (-3.1, 0.4), (MIDDLE, 0.0)])
def test_the_other_rows_are_derivatives_by_amplitude_and_velocity(y, v):
    h = 1e-5
    phi = features(y, v)
    by_y = (features(y + h, v)[0] - features(y - h, v)[0]) / (2.0 * h)
    by_v = (features(y, v + h)[0] - features(y, v - h)[0]) / (2.0 * h)
    assert phi[1] == pytest.approx(by_y, abs=1e-9)
    assert phi[2] == pytest.approx(by_v, abs=1e-9)


def evaluated(age_s=3.0, yy=0.0, vv=0.0, yv=0.0, *, sure=False, spread=((0.2, 0.03),) * 3):
    """Positions, velocities, variances of three axes, and the coefficients they come from."""
    draw = np.random.default_rng(3)
    beta = draw.normal(0.0, 1.0, (3, 8))
    roots = draw.normal(0.0, 0.1, (3, 8, 8))
    covariance = np.zeros((3, 8, 8)) if sure else roots @ roots.transpose(0, 2, 1)
    scale = np.array([MIDDLE, HALF_RANGE, SPEED])
    model = kernel.pack(beta, covariance, np.array(spread), scale, EXPECTED)
    found = kernel.evaluate(model, APART, age_s, Y, V, yy, vv, yv, 0.5)
    return *map(np.array, found), beta, covariance


def test_a_model_with_a_missing_number_is_refused():
    coefficients = (np.zeros((3, 8)), np.zeros((3, 8, 8)), np.zeros((3, 2)))
    assert kernel.pack(*coefficients, np.ones(3), EXPECTED).size == 231
    with pytest.raises(ValueError, match="a model has 231 numbers, not 230"):
        kernel.pack(*coefficients, np.ones(2), EXPECTED)


def test_position_is_the_sum_of_the_features_and_velocity_is_along_the_amplitude():
    position, velocity, _, beta, _ = evaluated()
    phi = features(Y, V)
    assert position == pytest.approx(beta @ phi[0], rel=1e-12)
    assert velocity == pytest.approx((beta @ phi[1]) * V, rel=1e-12)


def test_the_variance_is_that_of_the_coefficients_and_of_noise_and_wander():
    """The baseline wanders with time, and its slope with half of that at the end of the range."""
    spread = ((0.2, 0.03), (0.5, 0.01), (0.7, 0.05))
    _, _, variance, _, covariance = evaluated(age_s=3.0, spread=spread)
    phi, u = features(Y, V)[0], (Y - MIDDLE) / HALF_RANGE
    for axis, (noise, wander) in enumerate(spread):
        model = phi @ covariance[axis] @ phi
        grown = wander * 3.0 * (1.0 + 0.25 * u * u)
        assert variance[axis] == pytest.approx(model + noise + grown, rel=1e-12)


def test_the_uncertainty_of_the_surrogate_comes_through_the_slopes():
    """By first-order propagation with the Jacobian by y and v."""
    none = ((0.0, 0.0),) * 3
    surrogate = np.array([[0.4, -0.15], [-0.15, 0.9]])
    _, _, variance, beta, _ = evaluated(yy=0.4, vv=0.9, yv=-0.15, sure=True, spread=none)
    jacobian = (beta @ features(Y, V)[1:].T)[:, :, None]
    expected = jacobian.transpose(0, 2, 1) @ surrogate @ jacobian
    assert variance == pytest.approx(expected.ravel(), rel=1e-12)


def test_compiled_it_gives_the_same():
    """Numba's machine code and the Python source agree to rounding."""
    out = features(Y, V)
    plain = np.full((3, 8), 99.0)
    python = getattr(kernel.features, "py_func", kernel.features)
    python(Y, V, MIDDLE, HALF_RANGE, SPEED, EXPECTED, APART, plain)
    assert out == pytest.approx(plain, rel=1e-14)
