"""The breathing state, and the range of the last breaths: what fusion gives to everyone else."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec


class BreathingState(msgspec.Struct, frozen=True, gc=False):
    """The breathing at one moment: common amplitude (mm), velocity (mm/s), variances, points (mm).

    Without a source of points the amplitude is counted in standard deviations of the reference
    value over the learning phase, and ``markers_mm`` holds that amplitude alone.
    """

    t_ns: int
    amplitude_mm: float
    velocity_mm_s: float
    amplitude_variance: float
    velocity_variance: float
    cross_variance: float
    markers_mm: tuple[float, ...]


class BreathingRange(NamedTuple):
    """Middle and half of the amplitude's range, and the speed that belongs to it."""

    middle_mm: float
    half_range_mm: float
    speed_mm_s: float

    def phase(self, amplitude_mm: float, velocity_mm_s: float) -> float:
        """Return the part of the breathing cycle, 0 to 1: the angle of amplitude and velocity."""
        angle = math.atan2(
            velocity_mm_s / self.speed_mm_s, (amplitude_mm - self.middle_mm) / self.half_range_mm
        )
        return (angle / (2.0 * math.pi) + 0.5) % 1.0
