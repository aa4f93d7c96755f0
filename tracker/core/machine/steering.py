"""Steering: from the predicted target to a demand the actuator can follow.

A couch counter-moves so that the target stays at the isocentre; a robot follows so that the beam
stays on the target. The demand chases the wanted position as a critically damped second-order
system with the wanted velocity fed forward: no lag behind steady motion, little of the
prediction's jitter, and never outside the limits on position, speed and acceleration. Far away it
closes in no faster than it can brake (relative speed at most sqrt(a distance)).
"""

from __future__ import annotations

import math

from hal.messages import Triple
from tracker.core.settings import Actuator


class Steering:
    """Keeps the last demand and its velocity, and limits the next."""

    def __init__(self, actuator: Actuator) -> None:
        """Take the limits; motion starts from rest at the first `start`."""
        self._limit = actuator.limit_mm
        self._speed = actuator.speed_mm_s
        self._acceleration = actuator.acceleration_mm_s2
        self._bandwidth = actuator.bandwidth_per_s
        self._position = (0.0, 0.0, 0.0)
        self._velocity = (0.0, 0.0, 0.0)
        self._t_ns = 0

    def start(self, t_ns: int, position_mm: Triple) -> None:
        """Start from where the actuator stands, at rest."""
        self._position = position_mm
        self._velocity = (0.0, 0.0, 0.0)
        self._t_ns = t_ns

    @property
    def position_mm(self) -> Triple:
        """The last demand."""
        return self._position

    @property
    def velocity(self) -> Triple:
        """How fast the demand moves, mm/s."""
        return self._velocity

    def toward(self, t_ns: int, wanted_mm: Triple, wanted_velocity_mm_s: Triple) -> Triple:
        """Give the demand for this moment and remember it."""
        dt = (t_ns - self._t_ns) * 1e-9
        if dt <= 0.0:
            return self._position
        self._t_ns = t_ns
        (px, py, pz), (ux, uy, uz) = self._position, self._velocity
        (wx, wy, wz), (fx, fy, fz) = wanted_mm, wanted_velocity_mm_s
        # A step longer than the response would overshoot; then the aim is taken at once.
        gain = min(1.0, 2.0 * self._bandwidth * dt)
        x, vx = self._axis(px, ux, wx, fx, dt, gain)
        y, vy = self._axis(py, uy, wy, fy, dt, gain)
        z, vz = self._axis(pz, uz, wz, fz, dt, gain)
        self._position = (x, y, z)
        self._velocity = (vx, vy, vz)
        return self._position

    def _axis(
        self, p: float, v: float, wanted: float, flow: float, dt: float, gain: float
    ) -> tuple[float, float]:
        """Move one axis by one step towards ``wanted``, which itself moves with ``flow``."""
        limit, speed, acceleration = self._limit, self._speed, self._acceleration
        if wanted >= limit or wanted <= -limit:
            wanted = math.copysign(limit, wanted)
            flow = 0.0
        distance = wanted - (p + flow * dt)
        apart = abs(distance)
        closing = 0.5 * self._bandwidth * apart
        braking = math.sqrt(acceleration * apart)
        aim = flow + math.copysign(closing if closing < braking else braking, distance)
        v += _within(gain * (_within(aim, speed) - v), acceleration * dt)
        return p + v * dt, v


def _within(value: float, limit: float) -> float:
    """Cut to +-limit; what is no number stays none, so that the guard sees it."""
    if value > limit:
        return limit
    return -limit if value < -limit else value
