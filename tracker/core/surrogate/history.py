"""The last ten seconds of settled breathing states: for late X-ray images, and the usual range."""

from __future__ import annotations

import math
from collections import deque

import msgspec

from tracker.core.surrogate.breathing import BreathingRange, BreathingState

SETTLED_NS = 100_000_000
"""Age at which a state no longer changes, because its late samples are in."""
_KEEP_EVERY_NS = 50_000_000
_KEEP = 200
"""Settled states kept: 10 seconds of them, longer than any imager takes to answer."""
_RANGE_EVERY = 10
_FEWEST_FOR_SPAN = 80
"""Kept states that make 4 seconds: about one breath."""


class SettledStates:
    """Keeps a settled state every 50 ms, and the range of the breathing over them."""

    def __init__(self) -> None:
        """Start with no state."""
        self._past: deque[BreathingState] = deque(maxlen=_KEEP)
        self._kept = 0
        self.span: BreathingRange | None = None
        """The range of the last breaths; ``None`` until 4 seconds are known."""

    def forget(self) -> None:
        """Drop all states of an earlier model."""
        self._past.clear()
        self.span = None

    def wants(self, settled_ns: int) -> bool:
        """Return whether a state at this time would be kept."""
        past = self._past
        return not past or settled_ns >= past[-1].t_ns + _KEEP_EVERY_NS

    def add(self, state: BreathingState) -> None:
        """Keep a state that is later than the last."""
        self._past.append(state)
        self._kept += 1

    def update_span(self) -> None:
        """Measure the range again, once for every ten states kept."""
        if self._kept % _RANGE_EVERY == 0:
            self.span = self._range()

    def covers(self, t_ns: int) -> bool:
        """Return whether ``t_ns`` lies before the last state kept."""
        past = self._past
        return bool(past) and t_ns < past[-1].t_ns

    def at(self, t_ns: int) -> BreathingState | None:
        """Return the state at a covered time; ``None`` before the first state.

        Between two states it is a cubic through amplitudes and velocities.
        """
        past = self._past
        if t_ns < past[0].t_ns:
            return None
        index = len(past) - 1
        while past[index].t_ns > t_ns:
            index -= 1
        return _between(past[index], past[index + 1], t_ns)

    def _range(self) -> BreathingRange | None:
        if len(self._past) < _FEWEST_FOR_SPAN:
            return None
        amplitudes = [state.amplitude_mm for state in self._past]
        low, high = min(amplitudes), max(amplitudes)
        half = max(0.5 * (high - low), 0.1)
        square = sum(state.velocity_mm_s**2 for state in self._past) / len(self._past)
        return BreathingRange(0.5 * (low + high), half, max(1.4 * math.sqrt(square), 0.2))


def _between(a: BreathingState, b: BreathingState, t_ns: int) -> BreathingState:
    h = (b.t_ns - a.t_ns) * 1e-9
    s = (t_ns - a.t_ns) * 1e-9 / h
    rise = b.amplitude_mm - a.amplitude_mm
    c = 3.0 * rise - h * (2.0 * a.velocity_mm_s + b.velocity_mm_s)
    d = h * (a.velocity_mm_s + b.velocity_mm_s) - 2.0 * rise
    return msgspec.structs.replace(
        a,
        t_ns=t_ns,
        amplitude_mm=a.amplitude_mm + s * (h * a.velocity_mm_s + s * (c + s * d)),
        velocity_mm_s=a.velocity_mm_s + s * (2.0 * c + 3.0 * s * d) / h,
        markers_mm=tuple(p + s * (q - p) for p, q in zip(a.markers_mm, b.markers_mm, strict=True)),
    )
