"""Dose-volume figures of points that each stand for an equal volume."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class DoseVolume(NamedTuple):
    """The dose-volume histogram of a structure: its doses, sorted upwards, and its volume."""

    sorted_gy: Vector
    volume_cc: float

    @staticmethod
    def of(dose_gy: Vector, volume_cc: float) -> DoseVolume:
        """Return the histogram of the doses at points of equal volume."""
        return DoseVolume(np.sort(dose_gy), volume_cc)

    def dose_at(self, percent: float) -> float:
        """Return the dose that ``percent`` of the volume gets at least: D95 is ``dose_at(95)``."""
        count = len(self.sorted_gy)
        middles = (np.arange(count) + 0.5) / count
        return float(np.interp(1.0 - percent / 100.0, middles, self.sorted_gy))

    def dose_at_cc(self, volume_cc: float) -> float:
        """Return the dose that the hottest ``volume_cc`` get at least; the maximum in less."""
        return self.dose_at(min(100.0, 100.0 * volume_cc / self.volume_cc))

    def mean(self) -> float:
        """Return the mean dose."""
        return float(self.sorted_gy.mean())

    def share_of_at_least(self, dose_gy: float) -> float:
        """Return the share of the volume that gets at least a dose: 0 to 1."""
        below = np.searchsorted(self.sorted_gy, dose_gy, side="left")
        return 1.0 - float(below) / len(self.sorted_gy)

    def cc_below(self, dose_gy: float) -> float:
        """Return the volume that gets less than a dose, in cm³."""
        return self.volume_cc * (1.0 - self.share_of_at_least(dose_gy))

    def curve(self, top_gy: float, steps: int = 200) -> tuple[Vector, Vector]:
        """Return the cumulative histogram: doses in Gy, and percent of the volume."""
        doses = np.linspace(0.0, top_gy, steps + 1)
        below = np.searchsorted(self.sorted_gy, doses, side="left")
        return doses, 100.0 * (1.0 - below / len(self.sorted_gy))
