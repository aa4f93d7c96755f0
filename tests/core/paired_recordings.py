"""Correlation models compared on recordings that hold target and chest signal at once.

    python -m tests.core.paired_recordings ../shared/data

Shots are taken from the internal channel, eight of them 2.5 s apart from 10 s on and then every 15,
30 or 60 s; all other internal samples are held back and scored. Printed is the 3-D RMS of the
model, as a share of the target's own about its first 30 s, for each kind alone and for the
choice among all.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from sim.recording import Recording, load_recording
from tracker.core.correlation import KINDS, CorrelationModel, Shot, fit
from tracker.core.fusion import BreathingRange

TRACES = (
    "interact_lark/lark_091",
    "interact_lark/lark_092",
    "interact_lark/lark_093",
    "interact_lightsabr/lightsabr_mean_motion_1",
    "interact_lightsabr/lightsabr_mean_motion_2",
)
FIDUCIAL_MM = 0.17  # three fiducials of 0.3 mm
BREATHING = BreathingRange(0.0, 1.0, 1.0)


def score(recording: Recording, kinds: tuple[str, ...], every_s: float) -> float:
    """RMS of the held-back samples as a share of the untracked motion."""
    names = list(recording.channels)
    target = recording.values[:, [names.index(f"int_{axis}_mm") for axis in ("lr", "si", "ap")]]
    y = recording.values[:, names.index("ext_mm")]
    times = recording.times_s
    # Backward differences: the speed known at a moment rests on samples up to it.
    v = np.concatenate([[0.0], np.diff(y) / np.diff(times)])
    target = target - target[times < 30.0].mean(axis=0)
    chance = np.random.default_rng(0)
    shots: list[Shot] = []
    model: CorrelationModel | None = None
    due_s, errors, motion = 10.0, [], []
    for k, t in enumerate(times.tolist()):
        if any(start <= t <= end for start, end in recording.gaps) or not np.isfinite(y[k]):
            continue
        if t >= due_s:
            a, b, c = (target[k] + chance.normal(0.0, FIDUCIAL_MM, 3)).tolist()
            shots = [*shots, Shot(round(t * 1e9), float(y[k]), float(v[k]), (a, b, c))][-15:]
            due_s = t + (2.5 if t < 28.0 else every_s)
            if len(shots) >= 8:
                model = fit(shots, kinds, BREATHING)
        elif model is not None:
            said = model.target_at(round(t * 1e9), float(y[k]), float(v[k]), 0.0, 0.0, 0.0)
            errors.append(target[k] - np.array(said.position_mm))
            motion.append(target[k])
    return float(np.sqrt(np.sum(np.square(errors)) / np.sum(np.square(motion))))


def main(folder: Path) -> None:
    """Print the comparison, one line a recording and interval."""
    choices = [*((kind,) for kind in KINDS), KINDS]
    heads = "".join(f"{name:>11}" for name in (*KINDS, "chosen"))
    print(f"{'recording':<26}{'shots':>6}{heads}")
    for trace in TRACES:
        recording = load_recording(folder / f"{trace}.csv")
        for every_s in (15.0, 30.0, 60.0):
            found = [score(recording, kinds, every_s) for kinds in choices]
            cells = "".join(f"{value:>11.3f}" for value in found)
            print(f"{recording.name:<26}{every_s:>4.0f} s{cells}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
