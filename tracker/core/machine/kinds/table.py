"""The table of treatment machines: one row a kind, found by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tracker.core.machine.kinds.couch import COUCH
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.machine.kinds.robot import ROBOT

MachineKinds = Mapping[str, MachineKind]

MACHINE_KINDS: Final[MachineKinds] = MappingProxyType(
    {kind.name: kind for kind in (COUCH, ROBOT)},
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
