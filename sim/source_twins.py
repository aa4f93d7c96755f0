"""List the source twins: a new kind of surrogate source is one new file and one row here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.belt import BELT
from sim.camera import MARKERS
from sim.scenario import RoomScenario, SourceTwinSettings, Twin
from sim.source_twin import SourceTwinKind

SOURCE_TWINS: tuple[SourceTwinKind, ...] = (MARKERS, BELT)

SourceTwins = Sequence[SourceTwinKind]


def twin_kind_of(settings: SourceTwinSettings, kinds: SourceTwins = SOURCE_TWINS) -> SourceTwinKind:
    """Return the row that a twin's settings belong to; raises `LookupError` when none does."""
    for kind in kinds:
        if type(settings) is kind.settings:
            return kind
    raise LookupError(f"{type(settings).__name__} belongs to no kind of source twin")


def source_settings(room: RoomScenario) -> dict[str, SourceTwinSettings]:
    """Return the settings of every source's twin by name, camera and belt first."""
    return {"camera": room.camera, "belt": room.belt, **room.sources}


def befallen_as(room: RoomScenario, kinds: SourceTwins = SOURCE_TWINS) -> Mapping[str, Twin]:
    """Return the names of further sources, and the twin whose mishaps each can have."""
    return {name: twin_kind_of(twin, kinds).befalls for name, twin in room.sources.items()}
