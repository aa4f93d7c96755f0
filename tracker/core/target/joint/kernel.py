# pyright: basic
"""Compute the joint model's filters: propagate, observe an image, foretell the target; compiled.

One filter is a Kalman filter over the coefficients of all three axes. The target is

    T(t) = sum over components c of phi_c(t) theta_c,   theta_c in R^3,

so the state x holds theta_c at 3 c .. 3 c + 2, and p is its covariance. The components are the
baseline, a residual that relaxes (Ornstein-Uhlenbeck), a damped oscillator at the breathing period
(two components, of which the first is seen), and the weights of the features of the surrogate. All
transitions have a closed form in the elapsed time, so a filter stays at the moment of its last
image, and the present is foretold from there without altering the state.

A measured coordinate is a ratio of two linear functions of the target, (a T + b) / (c T + d): a
coordinate of a perspective projection, or, with c = 0 and d = 1, of a position found by two views.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

BASELINE, RELAXING, SWINGING, SWINGING_TOO = 0, 1, 2, 3
FIRST_FEATURE = 4
"""The first component that is the weight of a feature: u, w, u^2, u w, w^2, u lagged."""
COMPONENTS = 10
SIZE = 3 * COMPONENTS
ROW = 8
"""Numbers of a measured coordinate: a (3), b, c (3), d."""
LIMIT = 3.0
"""Scaled amplitude and velocity are cut here: nothing was learned farther out."""


@njit(cache=True)
def features(y, v, lagged, scale, out):
    """Write what multiplies each component, and its derivatives by y and v, to ``out`` (3, 10).

    ``lagged``: the amplitude some time before; ``scale``: middle, half range and speed.
    """
    middle, half_range, speed = scale[0], scale[1], scale[2]
    u = min(max((y - middle) / half_range, -LIMIT), LIMIT)
    w = min(max(v / speed, -LIMIT), LIMIT)
    du, dw = 1.0 / half_range, 1.0 / speed
    out[:] = 0.0
    out[0, BASELINE] = out[0, RELAXING] = out[0, SWINGING] = 1.0
    out[0, 4], out[1, 4] = u, du
    out[0, 5], out[2, 5] = w, dw
    out[0, 6], out[1, 6] = u * u, 2.0 * u * du
    out[0, 7], out[1, 7], out[2, 7] = u * w, w * du, u * dw
    out[0, 8], out[2, 8] = w * w, 2.0 * w * dw
    out[0, 9] = min(max((lagged - middle) / half_range, -LIMIT), LIMIT)


@njit(cache=True)
def _kept(component, dt, tau):
    """Return the share of a component of the residual that is left after ``dt`` seconds."""
    return math.exp(-dt / tau[component])


@njit(cache=True)
def _noise(component, dt, tau):
    """Return by what a component's noise is multiplied for ``dt`` seconds."""
    if tau[component] == 0.0:
        return dt
    kept = _kept(component, dt, tau)
    return 1.0 - kept * kept


@njit(cache=True)
def _turn(rows, kept, cosine, sine):
    """Turn the oscillator's two components (rows 6 to 11) in place, and damp them."""
    for axis in range(3):
        i, j = 3 * SWINGING + axis, 3 * SWINGING_TOO + axis
        for k in range(rows.shape[1]):
            first, second = rows[i, k], rows[j, k]
            rows[i, k] = kept * (cosine * first + sine * second)
            rows[j, k] = kept * (cosine * second - sine * first)


@njit(cache=True)
def propagate(x, p, active, dt, tau, noise, omega):
    """Carry one filter on by ``dt`` seconds, in place.

    ``active``: its components; ``tau`` (10,): time constants in s, 0 for a Wiener process;
    ``noise`` (10, 3, 3): variance per second of a Wiener process, stationary variance of the
    others; ``omega``: angular frequency of the oscillator (rad/s).
    """
    n = 3 * active
    kept = _kept(SWINGING, dt, tau)
    cosine, sine = math.cos(omega * dt), math.sin(omega * dt)
    share = _kept(RELAXING, dt, tau)
    column = x[:n].copy().reshape((n, 1))
    _turn(column, kept, cosine, sine)
    for i in range(n):
        x[i] = column[i, 0]
    for axis in range(3):
        x[3 * RELAXING + axis] *= share
    _turn(p[:n, :n], kept, cosine, sine)
    _turn(p[:n, :n].T, kept, cosine, sine)
    for axis in range(3):
        i = 3 * RELAXING + axis
        for k in range(n):
            p[i, k] *= share
        for k in range(n):
            p[k, i] *= share
    for c in range(active):
        grown = _noise(c, dt, tau)
        for a in range(3):
            for b in range(3):
                p[3 * c + a, 3 * c + b] += grown * noise[c, a, b]


