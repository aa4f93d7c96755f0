"""The state of the surrogate stage at one tick: the breathing state, and each source.

The checks read these records and nothing else of the surrogate. Times are nanoseconds of the run.
"""

from __future__ import annotations

import msgspec

from tracker.core.surrogate.breathing import BreathingRange, BreathingState
from tracker.core.surrogate.sources.traits import Form

Finding = tuple[int, str]
"""When something was found wrong with a sample (arrival, ns), and what it was."""


class SourceReport(msgspec.Struct, frozen=True, gc=False):
    """What one source of the surrogate (a camera, a belt) has shown so far."""

    device: str
    form: Form
    """What it measures."""
    frozen: int = 0
    """How many samples in a row repeated the one before."""
    jumped_ns: int = -1
    """Arrival of the last sample whose counter left its line against the host clock; -1: none."""
    fast: Finding | None = None
    """The last sample in which a marker moved faster than breathing moves it."""
    bad: Finding | None = None
    """The last sample with values that cannot be."""
    clock_set: Finding | None = None
    """The last sample that was refused because the device's clock was set by much."""
    delivery: str = ""
    """How the samples come otherwise than at the nominal rate; empty: as they should."""
    newest_ns: int = -1
    """Exposure time of the newest sample that the breathing state rests on; -1: none yet."""


class SurrogateReport(msgspec.Struct, frozen=True, gc=False):
    """The surrogate at one tick."""

    ready: bool = False
    """Whether the quiet breathing was learned, so that there can be a breathing state."""
    state: BreathingState | None = None
    """The breathing state now; ``None`` while it is unknown."""
    span: BreathingRange | None = None
    """The range of the last breaths; ``None`` until some have been seen."""
    sources: tuple[SourceReport, ...] = ()
    """One report for each source that is configured, in any number."""
    novelty: str = ""
    """What is unusual about the breathing; empty: nothing."""
    misplaced: str = ""
    """Which marker lies where none can lie; empty: none does."""
