"""A measured latency on disk, and the check that refuses a start with another latency.

``tidetrack latency`` measures and writes the file. ``tidetrack run`` compares it with
``timing.latency_ms`` and does not start where they are more than 20 ms apart: every prediction
would be for the wrong moment.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hal.sealed import SealError, read_sealed, write_sealed
from tracker.config import Configuration, ConfigurationError

TOLERATED_MS = 20.0


class MeasuredLatency(msgspec.Struct, frozen=True, kw_only=True):
    """What one measurement found."""

    device: str
    latency_ms: float
    """Demand sent to motion done, for slow motion."""
    error_ms: float
    """Standard error."""
    breathing_ms: float
    """The same at 0.25 Hz: what the actuator's dynamics add there."""
    gain: float
    configured_ms: float
    made: str
    where: str
    """``room``: in the simulated room on virtual time; ``wires``: on the configured wires."""

    @property
    def agrees(self) -> bool:
        """Whether it is near enough to the latency of the configuration."""
        return abs(self.latency_ms - self.configured_ms) <= TOLERATED_MS


def write_latency(path: Path, found: MeasuredLatency) -> None:
    """Write the file, with a checksum over it."""
    write_sealed(path, found)


def refuse_other_latency(configuration: Configuration) -> None:
    """Raise `ConfigurationError` where the measurement the configuration names disagrees."""
    wires = configuration.wires
    if wires is None or not wires.latency_file:
        return
    path = configuration.folder / wires.latency_file
    try:
        found = read_sealed(path, MeasuredLatency)
    except SealError as error:
        line = f"{error}; measure with tidetrack latency --out {path}"
        raise ConfigurationError([line]) from None
    timing, device = configuration.controller.timing, configuration.controller.actuator.device
    if found.device != device:
        line = f"{path}: measured on {found.device}, the actuator is {device}; measure again"
        raise ConfigurationError([line])
    if abs(found.latency_ms - timing.latency_ms) > TOLERATED_MS:
        raise ConfigurationError(
            [
                f"timing.latency_ms is {timing.latency_ms:g}, measured were {found.latency_ms:.0f}"
                f" ms ({found.made}), more than {TOLERATED_MS:g} ms apart; correct it, or find "
                "out what changed"
            ]
        )
