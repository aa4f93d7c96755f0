"""Breathing states for tests of the target stage."""

from __future__ import annotations

import math

from tracker.core.surrogate.breathing import BreathingRange, BreathingState

SPAN = BreathingRange(0.0, 4.0, 6.0)
_OMEGA = 2.0 * math.pi / 4.0


def breathing(t_ns: int) -> BreathingState:
    """Return a regular breath of 4 s and 4 mm, known well."""
    phase = _OMEGA * t_ns * 1e-9
    y, v = 4.0 * math.cos(phase), -4.0 * _OMEGA * math.sin(phase)
    return BreathingState(t_ns, y, v, 0.01, 0.1, 0.0, (y,))
