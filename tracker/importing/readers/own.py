"""Read Varian's .vxp, ExtMarker's files and the project's own CSV, as every command reads them."""

from __future__ import annotations

from pathlib import Path

from sim.recording import RecordingError, load_recording
from sim.recording_files import MARKER_FILE
from tracker.importing.choices import Choices
from tracker.importing.errors import ImportRefusedError
from tracker.importing.readers.reader import ReaderRow
from tracker.importing.source_table import SourceColumn, SourceTable


def recognises(path: Path, head: bytes) -> bool:
    """Return whether the reader of recordings knows the file by its beginning or its name."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:20].lower()
    return start.startswith(b"[header]") or MARKER_FILE.match(path.name) is not None


def read(path: Path, choices: Choices) -> list[SourceTable]:
    """Read the file; times are in seconds, and channels have the project's names."""
    try:
        recording = load_recording(path)
    except RecordingError as error:
        raise ImportRefusedError(str(error)) from None
    columns = [SourceColumn("time_s", "s", numbers=recording.times_s)]
    for name, values in zip(recording.channels, recording.values.T, strict=True):
        base, _, unit = name.rpartition("_")
        columns.append(SourceColumn(base, unit, numbers=values))
    return [SourceTable(tuple(columns), remarks=recording.notes)]


OWN = ReaderRow("recording", "Varian .vxp and ExtMarker's files", recognises, read)
