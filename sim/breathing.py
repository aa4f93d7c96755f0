"""Generate breathing: Lujan cycles that vary, with holds, apnoeas, sighs, coughs and shifts.

The chest signal is a list of cycles laid end to end. One cycle rises from exhale to inhale and
falls back as ``A sin^2n(pi phase)``, which is Lujan's ``cos^2n`` counted from exhale; it may
rest at inhale (hold). A cycle without depth is an apnoea.
Chest: millimetres toward anterior, 0 at exhale. Target: millimetres in the patient frame
(+X left, +Y superior, +Z anterior), 0 at exhale.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.chance import SlowNoise, cut_normal
from sim.scenario import BreathEvent, Breathing

Floats = NDArray[np.float64]

GRID_HZ = 100.0
CYCLE_EVENTS = ("hold", "apnoea", "sigh")


class Breath(NamedTuple):
    """A generated breathing motion, sampled on a regular grid."""

    times_s: Floats
    chest_mm: Floats
    """Shape (N,)."""
    target_mm: Floats
    """Shape (N, 3)."""


class Cycles(NamedTuple):
    """Consecutive breathing cycles; every array has one entry a cycle, all in s or mm."""

    start_s: Floats
    inhale_s: Floats
    hold_s: Floats
    exhale_s: Floats
    amplitude_mm: Floats


def lay_cycles(settings: Breathing, duration_s: float, rng: np.random.Generator) -> Cycles:
    """Draw cycles until ``duration_s`` is covered, with holds, apnoeas and sighs in their place."""
    due = sorted((e for e in settings.events if e.kind in CYCLE_EVENTS), key=lambda e: e.at_s)
    rows: list[tuple[float, float, float, float, float]] = []
    now = -settings.period_s
    while now < duration_s + settings.period_s:
        vary = cut_normal(rng, 2, 1.0, cut=2.5)
        period = settings.period_s * float(np.exp(settings.period_sd * vary[0]))
        depth = settings.amplitude_mm * float(np.exp(settings.amplitude_sd * vary[1]))
        hold = 0.0
        if due and now >= due[0].at_s:
            event = due.pop(0)
            if event.kind == "apnoea":
                rows.append((now, event.duration_s / 2, 0.0, event.duration_s / 2, 0.0))
                now += event.duration_s
            elif event.kind == "sigh":
                period, depth = 1.5 * period, event.size * settings.amplitude_mm
            else:
                hold, depth = event.duration_s, event.size * settings.amplitude_mm
        inhale = settings.inhale_share * period
        rows.append((now, inhale, hold, period - inhale, depth))
        now += period + hold
    return Cycles(*np.array(rows).T)


def chest_at(cycles: Cycles, times_s: Floats, exponent: int) -> Floats:
    """Return the chest signal of the cycles, shape (N,)."""
    index = np.searchsorted(cycles.start_s, times_s, side="right") - 1
    index = np.clip(index, 0, len(cycles.start_s) - 1)
    inside = times_s - cycles.start_s[index]
    inhale, hold, exhale = cycles.inhale_s[index], cycles.hold_s[index], cycles.exhale_s[index]
    rising = 0.5 * np.minimum(inside / np.maximum(inhale, 1e-9), 1.0)
    falling = 0.5 * np.clip((inside - inhale - hold) / np.maximum(exhale, 1e-9), 0.0, 1.0)
    shape = np.sin(np.pi * (rising + falling)) ** (2 * exponent)
    return cycles.amplitude_mm[index] * shape


def cough(times_s: Floats, at_s: float, size_mm: float) -> Floats:
    """Return one cough: a sharp intake, then three blows 0.35 s apart that grow weaker."""
    burst = 0.4 * np.exp(-0.5 * ((times_s - at_s - 0.15) / 0.08) ** 2)
    for blow, weight in enumerate((-1.0, -0.7, -0.4)):
        middle = at_s + 0.45 + 0.35 * blow
        burst = burst + weight * np.exp(-0.5 * ((times_s - middle) / 0.06) ** 2)
    return size_mm * np.where(times_s >= at_s - 0.3, burst, 0.0)


def shift(times_s: Floats, at_s: float, duration_s: float, size_mm: float) -> Floats:
    """Return a baseline that moves by ``size_mm`` in ``duration_s`` and stays, without a corner."""
    share = np.clip((times_s - at_s) / max(duration_s, 0.02), 0.0, 1.0)
    return size_mm * share * share * (3.0 - 2.0 * share)


def additions(events: tuple[BreathEvent, ...], times_s: Floats) -> tuple[Floats, Floats]:
    """Sum coughs and baseline shifts of the chest, each of shape (N,), in mm."""
    coughs, shifts = np.zeros_like(times_s), np.zeros_like(times_s)
    for event in events:
        if event.kind == "cough":
            coughs += cough(times_s, event.at_s, event.size)
        elif event.kind == "shift":
            shifts += shift(times_s, event.at_s, event.duration_s, event.size)
    return coughs, shifts


def breathe(
    settings: Breathing,
    duration_s: float,
    rng: np.random.Generator,
    wander_rng: np.random.Generator,
) -> Breath:
    """Generate a breathing motion at 100 Hz: chest, and a target that lags it on each axis."""
    times = np.arange(round(duration_s * GRID_HZ) + 2) / GRID_HZ
    cycles = lay_cycles(settings, duration_s, rng)
    coughs, shifts = additions(settings.events, times)
    chest = chest_at(cycles, times, settings.exponent) + coughs + shifts
    chest += settings.chest_drift_mm_min * times / 60.0

    ratio = np.array(settings.target_mm) / settings.amplitude_mm
    target = np.empty((len(times), 3))
    for axis, lag in enumerate(settings.target_lag_s):
        moved = chest_at(cycles, times - lag, settings.exponent)
        if settings.target_exponent != 1.0:
            deep = moved / settings.amplitude_mm
            moved = settings.amplitude_mm * deep**settings.target_exponent
        target[:, axis] = ratio[axis] * (moved + coughs + shifts)
    target += np.outer(times / 60.0, settings.target_drift_mm_min)
    slow = SlowNoise.drawn(wander_rng, duration_s, settings.wander_mm, settings.wander_s, axes=3)
    target += slow.at(times)
    return Breath(times, chest, target)
