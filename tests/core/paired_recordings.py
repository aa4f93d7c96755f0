"""Correlation models compared where target and chest signal are known at once.

    python -m tests.core.paired_recordings ../shared/data

Shots are taken from the target, eight of them 2.5 s apart from 10 s on and then every 15, 30 or
60 s; everything else is held back and scored. Printed is the 3-D RMS of the model, as a share of
the target's own about its first 30 s, for each kind alone, and for the average of all and of
all but *pls*. Three sources: recordings with an internal target and one chest signal; recordings
of three chest markers, of which one stands for the target and the two others for the chest; and
made-up patients whose belly and breast breathe with changing shares and a phase between them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.recording import load_recording
from tracker.core.surrogate.breathing import BreathingRange
from tracker.core.target.correlation import KINDS, CorrelationModel, Shot, fit

TRACES = (
    "interact_lark/lark_091",
    "interact_lark/lark_092",
    "interact_lark/lark_093",
    "interact_lightsabr/lightsabr_mean_motion_1",
    "interact_lightsabr/lightsabr_mean_motion_2",
)
THREE_MARKERS = tuple(f"extmarker/seq{n}" for n in range(1, 6))
FIDUCIAL_MM = 0.17  # three fiducials of 0.3 mm
MARKER_MM = 0.1
BREATHING = BreathingRange(0.0, 1.0, 1.0)
FIRST_S = 30.0

Reals = NDArray[np.float64]


class Paired(NamedTuple):
    """Target and chest at the same moments: (n, 3) and (n, markers), in mm."""

    name: str
    times_s: Reals
    target: Reals
    markers: Reals
    gaps: tuple[tuple[float, float], ...] = ()


def recorded(folder: Path) -> Iterator[Paired]:
    """Recordings with a target inside and one chest signal."""
    for trace in TRACES:
        recording = load_recording(folder / f"{trace}.csv")
        names = list(recording.channels)
        target = recording.values[:, [names.index(f"int_{axis}_mm") for axis in ("lr", "si", "ap")]]
        chest = recording.values[:, [names.index("ext_mm")]]
        yield Paired(recording.name, recording.times_s, target, chest, tuple(recording.gaps))


def three_markers(folder: Path) -> Iterator[Paired]:
    """Recordings of three markers: each in turn stands for the target."""
    for trace in THREE_MARKERS:
        recording = load_recording(folder / f"{trace}.csv")
        names = sorted({name[:3] for name in recording.channels if name.endswith("_x_mm")})
        places = {
            name: recording.values[
                :, [list(recording.channels).index(f"{name}_{axis}_mm") for axis in "xyz"]
            ]
            for name in names
        }
        for target in names:
            chest = [along(recording.times_s, places[name]) for name in names if name != target]
            yield Paired(
                f"{recording.name} {target}",
                recording.times_s,
                places[target],
                np.column_stack(chest),
                tuple(recording.gaps),
            )


def along(times_s: Reals, place: Reals) -> Reals:
    """A marker's displacement along the direction it moved in at first, as fusion takes it."""
    off = place - place[times_s < FIRST_S].mean(axis=0)
    _, _, directions = np.linalg.svd(off[times_s < FIRST_S], full_matrices=False)
    main = directions[0] * np.sign(directions[0][np.argmax(np.abs(directions[0]))])
    return off @ main


def made_up(seed: int, lag_s: float, sharing: float) -> Paired:
    """Belly and breast; ``sharing``: how much of the breath goes from one to the other and back.

    The target follows the belly down and the breast forward; four markers see each in part.
    """
    draw = np.random.default_rng(seed)
    times = np.arange(0.0, 420.0, 0.1)
    phase = 2.0 * np.pi * np.cumsum(0.1 / (4.0 + 0.5 * np.sin(times / 17.0)))
    share = sharing * np.sin(2.0 * np.pi * times / 150.0 + draw.uniform(0.0, 6.0))
    depth = 5.0 * (1.0 + 0.2 * np.sin(times / 11.0 + draw.uniform(0.0, 6.0)))
    belly = depth * (1.0 + share) * np.cos(phase)
    breast = 0.6 * depth * (1.0 - share) * np.cos(phase - 2.0 * np.pi * lag_s / 4.0)
    drift = 0.004 * times * draw.normal(0.0, 1.0)
    target = np.column_stack([0.1 * belly, -1.6 * belly - 0.3 * breast + drift, 0.8 * breast])
    mixing = np.array([[1.0, 0.1], [0.7, 0.4], [0.3, 0.8], [0.05, 1.0]])
    markers = np.column_stack([belly, breast]) @ mixing.T
    markers = markers + draw.normal(0.0, MARKER_MM, markers.shape)
    return Paired(f"made up {seed}: {lag_s:g} s, {sharing:g}", times, target, markers)


