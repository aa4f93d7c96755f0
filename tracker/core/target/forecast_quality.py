"""Whether predictions come true (H11): three judgements of the same series of predictions.

- The predicted position misses the later estimate by more than 3 mm for half a second.
- The root mean square of these misses over 30 s is over 1 mm (AAPM TG-306).
- The normalised innovation squared (Bar-Shalom, Li & Kirubarajan 2001, 5.4) of the predictor's own
  channels is over the 99.9 % point of chi squared three times. The three are one latency apart, so
  that they are three events and not one event seen three times. A predictor that gives no number
  or no variance fails too.

While one of these holds, the prediction is replaced by the present estimate (zero order), so that
a predictor that has gone wrong does not drive the machine.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from hal.messages import Triple
from tracker.core.settings import Gating

Channels = Sequence[tuple[float, float]]
"""What a predictor says of each of its position channels: mean (mm) and variance (mm^2)."""

_CHI2_999: Final = {1: 10.828, 3: 16.266}
"""99.9 % points of chi squared by degrees of freedom."""
_TIMES: Final = 3
_LEAST_MM2: Final = 0.4**2
"""Added to the predictor's own variance. The estimate it is compared with is not the truth, and a
miss that small endangers nobody."""
_MISSED_NS: Final = 500_000_000
_RMS_EVERY_NS: Final = 100_000_000
_RMS_OVER: Final = 300
_RMS_FEWEST: Final = 100
"""Misses kept, ten a second, for the root mean square; judged from ten seconds on."""


class ForecastQuality:
    """Keeps predictions until their moment has come, and judges how they came true."""

    def __init__(self, gating: Gating, latency_ns: int) -> None:
        """Take the limits from the settings."""
        self._error_mm = gating.prediction_error_mm
        self._rms_mm = gating.prediction_rms_mm
        self._apart_ns = max(latency_ns, 1)
        self.forget()

    def forget(self) -> None:
        """Forget the predictions of an earlier run of motion."""
        self._due: deque[tuple[int, Triple, Channels]] = deque(maxlen=256)
        self._missed_since_ns = -1
        self._squares: deque[float] = deque(maxlen=_RMS_OVER)
        self._sum = 0.0
        self._next_rms_ns = 0
        self._times = 0
        self._counted_ns = 0
        self._no_number = False

    def add_prediction(self, at_ns: int, position_mm: Triple, channels: Channels) -> None:
        """Keep a prediction until its moment ``at_ns`` has come."""
        self._due.append((at_ns, position_mm, channels))

    def add_failure(self) -> None:
        """Note that the predictor gave no number; it stays noted until `forget`."""
        self._no_number = True

    def judge(self, now_ns: int, estimate_mm: Triple, now: Sequence[float], *, calm: bool) -> str:
        """Say what is wrong with the predictions; empty: nothing.

        ``estimate_mm`` is the target as estimated now, and ``now`` the predictor's channels now.
        A miss counts for the root mean square only while all else is ``calm``: a cough has a hold
        of its own.
        """
        waiting, due = self._due, None
        while waiting and waiting[0][0] <= now_ns:
            due = waiting.popleft()
        if self._no_number:
            return "the predictor gives no number"
        if due is None:
            return self._over_rms()
        error = math.dist(due[1], estimate_mm)
        if calm and now_ns >= self._next_rms_ns:
            self._next_rms_ns = now_ns + _RMS_EVERY_NS
            self._keep(error * error)
        return (
            self._missed(now_ns, error) or self._diverged(now_ns, due[2], now) or self._over_rms()
        )

    def _missed(self, now_ns: int, error: float) -> str:
        """Say whether predictions have missed by too much for half a second."""
        if error <= self._error_mm:
            self._missed_since_ns = -1
            return ""
        if self._missed_since_ns < 0:
            self._missed_since_ns = now_ns
        if now_ns - self._missed_since_ns < _MISSED_NS:
            return ""
        return f"{error:.2f} mm for half a second, limit {self._error_mm:g} mm"

    def _diverged(self, now_ns: int, channels: Channels, now: Sequence[float]) -> str:
        """Say whether the channels miss by more than their own variance allows."""
        squared = 0.0
        for (mean, variance), value in zip(channels, now, strict=True):
            if not (math.isfinite(mean) and 0.0 <= variance < math.inf):
                return "the predictor gives no number or no variance"
            squared += (value - mean) ** 2 / (variance + _LEAST_MM2)
        limit = _CHI2_999[len(channels)]
        if squared <= limit:
            self._times = 0
            return ""
        if self._times == 0 or now_ns - self._counted_ns >= self._apart_ns:
            self._times += 1
            self._counted_ns = now_ns
        if self._times < _TIMES:
            return ""
        return (
            f"the predictor's misses squared are {squared:.1f} times their variance, "
            f"{self._times} times, limit {limit:g}"
        )

    def _keep(self, square: float) -> None:
        """Add a squared miss to the root mean square."""
        if len(self._squares) == _RMS_OVER:
            self._sum -= self._squares[0]
        self._squares.append(square)
        self._sum += square

    def _over_rms(self) -> str:
        """Say whether the root mean square is over its limit."""
        limit, count = self._rms_mm, len(self._squares)
        if count < _RMS_FEWEST or self._sum <= limit * limit * count:
            return ""
        return f"{math.sqrt(self._sum / count):.3f} mm RMS over 30 s, limit {limit:g} mm (TG-306)"
