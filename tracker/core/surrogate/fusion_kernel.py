# pyright: basic
"""The arithmetic of fusion, compiled: an extended Kalman filter whose updates can be rewound.

State of n = 2 M + 2 K numbers for M points and K values: displacement s_i (mm) and velocity v_i
(mm/s) of each point along its own breathing direction, then gain g_k (au/mm) and offset b_k (au) of
each value.

Motion: constant velocity driven by white acceleration, one part common to all points (scaled by
each point's relative amplitude a_i), one of its own (Bar-Shalom, Li & Kirubarajan 2001, 6.2.2).
Measurements: a source of points sees its own s_i; a source of a value sees g_k y + b_k with
y = sum w_i s_i (linearised: EKF). Each source has its own noise.

Every measurement is kept with the state after it in time order. A late one is put in at its own
time and everything after it is applied again, so the order of arrival does not matter
(reprocessing; Bar-Shalom 2002 compares it with approximate out-of-sequence updates).

All numbers live in two arrays, ``ints`` and ``floats``: handing an array to compiled code costs
more than the arithmetic of a sample. `views` cuts them into their parts.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Parts = tuple[Ints, Ints, Ints, Floats, Floats, Floats, Floats, Floats, Floats, Floats]

POINTS = 0
VALUE = 1

ROOM = 4
"""Times the buffer's length that its arrays have."""

COUNT = 0
"""Index in ``ints``: behind the buffer's last entry (they lie in time order)."""
REJECTED = 1
"""Index in ``ints``: components gated out when the newest measurement was first applied."""
APPLIED = 2
"""Index in ``ints``: components applied then."""
FIRST = 3
"""Index in ``ints``: the buffer's first entry."""
CHANNELS, VALUES, SOURCES, CAPACITY, WIDTH = range(4, 9)
"""Indices in ``ints``: M, K, number of sources, length of the arrays, most numbers of a sample."""
LAYOUT = 9
"""Where in ``ints`` the sources begin: form, first channel (or number of the value), channels."""

COMMON, OWN, GATE = range(3)
"""Indices in ``params``; after them follow a_i and w_i of M points, the variance of each source,
and the variance that gain and offset of each of K values gain in a second."""
FIXED = 3


def sizes(channels: int, values: int, sources: int, capacity: int, width: int) -> tuple[int, int]:
    """Return how many ints and floats a filter needs."""
    n = 2 * channels + 2 * values
    ints = LAYOUT + 3 * sources + 2 * capacity
    params = FIXED + 2 * channels + sources + 2 * values
    return ints, params + 2 * n + width + 5 + channels + capacity * (width + n + n * n)


@njit(cache=True)
def views(ints: Ints, floats: Floats) -> Parts:
    """Cut the two arrays into their parts.

    Returns layout (sources, 3), times, kinds, params, scratch (2, n), z, out, data, states,
    covariances.
    """
    channels, values, sources = ints[CHANNELS], ints[VALUES], ints[SOURCES]
    capacity, width = ints[CAPACITY], ints[WIDTH]
    n = 2 * channels + 2 * values
    a = LAYOUT
    b = a + 3 * sources
    layout = ints[a:b].reshape((sources, 3))
    times = ints[b : b + capacity]
    kinds = ints[b + capacity : b + 2 * capacity]
    c = FIXED + 2 * channels + sources + 2 * values
    d = c + 2 * n
    e = d + width
    f = e + 5 + channels
    g = f + capacity * width
    h = g + capacity * n
    return (
        layout,
        times,
        kinds,
        floats[:c],
        floats[c:d].reshape((2, n)),
        floats[d:e],
        floats[e:f],
        floats[f:g].reshape((capacity, width)),
        floats[g:h].reshape((capacity, n)),
        floats[h:].reshape((capacity, n, n)),
    )


@njit(cache=True)
def propagate(x, p, dt, params, channels, walks):
    """Move state and covariance ``dt`` seconds on, in place; ``walks``: where in ``params``."""
    n = x.size
    for i in range(channels):
        x[2 * i] += dt * x[2 * i + 1]
    for i in range(channels):
        a = 2 * i
        for j in range(n):
            p[a, j] += dt * p[a + 1, j]
    for i in range(channels):
        a = 2 * i
        for j in range(n):
            p[j, a] += dt * p[j, a + 1]
    q0, q1, q2 = dt * dt * dt / 3.0, dt * dt / 2.0, dt
    for i in range(channels):
        for j in range(channels):
            q = params[COMMON] * params[FIXED + i] * params[FIXED + j]
            if i == j:
                q += params[OWN]
            p[2 * i, 2 * j] += q * q0
            p[2 * i, 2 * j + 1] += q * q1
            p[2 * i + 1, 2 * j] += q * q1
            p[2 * i + 1, 2 * j + 1] += q * q2
    for k in range(n - 2 * channels):
        p[2 * channels + k, 2 * channels + k] += params[walks + k] * dt