def common(paired: Paired) -> Reals:
    """The markers' common amplitude, as fusion weighs them; of one marker, itself."""
    first = paired.markers[paired.times_s < FIRST_S]
    size = np.nanstd(first, axis=0)
    turned = [np.sign(np.corrcoef(first[:, 0], column)[0, 1]) for column in first.T]
    amplitudes = size * np.array(turned) / size.mean()
    return paired.markers @ (amplitudes / float(amplitudes @ amplitudes))


def score(paired: Paired, kinds: tuple[str, ...], every_s: float) -> float:
    """RMS of the held-back samples as a share of the untracked motion."""
    times, y = paired.times_s, common(paired)
    # Backward differences: the speed known at a moment rests on samples up to it.
    v = np.concatenate([[0.0], np.diff(y) / np.diff(times)])
    target = paired.target - paired.target[times < FIRST_S].mean(axis=0)
    chance = np.random.default_rng(0)
    shots: list[Shot] = []
    model: CorrelationModel | None = None
    due_s, errors, motion = 10.0, [], []
    for k, t in enumerate(times.tolist()):
        if any(start <= t <= end for start, end in paired.gaps) or not np.isfinite(y[k]):
            continue
        now, markers = round(t * 1e9), tuple(paired.markers[k].tolist())
        if t >= due_s:
            a, b, c = (target[k] + chance.normal(0.0, FIDUCIAL_MM, 3)).tolist()
            new = Shot(now, float(y[k]), float(v[k]), (a, b, c), markers_mm=markers)
            shots = [*shots, new][-15:]
            due_s = t + (2.5 if t < 28.0 else every_s)
            if len(shots) >= 8:
                model = fit(shots, kinds, BREATHING)
        elif model is not None:
            apart = model.apart(float(y[k]), float(v[k]), markers)
            said = model.target_at(now, float(y[k]), float(v[k]), 0.0, 0.0, 0.0, apart)
            errors.append(target[k] - np.array(said.position_mm))
            motion.append(target[k])
    return float(np.sqrt(np.sum(np.square(errors)) / np.sum(np.square(motion))))


def compare(all_paired: Iterator[Paired]) -> None:
    """Print one line for each recording and interval, and the geometric means."""
    several: list[list[float]] = []
    for paired in all_paired:
        markers = paired.markers.shape[1]
        kinds = KINDS if markers > 1 else tuple(kind for kind in KINDS if kind != "pls")
        choices = [*((kind,) for kind in kinds), tuple(k for k in kinds if k != "pls"), kinds]
        if markers == 1:
            choices.insert(len(kinds), ())
        for every_s in (15.0, 30.0, 60.0):
            found = [score(paired, choice, every_s) if choice else np.nan for choice in choices]
            several.append(found)
            cells = "".join(f"{value:>11.3f}" for value in found)
            print(f"{paired.name:<26}{every_s:>4.0f} s{cells}", flush=True)
    means = np.exp(np.mean(np.log(several), axis=0))
    print(f"{'geometric mean':<32}" + "".join(f"{value:>11.3f}" for value in means))


def main(folder: Path) -> None:
    """Print the comparison."""
    heads = "".join(f"{name:>11}" for name in (*KINDS, "no pls", "averaged"))
    print(f"{'recording':<26}{'shots':>6}{heads}")
    compare(recorded(folder))
    compare(three_markers(folder))
    compare(
        made_up(seed, lag_s, sharing)
        for seed, (lag_s, sharing) in enumerate(
            ((0.0, 0.0), (0.3, 0.0), (0.6, 0.0), (0.0, 0.3), (0.3, 0.3), (0.6, 0.3))
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
