"""How the angles that a linac reports become angles after IEC 61217, for all drivers of linacs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

FULL_TURN_DEG = 360.0
MOST_UNITS = 100_000.0
"""Monitor units: more than any field has."""


class AngleScale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scale: angle (IEC 61217, degrees) = ``zero_deg`` + ``factor`` x reported value.

    A linac that shows its angles on another scale than IEC 61217 needs it: ``factor = -1`` where
    the angle grows in the other direction, and ``zero_deg`` for where its zero is.
    """

    factor: Annotated[float, Meta(ge=-360, le=360)] = 1.0
    zero_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0

    def __post_init__(self) -> None:
        """Refuse a factor under which every value means the same angle."""
        if self.factor == 0.0:
            raise ValueError("factor 0: every value would be the same angle; give another one")

    def angle_deg(self, value: float) -> float:
        """Return the angle of a reported value, from 0 up to 360 degrees."""
        return (self.zero_deg + self.factor * value) % FULL_TURN_DEG

    def value(self, angle_deg: float) -> float:
        """Return the value that reports an angle, as near to 0 as possible."""
        half = FULL_TURN_DEG / 2
        return ((angle_deg - self.zero_deg + half) % FULL_TURN_DEG - half) / self.factor
