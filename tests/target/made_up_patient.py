"""A made-up patient with hysteresis, drift and a chest signal, as a paired trace."""

from __future__ import annotations

import numpy as np

from tests.target.paired_traces import PairedTrace, fused


def made_up(seed: int = 1, duration_s: float = 180.0) -> PairedTrace:
    """Return a target that follows a chest of irregular breaths, late and along a bent line."""
    chance = np.random.default_rng(seed)
    times = np.arange(0.0, duration_s, 0.2)
    period = 4.0 + 0.4 * np.sin(times / 13.0) + 0.3 * np.sin(times / 5.3 + seed)
    phase = 2.0 * np.pi * np.cumsum(0.2 / period)
    depth = 4.0 * (1.0 + 0.15 * np.sin(times / 9.0))
    chest = depth * np.cos(phase)
    late = depth * np.cos(phase - 0.4)
    wander = np.cumsum(chance.normal(0.0, 0.05 * np.sqrt(0.2), (len(times), 3)), axis=0)
    target = np.outer(late, [0.3, -1.6, 0.8]) + np.outer(late**2 / 8.0, [0.0, 0.6, 0.3]) + wander
    target += chance.normal(0.0, 0.1, target.shape)
    chest = chest + chance.normal(0.0, 0.1, len(times))
    every = np.full(len(times), fill_value=True)
    return PairedTrace(f"made up {seed}", "made up", times, target, fused(times, chest), every)
