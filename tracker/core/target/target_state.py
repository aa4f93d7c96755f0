"""The target at one moment, as any target model gives it."""

from __future__ import annotations

import msgspec

from hal.messages import Triple


class TargetState(msgspec.Struct, frozen=True, gc=False):
    """The target by the model: position (mm), velocity (mm/s) and position variance (mm^2)."""

    position_mm: Triple
    velocity_mm_s: Triple
    variance_mm2: Triple
