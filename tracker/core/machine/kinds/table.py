"""The table of treatment machines: one row a kind, found by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tracker.core.machine.geometry import ALL_AXES, NO_AXIS, Followed, MachineAngles
from tracker.core.machine.kinds.couch import COUCH
from tracker.core.machine.kinds.gate import GATE
from tracker.core.machine.kinds.gimbal import GIMBAL
from tracker.core.machine.kinds.jaws import JAWS
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.machine.kinds.mlc import MLC
from tracker.core.machine.kinds.robot import ROBOT

MachineKinds = Mapping[str, MachineKind]

MACHINE_KINDS: Final[MachineKinds] = MappingProxyType(
    {kind.name: kind for kind in (COUCH, ROBOT, GATE, GIMBAL, MLC, JAWS)},
)


def machine_kind(name: str, kinds: MachineKinds = MACHINE_KINDS) -> MachineKind:
    """Return the kind with this name; raises ``ValueError`` that lists the known kinds."""
    if name not in kinds:
        known = ", ".join(kinds)
        raise ValueError(f'actuator.kind: "{name}" is not one of {known}; choose one of them')
    return kinds[name]


def words_for(name: str, kinds: MachineKinds = MACHINE_KINDS) -> str:
    """Return what people call this kind; a kind that is not in the table keeps its name."""
    return kinds[name].words if name in kinds else name


def judges_in_beams_eye(name: str, kinds: MachineKinds = MACHINE_KINDS) -> bool:
    """Tell whether only beam's-eye view is judged of this kind; of an unknown kind, all is."""
    return name in kinds and kinds[name].in_beams_eye


def followed_in_view(name: str, kinds: MachineKinds = MACHINE_KINDS) -> Followed:
    """Return which axes of the fixed frame this kind follows as far as they are seen by the beam.

    A machine that follows in beam's-eye view follows all that is seen; one that follows nothing,
    nothing. Of an unknown kind all axes are taken as followed.
    """
    if name not in kinds:
        return ALL_AXES
    kind = kinds[name]
    follows = kind.axes("HFS", MachineAngles()).follows
    if kind.in_beams_eye:
        return ALL_AXES if any(follows) else NO_AXIS
    return follows