@njit(cache=True)
def foretell(x, p, active, dt, tau, noise, omega, phi, spread, white, mean, slopes, cov):
    """Write the target ``dt`` seconds after the state to ``mean``, ``slopes``, ``cov``.

    ``phi`` (3, 10) as from `features`; ``spread`` (3,): var y, cov(y, v), var v; ``white`` (mm^2):
    variance of each axis that nothing foretells. ``slopes`` (2, 3): derivatives of the target by
    y and v. The state is not altered.
    """
    kept = _kept(SWINGING, dt, tau)
    seen = phi[0, :active].copy()
    seen[RELAXING] = _kept(RELAXING, dt, tau)
    seen[SWINGING] = kept * math.cos(omega * dt)
    seen[SWINGING_TOO] = kept * math.sin(omega * dt)
    for a in range(3):
        value = by_y = by_v = 0.0
        for c in range(active):
            theta = x[3 * c + a]
            value += seen[c] * theta
            by_y += phi[1, c] * theta
            by_v += phi[2, c] * theta
        mean[a], slopes[0, a], slopes[1, a] = value, by_y, by_v
    cov[:] = 0.0
    for c in range(active):
        for d in range(active):
            weight = seen[c] * seen[d]
            for a in range(3):
                for b in range(3):
                    cov[a, b] += weight * p[3 * c + a, 3 * d + b]
        grown = phi[0, c] * phi[0, c] * _noise(c, dt, tau)
        for a in range(3):
            for b in range(3):
                cov[a, b] += grown * noise[c, a, b]
    yy, yv, vv = spread[0], spread[1], spread[2]
    for a in range(3):
        for b in range(3):
            cov[a, b] += slopes[0, a] * slopes[0, b] * yy + slopes[1, a] * slopes[1, b] * vv
            cov[a, b] += (slopes[0, a] * slopes[1, b] + slopes[1, a] * slopes[0, b]) * yv
        cov[a, a] += white


@njit(cache=True)
def project(target, rows, seen, gradient):
    """Write the coordinates of ``target`` (3,) to ``seen`` (m,), derivatives to ``gradient``."""
    for r in range(len(rows)):
        top, bottom = rows[r, 3], rows[r, 7]
        for a in range(3):
            top += rows[r, a] * target[a]
            bottom += rows[r, 4 + a] * target[a]
        seen[r] = top / bottom
        for a in range(3):
            gradient[r, a] = (rows[r, a] - seen[r] * rows[r, 4 + a]) / bottom


@njit(cache=True)
def _factor(matrix):
    """Replace a symmetric positive matrix by its lower Cholesky factor; return log det."""
    total = 0.0
    n = len(matrix)
    for i in range(n):
        for j in range(i + 1):
            value = matrix[i, j]
            for k in range(j):
                value -= matrix[i, k] * matrix[j, k]
            if i == j:
                matrix[i, i] = math.sqrt(max(value, 1e-12))
                total += 2.0 * math.log(matrix[i, i])
            else:
                matrix[i, j] = value / matrix[j, j]
    return total


@njit(cache=True)
def _forward(factor, values):
    """Solve factor y = values in place (forward substitution)."""
    for i in range(len(values)):
        for k in range(i):
            values[i] -= factor[i, k] * values[k]
        values[i] /= factor[i, i]


@njit(cache=True)
def surprise(mean, cov, rows, measured, variance, judged):
    """Write the squared distance of a measurement from what was foretold, and log det S.

    ``mean`` (3,) and ``cov`` (3, 3) are the foretold target; ``variance`` (m,) is that of the
    measured coordinates (mm^2); ``judged`` (2,) is the result.
    """
    m = len(rows)
    seen, gradient = np.empty(m), np.empty((m, 3))
    project(mean, rows, seen, gradient)
    s = gradient @ cov @ gradient.T
    off = np.empty(m)
    for r in range(m):
        s[r, r] += variance[r]
        off[r] = measured[r] - seen[r]
    judged[1] = _factor(s)
    _forward(s, off)
    square = 0.0
    for r in range(m):
        square += off[r] * off[r]
    judged[0] = square


