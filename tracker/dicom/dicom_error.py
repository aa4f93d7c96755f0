"""The error of everything that cannot be exported, sent or imported as DICOM."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any


class DicomError(Exception):
    """Something cannot be exported, sent or imported; one line for each thing wrong."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("; ".join(self.problems))


def dicom_library(name: str) -> Any:
    """Return a package of the extra ``dicom``; raises `DicomError` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise DicomError(
            f"DICOM needs {name.partition('.')[0]}, which is not installed:"
            " pip install 'tidetrack[dicom]'"
        ) from None
