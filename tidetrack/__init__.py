"""The public Python interface of tidetrack, for scripts and notebooks.

    import tidetrack

    recording = tidetrack.load_recording("recordings/patient.csv")
    result = tidetrack.bench([recording], predictors=["mix", "hold"], horizons_ms=[200, 400])
    result.to_frame()

Only the names of `__all__` are public; they follow semantic versioning. Importing the package
loads none of the program: each name is loaded when it is first used. Frames need pandas, plots need
matplotlib; both come with ``pip install 'tidetrack[notebook]'``.

Positions are millimetres and times nanoseconds since the start of the run, unless a name says
otherwise. What cannot be done raises one of the errors listed here, and the message of each is one
line that says what is wrong, the value, the limit and what to do.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.recording import RecordingError
    from tidetrack.benchmark import BenchResult, bench
    from tidetrack.comparison import ComparisonResult, compare
    from tidetrack.packages import MissingPackageError
    from tidetrack.recordings import LoadedRecording, load_recording
    from tidetrack.replaying import ReplayResult, replay
    from tidetrack.sessions import RecordedSession, open_session
    from tidetrack.simulation import SimulationResult, simulate
    from tracker.artefact import ArtefactError
    from tracker.config import ConfigurationError
    from tracker.exporting.export_error import ExportError
    from tracker.journal import JournalError
    from tracker.offline.bench.traces import BenchError

__all__ = [
    "ArtefactError",
    "BenchError",
    "BenchResult",
    "ComparisonResult",
    "ConfigurationError",
    "ExportError",
    "JournalError",
    "LoadedRecording",
    "MissingPackageError",
    "RecordedSession",
    "RecordingError",
    "ReplayResult",
    "SimulationResult",
    "bench",
    "compare",
    "load_recording",
    "open_session",
    "replay",
    "simulate",
]

_MODULES = {
    "ArtefactError": "tracker.artefact",
    "bench": "tidetrack.benchmark",
    "BenchError": "tracker.offline.bench.traces",
    "BenchResult": "tidetrack.benchmark",
    "compare": "tidetrack.comparison",
    "ComparisonResult": "tidetrack.comparison",
    "ConfigurationError": "tracker.config",
    "ExportError": "tracker.exporting.export_error",
    "JournalError": "tracker.journal",
    "load_recording": "tidetrack.recordings",
    "LoadedRecording": "tidetrack.recordings",
    "MissingPackageError": "tidetrack.packages",
    "open_session": "tidetrack.sessions",
    "RecordedSession": "tidetrack.sessions",
    "RecordingError": "sim.recording",
    "replay": "tidetrack.replaying",
    "ReplayResult": "tidetrack.replaying",
    "simulate": "tidetrack.simulation",
    "SimulationResult": "tidetrack.simulation",
}
"""The module of each public name; it is imported when the name is first used."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module 'tidetrack' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__]
