"""Breathing for the checks: synthetic traces, and where the recorded ones lie."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]

MS = 1_000_000
S = 1_000_000_000

DATA = Path(os.environ.get("TRACKER_DATA", Path(__file__).parents[3] / "shared" / "data"))


def breathing(seconds: float, rate_hz: float, channels: int = 2, seed: int = 1) -> Reals:
    """Breaths of varying period and depth with a little noise, shape (samples, channels)."""
    draw = np.random.Generator(np.random.PCG64(seed))
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    wander = np.interp(times, np.arange(0.0, seconds + 20.0, 9.0), _walk(draw, seconds))
    phase = 2.0 * np.pi * (times / 4.0 + 0.25 * wander)
    lags = 0.2 * np.arange(channels)
    depth = (1.0 + 0.15 * wander)[:, None] * np.linspace(9.0, 3.0, channels)
    noise = 0.05 * draw.standard_normal((times.size, channels))
    return depth * np.cos(0.5 * (phase[:, None] - lags)) ** 4 + noise


def _walk(draw: np.random.Generator, seconds: float) -> Reals:
    return np.tanh(draw.standard_normal(np.arange(0.0, seconds + 20.0, 9.0).size))


def grid(samples: int, rate_hz: float) -> Integers:
    """Times of a uniform grid from zero, in ns."""
    return np.round(np.arange(samples) * (1e9 / rate_hz)).astype(np.int64)
