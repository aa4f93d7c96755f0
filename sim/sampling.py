"""Compute when a device samples and when its messages arrive: clock, delay, jitter, mishaps.

The whole run is computed beforehand, since nothing the controller does can change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim import mishaps as trouble
from sim.chance import cut_normal, stream
from sim.scenario import Mishap

NEVER_NS = 1 << 62
"""A moment no run reaches."""


class Sampling(NamedTuple):
    """The messages of one device over a run; every list has one entry a message, by arrival."""

    exposure_s: NDArray[np.float64]
    """When each *sample* was taken, host time, shape (samples,)."""
    exposure_ns: list[int]
    """The same in nanoseconds."""
    sample: list[int]
    """Which sample each message shows."""
    ticks: list[int]
    """The device's counter in each message."""
    arrival_ns: list[int]
    """Arrival of each message, then `NEVER_NS`."""
    factor: list[float]
    """Unit error of each *sample*, 1.0 when right."""
    garbage: list[bool]
    """Whether each message cannot be decoded."""


def sampling(
    on: str,
    mishaps: Sequence[Mishap],
    seed: int,
    duration_s: float,
    *,
    rate_hz: float,
    delay_ms: float,
    jitter_ms: float = 0.0,
    clock_ppm: float = 0.0,
    first_tick: int = 0,
    phase: float,
) -> Sampling:
    """Lay out a device's messages; ``phase`` (0 to 1) is when in its period it starts."""
    period_s = 1.0 / (rate_hz * (1.0 + clock_ppm * 1e-6))
    count = max(int(duration_s / period_s - phase) + 1, 0)
    numbers = np.arange(count)
    exposure_ns = np.rint((numbers + phase) * (period_s * 1e9)).astype(np.int64)
    exposure_s = exposure_ns / 1e9
    jitter = cut_normal(stream(seed, on, "jitter"), count, jitter_ms)
    wait_ns = np.rint(np.maximum(delay_ms + jitter, 0.0) * 1e6).astype(np.int64)
    sample, arrival = trouble.delivered(mishaps, on, exposure_s, exposure_ns + wait_ns)
    jumped = trouble.gained_s(mishaps, on, exposure_s) * rate_hz
    ticks = first_tick + numbers + np.rint(jumped).astype(np.int64)
    shows = trouble.repeated(mishaps, on, exposure_s)
    return Sampling(
        exposure_s=exposure_s,
        exposure_ns=exposure_ns.tolist(),
        sample=shows[sample].tolist(),
        ticks=ticks[sample].tolist(),
        arrival_ns=[*arrival.tolist(), NEVER_NS],
        factor=trouble.scale(mishaps, on, exposure_s).tolist(),
        garbage=trouble.during(mishaps, on, "garbage", exposure_s)[sample].tolist(),
    )
