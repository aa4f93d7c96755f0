"""When to expose: over the whole breathing cycle, often while modelling, then at an interval.

Once the interval is over, a shot waits for a part of the breathing cycle that the last few shots
did not see, but not for long: shots that by chance all fall into inhaling would leave the model
blind for a drift of exhaling. While a shot is needed to rebuild the model, it comes at once. One
that is not answered in time is asked for again.
"""

from __future__ import annotations

from collections import deque

from tracker.core.correlation import PHASE_BINS
from tracker.core.fusion import BreathingRange, BreathingState
from tracker.core.settings import Controller

_REBUILD_S = 2.5
_PATIENCE_S = 5.0
"""How long a shot waits for a part of the cycle not seen lately: about one breath."""
_REMEMBERED = PHASE_BINS - 2
"""Shots whose parts of the cycle count as seen lately."""


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
        self._seen: deque[int] = deque(maxlen=_REMEMBERED)
        self.asap = False
        """Somebody wants a shot now."""
        self.last_good_ns = -1
        """Exposure time of the newest shot that was used."""
        self.unanswered = 0

    def forget(self) -> None:
        """A new model is begun: no part of the cycle holds a shot."""
        self._seen.clear()
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
        here = -1
        if breathing is not None and span is not None:
            phase = span.phase(breathing.amplitude_mm, breathing.velocity_mm_s)
            here = int(phase * PHASE_BINS)
        elif modelling:
            return None
        interval_ns = self._modelling_ns if modelling else self._interval_ns
        patience_ns = interval_ns if modelling else _PATIENCE_S * 1e9
        fresh = here not in self._seen and since_ns >= interval_ns
        overdue = since_ns >= interval_ns + patience_ns
        soon = rebuild and since_ns >= _REBUILD_S * 1e9
        if not (self.asap or fresh or overdue or soon):
            return None
        self._seen.append(here)
        self.asap = False
        self._asked_ns = now_ns
        self._waiting_for = self._next_id
        self._next_id += 1
        return self._waiting_for
