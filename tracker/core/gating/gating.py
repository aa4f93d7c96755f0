"""Gating as the engine sees it: why the beam is off by plan, if it is."""

from __future__ import annotations

from tracker.core.gating.breath_hold import BreathHolding
from tracker.core.gating.signals import GatingView
from tracker.core.gating.window import GatingWindow
from tracker.core.settings import Controller

OUTSIDE_WINDOW = "gating window"
NO_BREATH_HOLD = "breath hold"
OUT_OF_REACH = "machine too far"
"""The beam is off while a machine follows what it can and is still too far from the target."""


class BeamGating:
    """Puts windows and breath holds together: the beam is on while all of them allow it."""

    def __init__(self, settings: Controller) -> None:
        """Build what the settings ask for; ``used`` tells whether that is anything."""
        self._window = GatingWindow(settings.window)
        self._breath_hold = BreathHolding(settings.breath_hold)
        self.used = settings.window.on != "nothing" or settings.breath_hold.enabled

    def coming(self, now_ns: int) -> bool:
        """Tell whether the beam is allowed, but has not had the time to come on."""
        return self._window.coming(now_ns)

    def closed(self, view: GatingView) -> tuple[str, str]:
        """Return what keeps the beam off by plan, and its words; both empty: nothing does."""
        hold = self._breath_hold.closed(view)
        if hold:
            self._window.close()
            return NO_BREATH_HOLD, hold
        window = self._window.closed(view)
        return (OUTSIDE_WINDOW, window) if window else ("", "")
