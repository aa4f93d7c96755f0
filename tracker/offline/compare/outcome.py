"""What one technique did for one trace: the record that tables, page and verdict are made of."""

from __future__ import annotations

import msgspec


class ErrorSpread(msgspec.Struct, frozen=True, kw_only=True):
    """How far beam and target were apart, in mm, while the beam was on."""

    rms_mm: float
    p95_mm: float
    max_mm: float


class Minutes(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session takes: expected, and the range of 9 in 10 such sessions."""

    expected: float
    low: float
    high: float


class TechniqueOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One technique on one trace; ``why_not`` says why there are no figures."""

    trace: str
    technique: str
    words: str
    why_not: str = ""
    beams_eye: ErrorSpread | None = None
    """In beam's-eye view, over the beam's time. Without management: over all gantry angles."""
    along_beam_rms_mm: float = 0.0
    space: ErrorSpread | None = None
    """In three dimensions."""
    within: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Share of the beam's time within 2, 3 and 5 mm in beam's-eye view."""
    duty: float = 0.0
    minutes: Minutes | None = None
    unsafe_ms: float = 0.0
    """The longest time with the beam on and more than 5 mm off."""
    margins_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Margin that the errors needed by their own distribution: left-right, SI, AP."""
    van_herk_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The same by van Herk's linear formula; the mean of the session is its systematic error."""
    motion_mm: tuple[float, float, float] | None = None
    """Range of the motion itself (2nd to 98th percentile), where nothing manages it."""
    holds: dict[str, int] = {}
    """Why the beam was held, and how often."""
    limited_by: str = ""
    """What makes most of the error that is left."""

    @property
    def margin_mm(self) -> float:
        """The largest margin of the three axes."""
        return max(self.margins_mm)
