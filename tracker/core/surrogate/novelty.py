"""Novelty: is the breathing unlike that of the last half minute before tracking (H06, a warning).

Hotelling's T² of the common amplitude says how far out it is, Q how far the markers have left the
line on which they moved together (Jackson & Mudholkar 1979). Both are measured against their own
spread while the model was made. Published specificity of such alarms is 15 % at 95 % sensitivity
for a 3 mm error of the target, so this never holds the beam.

When markers move much less together than before, they have no common amplitude any more. Their
scatter about it is then its variance (White 1980, HC0). An amplitude with too large a variance does
hold the beam.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from tracker.core.surrogate.breathing import BreathingState

_T2_LIMIT = 16.0
"""Four standard deviations; breathing is no Gaussian and stays within three of its own spread."""
_T2_OF_A_SINE = 2.0
"""The most a sine comes to, at full inhale and exhale; and its speed in between."""
_Q_LIMIT = 9.0
"""Times the mean of Q while the model was made."""
_FEWEST = 200
"""States (20 a second) the spread is learned from."""
_SUSTAINED = 20
"""States in a row over a limit before it is said."""
_USUAL = 1200
"""States, a minute of them, whose median is the usual scatter: one cough in it does no harm."""
_SCATTER_LIMIT = 9.0
"""Times the usual scatter: what the correlation model has learned to live with."""


class Novelty:
    """Learns amplitude and marker pattern while modelling, then compares."""

    def __init__(self) -> None:
        """Start knowing nothing."""
        self.forget()

    def forget(self) -> None:
        """Forget what was learned, because another model is begun."""
        self._count = 0
        self._mean = self._square = self._speed_square = 0.0
        self._q_mean = 0.0
        self._over = 0
        self._scatters: deque[float] = deque(maxlen=_USUAL)
        self._scatter_limit_mm2 = math.inf
        self.found = ""
        """What is unusual; empty: nothing."""

    def observe(
        self, state: BreathingState, amplitudes: tuple[float, ...], *, learning: bool
    ) -> None:
        """Take a settled state; ``amplitudes`` are the markers' shares of the common motion."""
        y = state.amplitude_mm
        q = sum((s - a * y) ** 2 for s, a in zip(state.markers_mm, amplitudes, strict=True))
        if learning or self._count < _FEWEST:
            self._count += 1
            before = y - self._mean
            self._mean += before / self._count
            self._square += before * (y - self._mean)
            self._speed_square += state.velocity_mm_s**2
            self._q_mean += (q - self._q_mean) / self._count
            self._scatters.append(_scatter_mm2(state, amplitudes))
            return
        if self._scatters:
            self._scatter_limit_mm2 = _SCATTER_LIMIT * median(self._scatters)
            self._scatters.clear()
        t2 = self._t2(y)
        q_share = q / max(self._q_mean, 1e-4)
        self._over = self._over + 1 if t2 > _T2_LIMIT or q_share > _Q_LIMIT else 0
        self.found = (
            f"T2 {t2:.0f} (limit {_T2_LIMIT:g}), Q {q_share:.1f} times its mean "
            f"(limit {_Q_LIMIT:g})"
            if self._over >= _SUSTAINED
            else ""
        )

    def scatter_mm2(self, state: BreathingState, amplitudes: tuple[float, ...]) -> float:
        """Return what markers that no longer move together add to the amplitude's variance (mm^2).

        The deeper and faster a breath is, the farther they may part: some lag behind others.
        """
        scatter = _scatter_mm2(state, amplitudes)
        if scatter <= self._scatter_limit_mm2:
            return 0.0
        faster = state.velocity_mm_s**2 / max(self._speed_square / self._count, 1e-4)
        more = max(self._t2(state.amplitude_mm), faster) / _T2_OF_A_SINE
        return max(0.0, scatter - max(1.0, more) * self._scatter_limit_mm2)

    def _t2(self, y: float) -> float:
        return (y - self._mean) ** 2 / max(self._square / self._count, 1e-4)


def _scatter_mm2(state: BreathingState, amplitudes: tuple[float, ...]) -> float:
    """Return the variance of the least-squares amplitude, from the residuals of the markers."""
    y = state.amplitude_mm
    weighed = square = 0.0
    for s, a in zip(state.markers_mm, amplitudes, strict=True):
        weighed += (a * (s - a * y)) ** 2
        square += a * a
    return weighed / (square * square)
