"""Guess the period of breathing in imported channels, for a person to recognise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import detrend

Floats = NDArray[np.float64]

SHORTEST_S, LONGEST_S = 1.5, 15.0
_GRID_HZ = 10.0
_MOST_S = 300.0


def breathing_period_s(times_s: Floats, values: Floats) -> float | None:
    """Return the period with the most power over the first minutes; ``None``: none is found.

    ``times_s`` has shape (N,), ``values`` (N, C). The channel that moves most is looked at.
    """
    if values.ndim != 2 or not values.shape[1] or len(times_s) < 10:
        return None
    early = times_s <= times_s[0] + _MOST_S
    times, some = times_s[early], values[early]
    spans = [_span(some[:, column]) for column in range(some.shape[1])]
    signal = some[:, int(np.argmax(spans))]
    known = np.isfinite(signal)
    if known.sum() < 10 or max(spans) <= 0.0:
        return None
    grid: Floats = np.arange(times[0], times[-1], 1.0 / _GRID_HZ)
    if grid.size < 2 * LONGEST_S:
        return None
    uneven: Floats = np.interp(grid, times[known], signal[known])
    even: Floats = detrend(uneven)
    power = np.abs(np.fft.rfft(even * np.hanning(even.size), n=8 * even.size)) ** 2
    hertz = np.fft.rfftfreq(8 * even.size, 1.0 / _GRID_HZ)
    inside = (hertz >= 1.0 / LONGEST_S) & (hertz <= 1.0 / SHORTEST_S)
    if not inside.any() or power[inside].max() <= 0.0:
        return None
    return float(1.0 / hertz[inside][power[inside].argmax()])


def _span(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.ptp(known)) if known.size else 0.0
