"""The figures a run measures: lateness of ticks, computing times, and counts of each device."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tracker.live.devices.device import DeviceFigures
from tracker.live.durations import DurationFigures, Durations


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a run."""

    ticks: int
    skipped_ticks: int
    lateness: DurationFigures
    tick: DurationFigures
    """From the beginning of a tick until its last command was handed to its device."""
    sample_to_demand: DurationFigures
    """Decoding and handling the newest surrogate sample, and the tick that sent the demand; for a
    machine that follows nothing, the tick that sent the permit."""
    journal: DurationFigures
    """Appending the records of one event."""
    devices: list[DeviceFigures]


class RunMeasurements:
    """Collects the durations while the run goes on."""

    def __init__(self) -> None:
        self.ticks = self.skipped_ticks = 0
        self.lateness, self.tick = Durations(), Durations()
        self.sample_to_demand, self.journal = Durations(), Durations()

    def figures(self, devices: Sequence[DeviceFigures]) -> RunFigures:
        """Return what was measured so far, with the devices' own figures."""
        return RunFigures(
            ticks=self.ticks,
            skipped_ticks=self.skipped_ticks,
            lateness=self.lateness.figures(),
            tick=self.tick.figures(),
            sample_to_demand=self.sample_to_demand.figures(),
            journal=self.journal.figures(),
            devices=list(devices),
        )


def describe(figures: RunFigures) -> str:
    """Return the figures as lines for the terminal."""
    lines = [
        f"ticks {figures.ticks}, skipped {figures.skipped_ticks}",
        f"{'tick lateness':<24}{figures.lateness.describe()}",
        f"{'tick':<24}{figures.tick.describe()}",
        f"{'sample to demand':<24}{figures.sample_to_demand.describe()}",
        f"{'journal, an event':<24}{figures.journal.describe()}",
    ]
    for device in figures.devices:
        counts = device.counts
        lines.append(
            f"{device.device}: {counts.samples} samples, {counts.bad_samples} bad, "
            f"{counts.openings} openings {device.identity}".rstrip()
        )
        lines.append(f"  {'bytes in to done':<22}{device.arrival.describe()}")
        if device.hop.count:
            lines.append(f"  {'controller to driver':<22}{device.hop.describe()}")
        if device.late_replies is not None:
            lines.append(f"  late replies {device.late_replies} of {device.cycles}")
    return "\n".join(lines)
