"""The limits of a moving device, kept for every demand: box, speed, acceleration."""

from __future__ import annotations

import math

import msgspec

from hal.messages import Triple, is_finite


class MotionLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the device may be asked for: box (mm), speed (mm/s), acceleration (mm/s²).

    ``lower_mm`` and ``upper_mm`` bound the position axis by axis in the fixed frame; they enclose
    0, where the device starts. For a KUKA robot they bound the correction, as the POSCORR
    object's LowerLim and UpperLim do. Raises ``ValueError`` for limits that cannot be kept.
    """

    lower_mm: Triple = (-20.0, -20.0, -20.0)
    upper_mm: Triple = (20.0, 20.0, 20.0)
    speed_mm_s: float = 60.0
    acceleration_mm_s2: float = 600.0

    def __post_init__(self) -> None:
        """Refuse limits that could not be kept."""
        box = zip(self.lower_mm, self.upper_mm, strict=True)
        if not all(math.isfinite(low) and math.isfinite(up) and low <= 0 <= up for low, up in box):
            raise ValueError(
                f"correction limits {self.lower_mm} to {self.upper_mm} mm: they must enclose 0"
            )
        for name, value in (("speed", self.speed_mm_s), ("acceleration", self.acceleration_mm_s2)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} limit {value}: it must be above 0")

    def encloses(self, position_mm: Triple) -> bool:
        """Tell whether a position lies in the box, its faces included."""
        return is_finite(position_mm) and all(
            low <= value <= up
            for low, value, up in zip(self.lower_mm, position_mm, self.upper_mm, strict=True)
        )
