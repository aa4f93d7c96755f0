"""What gating asks of the patient: where the breathing amplitude should be, and for how long.

A window on the surrogate says this by itself. A window on the target and a breath hold ask for a
position of the target; the target model says at which amplitudes the target is there. The range
follows the breathing and the model once a second, and is told again when it has changed visibly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from hal.messages import Triple
from tracker.core.gating.breath_hold import BreathHolding, HoldPhase
from tracker.core.settings import Window
from tracker.core.surrogate.breathing import BreathingRange
from tracker.core.types import GuideChanged

Reach = Callable[[float], Triple]
"""Gives the target relative to the beam (mm) for an amplitude at which the breath stands still."""

_RENEWED_NS: Final = 1_000_000_000
_VISIBLE_SHARE: Final = 0.05
"""Of half the breathing range: a smaller change of the range is not told."""
_BEYOND: Final = 0.25
"""Of half the breathing range: how far the range goes beyond the end of the breath."""
_SEARCHED: Final = tuple(0.1 * k for k in range(-15, 41))
"""Amplitudes at which the target is looked for, from the middle in halves of the range: from below
the end of exhale to a deep inspiration."""
_ASKS: Final[dict[HoldPhase, str]] = {
    HoldPhase.BREATHING: "hold",
    HoldPhase.SETTLING: "hold",
    HoldPhase.HELD: "hold",
    HoldPhase.RESTING: "rest",
}


class AmplitudeRange(NamedTuple):
    """The lowest and the highest amplitude that are asked for (mm)."""

    low_mm: float
    high_mm: float


class Guidance:
    """Remembers what the patient was asked last, and tells what is new."""

    def __init__(self, window: Window, hold_window_mm: float) -> None:
        """Take what the beam waits for; nothing has been asked yet."""
        self._window = window
        self._hold_window_mm = hold_window_mm
        self._centre_mm: Triple = (0.0, 0.0, 0.0)
        self._renewed_ns = -1
        self._range: AmplitudeRange | None = None
        self._asked: GuideChanged | None = None

    def move(self, target_mm: Triple, level_mm: float) -> None:
        """Follow the middle of the window, which follows the drift."""
        self._centre_mm = target_mm
        if level_mm != self._window.level_mm:
            self._window = msgspec.structs.replace(self._window, level_mm=level_mm)

    def pause(self) -> None:
        """Ask anew when tracking goes on, because a pause ends what was asked."""
        self._asked = None

    def forget(self) -> None:
        """Forget the range too, because another model is begun."""
        self._asked, self._range, self._renewed_ns = None, None, -1

    def ask(
        self,
        now_ns: int,
        span: BreathingRange | None,
        reach: Reach | None,
        holding: BreathHolding | None,
    ) -> GuideChanged | None:
        """Return what is asked from now on; ``None``: the same as before.

        ``reach`` is ``None`` where the machine moves with the target, so that no amplitude is
        better than another. ``holding`` is ``None`` without breath holds.
        """
        asks = "breathe" if holding is None else _ASKS[holding.phase]
        until_ns = -1 if holding is None else holding.until_ns
        renewed = self._renew(now_ns, span, reach, holding)
        if self._range is None:
            asks, until_ns = "nothing", -1
        last = self._asked
        if last is not None and not renewed and (asks, until_ns) == (last.asks, last.until_ns):
            return None
        low_mm, high_mm = self._range or (0.0, 0.0)
        self._asked = GuideChanged(now_ns, asks, low_mm, high_mm, until_ns)
        return self._asked

    def _renew(
        self,
        now_ns: int,
        span: BreathingRange | None,
        reach: Reach | None,
        holding: BreathHolding | None,
    ) -> bool:
        """Follow breathing and model; tell whether the range has changed visibly.

        A hold narrows the range of the last breaths, so the range asked for stays meanwhile.
        """
        held = holding is not None and holding.phase is not HoldPhase.BREATHING
        waits = self._renewed_ns >= 0 and now_ns - self._renewed_ns < _RENEWED_NS
        if span is None or waits or (held and self._range is not None):
            return False
        self._renewed_ns = now_ns
        old, new = self._range, self._asked_for(span, reach, holding)
        if old is not None and new is not None:
            moved_mm = max(abs(old.low_mm - new.low_mm), abs(old.high_mm - new.high_mm))
            if moved_mm <= _VISIBLE_SHARE * span.half_range_mm:
                return False
        self._range = new
        return new is not old

    def _asked_for(
        self, span: BreathingRange, reach: Reach | None, holding: BreathHolding | None
    ) -> AmplitudeRange | None:
        """Return the range of amplitude that is asked for; ``None``: no amplitude is better."""
        window = self._window
        on_target = holding is not None or window.on == "target"
        if not on_target:
            return range_of_window(window, span)
        if reach is not None:
            limit_mm = window.enter if holding is None else self._hold_window_mm
            centre_mm = self._centre_mm if holding is None else (0.0, 0.0, 0.0)
            return range_within(limit_mm, span, reach, centre_mm)
        if holding is None:
            return None
        return AmplitudeRange(
            span.middle_mm - span.half_range_mm, span.middle_mm + span.half_range_mm
        )


def range_of_window(window: Window, span: BreathingRange) -> AmplitudeRange | None:
    """Return the amplitudes inside a window on the surrogate, up to a little beyond the breath."""
    middle, half = span.middle_mm, span.half_range_mm
    towards = 1.0 if window.at == "exhale" else -1.0
    match window.on:
        case "amplitude":
            edge = window.level_mm + towards * window.enter
        case "percent":
            edge = middle + towards * half * (0.02 * window.enter - 1.0)
        case "phase":
            edge = middle - towards * half * math.cos(0.02 * math.pi * window.enter)
        case _:
            return None
    end = middle - towards * (1.0 + _BEYOND) * half
    if (edge - end) * towards <= 0.0:
        # The window lies beyond the breaths of late: ask for it all the same.
        end = edge - towards * _BEYOND * half
    return AmplitudeRange(min(edge, end), max(edge, end))


def range_within(
    limit_mm: float,
    span: BreathingRange,
    reach: Reach,
    centre_mm: Triple = (0.0, 0.0, 0.0),
) -> AmplitudeRange | None:
    """Return the amplitudes at which the target is within ``limit_mm`` of the centre, or ``None``.

    Of several ranges, it is that of the amplitude at which the target is nearest to the centre.
    """
    amplitudes = [span.middle_mm + share * span.half_range_mm for share in _SEARCHED]
    far = [math.dist(reach(amplitude), centre_mm) - limit_mm for amplitude in amplitudes]
    nearest = min(range(len(far)), key=far.__getitem__)
    if far[nearest] > 0.0:
        return None
    low = high = nearest
    while low > 0 and far[low - 1] <= 0.0:
        low -= 1
    while high < len(far) - 1 and far[high + 1] <= 0.0:
        high += 1
    return AmplitudeRange(
        _crossing(amplitudes, far, low, low - 1), _crossing(amplitudes, far, high, high + 1)
    )


def _crossing(amplitudes: list[float], far: list[float], inside: int, outside: int) -> float:
    """Return where the limit lies between two neighbours; at the end of the search, the end."""
    if not 0 <= outside < len(far):
        return amplitudes[inside]
    share = far[inside] / (far[inside] - far[outside])
    return amplitudes[inside] + share * (amplitudes[outside] - amplitudes[inside])
