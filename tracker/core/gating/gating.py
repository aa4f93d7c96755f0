"""Gating as the engine sees it: why the beam is off by plan, if it is."""

from __future__ import annotations

from tracker.core.gating.breath_hold import BreathHolding
from tracker.core.gating.guidance import Guidance, Reach
from tracker.core.gating.signals import GatingView
from tracker.core.gating.window import GatingWindow
from tracker.core.settings import Controller
from tracker.core.types import GuideChanged

OUTSIDE_WINDOW = "gating window"
NO_BREATH_HOLD = "breath hold"
OUT_OF_REACH = "machine too far"
"""The beam is off while a machine follows what it can and is still too far from the target."""


class BeamGating:
    """Puts windows and breath holds together: the beam is on while all of them allow it."""

    def __init__(self, settings: Controller) -> None:
        """Build what the settings ask for; ``used`` tells whether that is anything."""
        self._windows = [
            (place, GatingWindow(window))
            for place, window in (
                ("", settings.window),
                ("second window: ", settings.second_window),
            )
            if window.on != "nothing"
        ]
        self._first = settings.window
        self._breath_hold = BreathHolding(settings.breath_hold)
        self._holds = settings.breath_hold.enabled
        self._guidance = Guidance(settings.window, settings.breath_hold.window_mm)
        self.used = bool(self._windows) or settings.breath_hold.enabled

    def coming(self, now_ns: int) -> bool:
        """Tell whether the beam is allowed, but has not had the time to come on."""
        return any(window.coming(now_ns) for _, window in self._windows)

    def guide(self, view: GatingView, reach: Reach | None) -> GuideChanged | None:
        """Return what the patient is asked from now on; ``None``: the same as before."""
        holding = self._breath_hold if self._holds else None
        if self._first.on != "nothing" and self._first.centre == "drift":
            centre = self._windows[0][1].centre
            self._guidance.move(centre.target_mm, centre.level_mm)
        return self._guidance.ask(view.now_ns, view.span, reach, holding)

    def pause_guide(self) -> None:
        """Ask anew when tracking goes on, because a pause ends what was asked."""
        self._guidance.pause()

    def forget_guide(self) -> None:
        """Forget what was asked, because another model is begun."""
        self._guidance.forget()

    def closed(self, view: GatingView) -> tuple[str, str]:
        """Return what keeps the beam off by plan, and its words; both empty: nothing does."""
        hold = self._breath_hold.closed(view)
        if hold:
            for _, window in self._windows:
                window.close()
            return NO_BREATH_HOLD, hold
        shut = [f"{place}{why}" for place, window in self._windows if (why := window.closed(view))]
        return (OUTSIDE_WINDOW, "; ".join(shut)) if shut else ("", "")
