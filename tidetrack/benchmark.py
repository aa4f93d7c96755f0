"""Score predictors on recordings; each predictor knows only the past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidetrack.html import html_table
from tidetrack.packages import needed
from tidetrack.progress import progress
from tidetrack.recordings import LoadedRecording, as_recordings, new_figure
from tracker.core.prediction.registry import METHODS
from tracker.offline.bench.command import (
    DEFAULT_HORIZONS_MS,
    Results,
    check_horizons,
    check_predictors,
    check_warmup,
    score_trace,
)
from tracker.offline.bench.score import Score
from tracker.offline.bench.traces import WARMUP_S, BenchError, trace_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame  # pyright: ignore[reportMissingTypeStubs]

_KEYS = ("recording", "horizon_ms", "predictor")


@dataclass(frozen=True, slots=True)
class BenchResult:
    """The scores of every predictor, on every recording, at every horizon.

    ``rmse``, ``mae``, ``p95``, ``max`` and ``jitter`` are in the recording's unit. ``rel`` is
    ``rmse`` relative to holding the last position: below 1 is better. ``coverage95`` is the share
    of positions inside the predicted 95 % region, ``step_us`` the time of a step on this machine.
    """

    scores: Results
    """``{recording: {horizon: {predictor: Score}}}``."""

    def to_frame(self) -> DataFrame:
        """Return one row for each recording, horizon and predictor.

        Raises `MissingPackageError` without pandas.
        """
        pandas = needed("to_frame", "pandas")
        return pandas.DataFrame(list(self._rows()), columns=[*_KEYS, *Score._fields])

    def summary(self) -> DataFrame:
        """Return the mean over the recordings: one row a predictor, the best of ``rel`` first."""
        frame: Any = self.to_frame()
        means = frame.drop(columns="recording").groupby(["predictor", "horizon_ms"]).mean()
        return means.sort_values(["horizon_ms", "rel"])

    def plot(self) -> Figure:
        """Return a figure: error relative to hold over the horizon, the mean of the recordings."""
        figure, (panel,) = new_figure(1)
        figure.set_size_inches(6.5, 4.0)
        means = self._means()
        for name in dict.fromkeys(predictor for predictor, _ in means):
            points = [(ms, found.rel) for (each, ms), found in means.items() if each == name]
            panel.plot(*zip(*sorted(points), strict=True), marker="o", label=name)
        panel.axhline(1.0, color="0.6", linewidth=1.0)
        panel.set_xlabel("horizon (ms)")
        panel.set_ylabel("RMS error relative to hold")
        panel.set_ylim(bottom=0.0)
        panel.legend(fontsize="small")
        return figure

    def __repr__(self) -> str:
        """Return one line."""
        names = list(dict.fromkeys(predictor for predictor, _ in self._means()))
        return f"<bench of {', '.join(names)} on {len(self.scores)} recording(s)>"

    def _repr_html_(self) -> str:
        head = ("predictor", "horizon in ms", "rel", "rmse", "p95", "max", "coverage95")
        means = sorted(self._means().items(), key=lambda item: (item[0][1], item[1].rel))
        return html_table(
            f"mean over {len(self.scores)} recording(s); rel below 1 is better than hold",
            head,
            [
                (name, ms, found.rel, found.rmse, found.p95, found.max, found.coverage95)
                for (name, ms), found in means
            ],
        )

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        for recording, horizons in self.scores.items():
            for ms, predictors in horizons.items():
                for name, figures in predictors.items():
                    yield (recording, float(ms), name, *figures)

    def _means(self) -> dict[tuple[str, float], Score]:
        """Return the mean over the recordings, by predictor and horizon."""
        found: dict[tuple[str, float], list[Score]] = {}
        for _, ms, name, *figures in self._rows():
            found.setdefault((name, ms), []).append(Score(*figures))
        return {
            key: Score(*(float(np.mean(each)) for each in zip(*scores, strict=True)))
            for key, scores in found.items()
        }


def bench(
    recordings: LoadedRecording | str | Path | Sequence[LoadedRecording | str | Path],
    predictors: Sequence[str] = ("mix",),
    horizons_ms: Sequence[float] = DEFAULT_HORIZONS_MS,
    *,
    warmup_s: float = WARMUP_S,
    show_progress: bool = True,
) -> BenchResult:
    """Score predictors on recordings, by the protocol of ``tidetrack bench``.

    ``predictors``: names of `bench`; ``["all"]`` takes every one. ``warmup_s``: seconds at the
    start that are not scored; of a recording shorter than twice that, 40 % are not. Raises
    `BenchError` or `RecordingError`.
    """
    if isinstance(predictors, str):
        predictors = [predictors]
    names = list(METHODS) if list(predictors) == ["all"] else list(predictors)
    if not names or not len(horizons_ms):
        raise BenchError("predictors and horizons_ms: one is empty; give at least one of each")
    check_predictors(names, "predictors")
    check_horizons(horizons_ms, "horizons_ms")
    check_warmup(warmup_s, "warmup_s")
    loaded = as_recordings(recordings)
    traces = [trace_of(each.recording, each.name, warmup_s) for each in loaded]
    labels = [each.name for each in traces]
    results: Results = {}
    with progress("bench", show_progress) as tell:
        for number, (label, trace) in enumerate(zip(labels, traces, strict=True)):
            again = labels[:number].count(label)
            of_trace = results.setdefault(f"{label} ({again + 1})" if again else label, {})
            for at, ms in enumerate(horizons_ms):
                of_trace[f"{ms:g}"] = score_trace(trace, ms, names)
                if tell is not None:
                    tell((number + (at + 1) / len(horizons_ms)) / len(traces))
    return BenchResult(results)
