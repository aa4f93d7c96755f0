"""Breath holds: the beam is on in a hold that has settled, and rests follow holds.

A hold begins when the target comes within the window and hardly moves. The beam is allowed once it
has stayed so for the settling time, until the target leaves the window or moves off, or the hold
has lasted as long as a patient can. After a hold the patient rests.
"""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum
from typing import Final

from hal.messages import Triple
from tracker.core.gating.signals import GatingView
from tracker.core.settings import BreathHold

_STILL_OVER_NS: Final = 500_000_000
"""The speed of a held target is taken over so long: from tick to tick it is mostly noise."""


class HoldPhase(StrEnum):
    """What the patient does, as far as gating is concerned."""

    BREATHING = "waits for a breath hold"
    SETTLING = "breath hold settles"
    HELD = "breath is held"
    RESTING = "patient rests"


class BreathHolding:
    """Follows the holds of one session."""

    def __init__(self, settings: BreathHold) -> None:
        """Take the limits; the patient breathes."""
        self._settings = settings
        self._settle_ns = round(settings.settle_s * 1e9)
        self._longest_ns = round(settings.longest_s * 1e9)
        self._rest_ns = round(settings.rest_s * 1e9)
        self._since_ns = -1
        """When the phase began."""
        self._began_ns = -1
        """When the hold began."""
        self._past: deque[tuple[int, Triple]] = deque()
        self.phase = HoldPhase.BREATHING
        self.holds = 0
        """Holds that have settled so far."""

    @property
    def needed(self) -> int:
        """How many holds the planned beam time takes."""
        return holds_needed(self._settings)

    @property
    def until_ns(self) -> int:
        """When the hold or the rest must end; -1: no hold has settled, and nobody rests."""
        match self.phase:
            case HoldPhase.HELD:
                return self._began_ns + self._longest_ns
            case HoldPhase.RESTING:
                return self._since_ns + self._rest_ns
            case HoldPhase.BREATHING | HoldPhase.SETTLING:
                return -1

    def closed(self, view: GatingView) -> str:
        """Return why there is no beam now; empty: a hold has settled."""
        if not self._settings.enabled:
            return ""
        now_ns, inside = view.now_ns, self._inside(view)
        match self.phase:
            case HoldPhase.BREATHING:
                if inside:
                    self._began_ns = now_ns
                    self._go(HoldPhase.SETTLING, now_ns)
            case HoldPhase.SETTLING:
                if not inside:
                    self._go(HoldPhase.BREATHING, now_ns)
                elif now_ns - self._since_ns >= self._settle_ns:
                    self.holds += 1
                    self._go(HoldPhase.HELD, now_ns)
            case HoldPhase.HELD:
                if not inside or now_ns - self._began_ns >= self._longest_ns:
                    self._go(HoldPhase.RESTING, now_ns)
            case HoldPhase.RESTING:
                if now_ns - self._since_ns >= self._rest_ns:
                    self._go(HoldPhase.BREATHING, now_ns)
        if self.phase is HoldPhase.HELD:
            return ""
        return f"{self.phase}; hold {min(self.holds + 1, self.needed)} of {self.needed}"

    def _go(self, phase: HoldPhase, now_ns: int) -> None:
        self.phase = phase
        self._since_ns = now_ns

    def _inside(self, view: GatingView) -> bool:
        """Tell whether the target is within the window and hardly moves."""
        target, past = view.target, self._past
        if target is None:
            past.clear()
            return False
        position = target.position_mm
        past.append((view.now_ns, position))
        while past[0][0] < view.now_ns - _STILL_OVER_NS:
            past.popleft()
        limit_mm = self._settings.still_mm_s * _STILL_OVER_NS * 1e-9
        return (
            math.hypot(*position) <= self._settings.window_mm
            and math.dist(position, past[0][1]) <= limit_mm
        )


def holds_needed(settings: BreathHold) -> int:
    """Return the number of holds for the planned beam time, each as long as is allowed."""
    return math.ceil(settings.beam_s / (settings.longest_s - settings.settle_s))
