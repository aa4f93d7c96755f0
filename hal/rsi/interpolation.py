"""Turn 100 demands a second into one correction a cycle, within speed, acceleration and reach.

The reference moves in a straight line from where it was to each new demand, for the time
demands are apart. The position follows the reference as a point that may change its velocity by
at most a·dt per cycle and never move faster than v. Three promises hold for every input:

* speed: the wanted velocity is cut to the ball |v| ≤ v_max first, and a step from a velocity in
  a ball toward another one in it stays in it;
* acceleration: the step between two velocities is cut to a·dt;
* reach: a step is taken only if a full stop after it would still end inside the box; otherwise
  the point brakes, which keeps the stopping point where it was.
"""

from __future__ import annotations

import math

from hal.messages import Triple
from hal.motion_limits import MotionLimits

ORIGIN: Triple = (0.0, 0.0, 0.0)


class Interpolator:
    """The point that follows the demands, advanced one cycle at a time.

    ``demand_period_ns`` is how far apart demands are expected; the reference reaches a demand
    that long after it came.
    """

    def __init__(self, limits: MotionLimits, cycle_ns: int, demand_period_ns: int) -> None:
        self._limits = limits
        self._dt_s = cycle_ns * 1e-9
        self._period_ns = max(demand_period_ns, 1)
        self.position_mm: Triple = ORIGIN
        self.velocity_mm_s: Triple = ORIGIN
        self._from_mm: Triple = ORIGIN
        self._to_mm: Triple = ORIGIN
        self._since_ns = 0

    def demand(self, position_mm: Triple, now_ns: int) -> None:
        """Aim for a position, which must be inside the box (`MotionLimits.encloses`)."""
        if not self._limits.encloses(position_mm):
            raise ValueError(f"demand {position_mm} mm is outside the correction limits")
        self._from_mm = self._reference(now_ns)
        self._to_mm = position_mm
        self._since_ns = now_ns

    def stop(self, now_ns: int) -> None:
        """Brake at once and stay where that ends."""
        reach = _norm(self.velocity_mm_s) / (2.0 * self._limits.acceleration_mm_s2)
        end = _add(self.position_mm, self.velocity_mm_s, reach)
        self._from_mm = self._to_mm = _into(end, self._limits)
        self._since_ns = now_ns

    def stand(self, position_mm: Triple) -> Triple:
        """Go on from rest at this position: the robot missed a reply and stands still."""
        self.position_mm, self.velocity_mm_s = position_mm, ORIGIN
        return position_mm

    def advance(self, now_ns: int) -> Triple:
        """Move one cycle on and return the position (mm) to send."""
        limits, dt_s = self._limits, self._dt_s
        step = limits.acceleration_mm_s2 * dt_s
        reference = self._reference(now_ns + round(dt_s * 1e9))
        wanted = self._wanted(reference, self._feed_forward(now_ns))
        change = _shorten(_add(wanted, self.velocity_mm_s, -1.0), step)
        velocity = _add(self.velocity_mm_s, change, 1.0)
        position = _add(self.position_mm, velocity, dt_s)
        if not limits.encloses(_stopping_point(position, velocity, limits.acceleration_mm_s2)):
            velocity = _add(self.velocity_mm_s, _shorten(self.velocity_mm_s, step), -1.0)
            position = _into(_add(self.position_mm, velocity, dt_s), limits)
        self.position_mm, self.velocity_mm_s = position, velocity
        return position

    def _reference(self, now_ns: int) -> Triple:
        """Return where the demands say the point should be at ``now_ns``."""
        share = min(max((now_ns - self._since_ns) / self._period_ns, 0.0), 1.0)
        return _add(self._from_mm, _add(self._to_mm, self._from_mm, -1.0), share)

    def _feed_forward(self, now_ns: int) -> Triple:
        """Return the reference's own velocity (mm/s); none once it has reached the demand."""
        if now_ns - self._since_ns >= self._period_ns:
            return ORIGIN
        return _scaled(_add(self._to_mm, self._from_mm, -1.0), 1e9 / self._period_ns)

    def _wanted(self, reference: Triple, feed_forward: Triple) -> Triple:
        """Return the velocity that meets the reference without having to overshoot it.

        The gap left after moving along with the reference is closed at most at
        √((a·dt/2)² + 2·a·gap) − a·dt/2, from where the point can still brake in time.
        """
        dt_s = self._dt_s
        half = self._limits.acceleration_mm_s2 * dt_s / 2.0
        gap = _add(_add(reference, self.position_mm, -1.0), feed_forward, -dt_s)
        distance = _norm(gap)
        braking = math.sqrt(half * half + 4.0 * half / dt_s * distance) - half
        closing = _shorten(_scaled(gap, 1.0 / dt_s), braking)
        return _shorten(_add(feed_forward, closing, 1.0), self._limits.speed_mm_s)


def _stopping_point(position: Triple, velocity: Triple, acceleration_mm_s2: float) -> Triple:
    """Return where full braking from here ends at the latest: along v, |v|²/2a further on."""
    return _add(position, velocity, _norm(velocity) / (2.0 * acceleration_mm_s2))


def _into(position: Triple, limits: MotionLimits) -> Triple:
    """Return the nearest position in the box; it moves the position only by rounding errors."""
    low, up = limits.lower_mm, limits.upper_mm
    return (
        min(max(position[0], low[0]), up[0]),
        min(max(position[1], low[1]), up[1]),
        min(max(position[2], low[2]), up[2]),
    )


def _add(left: Triple, right: Triple, factor: float) -> Triple:
    return (
        left[0] + factor * right[0],
        left[1] + factor * right[1],
        left[2] + factor * right[2],
    )


def _scaled(vector: Triple, factor: float) -> Triple:
    return (vector[0] * factor, vector[1] * factor, vector[2] * factor)


def _norm(vector: Triple) -> float:
    return math.hypot(vector[0], vector[1], vector[2])


def _shorten(vector: Triple, length: float) -> Triple:
    """Return the vector, cut to ``length`` where it is longer."""
    norm = _norm(vector)
    return vector if norm <= length else _scaled(vector, length / norm)
