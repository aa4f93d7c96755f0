"""How far the beam is from the target, as far as the controller can know (H13, H27).

The encoder says where couch or robot is now, the model where the target is now: the distance of the
two needs no prediction and no demand, and whatever part of the chain fails, it shows here. What
the model itself is off, the last shot's residual after it was learned says; both together are the
error the beam is taken to have. How far the actuator is from where it was predicted to be
needed, squared and averaged over the time with beam, is its share of the error region.
"""

from __future__ import annotations

import math
from collections import deque

from hal.messages import Triple
from tracker.core.settings import Gating

_MEMORY_S = 10.0
_FEWEST_S = 30.0
"""Beam time before a share of it says anything."""


class OffTarget:
    """Follows the distance, from the start of motion on."""

    def __init__(self, gating: Gating) -> None:
        """Take the limits."""
        self._gating = gating
        self.residual_mm = 0.0
        """What the last shot still lies off the model that has learned it."""
        self.forget()

    def forget(self) -> None:
        """Motion starts anew."""
        self._aims: deque[tuple[int, Triple]] = deque(maxlen=256)
        self.variance_mm2: Triple = (0.0, 0.0, 0.0)
        """The actuator's share of the error region, per axis of the fixed frame."""
        self._last_ns = -1
        self._over_since_ns = -1
        self.offset_mm = math.inf
        self.reviewed()

    def reviewed(self) -> None:
        """A person has looked at it: what was counted so far is dealt with."""
        self._beam_s = self._over_s = 0.0
        self._over_since_ns = -1

    def aimed(self, at_ns: int, wanted_mm: Triple) -> None:
        """Remember where the actuator was predicted to be needed at a moment."""
        self._aims.append((at_ns, wanted_mm))

    def take(self, now_ns: int, position_mm: Triple, wanted_mm: Triple, *, beam: bool) -> None:
        """Take actuator and wanted position of one moment (fixed frame), and whether it beams."""
        dt = 0.0 if self._last_ns < 0 else min(0.1, (now_ns - self._last_ns) * 1e-9)
        self._last_ns = now_ns
        self.offset_mm = math.dist(position_mm, wanted_mm)
        aim = None
        while self._aims and self._aims[0][0] <= now_ns:
            aim = self._aims.popleft()[1]
        if aim is not None and beam:
            share = min(1.0, dt / _MEMORY_S)
            (px, py, pz), (ax, ay, az), (a, b, c) = position_mm, aim, self.variance_mm2
            self.variance_mm2 = (
                a + share * ((px - ax) ** 2 - a),
                b + share * ((py - ay) ** 2 - b),
                c + share * ((pz - az) ** 2 - c),
            )
        error = math.hypot(self.offset_mm, self.residual_mm)
        over = beam and error > self._gating.persistent_mm
        if not over:
            self._over_since_ns = -1
        elif self._over_since_ns < 0:
            self._over_since_ns = now_ns
        if beam:
            self._beam_s += dt
            self._over_s += dt if over else 0.0

    def apart(self) -> str:
        """Say whether beam and target are too far apart right now."""
        limit = self._gating.off_target_share * self._gating.tolerance_mm
        if self.offset_mm <= limit:
            return ""
        return f"beam {self.offset_mm:.1f} mm from the target as estimated, limit {limit:g} mm"

    def persists(self, now_ns: int) -> str:
        """Say whether a smaller error has lasted too long, or too large a share of the beam."""
        gating = self._gating
        since = self._over_since_ns
        if since >= 0 and now_ns - since > gating.persistent_s * 1e9:
            return f"over {gating.persistent_mm:g} mm for over {gating.persistent_s:g} s"
        if self._beam_s > _FEWEST_S and self._over_s > gating.persistent_share * self._beam_s:
            return (
                f"over {gating.persistent_mm:g} mm for {100 * self._over_s / self._beam_s:.1f} % "
                f"of the beam, limit {100 * gating.persistent_share:g} %"
            )
        return ""
