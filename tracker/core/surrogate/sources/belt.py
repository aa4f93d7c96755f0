"""A breathing belt as a surrogate source: one value in a unit of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from hal.messages import BeltSample
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.settings_record import Name
from tracker.core.surrogate.sources.record import SampleRecord
from tracker.core.surrogate.sources.source import (
    Direction,
    Reading,
    SourceKind,
    SourceLimits,
    SourceSettings,
)
from tracker.core.surrogate.sources.traits import Form, SourceTraits


class Belt(SourceSettings, frozen=True, kw_only=True):
    """The breathing belt; its unit is unknown, so gain and offset are estimated."""

    device: Name = "belt"
    rate_hz: Annotated[float, Meta(ge=5, le=1000)] = 100.0
    delay_ms: Annotated[float, Meta(ge=0, le=500)] = 5.0
    noise_au: Annotated[float, Meta(gt=0)] = 2.0
    gain_drift_per_s: Annotated[float, Meta(ge=0, le=0.1)] = 0.001
    """Random walk of gain and offset, as a share of the gain per square root of a second."""


class BeltSource:
    """Judges the samples of one belt: frozen, not finite, out of order."""

    def __init__(self, settings: Belt, limits: SourceLimits) -> None:
        """Start with an unknown clock; the ``limits`` are those of points and not needed."""
        self.traits = SourceTraits(
            settings.device,
            Form.VALUE,
            settings.rate_hz,
            settings.noise_au,
            settings.gain_drift_per_s,
        )
        self.record = SampleRecord(self.traits, settings.delay_ms)
        self._last: float | None = None
        self._in_use = False

    @property
    def misplaced(self) -> str:
        """Return no sentence: a value has no place."""
        return ""

    def receive(self, message: BeltSample, couch: ActuatorTrack | None) -> Reading | None:
        """Judge one sample; ``None`` when it is not finite, out of order, or repeats the last."""
        value, record = message.value_au, self.record
        frozen = record.count(repeated=value == self._last)
        self._last = value
        if not math.isfinite(value):
            record.refuse(message.t_ns, f"value {value} is no number")
            return None
        t_ns = record.stamp(message.ticks, message.t_ns)
        if t_ns is None or (frozen and self._in_use):
            return None
        return t_ns, (value,)

    def displacements(self, values: Sequence[float]) -> Sequence[float]:
        """Return the value as it is."""
        return values

    def use(self, directions: tuple[Direction, ...]) -> None:
        """Refuse repeated samples from now on; a value has no direction."""
        self._in_use = True

    def forget(self) -> None:
        """Go back to learning, where a belt at rest may repeat itself."""
        self._in_use = False


BELT = SourceKind("belt", BeltSample, Belt, BeltSource)
