"""Motion: from the wanted position to the next demand, past keep-out and guard, or standing still.

Motion begins where the actuator stands, at rest. Without a wanted position, or after a gap since
the last demand, the way is unknown: the actuator stands still and motion begins anew.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hal.messages import Triple
from tracker.core.machine.following import Follower, Following
from tracker.core.machine.guard import DemandGuard
from tracker.core.machine.keep_out import KeepOutVolumes
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.machine.steering import Steering

_LONGEST_GAP_NS: Final = 100_000_000


class NoDemand(msgspec.Struct, frozen=True, gc=False):
    """Why a step of motion led to no demand, and what follows from that."""

    began: bool = False
    """Motion has just begun."""
    stop: bool = False
    """The actuator must be told to stop."""
    keep_out: str = ""
    """Which keep-out volume the way comes too near; empty: none."""
    refused: str = ""
    """Which limit of the guard the demand broke; empty: none."""


_NOTHING: Final = NoDemand()
_BEGAN: Final = NoDemand(began=True)
_STOP: Final = NoDemand(stop=True)


class Motion:
    """Whether the actuator is in motion, the way its demands take, and how it follows them."""

    _demanded_ns: int

    def __init__(
        self,
        steering: Steering,
        guard: DemandGuard,
        keepout: KeepOutVolumes,
        follower: Follower,
    ) -> None:
        """Put the parts together; the actuator stands still."""
        self._steering = steering
        self._guard = guard
        self._keepout = keepout
        self._follower = follower
        self._moving = False

    @property
    def moving(self) -> bool:
        """Whether the actuator is in motion."""
        return self._moving

    @property
    def settled(self) -> bool:
        """Whether it is in motion, and has been where it should be since motion began."""
        return self._moving and self._follower.settled

    @property
    def out_of_reach(self) -> bool:
        """Whether it is in motion, and too far from the target just now."""
        return self._moving and self._follower.out_of_reach

    @property
    def variance_mm2(self) -> Triple:
        """The actuator's share of the error region, per axis (mm^2)."""
        return self._follower.variance_mm2

    def follow(
        self,
        now_ns: int,
        track: ActuatorTrack,
        wanted_mm: Triple | None,
        target_mm: Triple | None,
        *,
        beam: bool,
    ) -> Following | None:
        """Measure how the actuator follows now; see `Follower.measure`."""
        if not self._moving:
            wanted_mm = target_mm = None
        return self._follower.measure(now_ns, track, wanted_mm, target_mm, beam=beam)

    def stop(self, t_ns: int) -> None:
        """Stop, because the session ended or holds still: the caller tells the actuator."""
        self._moving = False
        self._follower.stop(t_ns)

    def step(
        self, t_ns: int, wanted_mm: Triple | None, velocity_mm_s: Triple, here: Triple | None
    ) -> Triple | NoDemand:
        """Take one step towards the wanted position and give the demand to be sent.

        ``wanted_mm`` and ``velocity_mm_s`` are where the actuator should be when the demand takes
        effect, and how fast it should move there; ``here`` is where it was last reported.
        """
        if wanted_mm is None or (self._moving and t_ns - self._demanded_ns > _LONGEST_GAP_NS):
            return self._stand_still(t_ns)
        if not self._moving:
            return _NOTHING if here is None else self._begin(t_ns, here)
        demand = self._steering.toward(t_ns, wanted_mm, velocity_mm_s)
        near = self._keepout.judge(here or demand, demand, self._steering.velocity)
        if near is not None:
            self.stop(t_ns)
            return NoDemand(stop=True, keep_out=near)
        refusal = self._guard.judge(t_ns, demand)
        if refusal is not None:
            return NoDemand(refused=refusal)
        self._demanded_ns = t_ns
        self._follower.add_demand(t_ns, demand)
        return demand

    def _stand_still(self, t_ns: int) -> NoDemand:
        """Stop, if the actuator moves."""
        if not self._moving:
            return _NOTHING
        self.stop(t_ns)
        return _STOP

    def _begin(self, t_ns: int, here: Triple) -> NoDemand:
        """Begin motion where the actuator stands."""
        self._moving = True
        self._demanded_ns = t_ns
        self._steering.start(t_ns, here)
        self._guard.start(t_ns, here)
        self._follower.begin()
        return _BEGAN
