"""Steering: from the predicted target to a demand the actuator can follow.

A couch counter-moves so that the target stays at the isocentre; a robot follows so that the beam
stays on the target. The demand is the wanted position as long as that needs no more than the
limits on position, speed and acceleration; otherwise the nearest motion towards it that keeps
them, including being able to stop at the wanted position (speed at most sqrt(2 a distance)).
"""

from __future__ import annotations

import math

from hal.messages import Triple
from tracker.core.frames import Orientation, PatientPoint, patient_to_table
from tracker.core.settings import Actuator


def wanted_position(kind: str, target: PatientPoint, orientation: Orientation) -> Triple:
    """Say where the actuator should be (fixed frame) when the target is at ``target``."""
    x, y, z = patient_to_table(target, orientation)
    return (-x, -y, -z) if kind == "couch" else (x, y, z)


class Steering:
    """Keeps the last demand and its velocity, and limits the next."""

    def __init__(self, actuator: Actuator) -> None:
        """Take the limits; motion starts from rest at the first `start`."""
        self._limit = actuator.limit_mm
        self._speed = actuator.speed_mm_s
        self._acceleration = actuator.acceleration_mm_s2
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

    def toward(self, t_ns: int, wanted_mm: Triple) -> Triple:
        """Give the demand for this moment and remember it."""
        dt = (t_ns - self._t_ns) * 1e-9
        if dt <= 0.0:
            return self._position
        self._t_ns = t_ns
        moved = [
            self._axis(p, v, w, dt)
            for p, v, w in zip(self._position, self._velocity, wanted_mm, strict=True)
        ]
        self._position = (moved[0][0], moved[1][0], moved[2][0])
        self._velocity = (moved[0][1], moved[1][1], moved[2][1])
        return self._position

    def _axis(self, p: float, v: float, wanted: float, dt: float) -> tuple[float, float]:
        """Move one axis by one step towards ``wanted``."""
        wanted = min(self._limit, max(-self._limit, wanted))
        reach = self._acceleration * dt
        distance = wanted - p
        stoppable = math.sqrt(2.0 * self._acceleration * abs(distance)) + 0.5 * reach
        top = min(self._speed, stoppable)
        speed = min(top, max(-top, distance / dt))
        speed = min(v + reach, max(v - reach, speed))
        speed = min(self._speed, max(-self._speed, speed))
        return p + speed * dt, speed
