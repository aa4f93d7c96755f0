"""When to expose: shots spread over the breathing cycle while modelling, then at an interval.

While modelling, a shot is taken once the present part of the cycle holds none yet, or after twice
the modelling interval anyway; later every ``imager.interval_s``, and sooner while a shot is needed
to rebuild the model. A shot that is not answered in time is asked for again.
"""

from __future__ import annotations

from tracker.core.correlation import PHASE_BINS
from tracker.core.fusion import BreathingRange, BreathingState
from tracker.core.settings import Controller

_REBUILD_S = 2.5


class Imaging:
    """Which shot is asked for, which came, and when the next is due."""

    def __init__(self, settings: Controller) -> None:
        """Take the intervals from the settings."""
        self._modelling_ns = round(settings.correlation.modelling_interval_s * 1e9)
        self._interval_ns = round(settings.imager.interval_s * 1e9)
        self._answer_ns = round(settings.imager.answer_within_s * 1e9)
        self._next_id = 1
        self._asked_ns = -1
        self._waiting_for = 0
        self._bins: set[int] = set()
        self.asap = False
        """Somebody wants a shot now."""
        self.last_good_ns = -1
        """Exposure time of the newest shot that was used."""
        self.unanswered = 0

    def forget(self) -> None:
        """A new model is begun: no part of the cycle holds a shot."""
        self._bins.clear()
        self.asap = False
        self.last_good_ns = -1

    def answered(self, shot_id: int) -> None:
        """A shot came, good or bad."""
        if shot_id == self._waiting_for:
            self._waiting_for = 0
            self.unanswered = 0

    def due(
        self,
        now_ns: int,
        breathing: BreathingState | None,
        span: BreathingRange | None,
        *,
        modelling: bool,
        rebuild: bool,
    ) -> int | None:
        """Give the number of the shot to take now, or ``None``."""
        if self._waiting_for:
            if now_ns - self._asked_ns <= self._answer_ns:
                return None
            self._waiting_for = 0
            self.unanswered += 1
        since_ns = now_ns - self._asked_ns if self._asked_ns >= 0 else 1 << 62
        wanted = self.asap
        if modelling:
            if breathing is None or span is None:
                return None
            phase = span.phase(breathing.amplitude_mm, breathing.velocity_mm_s)
            here = int(phase * PHASE_BINS)
            fresh = here not in self._bins and since_ns >= self._modelling_ns
            wanted = wanted or fresh or since_ns >= 2 * self._modelling_ns
            if wanted:
                self._bins.add(here)
        elif rebuild:
            wanted = wanted or since_ns >= _REBUILD_S * 1e9
        else:
            wanted = wanted or since_ns >= self._interval_ns
        if not wanted:
            return None
        self.asap = False
        self._asked_ns = now_ns
        self._waiting_for = self._next_id
        self._next_id += 1
        return self._waiting_for
