"""The noise of a patch from one picture to the next.

Part of a depth camera's noise is shared by many pixels of one picture, so that the scatter of the
pixels does not show it. Breathing is smooth over four pictures: their third differences hold the
noise alone, and for white noise their variance is 20 times that of one value. Nothing later than
the newest picture is used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FEWEST = 10
"""Third differences from which on the noise in time is told."""
_MEMORY = 90
"""Pictures over which it is averaged: 3 s at 30 pictures a second."""
_LARGEST = 9.0
"""Times the mean square: a larger third difference is a cough or a step, and counts as this."""


class NoiseInTime:
    """The running noise of each patch."""

    def __init__(self, patches: int) -> None:
        """Start knowing nothing."""
        self._last: Floats = np.full((3, patches), np.nan)
        self._number = -1
        self._count = np.zeros(patches)
        self._variance = np.zeros(patches)

    def after(self, number: int, shift_mm: Floats) -> Floats:
        """Return the standard deviation (mm) of each patch, 0 while it is unknown.

        ``shift_mm`` are the displacements of the picture with this number, NaN for an unseen patch.
        """
        if number != self._number + 1:
            self._last[:] = np.nan
        self._number = number
        third = shift_mm - 3.0 * self._last[2] + 3.0 * self._last[1] - self._last[0]
        self._last = np.vstack([self._last[1:], shift_mm])
        square = third**2 / 20.0
        known = self._count >= _FEWEST
        square = np.where(known, np.minimum(square, _LARGEST * self._variance), square)
        counts = np.isfinite(square)
        self._count[counts] = np.minimum(self._count[counts] + 1.0, _MEMORY)
        share = 1.0 / np.maximum(self._count, 1.0)
        change = np.where(counts, share * (np.nan_to_num(square) - self._variance), 0.0)
        self._variance += change
        return np.where(self._count >= _FEWEST, np.sqrt(self._variance), 0.0)
