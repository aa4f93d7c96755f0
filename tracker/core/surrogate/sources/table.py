"""The table of source kinds: a new kind of surrogate source is one new file and one row here."""

from __future__ import annotations

from collections.abc import Sequence

from tracker.core.surrogate.sources.belt import BELT
from tracker.core.surrogate.sources.markers import MARKERS
from tracker.core.surrogate.sources.source import SourceKind, SourceSettings

SourceKinds = Sequence[SourceKind]

SOURCE_KINDS: SourceKinds = (MARKERS, BELT)


def kind_of(settings: SourceSettings, kinds: SourceKinds = SOURCE_KINDS) -> SourceKind:
    """Return the row that a source's settings belong to; raises `LookupError` when none does."""
    for kind in kinds:
        if type(settings) is kind.settings:
            return kind
    names = ", ".join(kind.settings.__name__ for kind in kinds)
    raise LookupError(f"{type(settings).__name__} is of no source kind; known settings: {names}")