@njit(cache=True)
def correct(x, p, ph, s, residual, gate):
    """Apply one scalar measurement, in place; False when it is gated out.

    ``ph`` is P h for the measurement's row h, and ``s`` the variance of the residual.
    """
    n = x.size
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
def apply(x, p, source, z, params, layout, channels, scratch, ints):
    """Apply a measurement to a state at its own time, in place; NaN components are not there."""
    n = x.size
    h, ph = scratch[0], scratch[1]
    weights = FIXED + channels
    noise = params[weights + channels + source]
    first = layout[source, 1]
    rejected = 0
    applied = 0
    if layout[source, 0] == POINTS:
        for k in range(layout[source, 2]):
            if np.isnan(z[k]):
                continue
            at = 2 * (first + k)
            for i in range(n):
                ph[i] = p[i, at]
            if correct(x, p, ph, noise + ph[at], z[k] - x[at], params[GATE]):
                applied += 1
            else:
                rejected += 1
    else:
        g = 2 * (channels + first)
        y = 0.0
        for i in range(channels):
            y += params[weights + i] * x[2 * i]
        gain = x[g]
        h[:] = 0.0
        for i in range(channels):
            h[2 * i] = gain * params[weights + i]
        h[g] = y
        h[g + 1] = 1.0
        # The bilinear term's own spread belongs to the measurement's variance.
        spread = 0.0
        for i in range(channels):
            spread += params[weights + i] ** 2 * p[2 * i, 2 * i]
        s = noise + spread * p[g, g]
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += p[i, j] * h[j]
            ph[i] = total
        for i in range(n):
            s += h[i] * ph[i]
        if correct(x, p, ph, s, z[0] - (gain * y + x[g + 1]), params[GATE]):
            applied += 1
        else:
            rejected += 1
    ints[REJECTED] = rejected
    ints[APPLIED] = applied


@njit(cache=True)
def insert(ints: Ints, floats: Floats, t_ns: int, source: int) -> bool:
    """Put the measurement ``z`` in at its own time; False when it is older than all of the buffer.

    The buffer's first entry is the anchor: its state is kept, its measurement never applied
    again. When the buffer is full the oldest entry goes and the next becomes the anchor. It walks
    through arrays of ``ROOM`` times its length, and is moved back when it has come to their end.
    """
    layout, times, kinds, params, scratch, z, _, data, states, covariances = views(ints, floats)
    channels = ints[CHANNELS]
    walks = FIXED + 2 * channels + ints[SOURCES]
    first, count = ints[FIRST], ints[COUNT]
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
    kinds[at] = source
    data[at] = z
    count += 1
    rejected, applied = 0, 0
    for k in range(at, count):
        x, p = states[k], covariances[k]
        x[:] = states[k - 1]
        p[:, :] = covariances[k - 1]
        propagate(x, p, (times[k] - times[k - 1]) * 1e-9, params, channels, walks)
        apply(x, p, kinds[k], data[k], params, layout, channels, scratch, ints)
        if k == at:
            rejected, applied = ints[REJECTED], ints[APPLIED]
    ints[COUNT], ints[REJECTED], ints[APPLIED], ints[FIRST] = count, rejected, applied, first
    return True


@njit(cache=True)
def read(ints: Ints, floats: Floats, t_ns: int) -> bool:
    """Write the state at ``t_ns`` (propagated from the last measurement not after it) to ``out``.

    The weights are those of the points that are seen now; `fusion` sets them.
    out = y, dy/dt, var y, var dy/dt, cov(y, dy/dt), s_1..s_M. False when ``t_ns`` lies before the
    buffer.
    """
    _, times, _, params, _, _, out, _, states, covariances = views(ints, floats)
    channels = ints[CHANNELS]
    at = ints[COUNT] - 1
    while at >= ints[FIRST] and times[at] > t_ns:
        at -= 1
    if at < ints[FIRST]:
        return False
    # This is `propagate` for the few numbers asked for, in the same order of operations.
    x, p = states[at], covariances[at]
    dt = (t_ns - times[at]) * 1e-9
    q0, q1, q2 = dt * dt * dt / 3.0, dt * dt / 2.0, dt
    weights = FIXED + channels
    y, v, yy, vv, yv = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(channels):
        a, wi = 2 * i, params[weights + i]
        place = x[a] + dt * x[a + 1]
        out[5 + i] = place
        y += wi * place
        v += wi * x[a + 1]
        for j in range(channels):
            b = 2 * j
            q = params[COMMON] * params[FIXED + i] * params[FIXED + j]
            if i == j:
                q += params[OWN]
            mixed = p[a, b + 1] + dt * p[a + 1, b + 1]
            w = wi * params[weights + j]
            yy += w * (p[a, b] + dt * p[a + 1, b] + dt * mixed + q * q0)
            vv += w * (p[a + 1, b + 1] + q * q2)
            yv += w * (mixed + q * q1)
    out[0], out[1], out[2], out[3], out[4] = y, v, yy, vv, yv
    return True
