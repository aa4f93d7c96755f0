"""When to take an X-ray shot: often and over the whole breath while modelling, then at an interval.

In the last seconds of an interval a shot waits for a part of the breathing cycle that the last few
shots did not see. Shots that all fall into inhaling by chance would not show a drift of exhaling.
While a shot is needed to rebuild the model it is taken soon. A shot that is not answered in time
is asked for again.

The interval runs from answer to answer. The request goes out earlier by the time that the last
shot took, so that what only a shot can see is seen within one interval.
"""

from __future__ import annotations

from collections import deque

from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.target.correlation import PHASE_BINS
from tracker.core.target.exposure_time import out_of_time
from tracker.core.target.modelling import near

_REBUILD_S = 2.5
_PATIENCE_NS = 5_000_000_000
"""How much earlier a shot may come for a part of the cycle not seen lately: about one breath."""
_KEPT = 16
_REMEMBERED = PHASE_BINS - 2
"""Shots whose parts of the cycle count as seen lately."""


class Imaging:
    """Which shot is asked for, which came, and when the next is due."""

    def __init__(self, settings: Controller) -> None:
        """Take the intervals from the settings."""
        self._modelling_ns = round(settings.correlation.modelling_interval_s * 1e9)
        self._interval_ns = round(settings.imager.interval_s * 1e9)
        self._drift_ns = round(settings.imager.drift_interval_s * 1e9)
        self._answer_ns = round(settings.imager.answer_within_s * 1e9)
        self._next_id = 1
        self._asked_ns = -1
        self._waiting_for = 0
        self._took_ns = 0
        self._asked: dict[int, int] = {}
        self._seen: deque[int] = deque(maxlen=_REMEMBERED)
        self._asap = False
        """An operator wants a shot now."""
        self._last_used_ns = -1
        self._agreed_ns = -1
        self._drifting = False
        """The target drifts from the model: shots come more often (H10)."""

    def forget(self) -> None:
        """Begin a new model: no part of the breathing cycle has been seen in a shot."""
        self._seen.clear()
        self._asap = False
        self._last_used_ns = self._agreed_ns = -1
        self._drifting = False

    @property
    def last_used_ns(self) -> int:
        """Exposure time of the newest shot that was used; -1: none."""
        return self._last_used_ns

    @property
    def agreed_ns(self) -> int:
        """Exposure time of the newest shot that agreed with the model; -1: none."""
        return self._agreed_ns

    def request_shot(self) -> None:
        """Take a shot at the next tick, because an operator asks for one."""
        self._asap = True

    def shot_used(self, exposed_ns: int, *, drifting: bool) -> None:
        """Note that the model learned a shot, and whether the target drifts from the model."""
        self._last_used_ns = exposed_ns
        self._drifting = drifting

    def shot_agreed(self, exposed_ns: int) -> None:
        """Note that a shot agreed with the model before the model learned it."""
        self._agreed_ns = exposed_ns

    def shot_unreadable(self) -> bool:
        """Note that an image could not be read; tell whether a shot was waited for."""
        waited, self._waiting_for = self._waiting_for != 0, 0
        return waited

    def answered(self, shot_id: int, exposed_ns: int, arrived_ns: int) -> str:
        """Note that a shot came; say what is wrong with its exposure time, if it cannot be (H03).

        ``exposed_ns`` is when the imager says it was exposed, ``arrived_ns`` when it arrived.
        """
        asked_ns = self._asked.get(shot_id, arrived_ns - self._answer_ns)
        if shot_id == self._waiting_for:
            self._waiting_for = 0
            self._took_ns = arrived_ns - asked_ns
        return out_of_time(shot_id, asked_ns, exposed_ns, arrived_ns)

    def next_shot(
        self,
        now_ns: int,
        breathing: BreathingState | None,
        span: BreathingRange | None,
        *,
        modelling: bool,
        rebuild: bool,
        suspect_phase: float | None = None,
    ) -> int | None:
        """Give the number of the shot to take now; ``None``: no shot is due.

        ``modelling``: shots are taken at the modelling interval. ``rebuild``: a shot is wanted
        soon. ``suspect_phase``: the part of the breathing cycle (0 to 1) it should come from.
        """
        if self._waiting_for:
            if now_ns - self._asked_ns <= self._answer_ns:
                return None
            self._waiting_for = 0
        since_ns = now_ns - self._asked_ns if self._asked_ns >= 0 else 1 << 62
        if modelling:
            first_ns, last_ns = self._modelling_ns, 2 * self._modelling_ns
        else:
            last_ns = (self._drift_ns if self._drifting else self._interval_ns) - self._took_ns
            first_ns = last_ns - min(_PATIENCE_NS, last_ns // 3)
        if since_ns < first_ns and not (rebuild or self._asap or suspect_phase is not None):
            return None
        here = -1
        if breathing is not None and span is not None:
            phase = span.phase(breathing.amplitude_mm, breathing.velocity_mm_s)
            if suspect_phase is not None and not near(phase, suspect_phase):
                rebuild = since_ns >= _PATIENCE_NS
            here = int(phase * PHASE_BINS)
        elif modelling:
            return None
        fresh = here not in self._seen and since_ns >= first_ns
        overdue = since_ns >= last_ns
        soon = rebuild and since_ns >= _REBUILD_S * 1e9
        if not (self._asap or fresh or overdue or soon):
            return None
        self._seen.append(here)
        self._asap = False
        self._asked_ns = now_ns
        self._waiting_for = self._next_id
        self._next_id += 1
        self._asked[self._waiting_for] = now_ns
        self._asked.pop(self._waiting_for - _KEPT, None)
        return self._waiting_for
