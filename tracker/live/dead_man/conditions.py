"""The conditions for which the monitor takes the beam: one table, and the function that checks it.

Everything here compares numbers. It shares no code with the engine. The limits of the engine are
tighter, so the monitor acts only when the engine has failed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tracker.live.dead_man.shared_page import DaemonRecord

MS = 1_000_000
Axes = tuple[float, float, float]


class Condition(NamedTuple):
    """One row: name, whether the gate's latch is set until a person resets it, and the message."""

    name: str
    latches: bool
    words: str


SILENT, STAYS_ON, BLIND, OUTSIDE, NOT_TRACKING = range(1, 6)
CONDITIONS: dict[int, Condition] = {
    SILENT: Condition("heartbeat", False, "controller silent for {:.0f} ms"),
    STAYS_ON: Condition("read-back", True, "beam on {:.0f} ms after its permit ended"),
    BLIND: Condition("surrogate", True, "breathing signal {:.0f} ms old under a permit"),
    OUTSIDE: Condition("envelope", True, "demand {:.1f} mm outside its envelope"),
    NOT_TRACKING: Condition("state", True, "beam permitted {:.0f} ms while not tracking"),
}
"""A silent controller does not set the latch: it may have been a stall. The beam is off then, and
the controller holds when it works again. Every other row means that something is broken."""


class MonitorLimits(NamedTuple):
    """The limits of the monitor; position and speed are those of the guard, for each axis alone."""

    heartbeat_ms: float
    readback_ms: float
    surrogate_ms: float
    position_mm: float
    speed_mm_s: float
    quantum_mm: Axes = (0.0, 0.0, 0.0)
    """The steps of axes that move in steps, as leaves do; 0: the axis moves continuously."""


class MonitorFinding(NamedTuple):
    """A condition that is met: its number, and the value that the message shows."""

    condition: int
    value: float


SLACK_MM = 0.5
"""Allowed in addition: rounding, and the time step of the guard."""
APART_NS = 300 * MS
"""Demands further apart in time belong to two motions."""


class Envelope:
    """Compares each demand with the position limit, and each step with the speed limit.

    An axis that moves in steps leaps by one of them at once, which the speed alone would not allow.
    So it has one step in reserve. A leap uses the reserve, and it fills again with the speed limit.
    """

    def __init__(self, limits: MonitorLimits) -> None:
        self._limits = limits
        self._last: tuple[int, Axes] | None = None
        self._reserve_mm = list(limits.quantum_mm)

    def outside_mm(self, record: DaemonRecord) -> float:
        """Return how far the newest demand is outside, in mm; 0: inside, or there is none."""
        if record.demand_ns < 0:
            self._last = None
            return 0.0
        demand = (record.demand_x_mm, record.demand_y_mm, record.demand_z_mm)
        if not all(map(math.isfinite, demand)):
            return math.inf
        before, self._last = self._last, (record.demand_ns, demand)
        outside = max(abs(axis) for axis in demand) - self._limits.position_mm
        if before is not None and 0 <= record.demand_ns - before[0] <= APART_NS:
            travel_mm = self._limits.speed_mm_s * (record.demand_ns - before[0]) * 1e-9
            for k in range(3):
                leap = abs(demand[k] - before[1][k]) - travel_mm - SLACK_MM
                outside = max(outside, leap - self._reserve_mm[k])
                left_mm = self._reserve_mm[k] - max(leap, 0.0)
                self._reserve_mm[k] = min(max(left_mm, 0.0) + travel_mm, self._limits.quantum_mm[k])
        else:
            self._reserve_mm = list(self._limits.quantum_mm)
        return max(outside, 0.0)


def judge(
    now_ns: int, record: DaemonRecord, beam_on: bool, outside_mm: float, limits: MonitorLimits
) -> MonitorFinding | None:
    """Return the first condition that is met now; only while there is beam or a permit."""
    permitted = now_ns < record.permit_until_ns
    if not beam_on and not permitted:
        return None
    over_ms = (now_ns - max(record.permit_until_ns, 0)) / MS
    silent_ms = (now_ns - record.beat_ns) / MS
    blind_ms = (now_ns - record.surrogate_ns) / MS
    if record.beats and beam_on and over_ms > limits.readback_ms:
        return MonitorFinding(STAYS_ON, over_ms)
    if silent_ms > limits.heartbeat_ms:
        return MonitorFinding(SILENT, silent_ms)
    # After the controller holds for this, the read-back follows in a few rounds; see STAYS_ON.
    if permitted and blind_ms > limits.surrogate_ms:
        return MonitorFinding(BLIND, blind_ms)
    if outside_mm > 0.0:
        return MonitorFinding(OUTSIDE, outside_mm)
    if permitted and not record.tracking:
        return MonitorFinding(NOT_TRACKING, (record.permit_until_ns - now_ns) / MS)
    return None
