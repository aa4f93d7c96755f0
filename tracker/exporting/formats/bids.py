"""Write a session as a BIDS dataset with one physiological recording.

The specification wants all columns at one rate. The breathing amplitude has the rate that is kept;
target, prediction and beam are brought to its moments: positions by straight lines, not over gaps
of more than `LONGEST_GAP_S`, the beam by its last read-back. A value that is not known is ``n/a``.
Everything else is left to the other formats.

Source: Brain Imaging Data Structure 1.10, "Physiological recordings".
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from tracker.exporting.columns import Array
from tracker.exporting.export_error import ExportError
from tracker.exporting.formats.format_row import ExportFormat, about_session
from tracker.exporting.session_tables import SessionTables, SignalTable

LONGEST_GAP_S: Final = 0.5
BIDS_VERSION: Final = "1.10.0"
TASK: Final = "tracking"
_DECIMALS: Final = 6


class _PhysioColumn(NamedTuple):
    """One column of the recording."""

    name: str
    unit: str
    about: str
    values: Array


def write(session: SessionTables, folder: Path) -> None:
    """Write the dataset into ``folder``; raises `ExportError` where no breathing was recorded."""
    surrogate = session.named("surrogate_state")
    if surrogate is None or surrogate.rows < 2:
        raise ExportError(
            f"{session.name}: no breathing signal in the journal, so there is nothing that BIDS "
            "has a place for; export to csv"
        )
    known_s = surrogate.times_s
    rate_hz = round(1.0 / float(np.median(np.diff(known_s))), 3)
    times_s = known_s[0] + np.arange(int((known_s[-1] - known_s[0]) * rate_hz) + 1) / rate_hz
    columns = _columns(session, times_s)
    label = re.sub(r"[^0-9A-Za-z]", "", session.name) or "session"
    place = folder / f"sub-{label}" / "beh"
    place.mkdir(parents=True)
    stem = f"sub-{label}_task-{TASK}_physio"
    about: dict[str, Any] = {
        "SamplingFrequency": rate_hz,
        "StartTime": round(float(times_s[0]), 9),
        "Columns": [column.name for column in columns],
        "TaskName": TASK,
        "SoftwareVersions": f"tidetrack {session.header.versions.get('tidetrack', '')}",
    }
    for column in columns:
        about[column.name] = {"Description": column.about, "Units": column.unit}
    _write_json(place / f"{stem}.json", about)
    lines = ("\t".join(row) for row in zip(*map(_cells, columns), strict=True))
    with gzip.GzipFile(place / f"{stem}.tsv.gz", "wb", mtime=0) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
    _write_dataset(session, folder, label)


def _columns(session: SessionTables, times_s: Array) -> list[_PhysioColumn]:
    columns = [
        _PhysioColumn(
            "respiratory", "mm", "Breathing amplitude, from all surrogate sources",
            _at(session.named("surrogate_state"), "amplitude_mm", times_s),
        )
    ]  # fmt: skip
    for name, words, table in (
        ("target", "Target by the correlation model", "target_estimate"),
        ("truth", "True target of the simulator", "truth"),
    ):
        found = session.named(table)
        stem = "position" if table == "target_estimate" else "target"
        for axis, toward in (("x", "left"), ("y", "superior"), ("z", "anterior")):
            if found is not None:
                values = _at(found, f"{stem}_{axis}_mm", times_s)
                columns.append(_PhysioColumn(f"{name}_{axis}", "mm", f"{words}, {toward}", values))
    beam = session.named("beam_status")
    if beam is not None:
        columns.append(_PhysioColumn("beam_on", "1", "1: beam on", _last(beam, "on", times_s)))
    return columns


def _at(table: SignalTable | None, column: str, times_s: Array) -> Array:
    """Return a column at other times, by straight lines; NaN outside and within gaps."""
    if table is None or table.rows < 2:
        return np.full(len(times_s), np.nan)
    known_s, first = np.unique(table.times_s[::-1], return_index=True)
    values = np.asarray(table[column], dtype=np.float64)[::-1][first]
    found = np.interp(times_s, known_s, values, left=np.nan, right=np.nan)
    after = np.clip(np.searchsorted(known_s, times_s), 1, max(1, len(known_s) - 1))
    if len(known_s) < 2:
        return found
    wide = known_s[after] - known_s[after - 1] > LONGEST_GAP_S
    exact = np.isin(times_s, known_s)
    found[wide & ~exact] = np.nan
    return found


def _last(table: SignalTable, column: str, times_s: Array) -> Array:
    """Return the last value of a column at each time; NaN before the first."""
    at = np.searchsorted(table.times_s, times_s, side="right") - 1
    values = np.asarray(table[column], dtype=np.float64)[np.maximum(at, 0)]
    return np.where(at < 0, np.nan, values)


def _cells(column: _PhysioColumn) -> list[str]:
    if column.name == "beam_on":
        return ["n/a" if value != value else f"{value:.0f}" for value in column.values.tolist()]
    return [
        "n/a" if value != value else f"{value:.{_DECIMALS}f}" for value in column.values.tolist()
    ]


def _write_dataset(session: SessionTables, folder: Path, label: str) -> None:
    """Write the files that a dataset must have."""
    version = session.header.versions.get("tidetrack", "")
    _write_json(
        folder / "dataset_description.json",
        {
            "Name": f"Respiratory tumour tracking, {session.name}",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "raw",
            "GeneratedBy": [{"Name": "tidetrack", "Version": version}],
        },
    )
    facts = about_session(session)
    lines = ["# Respiratory tumour tracking", "", "Exported by tidetrack from a session's journal."]
    lines += ["Axes of the target: " + facts["frames"]["patient"] + "."]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    people = f"participant_id\nsub-{label}\n"
    (folder / "participants.tsv").write_text(people, encoding="utf-8")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


BIDS_DATASET = ExportFormat("bids", "a BIDS dataset with one physiological recording", write)
