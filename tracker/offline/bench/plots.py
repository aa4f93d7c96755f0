"""``bench --plots``: relative RMS by horizon, and the worst excerpts, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tracker.core.prediction.calibration import chi2_quantile
from tracker.offline.bench.score import Score

if TYPE_CHECKING:
    from tracker.offline.bench.traces import Trace

_EXCERPT_S = 20.0
_WORST = 4


def draw(
    traces: Sequence[Trace],
    horizons_ms: Sequence[float],
    predictors: Sequence[str],
    results: Mapping[str, Mapping[str, Mapping[str, Score]]],
    folder: Path,
) -> None:
    """Write ``relative_rms.png`` and ``worst_excerpts.png`` into ``folder``."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure: Any
    axes: Any
    figure, axes = plt.subplots(figsize=(7.0, 4.5), layout="constrained")
    for name in predictors:
        means = [
            np.mean([horizons[f"{ms:g}"][name].rel for horizons in results.values()])
            for ms in horizons_ms
        ]
        axes.plot(horizons_ms, means, marker="o", label=name)
    axes.axhline(1.0, color="0.6", linewidth=1.0)
    axes.set_xlabel("horizon in ms")
    axes.set_ylabel("RMS error relative to hold")
    axes.set_ylim(bottom=0.0)
    axes.legend(fontsize="small")
    figure.savefig(folder / "relative_rms.png", dpi=120)
    plt.close(figure)
    _draw_worst(traces, horizons_ms[-1], predictors[-1], results, folder)


def _draw_worst(
    traces: Sequence[Trace],
    horizon_ms: float,
    name: str,
    results: Mapping[str, Mapping[str, Mapping[str, Score]]],
    folder: Path,
) -> None:
    """Draw the traces where ``name`` is worst relative to hold, around its largest error."""
    from matplotlib import pyplot as plt

    from tracker.offline.bench.traces import replay, steps_ahead

    key = f"{horizon_ms:g}"
    worst = sorted(traces, key=lambda trace: -results[trace.name][key][name].rel)[:_WORST]
    figure: Any
    figure, rows = plt.subplots(
        len(worst), 1, figsize=(9.0, 2.4 * len(worst)), layout="constrained", squeeze=False
    )
    for axes, trace in zip(rows[:, 0], worst, strict=True):
        ahead = steps_ahead(trace, horizon_ms)
        said = replay(trace, name, ahead)
        errors = np.abs(trace.positions[ahead:] - said.means[:-ahead])
        errors[~trace.scored[ahead:]] = 0.0
        row, channel = np.unravel_index(int(np.nanargmax(errors)), errors.shape)
        half = round(0.5 * _EXCERPT_S * trace.rate_hz)
        shown = slice(max(0, int(row) - half), int(row) + half)
        seconds = trace.times_ns[ahead:][shown] * 1e-9
        axes.plot(seconds, trace.positions[ahead:][shown, channel], "k.-", markersize=3)
        middle = said.means[:-ahead][shown, channel]
        joint = chi2_quantile(len(trace.channels))
        spread = np.sqrt(joint * said.covariances[:-ahead][shown, channel, channel])
        axes.plot(seconds, middle, color="C0")
        axes.fill_between(seconds, middle - spread, middle + spread, color="C0", alpha=0.2)
        axes.set_title(f"{trace.name}, {trace.channels[channel]}, {key} ms", fontsize="small")
    rows[-1, 0].set_xlabel(f"time in s; black measured, blue {name} with its 95 % region")
    figure.savefig(folder / "worst_excerpts.png", dpi=120)
    plt.close(figure)
