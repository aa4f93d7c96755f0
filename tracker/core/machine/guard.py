"""The guard: the last check of a demand before it is sent. It refuses and never corrects.

It knows nothing of the rest of the controller. Its limits are its own and wider than those of
steering, and it compares what is about to be sent with what was sent before. It is plain Python,
without numpy and without compiled code.
"""

from __future__ import annotations

import math

from hal.messages import Triple

Refusal = str
_COUNT_MM = 0.0001
"""A demand is sent in counts of so much."""
_CONTINUOUS: Triple = (0.0, 0.0, 0.0)


class GuardLimits:
    """Largest position per axis, speed, acceleration and step that a demand may have.

    An axis that moves in steps (``quantum_mm`` above 0) leaps by one of them at once. It is judged
    by its position, by whole steps, and by the time since its last step, which gives its speed.
    """

    __slots__ = ("acceleration_mm_s2", "position_mm", "quantum_mm", "speed_mm_s", "step_mm")

    def __init__(
        self,
        position_mm: float,
        speed_mm_s: float,
        acceleration_mm_s2: float,
        step_mm: float,
        quantum_mm: Triple = (0.0, 0.0, 0.0),
    ) -> None:
        """Keep the limits; raises ``ValueError`` unless each is a positive, finite number.

        A step of 0 in ``quantum_mm`` is an axis that moves continuously.
        """
        for value in quantum_mm:
            if not 0.0 <= value < math.inf:
                raise ValueError(f"a step of {value} mm is no step; it must not be negative")
        for value in (position_mm, speed_mm_s, acceleration_mm_s2, step_mm):
            if not 0.0 < value < math.inf:
                raise ValueError(f"a guard limit of {value} is no limit; it must be positive")
        self.position_mm = position_mm
        self.speed_mm_s = speed_mm_s
        self.acceleration_mm_s2 = acceleration_mm_s2
        self.step_mm = step_mm
        self.quantum_mm = quantum_mm

    def exceeded(self, value: float, step: float, speed: float, acceleration: float) -> str | None:
        """Return which limit one axis exceeds, with value and limit; ``None``: none of them.

        What is no number exceeds every limit.
        """
        if not -self.position_mm <= value <= self.position_mm:
            return f"demand of {value:.3f} mm is outside +-{self.position_mm:g} mm"
        if not -self.step_mm <= step <= self.step_mm:
            return f"step of {step:.3f} mm is over {self.step_mm:g} mm"
        if not -self.speed_mm_s <= speed <= self.speed_mm_s:
            return f"speed of {speed:.1f} mm/s is over {self.speed_mm_s:g} mm/s"
        if not -self.acceleration_mm_s2 <= acceleration <= self.acceleration_mm_s2:
            return (
                f"acceleration of {acceleration:.0f} mm/s2 is over "
                f"{self.acceleration_mm_s2:g} mm/s2"
            )
        return None

    def exceeded_in_steps(self, value: float, step: float, quantum: float, dt: float) -> str | None:
        """Return which limit an axis that moves in steps exceeds; ``None``: none of them.

        ``dt`` is the time since its last step in seconds.
        """
        if not -self.position_mm <= value <= self.position_mm:
            return f"demand of {value:.3f} mm is outside +-{self.position_mm:g} mm"
        if not abs(value / quantum - round(value / quantum)) * quantum <= _COUNT_MM:
            return f"demand of {value:.3f} mm is no whole step of {quantum:g} mm"
        if not abs(step) <= quantum + _COUNT_MM:
            return f"step of {step:.3f} mm is over one of {quantum:g} mm"
        if not abs(step) <= self.speed_mm_s * dt:
            return f"speed of {abs(step) / dt:.1f} mm/s is over {self.speed_mm_s:g} mm/s"
        return None


class DemandGuard:
    """Judges each demand by the last one that passed: its time, position and velocity."""

    __slots__ = ("_in_steps", "_limits", "_position_mm", "_stepped_ns", "_t_ns", "_velocity_mm_s")

    _t_ns: int
    _velocity_mm_s: Triple

    def __init__(self, limits: GuardLimits) -> None:
        """Keep the limits; every demand is refused until `start` is called."""
        self._limits = limits
        self._in_steps = limits.quantum_mm != _CONTINUOUS
        self._position_mm: Triple | None = None

    def start(self, t_ns: int, position_mm: Triple) -> None:
        """Begin at rest from ``position_mm``, where the actuator stands; this is no demand.

        An axis that moves in steps is taken to stand at the nearest one.
        """
        self._t_ns = t_ns
        if self._in_steps:
            x, y, z = (
                round(p / q) * q if q > 0.0 else p
                for p, q in zip(position_mm, self._limits.quantum_mm, strict=True)
            )
            position_mm = (x, y, z)
        self._position_mm = position_mm
        self._velocity_mm_s = (0.0, 0.0, 0.0)
        self._stepped_ns = (t_ns, t_ns, t_ns)

    def judge(self, t_ns: int, position_mm: Triple) -> Refusal | None:
        """Let a demand pass and remember it, or say why not and remember nothing."""
        last_mm = self._position_mm
        if last_mm is None:
            return "demand before motion was started; start tracking first"
        dt = (t_ns - self._t_ns) * 1e-9
        if dt <= 0.0:
            return f"demand at {t_ns} ns is not after the last at {self._t_ns} ns"
        if self._in_steps:
            return self._judge_each(t_ns, dt, last_mm, position_mm)
        exceeded = self._limits.exceeded
        (x, y, z), (last_x, last_y, last_z) = position_mm, last_mm
        last_vx, last_vy, last_vz = self._velocity_mm_s
        step = x - last_x
        vx = step / dt
        over = exceeded(x, step, vx, (vx - last_vx) / dt)
        if over is not None:
            return f"{over} along x"
        step = y - last_y
        vy = step / dt
        over = exceeded(y, step, vy, (vy - last_vy) / dt)
        if over is not None:
            return f"{over} along y"
        step = z - last_z
        vz = step / dt
        over = exceeded(z, step, vz, (vz - last_vz) / dt)
        if over is not None:
            return f"{over} along z"
        self._t_ns = t_ns
        self._position_mm = position_mm
        self._velocity_mm_s = (vx, vy, vz)
        return None

    def _judge_each(
        self, t_ns: int, dt: float, last_mm: Triple, position_mm: Triple
    ) -> Refusal | None:
        """Judge a demand of a machine with axes that move in steps; ``dt``: since the last."""
        limits = self._limits
        velocity, stepped = list(self._velocity_mm_s), list(self._stepped_ns)
        for k, name in enumerate("xyz"):
            value, step, quantum = position_mm[k], position_mm[k] - last_mm[k], limits.quantum_mm[k]
            if quantum > 0.0:
                since_s = (t_ns - stepped[k]) * 1e-9
                over = limits.exceeded_in_steps(value, step, quantum, since_s)
                if step:
                    stepped[k] = t_ns
            else:
                velocity[k] = step / dt
                change = (velocity[k] - self._velocity_mm_s[k]) / dt
                over = limits.exceeded(value, step, velocity[k], change)
            if over is not None:
                return f"{over} along {name}"
        self._t_ns = t_ns
        self._position_mm = position_mm
        self._velocity_mm_s = (velocity[0], velocity[1], velocity[2])
        self._stepped_ns = (stepped[0], stepped[1], stepped[2])
        return None
