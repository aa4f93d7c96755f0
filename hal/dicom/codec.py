"""Read from a stored DICOM image what localisation needs: side, exposure time, counts.

Pixels come out linear and bright where much radiation arrived, whatever the object's
photometric conventions. An object without what is needed raises `ProtocolError`.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from hal.errors import ProtocolError
from hal.imaging.image import Pixels


class DicomSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may send images to whom, and which attribute tells the two sides apart.

    ``side_keyword`` is the attribute whose value is ``left`` or ``right`` (configure both to
    what the imager writes). ``skew_ms`` is how far apart the two exposures may be.
    """

    device: str
    port: Annotated[int, Meta(ge=0, le=65_535)] = 11_112
    address: str = "127.0.0.1"
    ae_title: str = "TIDETRACK"
    callers: tuple[str, ...] = ()
    """Titles that may send; empty: any."""
    side_keyword: str = "DetectorID"
    left: str = "LEFT"
    right: str = "RIGHT"
    skew_ms: Annotated[float, Meta(gt=0, le=1000)] = 20.0
    answer_ms: Annotated[float, Meta(gt=0, le=60_000)] = 5000.0


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """One side of a pair; ``exposed_ns`` is nanoseconds since 1970 by the imager's clock."""

    side: str
    exposed_ns: int
    instance: str
    pixels: Pixels


def exposure_ns(dataset: Any) -> int:
    """Return when the picture was taken: acquisition date and time, else content date and time.

    The zone is the time's own, else the object's; without either the time counts as UTC.
    """
    text = str(dataset.get("AcquisitionDateTime", "") or "")
    for stem in ("Acquisition", "Content"):
        if not text and dataset.get(f"{stem}Date") and dataset.get(f"{stem}Time"):
            text = str(dataset.get(f"{stem}Date")) + str(dataset.get(f"{stem}Time"))
    if text and not {"+", "-"} & set(text):
        text += str(dataset.get("TimezoneOffsetFromUTC", "") or "").strip()
    plain, sign, zone = text.partition("+") if "+" in text else text.partition("-")
    whole, _, fraction = plain.partition(".")
    try:
        moment = datetime.datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=datetime.UTC)
        micro = int(fraction.ljust(6, "0")[:6]) if fraction else 0
        minutes = int(zone[:2]) * 60 + int(zone[2:4]) if zone else 0
    except ValueError as error:
        raise ProtocolError(f"acquisition time {text!r}: date and time needed") from error
    seconds = round(moment.timestamp()) - (minutes if sign == "+" else -minutes) * 60
    return (seconds * 1_000_000 + micro) * 1000


def counts(dataset: Any) -> Pixels:
    """Return the pixels as linear counts, bright where much radiation arrived.

    Shape rows x columns.

    The attribute Pixel Intensity Relationship Sign decides when it is there; without it
    MONOCHROME1 holds counts and MONOCHROME2 what absorbs (bone white), as radiographs do.
    """
    samples, bits = int(dataset.get("SamplesPerPixel", 1)), int(dataset.get("BitsAllocated", 0))
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if samples != 1 or bits not in (8, 16) or frames != 1:
        raise ProtocolError(
            f"{samples} samples of {bits} bits in {frames} frames: one grey frame of 8 or 16 bits"
        )
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or dataset.get("PixelRepresentation", 0):
        raise ProtocolError(f"photometric {photometric!r}: unsigned MONOCHROME1 or 2 expected")
    rows, columns = int(dataset.get("Rows", 0)), int(dataset.get("Columns", 0))
    data = bytes(dataset.get("PixelData", b""))
    size = rows * columns * bits // 8
    if not size or len(data) not in (size, size + size % 2):
        raise ProtocolError(f"{len(data)} bytes of pixels, {rows} x {columns} of {bits} bits")
    kind = np.dtype("<u2") if bits == 16 else np.dtype(np.uint8)
    pixels = np.frombuffer(data[:size], dtype=kind).reshape(rows, columns)
    most = (1 << int(dataset.get("BitsStored", bits))) - 1
    pixels = np.minimum(pixels, most)
    sign = int(dataset.get("PixelIntensityRelationshipSign", 0) or 0)
    if sign < 0 or (sign == 0 and photometric == "MONOCHROME2"):
        pixels = (most - pixels).astype(pixels.dtype)
    if str(dataset.get("PixelIntensityRelationship", "LIN")) == "LOG":
        linear = np.exp(pixels.astype(np.float32) * np.float32(np.log(65_535.0) / most))
        return linear.astype(np.uint16)
    return pixels


def decode(dataset: Any, settings: DicomSettings) -> Radiograph:
    """Read one stored object (a pydicom ``Dataset``)."""
    said = str(dataset.get(settings.side_keyword, "") or "").strip()
    sides = {settings.left: "left", settings.right: "right"}
    if said not in sides:
        raise ProtocolError(
            f"{settings.side_keyword} is {said!r}; {settings.left!r} or {settings.right!r} expected"
        )
    instance = str(dataset.get("SOPInstanceUID", ""))
    return Radiograph(sides[said], exposure_ns(dataset), instance, counts(dataset))
