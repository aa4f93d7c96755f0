"""The gating window: the beam is on while the breath is inside, and crossings are predicted.

The beam takes ``on_ms`` to come on and ``off_ms`` to go off. It is therefore switched by where the
breath will be after that time. It comes on below ``enter`` and goes off beyond ``leave``, which is
further out, so that noise at the edge does not switch it to and fro.
"""

from __future__ import annotations

import math

from tracker.core.gating.drifting_centre import DriftingCentre
from tracker.core.gating.point_swing import PointSwing
from tracker.core.gating.signals import SIGNALS, GatingView
from tracker.core.settings import Window


class GatingWindow:
    """Remembers whether the window is open, and since when the breath has been beyond it."""

    def __init__(self, settings: Window) -> None:
        """Take the window; it is closed."""
        self._settings = settings
        self._row = SIGNALS.get(settings.on)
        self._on_s = settings.on_ms * 1e-3 if settings.predict else 0.0
        self._off_s = settings.off_ms * 1e-3 if settings.predict else 0.0
        self._dwell_ns = round(settings.dwell_ms * 1e6)
        self._beyond_ns = -1
        self._opened_ns = -1
        self._open = False
        self._point = PointSwing(settings.point) if settings.point >= 0 else None
        self.centre = DriftingCentre(settings)

    def coming(self, now_ns: int) -> bool:
        """Tell whether the window is open, but the beam has not had the time to come on."""
        return self._open and now_ns - self._opened_ns < self._on_s * 1e9

    def close(self) -> None:
        """Close the window, because the beam is off for another reason."""
        self._open = False
        self._beyond_ns = -1

    def closed(self, view: GatingView) -> str:
        """Return why the window is closed now; empty: it is open, or there is none."""
        if self._row is None:
            return ""
        if self._point is not None:
            view = self._point.seen(view)
        self.centre.follow(view)
        view = view._replace(centre_mm=self.centre.target_mm, level_mm=self.centre.level_mm)
        if self._open:
            self._open = not self._leaves(view)
        else:
            self._open = self._enters(view)
            self._opened_ns, self._beyond_ns = view.now_ns, -1
        if self._open:
            return ""
        far = self._far(view, 0.0)
        limit = self._settings.enter
        return f"{far:.1f} {self._row.unit} from its middle, limit {limit:g}"

    def _far(self, view: GatingView, ahead_s: float) -> float:
        """Give how far the breath will be from the window's middle; infinite: unknown."""
        assert self._row is not None
        far = self._row.far(view, self._settings, ahead_s)
        return math.inf if far is None or far != far else far

    def _enters(self, view: GatingView) -> bool:
        """Tell whether the breath will be inside when the beam has come on, and stays for a while.

        The beam could not be taken away before ``off_ms`` after that; a window that is left by then
        is not opened.
        """
        enter = self._settings.enter
        if self._off_s > 0.0 and self._far(view, max(self._on_s, self._off_s)) > enter:
            return False
        return self._far(view, self._on_s) <= enter

    def _leaves(self, view: GatingView) -> bool:
        """Tell whether the breath is outside, or will be when the beam has gone off.

        Before the beam has come on, only where the breath will be then counts. With a dwell time
        only a breath that has been outside for so long counts.
        """
        leave = self._settings.leave
        until_on_s = self._on_s - (view.now_ns - self._opened_ns) * 1e-9
        outside = self._far(view, max(self._off_s, until_on_s)) > leave
        if until_on_s <= 0.0:
            outside = outside or self._far(view, 0.0) > leave
        if not outside:
            self._beyond_ns = -1
            return False
        if self._beyond_ns < 0:
            self._beyond_ns = view.now_ns
        return view.now_ns - self._beyond_ns >= self._dwell_ns
