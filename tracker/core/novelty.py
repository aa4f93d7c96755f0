"""Novelty: is the breathing unlike that of the last half minute before tracking (H06, a warning).

Hotelling's T² of the common amplitude says how far out it is, Q how far the markers have left the
line on which they moved together (Jackson & Mudholkar 1979). Both are measured against their own
spread while the model was made. Published specificity of such alarms is 15 % at 95 % sensitivity
for a 3 mm error of the target, so this never holds the beam.
"""

from __future__ import annotations

from tracker.core.fusion import BreathingState

_T2_LIMIT = 16.0
"""Four standard deviations; breathing is no Gaussian and stays within three of its own spread."""
_Q_LIMIT = 9.0
"""Times the mean of Q while the model was made."""
_FEWEST = 200
"""States (20 a second) the spread is learned from."""
_SUSTAINED = 20
"""States in a row over a limit before it is said."""


class Novelty:
    """Learns amplitude and marker pattern while modelling, then compares."""

    def __init__(self) -> None:
        """Start knowing nothing."""
        self.forget()

    def forget(self) -> None:
        """Another model is begun."""
        self._count = 0
        self._mean = self._square = 0.0
        self._q_mean = 0.0
        self._over = 0
        self.found = ""
        """What is unusual; empty: nothing."""

    def take(self, state: BreathingState, amplitudes: tuple[float, ...], *, learning: bool) -> None:
        """Take a settled state; ``amplitudes`` are the markers' shares of the common motion."""
        y = state.amplitude_mm
        q = sum((s - a * y) ** 2 for s, a in zip(state.markers_mm, amplitudes, strict=True))
        if learning or self._count < _FEWEST:
            self._count += 1
            before = y - self._mean
            self._mean += before / self._count
            self._square += before * (y - self._mean)
            self._q_mean += (q - self._q_mean) / self._count
            return
        t2 = (y - self._mean) ** 2 / max(self._square / self._count, 1e-4)
        q_share = q / max(self._q_mean, 1e-4)
        self._over = self._over + 1 if t2 > _T2_LIMIT or q_share > _Q_LIMIT else 0
        self.found = (
            f"T2 {t2:.0f} (limit {_T2_LIMIT:g}), Q {q_share:.1f} times its mean "
            f"(limit {_Q_LIMIT:g})"
            if self._over >= _SUSTAINED
            else ""
        )
