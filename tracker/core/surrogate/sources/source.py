"""What a surrogate source is: a sensor whose samples say where the patient is in the breath.

There are two forms of measurement. A source of *points* gives positions in the patient frame (mm);
learning finds the direction in which each point moves, and the filter gets its displacement along
it. A source of one *value* gives a number in a unit of its own; learning finds gain and offset
against the common amplitude, and the filter goes on estimating both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from keyword import iskeyword
from typing import Annotated, Any, NamedTuple, Protocol

from msgspec import Meta

from hal.messages import Message, Triple
from tracker.core.frames import Orientation
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.settings_record import Name, Settings
from tracker.core.surrogate.sources.record import SampleRecord
from tracker.core.surrogate.sources.traits import SourceTraits

Reading = tuple[int, Sequence[float]]
"""When a sample was taken (ns), and what it says.

While a source of points learns: x, y, z of each point (mm, patient frame), NaN for an unseen one.
Once directions are learned: the displacement of each point (mm), NaN for an unseen one. A source of
a value always gives that one value.
"""

Direction = tuple[Triple, Triple]
"""A point at rest (mm, patient frame) and the unit vector along which breathing moves it."""


RESERVED_NAMES = frozenset(
    {"camera", "belt", "imager", "actuator", "gate", "gateway", "latency_file"}
    | {"patient", "controller", "recorder", "plan"}
)
"""Names with a meaning of their own: other sections, and what mishaps happen to."""


def is_source_name(name: str) -> bool:
    """Return whether a further source may have this name."""
    fits = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", name) is not None
    return fits and name not in RESERVED_NAMES and not iskeyword(name)


class SourceSettings(Settings, frozen=True, kw_only=True):
    """The settings that every kind of source has."""

    enabled: bool = True
    device: Name
    rate_hz: Annotated[float, Meta(ge=1, le=1000)]
    delay_ms: Annotated[float, Meta(ge=0, le=500)]


class SourceLimits(NamedTuple):
    """What a source needs to know of the patient: how he lies, and how far and fast breath goes."""

    orientation: Orientation
    speed_mm_s: float
    """No breathing moves a point faster."""
    envelope_mm: float
    """No breathing moves a point farther from where it rests."""


class Source(Protocol):
    """One sensor: judges its samples and turns them into readings at their exposure time."""

    @property
    def traits(self) -> SourceTraits:
        """Its form, rate and noise."""
        ...

    @property
    def record(self) -> SampleRecord:
        """What the device's samples have shown so far."""
        ...

    @property
    def misplaced(self) -> str:
        """What lies where no patient can be, as a sentence; empty when all is well."""
        ...

    def receive(self, message: Any, couch: ActuatorTrack | None) -> Reading | None:
        """Judge one message and return its reading; ``None`` when it cannot be used.

        ``couch`` is the track of a couch that carries the patient, else ``None``.
        """
        ...

    def displacements(self, values: Sequence[float]) -> Sequence[float]:
        """Convert a reading of the learning phase to what the filter takes."""
        ...

    def use(self, directions: tuple[Direction, ...]) -> None:
        """Start to give readings for the filter, with the learned directions of its points."""
        ...

    def forget(self) -> None:
        """Forget the patient; the clock and the last sample stay."""
        ...


def always_shows_breath(message: Any) -> bool:
    """Return that every message says something of the breath."""
    return True


class SourceKind(NamedTuple):
    """One row of the table: a kind of source."""

    name: str
    """What the configuration calls it: ``kind = "markers"``."""
    message: type[Message]
    """The message its device sends."""
    settings: type[SourceSettings]
    make: Callable[[Any, SourceLimits], Source]
    """Makes a source from an instance of ``settings``."""
    shows_breath: Callable[[Any], bool] = always_shows_breath
    """Tells whether a message says anything of the breath; a frame without any marker does not."""
