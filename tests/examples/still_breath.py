"""An example of a new fault and its check: the beam is held while the breath stands still.

This file, one row in the table of checks and one row in the table of faults are all it takes.
"""

from __future__ import annotations

from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import Fault, Reaction
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller

STILL_BREATH = "still breath"

STILL_BREATH_FAULT = Fault(
    "H12",
    Reaction.HOLD,
    "The breath stands still: look at the patient.",
    "The amplitude has not moved for two seconds.",
    2.1,
    returns_s=5.0,
)


class StillBreathCheck:
    """Holds the beam when the amplitude has hardly moved for two seconds."""

    def __init__(self, settings: Controller) -> None:
        """Allow a third of the largest uncertainty that the breathing signal may have."""
        self._limit_mm = settings.fusion.sigma_mm / 3.0
        self._since_ns = -1
        self._from_mm = 0.0

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Compare the amplitude with that at which it began to stand still."""
        state = now.surrogate.state
        if state is None or abs(state.amplitude_mm - self._from_mm) > self._limit_mm:
            self._since_ns = now.now_ns
            self._from_mm = 0.0 if state is None else state.amplitude_mm
        still_s = (now.now_ns - self._since_ns) / 1e9
        if still_s > 2.0:
            found[STILL_BREATH] = f"less than {self._limit_mm:g} mm for {still_s:.2f} s, limit 2 s"
