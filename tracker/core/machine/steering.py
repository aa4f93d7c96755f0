"""Steering: the next demand on the way to the wanted position, inside the actuator's limits.

The demand follows the wanted position as a critically damped second-order system, with the wanted
velocity fed forward. It has no lag behind steady motion, passes on little of the prediction's
jitter, and never exceeds the limits on position, speed and acceleration. Far from the wanted
position it approaches no faster than it can brake: with a relative speed of at most sqrt(a d) for
the acceleration a and the distance d.
"""

from __future__ import annotations

import numpy as np

from hal.messages import Triple
from tracker.core.machine.steering_kernel import as_sent, step
from tracker.core.machine.whole_steps import WholeSteps
from tracker.core.settings import Actuator

_AT_REST: Triple = (0.0, 0.0, 0.0)


class Steering:
    """Remembers the last demand and its velocity, and computes the next one from them.

    Positions are in millimetres along the machine's axes.
    """

    def __init__(self, actuator: Actuator) -> None:
        """Read the limits; the demand stands at the start pose until `start` is called."""
        self._limits = (
            actuator.limit_mm,
            actuator.speed_mm_s,
            actuator.acceleration_mm_s2,
            actuator.bandwidth_per_s,
        )
        self._steps = WholeSteps(actuator)
        self.start(0, _AT_REST)

    def start(self, t_ns: int, position_mm: Triple) -> None:
        """Begin at rest from ``position_mm``, where the actuator stands."""
        x, y, z = position_mm
        self._state = np.array((x, y, z, 0.0, 0.0, 0.0))
        self._t_ns = t_ns
        self._demand_mm = (as_sent(x), as_sent(y), as_sent(z))
        if self._steps.needed:
            self._demand_mm = self._steps.start(t_ns, self._demand_mm)
        self.velocity = _AT_REST
        """How fast the demand moves, per axis, in mm/s."""

    def toward(self, t_ns: int, wanted_mm: Triple, wanted_velocity_mm_s: Triple) -> Triple:
        """Return the demand for this moment, rounded to the 0.0001 mm that every wire carries.

        ``wanted_mm`` is where the actuator should be when the demand takes effect, and
        ``wanted_velocity_mm_s`` how fast it should move there. A moment that is not after the last
        one gives the last demand again.
        """
        dt = (t_ns - self._t_ns) * 1e-9
        if dt <= 0.0:
            return self._demand_mm
        self._t_ns = t_ns
        self._demand_mm, self.velocity = step(
            self._state, dt, *wanted_mm, *wanted_velocity_mm_s, *self._limits
        )
        if self._steps.needed:
            self._demand_mm = self._steps.nearest(t_ns, self._demand_mm)
        return self._demand_mm
