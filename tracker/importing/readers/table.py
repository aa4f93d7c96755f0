"""All readers, in the order in which a file is shown to them; packages may add their own.

A package adds a reader by an entry point of the group ``tidetrack.readers`` that loads a
`ReaderRow`; it comes before those of this program.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from tracker.importing.errors import ImportRefusedError, refused
from tracker.importing.readers.bids import BIDS
from tracker.importing.readers.cyberknife import CYBERKNIFE
from tracker.importing.readers.dicom_waveform import DICOM_WAVEFORM
from tracker.importing.readers.ndi import NDI
from tracker.importing.readers.own import OWN
from tracker.importing.readers.physionet import PHYSIONET
from tracker.importing.readers.reader import HEAD_BYTES, ReaderRow
from tracker.importing.readers.spreadsheet import SPREADSHEET
from tracker.importing.readers.text_table import TEXT_TABLE
from tracker.importing.readers.vernier import VERNIER
from tracker.importing.readers.xdf import XDF

GROUP = "tidetrack.readers"
READERS: tuple[ReaderRow, ...] = (
    DICOM_WAVEFORM, XDF, PHYSIONET, SPREADSHEET, BIDS, OWN, NDI, VERNIER, CYBERKNIFE, TEXT_TABLE,
)  # fmt: skip


def all_readers() -> tuple[ReaderRow, ...]:
    """Return the readers of installed packages, then the program's own.

    Raises `ImportRefusedError` for an entry point that cannot be loaded or is no `ReaderRow`.
    """
    added: list[ReaderRow] = []
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            row = point.load()
        except Exception as error:  # whatever somebody else's module raises
            why = " ".join(str(error).split())[:160] or type(error).__name__
            raise ImportRefusedError(
                f"reader {point.name}: cannot be loaded ({why}); repair or uninstall its package"
            ) from None
        if not isinstance(row, ReaderRow):
            what = "is no ReaderRow; repair or uninstall its package"
            raise ImportRefusedError(f"reader {point.name}: {what}")
        added.append(row)
    return (*added, *READERS)


def reader_of(path: Path, name: str = "") -> ReaderRow:
    """Return the reader for a file, or the one of a name; raises `ImportRefusedError`."""
    readers = all_readers()
    if name:
        for row in readers:
            if row.name == name:
                return row
        known = ", ".join(row.name for row in readers)
        raise ImportRefusedError(f"--reader {name}: is not known; choose one of {known}")
    if path.is_dir():
        raise refused(path, "is a directory; name the files in it")
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise refused(path, f"cannot be read: {why}; check the name") from None
    return next((row for row in readers if row.recognises(path, head)), TEXT_TABLE)