@njit(cache=True)
def observe(x, p, active, phi, spread, white, rows, measured, variance):
    """Correct one filter, in place, by an image exposed at the moment of its state.

    Return the logarithm of the density of what was measured, up to the constant of 2 pi.
    """
    m, n = len(rows), 3 * active
    target, slopes = np.zeros(3), np.zeros((2, 3))
    for c in range(active):
        for a in range(3):
            theta = x[3 * c + a]
            target[a] += phi[0, c] * theta
            slopes[0, a] += phi[1, c] * theta
            slopes[1, a] += phi[2, c] * theta
    seen, gradient = np.empty(m), np.empty((m, 3))
    project(target, rows, seen, gradient)
    crossed = np.zeros((n, m))
    for i in range(n):
        for c in range(active):
            weight = phi[0, c]
            if weight != 0.0:
                for a in range(3):
                    step = weight * p[i, 3 * c + a]
                    for r in range(m):
                        crossed[i, r] += step * gradient[r, a]
    by_y, by_v = gradient @ slopes[0], gradient @ slopes[1]
    s = np.empty((m, m))
    for r in range(m):
        for q in range(m):
            value = by_y[r] * by_y[q] * spread[0] + by_v[r] * by_v[q] * spread[2]
            value += (by_y[r] * by_v[q] + by_v[r] * by_y[q]) * spread[1]
            for a in range(3):
                value += white * gradient[r, a] * gradient[q, a]
                for c in range(active):
                    value += gradient[r, a] * phi[0, c] * crossed[3 * c + a, q]
            s[r, q] = value
        s[r, r] += variance[r]
    log_det = _factor(s)
    off = np.empty(m)
    for r in range(m):
        off[r] = measured[r] - seen[r]
    _forward(s, off)
    # crossed becomes P H' L^-T: then x += crossed off, and p -= crossed crossed'.
    square = 0.0
    for r in range(m):
        square += off[r] * off[r]
    for i in range(n):
        _forward(s, crossed[i])
    for i in range(n):
        for r in range(m):
            x[i] += crossed[i, r] * off[r]
        for j in range(i + 1):
            value = p[i, j]
            for r in range(m):
                value -= crossed[i, r] * crossed[j, r]
            p[i, j] = p[j, i] = value
    return -0.5 * (square + log_det)


@njit(cache=True)
def observe_all(
    x, p, active, dt, tau, noise, omega, phi, spread, white, rows, measured, variance, found
):
    """Carry every filter of one bank on by ``dt`` seconds, correct it, note its density.

    ``x`` (K, 30), ``p`` (K, 30, 30), ``active`` (K,), ``tau`` (K, 10), ``noise`` (K, 10, 3, 3),
    ``white`` (K,), ``found`` (K,): the logarithms of the densities.
    """
    for k in range(len(x)):
        propagate(x[k], p[k], active[k], dt, tau[k], noise[k], omega)
        found[k] = observe(x[k], p[k], active[k], phi, spread, white[k], rows, measured, variance)


@njit(cache=True)
def foretell_all(x, p, active, dt, tau, noise, omega, phi, spread, white, means, slopes, covs):
    """Write what each filter of one bank foretells: (K, 3), (K, 2, 3) and (K, 3, 3)."""
    for k in range(len(x)):
        foretell(
            x[k], p[k], active[k], dt, tau[k], noise[k], omega, phi, spread, white[k],
            means[k], slopes[k], covs[k],
        )  # fmt: skip


@njit(cache=True)
def mix(weights, means, slopes, covs, mean, slope, cov):
    """Add a weighted mixture of Gaussians to ``mean`` (3,), ``slope`` (2, 3), ``cov`` (3, 3).

    ``cov`` receives second moments about zero; the caller takes the mean's off.
    """
    for k in range(len(weights)):
        w = weights[k]
        for a in range(3):
            mean[a] += w * means[k, a]
            slope[0, a] += w * slopes[k, 0, a]
            slope[1, a] += w * slopes[k, 1, a]
            for b in range(3):
                cov[a, b] += w * (covs[k, a, b] + means[k, a] * means[k, b])


@njit(cache=True)
def mean_all(x, active, dt, tau, omega, phi, weights, mean):
    """Add the weighted mean of what the filters of one bank foretell to ``mean`` (3,)."""
    for k in range(len(x)):
        kept = weights[k] * _kept(SWINGING, dt, tau[k])
        for a in range(3):
            value = weights[k] * _kept(RELAXING, dt, tau[k]) * x[k, 3 * RELAXING + a]
            value += kept * math.cos(omega * dt) * x[k, 3 * SWINGING + a]
            value += kept * math.sin(omega * dt) * x[k, 3 * SWINGING_TOO + a]
            value += weights[k] * x[k, 3 * BASELINE + a]
            for c in range(FIRST_FEATURE, active[k]):
                value += weights[k] * phi[0, c] * x[k, 3 * c + a]
            mean[a] += value
