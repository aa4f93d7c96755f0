"""Bring samples onto one uniform grid of time, and into 16 bits: what a DICOM waveform can hold."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.report.errors import LONGEST_GAP_S

Vector = NDArray[np.float64]
Counts = NDArray[np.int16]

FASTEST_HZ = 100.0
FINEST_MM = 0.001
LARGEST_COUNT = 32767
PADDING = -32768
"""The count that stands for a sample that is not there."""


class SampleGrid(NamedTuple):
    """Moments at a constant rate: ``samples`` of them from ``start_ns`` on."""

    start_ns: float
    rate_hz: float
    samples: int

    @property
    def times_ns(self) -> Vector:
        """The moments of the samples."""
        numbers = np.arange(self.samples, dtype=np.float64)
        return self.start_ns + numbers * (1e9 / self.rate_hz)


def grid_of(times_ns: Vector) -> SampleGrid:
    """Return the grid that fits these moments, with at most 100 samples a second.

    The rate is the usual one of the samples; one within 1 % of a whole number is that number.
    """
    step = float(np.median(np.diff(times_ns)))
    rate = 1e9 / step
    if abs(rate - round(rate)) <= 0.01 * rate:
        rate = float(round(rate))
    if rate > FASTEST_HZ:
        rate /= float(np.ceil(rate / FASTEST_HZ))
    start, end = float(times_ns[0]), float(times_ns[-1])
    return SampleGrid(start, rate, int((end - start) * rate / 1e9 + 1e-6) + 1)


def on_grid(grid: SampleGrid, times_ns: Vector, values: Vector) -> Vector:
    """Return the values at the grid's moments, NaN outside of them and in gaps over 0.1 s."""
    at = grid.times_ns
    keep = np.append(np.diff(times_ns) > 0, True)
    times, kept = times_ns[keep], values[keep]
    found = np.interp(at, times, kept, left=np.nan, right=np.nan)
    if len(times) < 2:
        return found
    after = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    is_exact = (at == times[after]) | (at == times[after - 1])
    found[(times[after] - times[after - 1] > LONGEST_GAP_S * 1e9) & ~is_exact] = np.nan
    return found


class Encoded(NamedTuple):
    """Values as counts: value = count * ``step_mm`` + ``baseline_mm``."""

    counts: Counts
    step_mm: float
    baseline_mm: float


def encoded(values: Vector) -> Encoded:
    """Return values in mm as counts of 1 µm; coarser only where the range is over 65 mm."""
    known = np.isfinite(values)
    if not known.any():
        return Encoded(np.full(len(values), PADDING, dtype=np.int16), FINEST_MM, 0.0)
    low, high = float(values[known].min()), float(values[known].max())
    baseline = 0.0
    if max(-low, high) > FINEST_MM * LARGEST_COUNT:
        baseline = round((low + high) / 2.0, 3)
    reach = max(high - baseline, baseline - low)
    step = max(FINEST_MM, math.ceil(reach / LARGEST_COUNT * 1e6) / 1e6)
    counts = np.full(len(values), PADDING, dtype=np.int16)
    counts[known] = np.round((values[known] - baseline) / step).astype(np.int16)
    return Encoded(counts, step, baseline)
