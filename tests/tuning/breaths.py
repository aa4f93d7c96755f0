"""Small archives of made-up breathing, for tests of the tuner."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_trace(
    file: Path, seed: int, *, length_s: float = 60.0, rate_hz: float = 10.0, channels: int = 2
) -> Path:
    """A breath of varying period and depth in ``channels`` channels, in the project's CSV."""
    draw = np.random.default_rng(seed)
    times = np.arange(round(length_s * rate_hz)) / rate_hz
    speed = 2.0 * np.pi / draw.uniform(3.0, 5.0)
    wander = np.cumsum(draw.normal(0.0, 0.03, times.size))
    breath = 5.0 * np.cos(speed * times + wander) ** 3 + 0.02 * np.cumsum(
        draw.normal(0.0, 1.0, times.size)
    )
    columns = [(k + 1.0) * breath + draw.normal(0.0, 0.05, times.size) for k in range(channels)]
    names = [f"int_{axis}_mm" for axis in ("si", "ap", "lr")[:channels]]
    lines = [",".join(["time_s", *names])]
    for place, time_s in enumerate(times):
        values = ",".join(f"{column[place]:.4f}" for column in columns)
        lines.append(f"{time_s:.4f},{values}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    return file


def write_archive(folder: Path, subjects: int = 6, fractions: int = 1, **like: float) -> Path:
    """``subjects`` folders with ``fractions`` recordings each."""
    for subject in range(subjects):
        for fraction in range(fractions):
            file = folder / f"patient{subject}" / f"fraction{fraction}.csv"
            write_trace(file, 100 * subject + fraction, **like)  # type: ignore[arg-type]
    return folder
