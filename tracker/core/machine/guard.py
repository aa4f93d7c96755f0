"""The guard: the last look at a demand before it leaves; it refuses, it never corrects.

It knows nothing of the rest of the controller: its limits are its own and wider than steering's,
and it judges only what is about to be sent against what was sent before. Plain Python, no numpy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from hal.messages import Triple

Refusal = str


def as_sent(position_mm: Triple) -> Triple:
    """Round a demand to what every wire carries (0.0001 mm), so that what is judged is sent."""
    x, y, z = position_mm
    return (round(x, 4), round(y, 4), round(z, 4))


class GuardLimits:
    """Largest position per axis, speed, acceleration and step a demand may have."""

    __slots__ = ("acceleration_mm_s2", "position_mm", "speed_mm_s", "step_mm")

    def __init__(
        self, position_mm: float, speed_mm_s: float, acceleration_mm_s2: float, step_mm: float
    ) -> None:
        """Take the limits; each must be a positive, finite number."""
        for value in (position_mm, speed_mm_s, acceleration_mm_s2, step_mm):
            if not 0.0 < value < math.inf:
                raise ValueError(f"a guard limit of {value} is no limit; it must be positive")
        self.position_mm = position_mm
        self.speed_mm_s = speed_mm_s
        self.acceleration_mm_s2 = acceleration_mm_s2
        self.step_mm = step_mm

    def exceeded(self, value: float, step: float, speed: float, acceleration: float) -> str | None:
        """Say which limit one axis breaks, with value and limit. NaN breaks all."""
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


class _Passed(NamedTuple):
    """The last demand that passed: when, where, and how fast it moved there, per axis."""

    t_ns: int
    position_mm: Triple
    velocity_mm_s: Triple


class DemandGuard:
    """Judges each demand; `None` lets it pass, a sentence refuses it."""

    __slots__ = ("_last", "_limits")

    def __init__(self, limits: GuardLimits) -> None:
        """Take the limits; until the first `start` every demand is refused."""
        self._limits = limits
        self._last: _Passed | None = None

    def start(self, t_ns: int, position_mm: Triple) -> None:
        """Motion starts here, at rest: the actuator's own position, not a demand."""
        self._last = _Passed(t_ns, position_mm, (0.0, 0.0, 0.0))

    def judge(self, t_ns: int, position_mm: Triple) -> Refusal | None:
        """Let a demand pass (and remember it) or say why not (and remember nothing)."""
        last = self._last
        if last is None:
            return "demand before motion was started; start tracking first"
        dt = (t_ns - last.t_ns) * 1e-9
        if dt <= 0.0:
            return f"demand at {t_ns} ns is not after the last at {last.t_ns} ns"
        velocity: list[float] = []
        for axis in range(3):
            step = position_mm[axis] - last.position_mm[axis]
            speed = step / dt
            acceleration = (speed - last.velocity_mm_s[axis]) / dt
            over = self._limits.exceeded(position_mm[axis], step, speed, acceleration)
            if over is not None:
                return f"{over} along {'xyz'[axis]}"
            velocity.append(speed)
        self._last = _Passed(t_ns, position_mm, (velocity[0], velocity[1], velocity[2]))
        return None
