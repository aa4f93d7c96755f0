# pyright: basic
"""The arithmetic of steering, compiled: one step of three axes, and the rounding of a demand.

The state holds the three positions (mm) and the three velocities (mm/s) of the demand. It is
changed in place. The order of the floating-point operations is the written one.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hal.messages import Triple

COUNTS_PER_MM = 10_000.0
"""Every wire carries a demand in steps of 0.0001 mm."""
_SPLIT = 134217729.0
"""2^27 + 1: cuts a number of 53 bits into two halves (Veltkamp; Dekker 1971)."""


@njit(cache=True)
def as_sent(value: float) -> float:
    """Round one coordinate (mm) to what every wire carries, exactly as ``round(value, 4)`` does.

    Multiplied by 10,000 a value may fall on a half that it only comes near. The exact remainder of
    the product then decides. What is no number stays none, so that the guard sees it.
    """
    product = value * COUNTS_PER_MM
    counts = np.rint(product)
    beyond = product - counts
    if abs(beyond) == 0.5:
        large = _SPLIT * value
        high = large - (large - value)
        remainder = (high * COUNTS_PER_MM - product) + (value - high) * COUNTS_PER_MM
        if beyond == 0.5 and remainder > 0.0:
            counts += 1.0
        elif beyond == -0.5 and remainder < 0.0:
            counts -= 1.0
    return counts / COUNTS_PER_MM


@njit(cache=True)
def within(value: float, limit: float) -> float:
    """Cut to +-limit; what is no number stays none, so that the guard sees it."""
    return max(min(value, limit), -limit)


@njit(cache=True)
def axis_step(
    p: float,
    v: float,
    wanted: float,
    flow: float,
    dt: float,
    gain: float,
    limit: float,
    speed: float,
    acceleration: float,
    bandwidth: float,
) -> tuple[float, float]:
    """Move one axis by one step towards ``wanted``, which itself moves with ``flow`` (mm/s)."""
    if wanted >= limit or wanted <= -limit:
        wanted = math.copysign(limit, wanted)
        flow = 0.0
    distance = wanted - (p + flow * dt)
    apart = abs(distance)
    closing = min(0.5 * bandwidth * apart, math.sqrt(acceleration * apart))
    aim = flow + math.copysign(closing, distance)
    v += within(gain * (within(aim, speed) - v), acceleration * dt)
    return p + v * dt, v


@njit(cache=True)
def step(
    state: NDArray[np.float64],
    dt: float,
    wx: float,
    wy: float,
    wz: float,
    fx: float,
    fy: float,
    fz: float,
    limit: float,
    speed: float,
    acceleration: float,
    bandwidth: float,
) -> tuple[Triple, Triple]:
    """Move the demand by one step of ``dt`` seconds; return it as sent, and its velocity.

    ``state`` is position and velocity per axis, shape (6,); ``wx`` to ``wz`` is the wanted position
    (mm), ``fx`` to ``fz`` the wanted velocity (mm/s).
    """
    # A step longer than the response would overshoot; then the whole way is taken at once.
    gain = min(1.0, 2.0 * bandwidth * dt)
    x, u = axis_step(state[0], state[3], wx, fx, dt, gain, limit, speed, acceleration, bandwidth)
    y, v = axis_step(state[1], state[4], wy, fy, dt, gain, limit, speed, acceleration, bandwidth)
    z, w = axis_step(state[2], state[5], wz, fz, dt, gain, limit, speed, acceleration, bandwidth)
    state[0], state[1], state[2] = x, y, z
    state[3], state[4], state[5] = u, v, w
    return (as_sent(x), as_sent(y), as_sent(z)), (u, v, w)
