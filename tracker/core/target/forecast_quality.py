"""Whether predictions come true (H11): three judgements of the same stream of them.

- the predicted position misses the later estimate by more than 3 mm for half a second;
- the root mean square of these misses over 30 s is over 1 mm (AAPM TG-306);
- the normalised innovation squared (Bar-Shalom, Li & Kirubarajan 2001, 5.4) of what the predictor
  itself predicts is over the 99.9 % point of chi squared three times, one latency apart, so that
  three are three and not one seen thrice; or the predictor gives no number, or no variance.

While one of them stands, the prediction is replaced by the present estimate (zero order): a
predictor that has gone astray must not drive couch or robot.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from hal.messages import Triple
from tracker.core.settings import Gating
from tracker.core.target.forecast import Ahead

_CHI2_999 = {1: 10.828, 3: 16.266}
"""99.9 % points of chi squared by degrees of freedom."""
_TIMES = 3
_LEAST_MM2 = 0.4**2
"""Added to the predictor's own variance: the estimate it is compared with is no truth, and a
miss that small endangers nobody."""
_MISSED_NS = 500_000_000
_RMS_EVERY_NS = 100_000_000
_RMS_OVER = 300
_RMS_FEWEST = 100
"""Misses kept, ten a second, for the root mean square; judged from ten seconds on."""


class _Due(NamedTuple):
    at_ns: int
    position_mm: Triple
    ahead: Ahead


class PredictionWatch:
    """Keeps predictions until their moment has come, and how they did."""

    def __init__(self, gating: Gating, latency_ns: int) -> None:
        """Take the limits."""
        self._gating = gating
        self._apart_ns = max(latency_ns, 1)
        self.forget()

    def forget(self) -> None:
        """Predictions of an earlier run of motion no longer count."""
        self._due: deque[_Due] = deque(maxlen=256)
        self._missed_since_ns = -1
        self._squares: deque[float] = deque(maxlen=_RMS_OVER)
        self._sum = 0.0
        self._next_rms_ns = 0
        self._times = 0
        self._counted_ns = 0
        self.no_number = False

    def predicted(self, at_ns: int, position_mm: Triple, ahead: Ahead) -> None:
        """Remember a prediction until its moment has come."""
        self._due.append(_Due(at_ns, position_mm, ahead))

    def judge(self, now_ns: int, estimate_mm: Triple, now: Sequence[float], *, calm: bool) -> str:
        """Say what is wrong with predictions, given the estimate and the channels as they are.

        Only what is missed while all else is ``calm`` counts for the root mean square: a cough
        has a hold of its own.
        """
        due = None
        while self._due and self._due[0].at_ns <= now_ns:
            due = self._due.popleft()
        if self.no_number:
            return "the predictor gives no number"
        if due is None:
            return self._over_rms()
        error = math.dist(due.position_mm, estimate_mm)
        if calm and now_ns >= self._next_rms_ns:
            self._next_rms_ns = now_ns + _RMS_EVERY_NS
            self._keep(error * error)
        return self._missed(now_ns, error) or self._diverged(now_ns, due, now) or self._over_rms()

    def _missed(self, now_ns: int, error: float) -> str:
        limit = self._gating.prediction_error_mm
        if error <= limit:
            self._missed_since_ns = -1
            return ""
        if self._missed_since_ns < 0:
            self._missed_since_ns = now_ns
        if now_ns - self._missed_since_ns < _MISSED_NS:
            return ""
        return f"{error:.1f} mm for half a second, limit {limit:g} mm"

    def _diverged(self, now_ns: int, due: _Due, now: Sequence[float]) -> str:
        channels = len(due.ahead.mean)
        nis = 0.0
        for mean, variance, value in zip(due.ahead.mean, due.ahead.variance, now, strict=True):
            if not (math.isfinite(mean) and 0.0 <= variance < math.inf):
                return "the predictor gives no number or no variance"
            nis += (value - mean) ** 2 / (variance + _LEAST_MM2)
        limit = _CHI2_999[channels]
        if nis <= limit:
            self._times = 0
            return ""
        if self._times == 0 or now_ns - self._counted_ns >= self._apart_ns:
            self._times += 1
            self._counted_ns = now_ns
        if self._times < _TIMES:
            return ""
        return f"innovations {nis:.0f} times their variance {self._times} times, limit {limit:g}"

    def _keep(self, square: float) -> None:
        if len(self._squares) == _RMS_OVER:
            self._sum -= self._squares[0]
        self._squares.append(square)
        self._sum += square

    def _over_rms(self) -> str:
        limit = self._gating.prediction_rms_mm
        count = len(self._squares)
        if count < _RMS_FEWEST or self._sum <= limit * limit * count:
            return ""
        return f"{math.sqrt(self._sum / count):.2f} mm RMS over 30 s, limit {limit:g} mm (TG-306)"
