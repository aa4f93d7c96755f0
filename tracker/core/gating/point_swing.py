"""The breathing of one point of the surrogate, such as a marker on the belly.

The surrogate gives one common amplitude; of its points it gives where they are. Speed and range of
one point follow from where it was over the last seconds.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from tracker.core.gating.signals import GatingView, Swing
from tracker.core.surrogate.breathing import BreathingRange

_KEEP_EVERY_NS: Final = 50_000_000
_KEEP: Final = 200
"""Ten seconds, as the range of the common amplitude is measured over."""
_FEWEST: Final = 80
"""Four seconds: about one breath."""
_SPEED_OVER: Final = 2
"""The speed is taken over so many kept positions, 100 ms."""


class PointSwing:
    """Follows one point, counted from 0 in the order of the surrogate's sources."""

    def __init__(self, number: int) -> None:
        """Start with no position."""
        self._number = number
        self._past: deque[tuple[int, float]] = deque(maxlen=_KEEP)
        self._speeds: deque[float] = deque(maxlen=_KEEP)

    def seen(self, view: GatingView) -> GatingView:
        """Return the view with this point's breathing in place of the common one."""
        if self._number >= len(view.points_mm):
            return view._replace(swing=None, swing_later=None, span=None)
        here, now_ns = view.points_mm[self._number], view.now_ns
        past = self._past
        if past and now_ns - past[-1][0] > 10 * _KEEP_EVERY_NS:
            past.clear()  # a gap: the point may have moved anyhow
            self._speeds.clear()
        speed = 0.0
        if len(past) >= _SPEED_OVER:
            then_ns, then = past[-_SPEED_OVER]
            speed = (here - then) / ((now_ns - then_ns) * 1e-9) if now_ns > then_ns else 0.0
        if not past or now_ns - past[-1][0] >= _KEEP_EVERY_NS:
            past.append((now_ns, here))
            self._speeds.append(speed)
        return view._replace(swing=Swing(here, speed), swing_later=None, span=self._range())

    def _range(self) -> BreathingRange | None:
        if len(self._past) < _FEWEST:
            return None
        places = [place for _, place in self._past]
        low, high = min(places), max(places)
        square = sum(speed * speed for speed in self._speeds) / len(self._speeds)
        return BreathingRange(
            0.5 * (low + high), max(0.5 * (high - low), 0.1), max(1.4 * math.sqrt(square), 0.2)
        )
