# pyright: basic
"""Compute the features of the correlation model and its position and variance, compiled.

All kinds of model use the same eight features of amplitude y and velocity v, scaled to
u = (y - middle) / half range and w = v / speed:  1, u, u^2, w, s, s u  with  s = tanh(2 w), which
goes from -1 (exhaling) to +1 (inhaling) over slow velocities; and two latent variables of the
markers (`latent`): what u and w lead to expect, plus how far the markers are from that.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEATURES = 8
AMPLITUDE = 1
"""Index of u among the features."""
LATENT = 6
"""Index of the first latent variable among the features."""


@njit(cache=True)
def features(y, v, middle, half_range, speed, expected, apart, out):
    """Write features (row 0) and their derivatives by y (row 1) and v (row 2) to ``out`` (3, 8).

    ``expected`` (3, 2): latent variables by 1, u and w; ``apart`` (2,): how far they are from that.
    """
    u = (y - middle) / half_range
    w = v / speed
    s = math.tanh(2.0 * w)
    du = 1.0 / half_range
    dw = 1.0 / speed
    ds = 2.0 * (1.0 - s * s) * dw
    out[:] = 0.0
    out[0, 0] = 1.0
    out[0, 1], out[1, 1] = u, du
    out[0, 2], out[1, 2] = u * u, 2.0 * u * du
    out[0, 3], out[2, 3] = w, dw
    out[0, 4], out[2, 4] = s, ds
    out[0, 5], out[1, 5], out[2, 5] = s * u, s * du, ds * u
    for k in range(2):
        out[0, 6 + k] = expected[0, k] + expected[1, k] * u + expected[2, k] * w + apart[k]
        out[1, 6 + k] = expected[1, k] * du
        out[2, 6 + k] = expected[2, k] * dw


_BETA = 3 * FEATURES
_COVARIANCE = _BETA + 3 * FEATURES * FEATURES
_SPREAD = _COVARIANCE + 3 * 2
_SCALE = _SPREAD + 3
_NUMBERS = _SCALE + 3 * 2
"""Where the parts of a packed model end."""


def pack(
    beta: Floats, covariance: Floats, spread: Floats, scale: Floats, expected: Floats
) -> Floats:
    """Return all numbers of a model in one array, because each array costs time to hand over.

    ``beta`` (3, 8) and ``covariance`` (3, 8, 8): coefficients of each axis; ``spread`` (3, 2): its
    noise variance (mm^2) and how fast its baseline's variance grows (mm^2/s); ``scale`` (3,):
    middle, half range and speed; ``expected`` (3, 2): as in ``features``.
    """
    packed = np.concatenate([part.ravel() for part in (beta, covariance, spread, scale, expected)])
    if packed.size != _NUMBERS:
        raise ValueError(f"a model has {_NUMBERS} numbers, not {packed.size}")
    return packed


@njit(cache=True)
def evaluate(model, apart, age_s, y, v, yy, vv, yv, slope_wander):
    """Return position, velocity and variance, three tuples of three axes.

    ``model``: what ``pack`` returned; ``apart`` as in ``features``; ``age_s``: time since the last
    shot; ``yy``, ``vv``, ``yv``: var y, var v, cov(y, v).
    """
    beta = model[:_BETA].reshape((3, FEATURES))
    covariance = model[_BETA:_COVARIANCE].reshape((3, FEATURES, FEATURES))
    spread = model[_COVARIANCE:_SPREAD].reshape((3, 2))
    expected = model[_SCALE:].reshape((3, 2))
    phi = np.empty((3, 8))
    features(y, v, model[_SPREAD], model[_SPREAD + 1], model[_SPREAD + 2], expected, apart, phi)
    grown = 1.0 + (slope_wander * phi[0, 1]) ** 2
    out = np.empty((3, 3))
    for axis in range(3):
        value = slope_y = slope_v = own = 0.0
        for i in range(8):
            b = beta[axis, i]
            value += b * phi[0, i]
            slope_y += b * phi[1, i]
            slope_v += b * phi[2, i]
            row = 0.0
            for j in range(8):
                row += covariance[axis, i, j] * phi[0, j]
            own += phi[0, i] * row
        own += spread[axis, 0] + spread[axis, 1] * age_s * grown
        own += slope_y * slope_y * yy + slope_v * slope_v * vv
        own += 2.0 * slope_y * slope_v * yv
        out[0, axis] = value
        out[1, axis] = slope_y * v
        out[2, axis] = own
    return (
        (out[0, 0], out[0, 1], out[0, 2]),
        (out[1, 0], out[1, 1], out[1, 2]),
        (out[2, 0], out[2, 1], out[2, 2]),
    )
