"""Judge a device by its samples: rate, jitter, loss, drift and noise. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.messages import ActuatorStatus, BeltSample, MarkerFrame, Sample

Floats = NDArray[np.float64]


class Findings(NamedTuple):
    """What was found; ``None`` for what a device of this kind does not tell."""

    samples: int
    rate_hz: float | None
    jitter_ms: float | None
    """Standard deviation of the arrivals about a straight line over the counter. Without a counter:
    standard deviation of the intervals, divided by the square root of two."""
    longest_gap_ms: float | None
    lost: int | None
    """The numbers missing in the counter."""
    drift_ppm: float | None
    """How much faster than its nominal rate the counter runs, measured by the host's clock."""
    noise: float | None
    """Standard deviation of a sample, from third differences; millimetres or the belt's unit."""


def findings_of(samples: Sequence[Sample], nominal_hz: float | None = None) -> Findings:
    """Return the findings for the samples of one device, given in the order they came."""
    arrivals = np.array([sample.t_ns for sample in samples]) / 1e9
    if len(arrivals) < 8:
        return Findings(len(arrivals), None, None, None, None, None, None)
    ticks = np.array([getattr(sample, "ticks", np.nan) for sample in samples], dtype=np.float64)
    counted = isinstance(samples[0], MarkerFrame | BeltSample)
    steps = ticks if counted else np.arange(len(arrivals), dtype=np.float64)
    slope, offset = np.polyfit(steps, arrivals, 1)
    about_line = float(np.std(arrivals - slope * steps - offset))
    jitter_s = about_line if counted else float(np.std(np.diff(arrivals))) / np.sqrt(2.0)
    lost = int(ticks[-1] - ticks[0] + 1 - len(ticks)) if counted else None
    drift = 1e6 * (1.0 / (slope * nominal_hz) - 1.0) if counted and nominal_hz else None
    return Findings(
        samples=len(arrivals),
        rate_hz=(len(arrivals) - 1) / float(arrivals[-1] - arrivals[0]),
        jitter_ms=1e3 * jitter_s,
        longest_gap_ms=1e3 * float(np.max(np.diff(arrivals))),
        lost=lost,
        drift_ppm=drift,
        noise=_noise(samples),
    )


def _noise(samples: Sequence[Sample]) -> float | None:
    """Return the noise of the samples, from their third differences.

    Breathing is smooth over four samples, so the third differences hold the noise alone. For white
    noise their variance is 20 times that of a sample.
    """
    columns: list[list[float]] = []
    if isinstance(samples[0], MarkerFrame):
        for index in range(len(samples[0].markers_mm)):
            seen = [s.markers_mm[index] for s in samples if isinstance(s, MarkerFrame)]
            columns += [[p[axis] for p in seen if p is not None] for axis in range(3)]
    elif isinstance(samples[0], BeltSample):
        columns.append([s.value_au for s in samples if isinstance(s, BeltSample)])
    elif isinstance(samples[0], ActuatorStatus):
        moved = [s.position_mm for s in samples if isinstance(s, ActuatorStatus)]
        columns += [[p[axis] for p in moved] for axis in range(3)]
    found = [float(np.var(np.diff(c, 3))) / 20.0 for c in columns if len(c) >= 8]
    return float(np.sqrt(np.mean(found))) if found else None
