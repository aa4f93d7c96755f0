"""The formats that write a session as signals, one row each."""

from __future__ import annotations

from typing import Final

from tracker.exporting.formats.bids import BIDS_DATASET
from tracker.exporting.formats.csv_files import CSV_FILES
from tracker.exporting.formats.format_row import ExportFormat
from tracker.exporting.formats.mat import MAT
from tracker.exporting.formats.parquet import PARQUET

FORMATS: Final[tuple[ExportFormat, ...]] = (CSV_FILES, PARQUET, MAT, BIDS_DATASET)
BY_NAME: Final = {row.name: row for row in FORMATS}
