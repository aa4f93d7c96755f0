"""How the machine follows: how far it is from its demands, and the beam from the target.

The encoder says where the actuator is now, and the model where the target is now. Their distance
needs no prediction and no demand, so a failure anywhere in the chain shows in it. How far the
actuator is from where it was predicted to be needed, squared and averaged over the time with beam,
is its share of the error region. All positions are in the fixed frame, in mm.

A machine that is too slow for a breath follows what it can. While the demand is too far from what
is wanted, or the beam from the target, it is out of reach, and the beam is off. As soon as both
distances are small again, the beam returns.
"""

from __future__ import annotations

import math
from collections import deque
from math import dist
from typing import Final

import msgspec

from hal.messages import Triple
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.machine.whole_steps import KEEP_SHARE
from tracker.core.settings import Controller

SILENT_NS: Final = 200_000_000
"""An actuator whose newest position is older than this is silent."""
AIM_SHARE: Final = 0.6
"""Share of the tolerance the last demand may be from the wanted position with beam on."""
BACK_SHARE: Final = 0.75
"""Share of either limit below which the distances must be for the beam to return."""
_SETTLED_SHARE: Final = 0.4
"""Share of the tolerance the beam must once have been near the target before it is let on."""
_EARLIEST: Final = 0.6
_LATEST: Final = 1.4
"""Latencies after which an actuator may answer a demand, at the earliest and at the latest.

An actuator is no pure delay: while it speeds up or slows down it answers later or earlier.
"""
_MEMORY_S: Final = 10.0
"""Time constant of the averaged squares, in seconds of beam."""
_NOWHERE: Triple = (0.0, 0.0, 0.0)


class Following(msgspec.Struct, frozen=True, gc=False):
    """How the actuator follows, as far as it can be known at one tick."""

    error_mm: float | None = None
    """Distance of the reported position from the demand it answers; ``None``: no old demand."""
    aim_mm: float | None = None
    """Distance of the last demand from the wanted position; ``None``: nothing is wanted."""
    offset_mm: float | None = None
    """Distance of the beam from the target as estimated now; ``None``: not measured now."""
    settled: bool = False
    """Whether the actuator has once been where it should be since motion began."""
    begun: int = 0
    """Counts the runs of motion."""
    out_of_reach: bool = False
    """Whether demand or beam are too far from where they should be, so that the beam is off."""


