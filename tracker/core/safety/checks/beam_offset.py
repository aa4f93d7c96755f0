"""Check how far the beam is from the target: right now (H13), and over a longer time (H27).

A machine that follows gates the beam off by itself while it is too far, because a breath may be too
fast for it (`tracker.core.machine.following`). Half a second of that is a fault. The beam of a
machine that does not follow is held at once.

The error that the beam is taken to have is the distance of beam and target as estimated now, and
the distance of the last shot from the model that learned it, added as squares.
"""

from __future__ import annotations

from math import hypot
from typing import Final

from tracker.core.machine.following import Following
from tracker.core.safety.checks.wording import above
from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller

_FEWEST_S: Final = 30.0
"""Beam time before a share of it says anything."""
_APART_NS: Final = 500_000_000
"""How long a machine that follows, with the beam off, may be too far from the target."""
_LONGEST_STEP_S: Final = 0.1
"""A longer gap between two ticks counts as so much beam time."""


class BeamOffsetCheck:
    """Holds the beam when it is off the target, or has had a smaller error for too long."""

    def __init__(self, settings: Controller) -> None:
        """Take the limits from the settings."""
        gating = settings.gating
        self._apart_mm = gating.off_target_share * gating.tolerance_mm
        self._persistent_mm = gating.persistent_mm
        self._persistent_s = gating.persistent_s
        self._persistent_ns = gating.persistent_s * 1e9
        self._persistent_share = gating.persistent_share
        self._begun = 0
        self._reviewed_ns = -1
        self._last_ns = -1
        self._over_since_ns = -1
        self._apart_since_ns = -1
        self._beam_s = self._over_s = 0.0

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Look at the distance of beam and target, where it could be measured."""
        following = now.following
        if following is None or following.offset_mm is None:
            return
        offset = following.offset_mm
        self._count(now, following.begun, hypot(offset, now.shots.left_mm))
        if not following.settled or (now.gated_off and not (now.permitted and now.beam_on)):
            return  # by plan there is no beam that could miss
        if self._are_apart(now.now_ns, following):
            found[FaultName.BEAM_OFF_TARGET] = (
                f"beam {above(offset, self._apart_mm)} mm from the target as estimated, "
                f"limit {self._apart_mm:g} mm"
            )
        if persists := self._persists(now.now_ns):
            found[FaultName.ERROR_PERSISTS] = persists

    def _are_apart(self, now_ns: int, following: Following) -> bool:
        """Tell whether beam and target are too far apart, and for long enough if gated."""
        offset = following.offset_mm
        if offset is None or offset <= self._apart_mm:
            self._apart_since_ns = -1
            return False
        if self._apart_since_ns < 0:
            self._apart_since_ns = now_ns
        return not following.out_of_reach or now_ns - self._apart_since_ns >= _APART_NS

    def _count(self, now: Situation, begun: int, error_mm: float) -> None:
        """Add a tick to the beam time, and to the beam time with too large an error."""
        if begun != self._begun:
            self._begun = begun
            self._last_ns = -1
            self._start_anew()
        if now.reviewed_ns != self._reviewed_ns:
            self._reviewed_ns = now.reviewed_ns
            self._start_anew()
        dt = 0.0 if self._last_ns < 0 else min(_LONGEST_STEP_S, (now.now_ns - self._last_ns) * 1e-9)
        self._last_ns = now.now_ns
        if not now.permitted:
            self._over_since_ns = -1
            return
        self._beam_s += dt
        if error_mm > self._persistent_mm:
            self._over_s += dt
            if self._over_since_ns < 0:
                self._over_since_ns = now.now_ns
        else:
            self._over_since_ns = -1

    def _start_anew(self) -> None:
        """Forget what was counted: a person has reviewed it, or motion began anew."""
        self._beam_s = self._over_s = 0.0
        self._over_since_ns = -1

    def _persists(self, now_ns: int) -> str:
        """Say whether the error has lasted too long, or for too large a share of the beam."""
        since_ns = self._over_since_ns
        if since_ns >= 0 and now_ns - since_ns > self._persistent_ns:
            lasted = above((now_ns - since_ns) / 1e9, self._persistent_s)
            return f"over {self._persistent_mm:g} mm for {lasted} s, limit {self._persistent_s:g} s"
        if self._beam_s > _FEWEST_S and self._over_s > self._persistent_share * self._beam_s:
            share = above(100 * self._over_s / self._beam_s, 100 * self._persistent_share)
            return (
                f"over {self._persistent_mm:g} mm for {share} % "
                f"of the beam, limit {100 * self._persistent_share:g} %"
            )
        return ""
