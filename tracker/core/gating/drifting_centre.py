"""The middle of a window that follows the drift of the breathing's end, within a limit.

Where the target (or the amplitude) is at the end of exhale or inhale wanders over minutes. The
centre is its running mean there, with a time constant, and never further from the planned middle
than the limit.
"""

from __future__ import annotations

import math
from typing import Final

from hal.messages import Triple
from tracker.core.gating.signals import GatingView
from tracker.core.settings import Window

_NEAR_END: Final = 0.15
"""Of the breathing range: so near to its end the breath is at the end."""
_TIME_S: Final = 5.0
"""Time constant of the running mean, counted in the time near the end alone: a few breaths."""
_NOWHERE: Final = (0.0, 0.0, 0.0)


class DriftingCentre:
    """Follows the end of the breath; planned and without drift it stays where it is."""

    def __init__(self, window: Window) -> None:
        """Start at the planned middle."""
        self._follows = window.centre == "drift"
        self._exhale = window.at == "exhale"
        self._planned_mm = window.level_mm
        self._limit_mm = window.drift_mm
        self._last_ns = -1
        self.target_mm: Triple = _NOWHERE
        """How far the middle of a window on the target is from where it was planned."""
        self.level_mm = window.level_mm
        """The amplitude from which a window on the amplitude is measured."""

    def follow(self, view: GatingView) -> None:
        """Take the breath of one tick, of which nothing later is known."""
        if not self._follows:
            return
        last_ns, self._last_ns = self._last_ns, view.now_ns
        swing, span = view.swing, view.span
        if swing is None or span is None or last_ns < 0:
            return
        share = 0.5 + 0.5 * (swing.amplitude_mm - span.middle_mm) / span.half_range_mm
        if (share if self._exhale else 1.0 - share) > _NEAR_END:
            return
        weight = min(1.0, (view.now_ns - last_ns) * 1e-9 / _TIME_S)
        drift_mm = self.level_mm + weight * (swing.amplitude_mm - self.level_mm) - self._planned_mm
        self.level_mm = self._planned_mm + max(-self._limit_mm, min(self._limit_mm, drift_mm))
        if view.target is not None:
            x, y, z = (
                c + weight * (p - c)
                for c, p in zip(self.target_mm, view.target.position_mm, strict=True)
            )
            share = min(1.0, self._limit_mm / max(math.hypot(x, y, z), 1e-9))
            self.target_mm = (share * x, share * y, share * z)
