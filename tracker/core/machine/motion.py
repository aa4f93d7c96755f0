"""Motion: from the aim to the next demand, past keep-out and guard, or standing still.

Motion begins where the actuator stands, at rest. Without an aim, or after a gap since the last
demand, the way is unknown: the actuator stands still and motion begins anew.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hal.messages import Triple
from tracker.core.machine.guard import DemandGuard
from tracker.core.machine.keep_out import KeepOutVolumes
from tracker.core.machine.steering import Steering

_LONGEST_GAP_NS: Final = 100_000_000

KEEP_OUT: Final = "keep-out"
REFUSED: Final = "demand refused"


class Aim(NamedTuple):
    """Where the actuator should be when a demand takes effect, and how fast; the fixed frame."""

    position_mm: Triple
    velocity_mm_s: Triple


class MotionStep(NamedTuple):
    """What follows for the actuator: a demand, a stop, a beginning, or a fault with its detail."""

    demand_mm: Triple | None = None
    stop: bool = False
    began: bool = False
    fault: str = ""
    detail: str = ""


class Motion:
    """Whether the actuator is in motion, and the way its demands take."""

    def __init__(self, steering: Steering, guard: DemandGuard, keepout: KeepOutVolumes) -> None:
        """Put the parts together; the actuator stands still."""
        self._steering = steering
        self._guard = guard
        self._keepout = keepout
        self._demanded_ns = -1
        self.moving = False

    def stand_still(self) -> MotionStep:
        """Stop, if it moves."""
        stop, self.moving = self.moving, False
        return MotionStep(stop=stop)

    def step(self, t_ns: int, aim: Aim | None, here: Triple | None) -> MotionStep:
        """Take one step towards the aim; ``here`` is where the actuator was last reported."""
        if aim is None or (self.moving and t_ns - self._demanded_ns > _LONGEST_GAP_NS):
            return self.stand_still()
        if not self.moving:
            return MotionStep() if here is None else self._begin(t_ns, here)
        demand = self._steering.toward(t_ns, aim.position_mm, aim.velocity_mm_s)
        near = self._keepout.judge(here or demand, demand, self._steering.velocity)
        if near is not None:
            return self.stand_still()._replace(fault=KEEP_OUT, detail=near)
        refusal = self._guard.judge(t_ns, demand)
        if refusal is not None:
            return MotionStep(fault=REFUSED, detail=refusal)
        self._demanded_ns = t_ns
        return MotionStep(demand_mm=demand)

    def _begin(self, t_ns: int, here: Triple) -> MotionStep:
        self.moving = True
        self._demanded_ns = t_ns
        self._steering.start(t_ns, here)
        self._guard.start(t_ns, here)
        return MotionStep(began=True)
