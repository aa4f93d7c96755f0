"""What a gating window is on: the target, the amplitude of the surrogate, or its phase.

Each signal gives one number, how far the breath is from the middle of the window, now or a moment
ahead. Between now and one latency from now it is interpolated from the estimate, the prediction and
both of their velocities. A new signal is one function and one row of the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from hal.messages import Triple
from tracker.core.settings import Window
from tracker.core.surrogate.breathing import BreathingRange

_INHALED: Final = 0.5
"""Phase of the end of inhale; that of the end of exhale is 0."""


class Moving(NamedTuple):
    """A position and how fast it moves (mm, mm/s)."""

    position_mm: Triple
    velocity_mm_s: Triple


class Swing(NamedTuple):
    """The amplitude of the surrogate and how fast it moves (mm, mm/s)."""

    amplitude_mm: float
    velocity_mm_s: float


class GatingView(NamedTuple):
    """What gating knows at one tick; ``None`` is what is not known."""

    now_ns: int
    latency_s: float
    target: Moving | None = None
    """The target relative to the beam, along the axes that are judged, as estimated now."""
    target_later: Moving | None = None
    """The same as predicted for one latency from now."""
    swing: Swing | None = None
    swing_later: Swing | None = None
    """The surrogate one latency from now; ``None``: it is carried on with its velocity."""
    span: BreathingRange | None = None
    """The range of the last breaths."""
    points_mm: tuple[float, ...] = ()
    """Where each point of the surrogate is, along the direction in which it breathes."""
    centre_mm: Triple = (0.0, 0.0, 0.0)
    """The middle of a window on the target, relative to where it was planned."""
    level_mm: float = 0.0
    """The amplitude from which a window on the amplitude is measured."""

    def target_at(self, ahead_s: float) -> Triple | None:
        """Return the target so many seconds from now, at most one latency."""
        if self.target is None:
            return None
        later = self.target_later
        if ahead_s <= 0.0 or later is None or self.latency_s <= 0.0:
            return self.target.position_mm
        x, y, z = (
            joined(p, v, q, w, self.latency_s, ahead_s)
            for p, v, q, w in zip(*self.target, *later, strict=True)
        )
        return (x, y, z)

    def swing_at(self, ahead_s: float) -> Swing | None:
        """Return the surrogate so many seconds from now, at most one latency."""
        if self.swing is None or ahead_s <= 0.0:
            return self.swing
        (p, v), later = self.swing, self.swing_later
        if later is None or self.latency_s <= 0.0:
            return Swing(p + ahead_s * v, v)
        share = min(1.0, ahead_s / self.latency_s)
        amplitude = joined(p, v, later.amplitude_mm, later.velocity_mm_s, self.latency_s, ahead_s)
        return Swing(amplitude, v + share * (later.velocity_mm_s - v))


def joined(p: float, v: float, q: float, w: float, span_s: float, ahead_s: float) -> float:
    """Return the cubic from ``p`` with speed ``v`` to ``q`` with speed ``w``, at ``ahead_s``."""
    u = min(1.0, ahead_s / span_s)
    return (
        (1.0 + 2.0 * u) * (1.0 - u) ** 2 * p
        + u * (1.0 - u) ** 2 * span_s * v
        + u * u * (3.0 - 2.0 * u) * q
        + u * u * (u - 1.0) * span_s * w
    )


Signal = Callable[[GatingView, Window, float], float | None]
"""Gives how far the breath will be from the window's middle after some seconds."""


def _target(view: GatingView, window: Window, ahead_s: float) -> float | None:
    """Return the distance of the target from the middle of the window (mm)."""
    place = view.target_at(ahead_s)
    return None if place is None else math.dist(place, view.centre_mm)


def _amplitude(view: GatingView, window: Window, ahead_s: float) -> float | None:
    """Return how far the amplitude is above its level, or below it for inhale (mm)."""
    swing = view.swing_at(ahead_s)
    if swing is None:
        return None
    above = swing.amplitude_mm - view.level_mm
    return above if window.at == "exhale" else -above


def _percent(view: GatingView, window: Window, ahead_s: float) -> float | None:
    """Return the amplitude in per cent of the last breaths, from the end of exhale or inhale."""
    swing, span = view.swing_at(ahead_s), view.span
    if swing is None or span is None or span.half_range_mm <= 0.0:
        return None
    share = 0.5 + 0.5 * (swing.amplitude_mm - span.middle_mm) / span.half_range_mm
    return 100.0 * (share if window.at == "exhale" else 1.0 - share)


def _phase(view: GatingView, window: Window, ahead_s: float) -> float | None:
    """Return the distance from the end of exhale or inhale, in per cent of the cycle."""
    swing, span = view.swing_at(ahead_s), view.span
    if swing is None or span is None or span.half_range_mm <= 0.0 or span.speed_mm_s <= 0.0:
        return None
    phase = span.phase(*swing)
    middle = 0.0 if window.at == "exhale" else _INHALED
    return 100.0 * abs((phase - middle + 0.5) % 1.0 - 0.5)


class SignalRow(NamedTuple):
    """One signal: how it is computed, and its unit."""

    far: Signal
    unit: str


SIGNALS: Final[Mapping[str, SignalRow]] = MappingProxyType(
    {
        "target": SignalRow(_target, "mm"),
        "amplitude": SignalRow(_amplitude, "mm"),
        "percent": SignalRow(_percent, "%"),
        "phase": SignalRow(_phase, "% of the cycle"),
    }
)
"""The signals by their name in ``window.on``."""
