"""Example of a new kind of surrogate source: a strain gauge in a vest, read as a resistance.

This file and one row in the table of source kinds are all that a new kind needs. For the simulated
room its twin is one more row; here a belt's twin stands in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from hal.messages import BeltSample
from tracker.core.machine.position_history import ActuatorTrack
from tracker.core.surrogate.sources.record import SampleRecord
from tracker.core.surrogate.sources.source import (
    Direction,
    Reading,
    SourceKind,
    SourceLimits,
    SourceSettings,
)
from tracker.core.surrogate.sources.traits import Form, SourceTraits


class StrainGauge(SourceSettings, frozen=True, kw_only=True):
    """A resistance that grows with the chest; its logarithm is proportional to the strain."""

    rate_hz: Annotated[float, Meta(ge=5, le=200)] = 50.0
    delay_ms: Annotated[float, Meta(ge=0, le=500)] = 10.0
    noise: Annotated[float, Meta(gt=0)] = 0.005
    """Standard deviation of the resistance, as a share of it."""


class StrainGaugeSource:
    """Turns resistances into strain; a resistance that is not positive cannot be."""

    def __init__(self, settings: StrainGauge, limits: SourceLimits) -> None:
        del limits
        self.traits = SourceTraits(
            settings.device, Form.VALUE, settings.rate_hz, settings.noise, drift_per_s=0.001
        )
        self.record = SampleRecord(self.traits, settings.delay_ms)
        self.misplaced = ""

    def receive(self, message: BeltSample, couch: ActuatorTrack | None) -> Reading | None:
        """Judge one sample and return the strain at its exposure time."""
        if message.value_au <= 0.0:
            self.record.refuse(message.t_ns, f"resistance {message.value_au:g}, above 0 needed")
            return None
        t_ns = self.record.stamp(message.ticks, message.t_ns)
        return None if t_ns is None else (t_ns, (math.log(message.value_au),))

    def displacements(self, values: Sequence[float]) -> Sequence[float]:
        """Return the strain as it is."""
        return values

    def use(self, directions: tuple[Direction, ...]) -> None:
        """Do nothing: a value has no direction."""

    def forget(self) -> None:
        """Do nothing: a strain gauge remembers nothing of the patient."""


STRAIN_GAUGE = SourceKind("strain-gauge", BeltSample, StrainGauge, StrainGaugeSource)
