"""What learning, filter and checks need to know of a source, whatever its kind."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Form(Enum):
    """What a source measures."""

    POINTS = "points"
    """Positions of points on the patient, in mm."""
    VALUE = "value"
    """One value, in a unit of its own."""


class SourceTraits(NamedTuple):
    """What learning and filter need to know of a source."""

    device: str
    form: Form
    rate_hz: float
    noise: float
    """Standard deviation of a sample: mm along one axis of a point, or the unit of the value."""
    drift_per_s: float = 0.0
    """How far the gain of a value wanders, as a share of it per square root of a second."""
