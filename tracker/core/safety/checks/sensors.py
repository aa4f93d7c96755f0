"""Check the samples of each breathing sensor: values, clock, repeats, speed, place (H02-H05, H12).

Every sensor is judged by itself, in any number. The detail names the device.
"""

from __future__ import annotations

from typing import Final

from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller

_RECENT_NS: Final = 200_000_000
"""How long a bad sample is held against its sensor."""


class SensorCheck:
    """Holds the beam while a breathing sensor cannot be believed."""

    def __init__(self, settings: Controller) -> None:
        """Take the limits from the settings."""
        self._frozen_samples = settings.gating.frozen_samples

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Look at every source of the surrogate."""
        sources, recent_ns = now.surrogate.sources, now.now_ns - _RECENT_NS
        for source in sources:
            if source.bad is not None and source.bad[0] > recent_ns:
                found[FaultName.BAD_SAMPLES] = source.bad[1]
        for source in sources:
            if 0 <= source.jumped_ns > recent_ns:
                found[FaultName.CLOCK_JUMP] = (
                    f"{source.device}: its counter no longer runs with the computer's clock"
                )
        for source in sources:
            if source.clock_set is not None and source.clock_set[0] > recent_ns:
                found[FaultName.CLOCK_SET] = source.clock_set[1]
        for source in sources:
            if source.delivery:
                found[FaultName.SENSOR_RATE] = f"{source.device}: {source.delivery}"
        for source in sources:
            if source.frozen >= self._frozen_samples:
                found[FaultName.SENSOR_FROZEN] = (
                    f"{source.device}: {source.frozen} identical samples, "
                    f"limit {self._frozen_samples}"
                )
        for source in sources:
            if source.fast is not None and source.fast[0] > recent_ns:
                found[FaultName.IRREGULAR_BREATHING] = source.fast[1]
        if now.surrogate.misplaced:
            found[FaultName.MARKERS_MISPLACED] = now.surrogate.misplaced
