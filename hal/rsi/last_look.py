"""The last check of a reply: judge the limits on the decoded bytes that will be sent.

The wire has four decimals, so what a robot is told differs a little from what was worked out: in
position by up to one count, in speed by a count a cycle, in acceleration by four counts a cycle
squared. `leaving_room` takes that off the limits motion is planned with; `LastLook` then judges
the decoded reply against the limits themselves, and what is outside is never sent.
"""

from __future__ import annotations

import msgspec

from hal.errors import DeviceError
from hal.messages import Triple
from hal.motion_limits import MotionLimits
from hal.rsi.interpolation import ORIGIN

COUNT_MM = 1e-4
"""One unit of the wire's last decimal."""
_ROUNDING = 1.0 + 1e-9


def leaving_room(limits: MotionLimits, cycle_ns: int) -> MotionLimits:
    """Return the limits less what rounding may add; raises `DeviceError` if little is left."""
    dt_s = cycle_ns * 1e-9
    speed = limits.speed_mm_s - COUNT_MM / dt_s
    acceleration = limits.acceleration_mm_s2 - 4.0 * COUNT_MM / dt_s**2
    if speed <= 0.5 * limits.speed_mm_s or acceleration <= 0.5 * limits.acceleration_mm_s2:
        raise DeviceError(
            f"RSI limits of {limits.speed_mm_s:g} mm/s and {limits.acceleration_mm_s2:g} mm/s2 are "
            f"finer than the wire's {COUNT_MM:g} mm a cycle; they must be at least "
            f"{2.0 * COUNT_MM / dt_s:g} mm/s and {8.0 * COUNT_MM / dt_s**2:g} mm/s2"
        )
    return msgspec.structs.replace(limits, speed_mm_s=speed, acceleration_mm_s2=acceleration)


class LastLook:
    """Judges one correction a cycle against the one before it, axis by axis."""

    def __init__(self, limits: MotionLimits, cycle_ns: int) -> None:
        self._limits = limits
        self._dt_s = cycle_ns * 1e-9
        self._last_mm: Triple = ORIGIN
        self._velocity_mm_s: Triple = ORIGIN

    def stand(self, position_mm: Triple) -> None:
        """Note that the robot stands here."""
        self._last_mm, self._velocity_mm_s = position_mm, ORIGIN

    def judge(self, position_mm: Triple) -> str:
        """Say what is outside the limits (and remember nothing), or pass and remember: empty."""
        limits, dt_s = self._limits, self._dt_s
        if not limits.encloses(position_mm):
            return f"correction {position_mm} mm is outside the limits"
        velocity: list[float] = []
        for axis in range(3):
            speed = (position_mm[axis] - self._last_mm[axis]) / dt_s
            if abs(speed) > limits.speed_mm_s * _ROUNDING:
                return f"{'xyz'[axis]} at {speed:.3f} mm/s, limit {limits.speed_mm_s:g} mm/s"
            acceleration = (speed - self._velocity_mm_s[axis]) / dt_s
            if abs(acceleration) > limits.acceleration_mm_s2 * _ROUNDING:
                return (
                    f"{'xyz'[axis]} at {acceleration:.1f} mm/s2, "
                    f"limit {limits.acceleration_mm_s2:g} mm/s2"
                )
            velocity.append(speed)
        self._last_mm, self._velocity_mm_s = position_mm, (velocity[0], velocity[1], velocity[2])
        return ""
