"""A machine without an actuator: nothing is demanded, and the beam is where it was planned.

It stands in for `Motion` where the machine only switches the beam. How far the target is from the
beam is measured in the same way, so the checks of that distance serve it too.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

from hal.messages import Triple
from tracker.core.machine.following import Following
from tracker.core.machine.motion import NoDemand
from tracker.core.machine.position_history import ActuatorTrack

_PLANNED: Final[Triple] = (0.0, 0.0, 0.0)
_NOTHING: Final = NoDemand()
_BEGAN: Final = NoDemand(began=True)


class MachineMotion(Protocol):
    """What the engine asks of the motion of a machine; `Motion` and `NoMotion` provide it."""

    @property
    def moving(self) -> bool:
        """Whether the actuator is in motion, or the machine without one in use."""
        ...

    @property
    def settled(self) -> bool:
        """Whether the machine has been where it should be since motion began."""
        ...

    @property
    def out_of_reach(self) -> bool:
        """Whether the machine is too far from the target just now, so that the beam is off."""
        ...

    @property
    def variance_mm2(self) -> Triple:
        """The actuator's share of the error region, per axis (mm^2)."""
        ...

    def follow(
        self,
        now_ns: int,
        track: ActuatorTrack,
        wanted_mm: Triple | None,
        target_mm: Triple | None,
        *,
        beam: bool,
    ) -> Following | None:
        """Measure how the machine follows now."""
        ...

    def stop(self, t_ns: int) -> None:
        """Stop, because the session ended or holds still."""
        ...

    def step(
        self, t_ns: int, wanted_mm: Triple | None, velocity_mm_s: Triple, here: Triple | None
    ) -> Triple | NoDemand:
        """Take one step towards the wanted position and give the demand, or why there is none."""
        ...


class NoMotion:
    """Measures how far the target is from the planned position; moves nothing."""

    variance_mm2: Triple = _PLANNED
    """Nothing moves, so nothing is added to the error region."""
    out_of_reach = False
    """What does not follow cannot be too far behind; a check judges its distance."""

    def __init__(self) -> None:
        """Begin out of use."""
        self._moving = False
        self._begun = 0

    @property
    def moving(self) -> bool:
        """Whether the machine is in use and the target known."""
        return self._moving

    @property
    def settled(self) -> bool:
        """Whether the machine is in use; the beam is always where it was planned."""
        return self._moving

    def follow(
        self,
        now_ns: int,
        track: ActuatorTrack,
        wanted_mm: Triple | None,
        target_mm: Triple | None,
        *,
        beam: bool,
    ) -> Following | None:
        """Measure the distance of the target from the planned position, while in use."""
        offset = None
        if self._moving and target_mm is not None:
            offset = math.hypot(*target_mm)
        return Following(None, None, offset, self._moving, self._begun)

    def stop(self, t_ns: int) -> None:
        """End the use of the machine."""
        self._moving = False

    def step(
        self, t_ns: int, wanted_mm: Triple | None, velocity_mm_s: Triple, here: Triple | None
    ) -> NoDemand:
        """Demand nothing; ``wanted_mm`` is ``None`` while the target is not known."""
        if wanted_mm is None:
            self._moving = False
            return _NOTHING
        if self._moving:
            return _NOTHING
        self._moving = True
        self._begun += 1
        return _BEGAN
