"""Count whole breaths, and tell whether the last ones were regular (H12).

A breath begins when the amplitude rises through a quarter of the half range above the middle, if it
was that far below the middle since the last breath. It is regular when its period and its depth are
not far from the median of those before it.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from tracker.core.surrogate.breathing import BreathingRange

_HYSTERESIS = 0.25
_REMEMBERED = 8
_FEWEST = 3
"""Breaths known before one can be called irregular."""
_PERIOD = (0.55, 1.8)
"""Share of the usual period a regular breath lasts: free breathing varies by a third."""
_DEPTH = (0.45, 1.8)
"""Share of the usual depth a regular breath has."""


class Breaths:
    """Counts breaths; ``regular`` of the last ones in a row were regular."""

    def __init__(self) -> None:
        """Start before the first breath."""
        self.count = 0
        self.regular = 0
        self._periods: deque[float] = deque(maxlen=_REMEMBERED)
        self._depths: deque[float] = deque(maxlen=_REMEMBERED)
        self._low = False
        self._since_ns = -1
        self._least = self._most = 0.0

    def forget(self) -> None:
        """Forget the breaths, because another model is begun."""
        self.__init__()

    def add(self, t_ns: int, amplitude_mm: float, span: BreathingRange) -> None:
        """Take the amplitude at a moment, in order of time."""
        self._least = min(self._least, amplitude_mm)
        self._most = max(self._most, amplitude_mm)
        step = _HYSTERESIS * span.half_range_mm
        if amplitude_mm < span.middle_mm - step:
            self._low = True
        elif self._low and amplitude_mm > span.middle_mm + step:
            self._low = False
            if self._since_ns >= 0:
                self._judge((t_ns - self._since_ns) * 1e-9, self._most - self._least)
            self._since_ns = t_ns
            self._least = self._most = amplitude_mm

    def _judge(self, period_s: float, depth_mm: float) -> None:
        self.count += 1
        usual = len(self._periods) < _FEWEST or (
            _within(period_s, _PERIOD, self._periods) and _within(depth_mm, _DEPTH, self._depths)
        )
        self.regular = self.regular + 1 if usual else 0
        self._periods.append(period_s)
        self._depths.append(depth_mm)


def _within(value: float, shares: tuple[float, float], usual: deque[float]) -> bool:
    middle = median(usual)
    return shares[0] * middle <= value <= shares[1] * middle
