"""Track a recorded or generated breath in the simulated room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tidetrack.html import html_table
from tidetrack.packages import needed
from tidetrack.progress import progress
from tidetrack.recordings import LoadedRecording, as_recordings
from tidetrack.sessions import RecordedSession, open_session
from tracker.build.engine import with_artefact
from tracker.config import (
    SHIPPED,
    Configuration,
    ConfigurationError,
    altered,
    load_configuration,
)
from tracker.offline.simulate import Wanted, carry_out, with_changes
from tracker.report.never_tracked import why_never_tracked

if TYPE_CHECKING:
    from pandas import DataFrame  # pyright: ignore[reportMissingTypeStubs]


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """A simulated session: its figures, and its journal where one was written."""

    summary: dict[str, Any]
    """The figures in millimetres, as ``tidetrack simulate --json`` writes them."""
    never_tracked: str
    """Why tracking never began; empty: it did."""
    journal: Path | None
    """The journal; ``None``: none was asked for."""

    @property
    def session(self) -> RecordedSession:
        """The recorded session; raises `ConfigurationError` where no journal was written."""
        if self.journal is None:
            raise ConfigurationError(["journal: none was written; name one with journal=…"])
        return open_session(self.journal)

    def to_frame(self) -> DataFrame:
        """Return the figures as a frame of one row, named like ``tracked.rms_mm``.

        Raises `MissingPackageError` without pandas.
        """
        pandas = needed("to_frame", "pandas")
        return pandas.DataFrame([flat(self.summary)])

    def __repr__(self) -> str:
        """Return one line."""
        if self.never_tracked:
            return f"<simulation: tracking never began: {self.never_tracked}>"
        tracked, untracked = self.summary["tracked"]["rms_mm"], self.summary["untracked"]["rms_mm"]
        return f"<simulation: {tracked} mm RMS from beam to target, {untracked} mm untracked>"

    def _repr_html_(self) -> str:
        figures = {name: value for name, value in flat(self.summary).items() if name != "digest"}
        return html_table(repr(self).strip("<>"), ("figure", "value"), figures.items())


def simulate(
    recording: LoadedRecording | str | Path | None = None,
    config: str | Path = "couch",
    *,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    predictor: str | None = None,
    latency_ms: float | None = None,
    parameters: str | Path | None = None,
    seed: int = 1,
    journal: str | Path | None = None,
    report: str | Path | None = None,
    show_progress: bool = True,
) -> SimulationResult:
    """Track a breath in the simulated room, faster than in real time.

    ``recording``: ``None`` takes the configuration's own generated patient. ``config``: a file, or
    the name of a shipped one (``couch``, ``robot``, ``machines/gate``, …). ``changes``: keys by
    section, as ``{"room": {"duration_s": 120.0}}``. ``latency_ms``: of machine and prediction.
    ``parameters``: an artefact of ``tidetrack tune``. ``seed``: of the room's noise. ``journal``:
    the file to write; ``report``: the folder for ``report.html``. Raises `ConfigurationError`,
    `RecordingError`, or `ArtefactError`.
    """
    if seed < 0:
        raise ConfigurationError([f"seed {seed}: is negative; give 0 or more"])
    configuration = load_configuration(_file_of(config))
    if changes:
        configuration = _changed(configuration, changes)
    configuration = with_changes(configuration, latency_ms, predictor)
    if parameters is not None:
        configuration = with_artefact(configuration, Path(parameters))
    loaded = None if recording is None else as_recordings(recording)[0]
    wanted = Wanted(
        configuration,
        None if loaded is None else loaded.recording,
        "generated" if loaded is None else loaded.name,
        str(config),
        seed,
        None if journal is None else Path(journal),
        None if report is None else Path(report),
    )
    finished, summary = carry_out(wanted, partial(progress, is_shown=show_progress))
    return SimulationResult(summary, why_never_tracked(finished.records) or "", wanted.journal)


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a table of tables as one, with names like ``beam.duty``."""
    rows: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            rows |= flat(cast(Mapping[str, Any], value), f"{prefix}{name}.")
        else:
            rows[prefix + name] = value
    return rows


def _file_of(config: str | Path) -> Path:
    """Return the file of a configuration: as named, or the shipped one of that name."""
    shipped = SHIPPED / f"{config}.toml"
    return shipped if not Path(config).exists() and shipped.is_file() else Path(config)


def _changed(
    configuration: Configuration, changes: Mapping[str, Mapping[str, Any]]
) -> Configuration:
    return altered(configuration, {name: dict(keys) for name, keys in changes.items()})
