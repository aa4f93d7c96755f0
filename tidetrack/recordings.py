"""Load recorded breathing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.recording import Recording, RecordingError
from sim.recording import load_recording as read_recording
from tidetrack.html import html_table
from tidetrack.packages import needed

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame  # pyright: ignore[reportMissingTypeStubs]


@dataclass(frozen=True, slots=True)
class LoadedRecording:
    """A recording: its samples with their own times, in the units of the channels' names."""

    recording: Recording
    """The recording as the program itself uses it."""

    @property
    def name(self) -> str:
        """The name of the recording."""
        return self.recording.name

    @property
    def times_s(self) -> NDArray[np.float64]:
        """The times of the samples in seconds, shape (N,), ascending; the first is 0."""
        return self.recording.times_s

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels; each ends in its unit: ``_mm``, ``_deg`` or ``_au``."""
        return self.recording.channels

    @property
    def values(self) -> NDArray[np.float64]:
        """The samples, shape (N, channels); NaN where one is missing."""
        return self.recording.values

    @property
    def kind(self) -> str:
        """What the channels measure: ``internal`` (target), ``external`` (chest) or ``both``."""
        return self.recording.kind

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Spans (start, end) in seconds that are not scored."""
        return self.recording.gaps

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how the file was read."""
        return self.recording.notes

    def to_frame(self) -> DataFrame:
        """Return the samples as a frame: one column a channel, indexed by ``time_s``.

        Raises `MissingPackageError` without pandas.
        """
        pandas = needed("to_frame", "pandas")
        index = pandas.Index(self.times_s, name="time_s")
        frame: DataFrame = pandas.DataFrame(self.values, index=index, columns=list(self.channels))
        frame.attrs["units"] = {name: name.rpartition("_")[2] for name in self.channels}
        return frame

    def plot(self) -> Figure:
        """Return a figure with one panel a channel. Raises `MissingPackageError` without pyplot."""
        figure, panels = new_figure(len(self.channels))
        for panel, name, values in zip(panels, self.channels, self.values.T, strict=True):
            panel.plot(self.times_s, values, linewidth=0.8)
            stem, _, unit = name.rpartition("_")
            panel.set_ylabel(f"{stem}\n({unit})")
            for begin, end in self.gaps:
                panel.axvspan(begin, end, color="0.85")
        panels[-1].set_xlabel("time (s)")
        panels[0].set_title(self.name)
        return figure

    def __repr__(self) -> str:
        """Return one line."""
        return (
            f"<recording {self.name}: {len(self.times_s)} samples, {self.times_s[-1]:.1f} s, "
            f"{', '.join(self.channels)}>"
        )

    def _repr_html_(self) -> str:
        return html_table(
            repr(self).strip("<>"),
            ("channel", "least", "greatest", "missing"),
            [
                (name, *_range(values), int(np.isnan(values).sum()))
                for name, values in zip(self.channels, self.values.T, strict=True)
            ],
        )


def load_recording(path: str | Path) -> LoadedRecording:
    """Return a recording: the project's CSV, ExtMarker CSV, or Varian ``.vxp``.

    Raises `RecordingError` for a file that is not usable. What other programs exported is read by
    ``tidetrack import`` first.
    """
    return LoadedRecording(read_recording(path))


def as_recordings(
    given: LoadedRecording | str | Path | Sequence[LoadedRecording | str | Path],
) -> list[LoadedRecording]:
    """Return recordings from recordings or their paths; raises `RecordingError`."""
    several = [given] if isinstance(given, LoadedRecording | str | Path) else list(given)
    if not several:
        raise RecordingError(Path(), None, "no recording was given; give at least one")
    return [each if isinstance(each, LoadedRecording) else load_recording(each) for each in several]


def new_figure(panels: int) -> tuple[Any, list[Any]]:
    """Return a figure with panels one below the other, all with one time axis."""
    needed("plot", "matplotlib.figure")
    from tidetrack.shown_figure import ShownFigure

    figure: Any = ShownFigure(figsize=(9.0, 1.2 + 1.6 * panels), layout="constrained")
    found: Any = figure.subplots(panels, 1, sharex=True, squeeze=False)
    return figure, list(found[:, 0])


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    if np.isnan(values).all():
        return float("nan"), float("nan")
    return float(np.nanmin(values)), float(np.nanmax(values))
