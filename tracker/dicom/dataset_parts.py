"""Small parts of DICOM datasets: items, codes, numbers, times, and the file around them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from io import BytesIO
from typing import Any, NamedTuple

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

SCHEME = "99TIDETRACK"
"""Coding scheme of the codes that are this program's own."""

IMPLEMENTATION_UID = UID("2.25.302863480106443914418268394146127427319")
MANUFACTURER = "tidetrack"
MODEL = "tidetrack (research)"


class SeriesKind(NamedTuple):
    """What an object's series is: SOP class, modality, number and description."""

    sop_class: str
    modality: str
    number: int
    description: str


class Coded(NamedTuple):
    """A code: value, coding scheme and meaning."""

    value: str
    scheme: str
    meaning: str

    def item(self) -> Dataset:
        """Return the code as an item of a sequence."""
        return item(
            CodeValue=self.value, CodingSchemeDesignator=self.scheme, CodeMeaning=self.meaning
        )


def item(**values: Any) -> Dataset:
    """Return a dataset with these attributes, by keyword."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def sequence(*items: Dataset) -> Sequence:
    """Return a sequence of items."""
    return Sequence(list(items))


def reference(sop_class: str, instance: str) -> Dataset:
    """Return a reference to another object."""
    return item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=instance)


def decimal(value: float) -> str:
    """Return a number as a decimal string of at most 16 characters."""
    return format_number_as_ds(float(value))


def decimals(values: Iterable[float]) -> list[str]:
    """Return several numbers as decimal strings."""
    return [decimal(value) for value in values]


def date_of(moment: datetime) -> str:
    """Return a moment's date as DICOM writes it."""
    return moment.strftime("%Y%m%d")


def time_of(moment: datetime) -> str:
    """Return a moment's time of day as DICOM writes it, with microseconds."""
    return moment.strftime("%H%M%S.%f")


def date_time_of(moment: datetime) -> str:
    """Return a moment as DICOM writes date and time in one value."""
    return moment.strftime("%Y%m%d%H%M%S.%f")


def new_file(sop_class: str, instance: str) -> FileDataset:
    """Return an empty object with its file header."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "TIDETRACK"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = UID(sop_class)
    dataset.SOPInstanceUID = UID(instance)
    return dataset


def file_bytes(dataset: FileDataset) -> bytes:
    """Return an object as the bytes of its file."""
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
