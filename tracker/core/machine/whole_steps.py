"""Whole steps: the demand of an axis that moves in steps only, such as one leaf.

The nearest step is taken. The last one is kept until the wanted position has left it by a little
more than half a step, so that jitter does not move a leaf to and fro. Two steps are as far apart in
time as the axis needs for one of them at its highest speed.
"""

from __future__ import annotations

from typing import Final

from hal.messages import Triple
from tracker.core.settings import Actuator

KEEP_SHARE: Final = 0.6
"""Share of a step by which the wanted position may be off before the next step is taken."""


class WholeSteps:
    """Remembers the last step of each axis."""

    def __init__(self, actuator: Actuator) -> None:
        """Take the steps of the axes; 0 is an axis that moves continuously."""
        self._quantum_mm = actuator.quantum_mm
        self._waits_ns = tuple(round(1e9 * q / actuator.speed_mm_s) for q in actuator.quantum_mm)
        self.needed = any(q > 0.0 for q in actuator.quantum_mm)
        """Whether any axis moves in steps."""
        self.start(0, (0.0, 0.0, 0.0))

    def start(self, t_ns: int, position_mm: Triple) -> Triple:
        """Begin at the steps nearest to where the machine stands, and return them."""
        at = (
            round(p / q) * q if q > 0.0 else p
            for p, q in zip(position_mm, self._quantum_mm, strict=True)
        )
        x, y, z = at
        self._last_mm: Triple = (x, y, z)
        self._stepped_ns = [t_ns, t_ns, t_ns]
        return self._last_mm

    def nearest(self, t_ns: int, demand_mm: Triple) -> Triple:
        """Return the demand with each stepping axis at a whole step, at most one from the last."""
        x, y, z = (self._axis(k, t_ns, demand_mm[k]) for k in range(3))
        self._last_mm = (x, y, z)
        return self._last_mm

    def _axis(self, k: int, t_ns: int, wanted: float) -> float:
        q, last = self._quantum_mm[k], self._last_mm[k]
        if q <= 0.0:
            return wanted
        if abs(wanted - last) <= KEEP_SHARE * q or t_ns - self._stepped_ns[k] < self._waits_ns[k]:
            return last
        self._stepped_ns[k] = t_ns
        return (round(last / q) + (1 if wanted > last else -1)) * q
