# pyright: basic
"""The arithmetic of fusion, compiled: an extended Kalman filter whose updates can be rewound.

State of n = 2 N + 2 numbers for N markers: displacement s_i (mm) and velocity v_i (mm/s) of each
along its own breathing direction, then belt gain g (au/mm) and belt offset b (au).

Motion: constant velocity driven by white acceleration, one part common to all markers (scaled by
each marker's relative amplitude a_i), one of its own (Bar-Shalom, Li & Kirubarajan 2001, 6.2.2).
Measurements: marker i sees s_i; the belt sees g y + b with y = sum w_i s_i (linearised: EKF).

Every measurement is kept with the state after it in time order. A late one is put in at its own
time and everything after it is applied again, so the order of arrival does not matter
(reprocessing; Bar-Shalom 2002 compares it with approximate out-of-sequence updates).
"""

from __future__ import annotations

import numpy as np
from numba import njit

MARKERS = 0
BELT = 1

ROOM = 4
"""Times the buffer's length that its arrays have."""

COUNT = 0
"""Index in ``meta``: behind the buffer's last entry (they lie in time order)."""
REJECTED = 1
"""Index in ``meta``: components gated out when the newest measurement was first applied."""
APPLIED = 2
"""Index in ``meta``: components applied then."""
FIRST = 3
"""Index in ``meta``: the buffer's first entry."""

COMMON, OWN, MARKER_VARIANCE, BELT_VARIANCE, GAIN_WALK, OFFSET_WALK, GATE = range(7)
"""Indices in ``params``; after them follow N amplitudes a_i and N weights w_i."""
FIXED = 7


@njit(cache=True)
def propagate(x, p, dt, params, markers):
    """Move state and covariance ``dt`` seconds on, in place."""
    n = 2 * markers + 2
    for i in range(markers):
        x[2 * i] += dt * x[2 * i + 1]
    for i in range(markers):
        a = 2 * i
        for j in range(n):
            p[a, j] += dt * p[a + 1, j]
    for i in range(markers):
        a = 2 * i
        for j in range(n):
            p[j, a] += dt * p[j, a + 1]
    q0, q1, q2 = dt * dt * dt / 3.0, dt * dt / 2.0, dt
    for i in range(markers):
        for j in range(markers):
            q = params[0] * params[7 + i] * params[7 + j]
            if i == j:
                q += params[1]
            p[2 * i, 2 * j] += q * q0
            p[2 * i, 2 * j + 1] += q * q1
            p[2 * i + 1, 2 * j] += q * q1
            p[2 * i + 1, 2 * j + 1] += q * q2
    p[n - 2, n - 2] += params[4] * dt
    p[n - 1, n - 1] += params[5] * dt


@njit(cache=True)
def scalar_update(x, p, h, residual, variance, gate):
    """Apply one scalar measurement with row ``h``, in place; False when it is gated out."""
    n = x.size
    ph = np.empty(n)
    s = variance
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += p[i, j] * h[j]
        ph[i] = total
    for i in range(n):
        s += h[i] * ph[i]
    if residual * residual > gate * gate * s:
        return False
    for i in range(n):
        x[i] += ph[i] / s * residual
    for i in range(n):
        for j in range(n):
            p[i, j] -= ph[i] * ph[j] / s
    for i in range(n):
        for j in range(i):
            mean = 0.5 * (p[i, j] + p[j, i])
            p[i, j] = mean
            p[j, i] = mean
    return True


@njit(cache=True)
def apply(x, p, kind, z, params, markers, meta):
    """Apply a measurement to a state at its own time, in place; NaN components are not there."""
    n = 2 * markers + 2
    h = np.zeros(n)
    rejected = 0
    applied = 0
    if kind == 0:
        for i in range(markers):
            if np.isnan(z[i]):
                continue
            h[2 * i] = 1.0
            if scalar_update(x, p, h, z[i] - x[2 * i], params[2], params[6]):
                applied += 1
            else:
                rejected += 1
            h[2 * i] = 0.0
    else:
        y = 0.0
        for i in range(markers):
            y += params[7 + markers + i] * x[2 * i]
        gain = x[n - 2]
        for i in range(markers):
            h[2 * i] = gain * params[7 + markers + i]
        h[n - 2] = y
        h[n - 1] = 1.0
        # The bilinear term's own spread belongs to the measurement's variance.
        spread = 0.0
        for i in range(markers):
            spread += params[7 + markers + i] ** 2 * p[2 * i, 2 * i]
        variance = params[3] + spread * p[n - 2, n - 2]
        if scalar_update(x, p, h, z[0] - (gain * y + x[n - 1]), variance, params[6]):
            applied += 1
        else:
            rejected += 1
    meta[1] = rejected
    meta[2] = applied


@njit(cache=True)
def insert(times, kinds, data, states, covariances, meta, params, markers, t_ns, kind, z):
    """Put a measurement in at its own time; False when it is older than all the buffer holds.

    The buffer's first entry is the anchor: its state is kept, its measurement never applied
    again. When the buffer is full the oldest entry goes and the next becomes the anchor. It walks
    through arrays of ``ROOM`` times its length, and is moved back when it has come to their end.
    """
    first, count = meta[3], meta[0]
    at = count
    while at > first and times[at - 1] > t_ns:
        at -= 1
    full = (count - first) * ROOM == times.size
    if at == first + full or at == first:
        return False
    first += full
    if count == times.size:
        for k in range(first, count):
            times[k - first] = times[k]
            kinds[k - first] = kinds[k]
            data[k - first] = data[k]
            states[k - first] = states[k]
            covariances[k - first] = covariances[k]
        count -= first
        at -= first
        first = 0
    for k in range(count, at, -1):
        times[k] = times[k - 1]
        kinds[k] = kinds[k - 1]
        data[k] = data[k - 1]
    times[at] = t_ns
    kinds[at] = kind
    data[at] = z
    count += 1
    rejected, applied = 0, 0
    for k in range(at, count):
        states[k] = states[k - 1]
        covariances[k] = covariances[k - 1]
        propagate(states[k], covariances[k], (times[k] - times[k - 1]) * 1e-9, params, markers)
        apply(states[k], covariances[k], kinds[k], data[k], params, markers, meta)
        if k == at:
            rejected, applied = meta[1], meta[2]
    meta[0], meta[1], meta[2], meta[3] = count, rejected, applied, first
    return True


@njit(cache=True)
def read(times, states, covariances, meta, params, markers, t_ns, out):
    """Write the state at ``t_ns`` (propagated from the last measurement not after it) to ``out``.

    out = y, dy/dt, var y, var dy/dt, cov(y, dy/dt), s_1..s_N, v_1..v_N. False when ``t_ns`` lies
    before the buffer.
    """
    at = meta[0] - 1
    while at >= meta[3] and times[at] > t_ns:
        at -= 1
    if at < meta[3]:
        return False
    x = states[at].copy()
    p = covariances[at].copy()
    propagate(x, p, (t_ns - times[at]) * 1e-9, params, markers)
    y, v, yy, vv, yv = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(markers):
        wi = params[7 + markers + i]
        y += wi * x[2 * i]
        v += wi * x[2 * i + 1]
        out[5 + i] = x[2 * i]
        out[5 + markers + i] = x[2 * i + 1]
        for j in range(markers):
            w = wi * params[7 + markers + j]
            yy += w * p[2 * i, 2 * j]
            vv += w * p[2 * i + 1, 2 * j + 1]
            yv += w * p[2 * i, 2 * j + 1]
    out[0], out[1], out[2], out[3], out[4] = y, v, yy, vv, yv
    return True
