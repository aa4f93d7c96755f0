"""Recordings in which target and chest were measured at the same moments, for judging models."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.recording import load_recording, motion_channels
from tracker.core.settings import Fusion
from tracker.core.surrogate.fusion import MotionModel, Points, SurrogateFilter
from tracker.core.target.joint.model import SurrogateMoment

Reals = NDArray[np.float64]

DEVELOPMENT = {
    "interact_lark/lark_091.csv": "LARK09",
    "interact_lark/lark_092.csv": "LARK09",
    "interact_lark/lark_093.csv": "LARK09",
    "interact_lightsabr/lightsabr_mean_motion_1.csv": "lightsabr 1",
    "interact_lightsabr/lightsabr_mean_motion_2.csv": "lightsabr 2",
}
"""Recordings that models are developed on, and their subjects."""
LEARNING_S = 8.0
CHEST_MM = 0.1


class PairedTrace(NamedTuple):
    """Target (n, 3: left, superior, anterior) and chest surrogate at the same moments."""

    name: str
    subject: str
    times_s: Reals
    target_mm: Reals
    surrogate: list[SurrogateMoment]
    scored: NDArray[np.bool_]
    """Whether an image was taken then, so that the target is known."""


def fused(times_s: Reals, chest: Reals) -> list[SurrogateMoment]:
    """Return the breathing state at each sample by the controller's own filter, from the past."""
    learning = chest[times_s <= LEARNING_S]
    centre = float(np.nanmean(learning))
    rate = 1.0 / float(np.median(np.diff(times_s)))
    spread = max(float(np.nanstd(learning)), 0.1)
    points = Points(1, CHEST_MM, rate)
    model = MotionModel((1.0,), (1.0,), spread, (points,))
    filter_ = SurrogateFilter(model, Fusion(history_ms=2000.0), rate, -1)
    states: list[SurrogateMoment] = []
    for t, value in zip(times_s.tolist(), (chest - centre).tolist(), strict=True):
        t_ns = round(t * 1e9)
        if np.isfinite(value):
            filter_.add(0, t_ns, [value])
        state = filter_.state_at(t_ns)
        assert state is not None
        states.append(
            SurrogateMoment(
                state.amplitude_mm,
                state.velocity_mm_s,
                state.amplitude_variance,
                state.cross_variance,
                state.velocity_variance,
            )
        )
    return states


def load_paired(path: Path, subject: str = "") -> PairedTrace:
    """Read one recording; raises `RecordingError` or `ValueError` with one line."""
    recording = load_recording(path)
    motion = motion_channels(recording.channels)
    columns = [c for c in motion.internal if c is not None]
    if len(columns) != 3 or motion.scalar is None:
        raise ValueError(f"{path}: target in three axes and a chest signal are needed")
    times, values = recording.times_s, recording.values
    target = values[:, columns]
    scored: NDArray[np.bool_] = np.asarray(np.isfinite(target).all(axis=1))
    for start, end in recording.gaps:
        scored[(times >= start) & (times <= end)] = False
    chest = values[:, motion.scalar]
    return PairedTrace(recording.name, subject, times, target, fused(times, chest), scored)


def paired_in(folder: Path) -> list[PairedTrace]:
    """Read the development recordings that a folder holds."""
    found = {name: subject for name, subject in DEVELOPMENT.items() if (folder / name).exists()}
    return [load_paired(folder / name, subject) for name, subject in found.items()]
