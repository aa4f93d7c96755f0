"""What the monitor takes the beam for: one table, and the look at the page that finds a row true.

Everything here is a comparison of numbers. It shares no code with the engine, whose own limits
are tighter: what the engine does right, the monitor never sees.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tracker.live.dead_man.shared_page import DaemonRecord

MS = 1_000_000


class Condition(NamedTuple):
    """One row: its name, whether the gate stays shut until a person resets it, and the words."""

    name: str
    latches: bool
    words: str


SILENT, STAYS_ON, BLIND, ASTRAY, NOT_TRACKING = range(1, 6)
CONDITIONS: dict[int, Condition] = {
    SILENT: Condition("heartbeat", False, "controller silent for {:.0f} ms"),
    STAYS_ON: Condition("read-back", True, "beam on {:.0f} ms after its permit ended"),
    BLIND: Condition("surrogate", True, "breathing signal {:.0f} ms old under a permit"),
    ASTRAY: Condition("envelope", True, "demand {:.1f} mm outside its envelope"),
    NOT_TRACKING: Condition("state", True, "beam permitted {:.0f} ms while not tracking"),
}
"""A silent controller alone does not latch: it may have been a stall, the beam is off, and the
controller holds for it when it comes back. Every other row means that something is broken."""


class MonitorLimits(NamedTuple):
    """The monitor's limits; those of the demand are the guard's, each axis for itself."""

    heartbeat_ms: float
    readback_ms: float
    surrogate_ms: float
    position_mm: float
    speed_mm_s: float


class MonitorFinding(NamedTuple):
    """A condition that holds, and by how much."""

    condition: int
    value: float


SLACK_MM = 0.5
"""Two demands of one moment may differ by rounding and by the guard's own step of time."""
APART_NS = 300 * MS
"""Demands further apart than this are of two motions."""


class Envelope:
    """Follows the demands: in reach, and none further from the last than speed allows."""

    def __init__(self, limits: MonitorLimits) -> None:
        self._limits = limits
        self._last: tuple[int, tuple[float, float, float]] | None = None

    def outside_mm(self, record: DaemonRecord) -> float:
        """How far outside the newest demand is; 0: inside, or there is none."""
        if record.demand_ns < 0:
            self._last = None
            return 0.0
        demand = (record.demand_x_mm, record.demand_y_mm, record.demand_z_mm)
        if not all(map(math.isfinite, demand)):
            return math.inf
        before, self._last = self._last, (record.demand_ns, demand)
        outside = max(abs(axis) for axis in demand) - self._limits.position_mm
        if before is not None and 0 <= record.demand_ns - before[0] <= APART_NS:
            reach = self._limits.speed_mm_s * (record.demand_ns - before[0]) * 1e-9 + SLACK_MM
            moved = max(abs(a - b) for a, b in zip(demand, before[1], strict=True))
            outside = max(outside, moved - reach)
        return max(outside, 0.0)


def judge(
    now_ns: int, record: DaemonRecord, beam_on: bool, outside_mm: float, limits: MonitorLimits
) -> MonitorFinding | None:
    """The first row that is true now; only while there is beam, or a permit for it."""
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
    # Once the controller holds for it, the read-back follows within a few rounds; see STAYS_ON.
    if permitted and blind_ms > limits.surrogate_ms:
        return MonitorFinding(BLIND, blind_ms)
    if outside_mm > 0.0:
        return MonitorFinding(ASTRAY, outside_mm)
    if permitted and not record.tracking:
        return MonitorFinding(NOT_TRACKING, (record.permit_until_ns - now_ns) / MS)
    return None