class Follower:
    """Remembers demands and predictions, and measures how they are followed."""

    def __init__(self, settings: Controller) -> None:
        """Take limits and latency from the settings; nothing has been demanded yet."""
        actuator, tolerance_mm = settings.actuator, settings.gating.tolerance_mm
        latency_ns = round(settings.timing.latency_ms * 1e6)
        self._latency_ns = latency_ns
        self._oldest_ns = round(_LATEST * latency_ns)
        self._newest_ns = round(_EARLIEST * latency_ns)
        self._braked_ns = round(
            _LATEST * latency_ns + 1e9 * actuator.speed_mm_s / actuator.acceleration_mm_s2
        )
        """How long after a stop the actuator must stand."""
        self._aim_limit_mm = AIM_SHARE * tolerance_mm
        self._off_limit_mm = settings.gating.off_target_share * tolerance_mm
        self._settled_mm = _SETTLED_SHARE * tolerance_mm
        self._near_mm = actuator.follow_error_mm
        self._in_steps = any(actuator.quantum_mm)
        x, y, z = (KEEP_SHARE * q for q in actuator.quantum_mm)
        self._unreachable_mm: Triple = (x, y, z)
        """Per axis, how far the nearest whole step may be from the wanted position."""
        self._demands: deque[tuple[int, Triple]] = deque(maxlen=256)
        self._aims: deque[tuple[int, Triple]] = deque(maxlen=256)
        self._stopped_ns = -1
        self._last_ns = -1
        self._offset_mm = math.inf
        self._settled = False
        self._out_of_reach = False
        self._begun = 0
        self.variance_mm2 = _NOWHERE
        """The actuator's share of the error region, per axis (mm^2)."""

    @property
    def settled(self) -> bool:
        """Whether the actuator has once been where it should be since motion began."""
        return self._settled

    @property
    def out_of_reach(self) -> bool:
        """Whether the machine is too far from the target just now, so that the beam is off."""
        return self._out_of_reach

    def begin(self) -> None:
        """Forget the demands and predictions of an earlier run of motion."""
        self._demands.clear()
        self._aims.clear()
        self._stopped_ns = self._last_ns = -1
        self._offset_mm = math.inf
        self._settled = False
        self._out_of_reach = False
        self._begun += 1
        self.variance_mm2 = _NOWHERE

    def add_demand(self, t_ns: int, position_mm: Triple) -> None:
        """Remember a demand that is sent at ``t_ns``."""
        self._demands.append((t_ns, position_mm))

    def stop(self, t_ns: int) -> None:
        """Forget the demands after a stop command; from now on the actuator must stand still."""
        self._demands.clear()
        self._stopped_ns = t_ns

    def measure(
        self,
        now_ns: int,
        track: ActuatorTrack,
        wanted_mm: Triple | None,
        target_mm: Triple | None,
        *,
        beam: bool,
    ) -> Following | None:
        """Measure how the actuator follows now; ``None`` while it reports no position.

        ``wanted_mm`` is where the actuator should be one latency from now, and ``target_mm`` where
        it should be for the target as estimated now; both are ``None`` while it is not in motion.
        ``beam``: whether the beam is permitted.
        """
        offset = None
        if wanted_mm is not None and target_mm is not None:
            self._aims.append((now_ns + self._latency_ns, wanted_mm))
            here = track.at(now_ns)
            if here is not None:
                self._measure_offset(now_ns, here, target_mm, beam=beam)
                offset = self._offset_mm
        position, newest_ns, demands = track.newest_mm, track.newest_ns, self._demands
        if position is None or now_ns - newest_ns > SILENT_NS:
            return None
        if 0 <= self._stopped_ns < newest_ns - self._braked_ns:
            self._stopped_ns = -1
            demands.append((newest_ns - self._latency_ns, position))
        if not demands:
            return Following(None, None, offset, self._settled, self._begun)
        error = self._distance_from_demand(newest_ns, position)
        aim = None
        if wanted_mm is not None:
            aim = self._distance_to_reachable(wanted_mm, demands[-1][1])
            if not self._settled and aim <= self._aim_limit_mm:
                self._settled = error is not None and self._offset_mm <= self._settled_mm
            self._judge_reach(aim)
        return Following(error, aim, offset, self._settled, self._begun, self._out_of_reach)

    def _judge_reach(self, aim_mm: float) -> None:
        """Note whether demand or beam are too far from where they should be, or near again."""
        share = max(aim_mm / self._aim_limit_mm, self._offset_mm / self._off_limit_mm)
        if not self._settled or share <= BACK_SHARE:
            self._out_of_reach = False
        elif share > 1.0:
            self._out_of_reach = True

    def _measure_offset(
        self, now_ns: int, here_mm: Triple, target_mm: Triple, *, beam: bool
    ) -> None:
        """Measure beam from target, and average how far the actuator is from what was predicted."""
        dt = 0.0 if self._last_ns < 0 else min(0.1, (now_ns - self._last_ns) * 1e-9)
        self._last_ns = now_ns
        self._offset_mm = dist(here_mm, target_mm)
        aims, aim = self._aims, None
        while aims and aims[0][0] <= now_ns:
            aim = aims.popleft()[1]
        if aim is not None and beam:
            share = min(1.0, dt / _MEMORY_S)
            (px, py, pz), (ax, ay, az), (a, b, c) = here_mm, aim, self.variance_mm2
            self.variance_mm2 = (
                a + share * ((px - ax) ** 2 - a),
                b + share * ((py - ay) ** 2 - b),
                c + share * ((pz - az) ** 2 - c),
            )

    def _distance_to_reachable(self, wanted_mm: Triple, demand_mm: Triple) -> float:
        """Give the distance of a demand from the wanted position, without what no step reaches."""
        if not self._in_steps:
            return dist(wanted_mm, demand_mm)
        return math.hypot(
            *(
                max(0.0, abs(w - d) - left)
                for w, d, left in zip(wanted_mm, demand_mm, self._unreachable_mm, strict=True)
            )
        )

    def _distance_from_demand(self, t_ns: int, position_mm: Triple) -> float | None:
        """Give the distance from the nearest demand that may be answered at ``t_ns``.

        The oldest one that is near enough ends the search. ``None`` while no demand is one
        latency old.
        """
        demands = self._demands
        oldest_ns = t_ns - self._oldest_ns
        while len(demands) > 1 and demands[1][0] <= oldest_ns:
            demands.popleft()
        if demands[0][0] > t_ns - self._latency_ns:
            return None
        newest_ns = t_ns - self._newest_ns
        near, nearest = self._near_mm, math.inf
        for at_ns, demand in demands:
            if at_ns > newest_ns:
                break
            apart = dist(demand, position_mm)
            if apart < nearest:
                nearest = apart
                if nearest <= near:
                    break
        return nearest
