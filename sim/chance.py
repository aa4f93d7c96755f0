"""Draw every random number of the room from one seed, with one stream for each use.

Each use has its own child of the run's `SeedSequence`, with a key of twin and purpose. So drawing
more numbers for one device never changes those of another. Each array has its own stream, so a
longer run starts with the same numbers as a shorter one.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]

TWINS = ("patient", "camera", "belt", "imager", "actuator", "gate")
PURPOSES = ("cycles", "wander", "noise", "jitter", "gain", "offset", "burst", "portal")

SLOW_STEP_S = 0.5


def stream(seed: int, twin: str, purpose: str) -> np.random.Generator:
    """Return the random generator for one purpose of one twin.

    An unknown purpose raises `ValueError`.

    A twin that is not of `TWINS` is a further source; its key is a checksum of its name.
    """
    drawn = PURPOSES.index(purpose)
    if twin in TWINS:
        key = (TWINS.index(twin), drawn)
    else:
        key = (len(TWINS), zlib.crc32(twin.encode()), drawn)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def cut_normal(
    rng: np.random.Generator, shape: int | tuple[int, ...], sd: float, cut: float = 3.0
) -> Floats:
    """Draw normal numbers of standard deviation ``sd``, clipped at ``cut`` times it."""
    return sd * np.clip(rng.standard_normal(shape), -cut, cut)


class SlowNoise(NamedTuple):
    """Slow noise around zero (Ornstein-Uhlenbeck), drawn once and read at any time."""

    knots: Floats
    """Shape (N, axes), one row every ``SLOW_STEP_S`` from the start of the run."""

    @classmethod
    def drawn(
        cls, rng: np.random.Generator, duration_s: float, sd: float, memory_s: float, axes: int
    ) -> SlowNoise:
        """Draw noise of standard deviation ``sd`` with the correlation time ``memory_s``."""
        steps = int(duration_s / SLOW_STEP_S) + 2
        keep = float(np.exp(-SLOW_STEP_S / memory_s))
        drive = rng.standard_normal((steps, axes)) * (sd * np.sqrt(1.0 - keep * keep))
        return cls(np.asarray(lfilter([1.0], [1.0, -keep], drive, axis=0), dtype=np.float64))

    def at(self, times_s: Floats) -> Floats:
        """Return the noise at these times, shape (len(times_s), axes)."""
        grid = np.arange(len(self.knots)) * SLOW_STEP_S
        columns: list[Floats] = [np.interp(times_s, grid, column) for column in self.knots.T]
        return np.stack(columns, axis=1)
