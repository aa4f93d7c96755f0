"""The guard: the last look at a demand before it leaves; it refuses, it never corrects.

It knows nothing of the rest of the controller: its limits are its own and wider than steering's,
and it judges only what is about to be sent against what was sent before. Plain Python, no numpy.
"""

from __future__ import annotations

import math

from hal.messages import Triple

Refusal = str


class GuardLimits:
    """Largest position per axis, speed, acceleration and step a demand may have."""

    __slots__ = ("acceleration_mm_s2", "position_mm", "speed_mm_s", "step_mm")

    def __init__(
        self, position_mm: float, speed_mm_s: float, acceleration_mm_s2: float, step_mm: float
    ) -> None:
        """Take the limits; each must be a positive, finite number."""
        for value in (position_mm, speed_mm_s, acceleration_mm_s2, step_mm):
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"a guard limit of {value} is no limit; it must be positive")
        self.position_mm = position_mm
        self.speed_mm_s = speed_mm_s
        self.acceleration_mm_s2 = acceleration_mm_s2
        self.step_mm = step_mm


class Guard:
    """Judges each demand; `None` lets it pass, a sentence refuses it."""

    __slots__ = ("_last_mm", "_last_ns", "_limits", "_velocity")

    def __init__(self, limits: GuardLimits) -> None:
        """Take the limits; until the first `start` every demand is refused."""
        self._limits = limits
        self._last_ns = -1
        self._last_mm: Triple | None = None
        self._velocity: Triple = (0.0, 0.0, 0.0)

    def start(self, t_ns: int, position_mm: Triple) -> None:
        """Motion starts here, at rest: the actuator's own position, not a demand."""
        self._last_ns = t_ns
        self._last_mm = position_mm
        self._velocity = (0.0, 0.0, 0.0)

    def judge(self, t_ns: int, position_mm: Triple) -> Refusal | None:
        """Let a demand pass (and remember it) or say why not (and remember nothing)."""
        last = self._last_mm
        limits = self._limits
        if last is None:
            return "demand before motion was started; start tracking first"
        dt = (t_ns - self._last_ns) * 1e-9
        if dt <= 0.0:
            return f"demand at {t_ns} ns is not after the last at {self._last_ns} ns"
        velocity: list[float] = []
        for axis in range(3):
            value = position_mm[axis]
            if not abs(value) <= limits.position_mm:
                return (
                    f"demand {'xyz'[axis]} = {value:.3f} mm is outside +-{limits.position_mm:g} mm"
                )
            step = value - last[axis]
            if not abs(step) <= limits.step_mm:
                return f"step {'xyz'[axis]} = {step:.3f} mm is over {limits.step_mm:g} mm"
            speed = step / dt
            if not abs(speed) <= limits.speed_mm_s:
                return f"speed {'xyz'[axis]} = {speed:.1f} mm/s is over {limits.speed_mm_s:g} mm/s"
            acceleration = (speed - self._velocity[axis]) / dt
            if not abs(acceleration) <= limits.acceleration_mm_s2:
                return (
                    f"acceleration {'xyz'[axis]} = {acceleration:.0f} mm/s2 is over "
                    f"{limits.acceleration_mm_s2:g} mm/s2"
                )
            velocity.append(speed)
        self._last_ns = t_ns
        self._last_mm = position_mm
        self._velocity = (velocity[0], velocity[1], velocity[2])
        return None
