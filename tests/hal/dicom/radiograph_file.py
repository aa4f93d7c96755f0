"""DICOM files of radiographs, as an imager would store them."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from sim.dicom import radiograph

__all__ = ["radiograph", "save"]


def save(data: Dataset, path: Path) -> Path:
    """Write it as a file."""
    data.save_as(path, enforce_file_format=True)
    return path
