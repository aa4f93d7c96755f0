"""Read the pixels of a stored image as linear counts, by what the object itself says of them.

A stored value lies in the bits below ``HighBit``; what is in the others (old overlays) is no part
of it. ``PixelRepresentation`` says whether it is signed, ``RescaleSlope`` and ``RescaleIntercept``
turn it into the unit of the image, ``PixelIntensityRelationship`` and its sign say how that relates
to the radiation. What cannot be followed is refused by name. Sources: DICOM PS3.3, C.7.6.3 (image
pixel), C.11.1 (modality LUT), C.8.11.3 (DX image); PS3.5, 8.1.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hal.dicom.frames import FrameAttributes, frame_count, whole_number
from hal.errors import ProtocolError
from hal.imaging.image import Pixels

MOST_PIXELS = 64 * 1024 * 1024
"""A larger picture is refused before anything is unpacked."""
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_SIXTEEN_BITS = 65_535.0


Values = NDArray[Any]
"""Numbers of any kind, rows x columns."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the values of one grey frame lie in its bytes."""

    frames: int
    rows: int
    columns: int
    allocated: int
    stored: int
    high_bit: int
    signed: bool


def counts(dataset: Any, frame: int = 0) -> Pixels:
    """Return one frame as linear counts, bright where much radiation arrived; rows x columns.

    ``frame`` counts from 0. Without a sign of the intensity relationship, MONOCHROME1 holds counts
    and MONOCHROME2 what absorbs (bone white), as radiographs do.
    """
    layout = _layout(dataset)
    values = _stored_values(dataset, layout, frame)
    dataset = FrameAttributes(dataset, frame)
    least = -(1 << layout.stored - 1) if layout.signed else 0
    most = least + (1 << layout.stored) - 1
    slope, intercept = _rescale(dataset)
    if slope == 1.0 and intercept == 0.0:
        scaled: Values = values
        low, high = float(least), float(most)
    else:
        scaled = values.astype(np.float64) * slope + intercept
        low, high = sorted((least * slope + intercept, most * slope + intercept))
    if _darker_where_more(dataset, slope):
        scaled = (low + high - scaled).astype(scaled.dtype)
    relationship = str(dataset.get("PixelIntensityRelationship", "") or "LIN").strip()
    if relationship == "LOG":
        exponent = (scaled.astype(np.float32) - np.float32(low)) / np.float32(high - low)
        return np.exp(exponent * np.float32(math.log(_SIXTEEN_BITS))).astype(np.uint16)
    if relationship != "LIN":
        raise ProtocolError(
            f"pixel intensity relationship {relationship!r}: store LIN or LOG, for processing"
        )
    return _as_counts(scaled, low, high, layout)


def _layout(dataset: Any) -> _Layout:
    """Return the layout of every frame; raises `ProtocolError` for what it cannot be."""
    samples, bits = (
        whole_number(dataset, "SamplesPerPixel", 1),
        whole_number(dataset, "BitsAllocated", 0),
    )
    frames = frame_count(dataset)
    if samples != 1 or bits not in (8, 16):
        raise ProtocolError(
            f"{samples} samples of {bits} bits a pixel: grey frames of 8 or 16 bits are read"
        )
    photometric = str(dataset.get("PhotometricInterpretation", "")).strip()
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ProtocolError(f"photometric {photometric!r}: MONOCHROME1 or 2 expected")
    signed = whole_number(dataset, "PixelRepresentation", 0)
    stored = whole_number(dataset, "BitsStored", bits)
    high_bit = whole_number(dataset, "HighBit", stored - 1)
    if signed not in (0, 1) or not (0 < stored <= bits and stored - 1 <= high_bit < bits):
        raise ProtocolError(
            f"{stored} bits stored below bit {high_bit} of {bits} allocated, representation "
            f"{signed}: these contradict each other"
        )
    rows, columns = whole_number(dataset, "Rows", 0), whole_number(dataset, "Columns", 0)
    if not (rows > 0 and columns > 0) or rows * columns * frames > MOST_PIXELS:
        many = f" in {frames} frames" if frames > 1 else ""
        raise ProtocolError(f"{rows} x {columns} pixels{many}: 1 to {MOST_PIXELS} are read")
    return _Layout(frames, rows, columns, bits, stored, high_bit, bool(signed))


def _stored_values(dataset: Any, layout: _Layout, frame: int) -> Values:
    """Return the stored values alone: unused bits left out, the sign extended."""
    words = _words(dataset, layout, frame)
    shift = layout.high_bit + 1 - layout.stored
    mask = (1 << layout.stored) - 1
    values = words >> shift & mask if shift or mask != (1 << layout.allocated) - 1 else words
    if not layout.signed:
        return values
    wide = values.astype(np.int32)
    return np.where(wide >> layout.stored - 1, wide - (1 << layout.stored), wide)


def _words(dataset: Any, layout: _Layout, frame: int) -> Values:
    """Return the allocated words of the frame, unpacked where they are compressed."""
    meta: Any = getattr(dataset, "file_meta", None)
    syntax: Any = None if meta is None else meta.get("TransferSyntaxUID")
    if syntax is not None and syntax.is_encapsulated:
        return _unpacked(dataset, syntax, layout, frame)
    data = memoryview(dataset.get("PixelData", b"") or b"")
    size = layout.rows * layout.columns * layout.allocated // 8
    total = size * layout.frames
    if len(data) not in (total, total + total % 2):
        many = f" in {layout.frames} frames" if layout.frames > 1 else ""
        raise ProtocolError(
            f"{len(data)} bytes of pixels, {layout.rows} x {layout.columns} of "
            f"{layout.allocated} bits{many}"
        )
    order = ">" if syntax == _BIG_ENDIAN else "<"
    kind = np.dtype(f"{order}u2") if layout.allocated == 16 else np.dtype(np.uint8)
    words = np.frombuffer(data[frame * size : (frame + 1) * size], dtype=kind).reshape(
        layout.rows, layout.columns
    )
    return words.astype(kind.newbyteorder("="), copy=False)


def _unpacked(dataset: Any, syntax: Any, layout: _Layout, frame: int) -> Values:
    """Decompress the frame with pydicom and the decoders that are installed."""
    pixels: Any = importlib.import_module("pydicom.pixels")
    try:
        decoder = pixels.get_decoder(syntax)
    except NotImplementedError as error:
        raise ProtocolError(f"compressed as {syntax.name}: {error}") from error
    if not decoder.is_available:
        needs = "; ".join(decoder.missing_dependencies) or "a decoder"
        raise ProtocolError(f"compressed as {syntax.name}: not installed: {needs}")
    try:
        array, _ = decoder.as_array(dataset, raw=True, index=frame)
    except Exception as error:  # the decoders are programs of others, the bytes a stranger's
        raise ProtocolError(f"compressed as {syntax.name}, cannot be unpacked: {error}") from error
    if array.shape != (layout.rows, layout.columns) or array.dtype.itemsize * 8 != layout.allocated:
        raise ProtocolError(
            f"compressed as {syntax.name}: {array.shape} of {array.dtype} inside, "
            f"{layout.rows} x {layout.columns} of {layout.allocated} bits outside"
        )
    return np.ascontiguousarray(array).view(f"u{layout.allocated // 8}")


def _rescale(dataset: Any) -> tuple[float, float]:
    """Return slope and intercept of the modality transformation."""
    if dataset.get("ModalityLUTSequence"):
        raise ProtocolError("a modality lookup table: store linear values instead")
    found: list[float] = []
    for keyword, otherwise in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        value = dataset.get(keyword)
        try:
            found.append(otherwise if value is None or value == "" else float(value))
        except (TypeError, ValueError):
            raise ProtocolError(f"{keyword} is {value!r}, one number expected") from None
    slope, intercept = found
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0.0:
        raise ProtocolError(
            f"rescale slope {slope}, intercept {intercept}: no image can have these"
        )
    return slope, intercept


def _darker_where_more(dataset: Any, slope: float) -> bool:
    """Return whether the rescaled values fall where more radiation arrived.

    The sign of the relationship is about stored values, the photometric interpretation about
    rescaled ones.
    """
    sign = whole_number(dataset, "PixelIntensityRelationshipSign", 0)
    if sign:
        return (sign < 0) != (slope < 0)
    return str(dataset.get("PhotometricInterpretation", "")).strip() == "MONOCHROME2"


def _as_counts(scaled: Values, low: float, high: float, layout: _Layout) -> Pixels:
    """Return counts from 0 as 8 or 16 bits.

    Values that do not fit, or are no whole numbers, are spread over 16 bits.
    """
    if layout.allocated == 8 and scaled.dtype == np.uint8:
        return scaled.astype(np.uint8, copy=False)
    base = min(low, 0.0)
    if high - base <= _SIXTEEN_BITS and float(high).is_integer() and _whole(scaled):
        return (scaled - base).astype(np.uint16) if base else scaled.astype(np.uint16, copy=False)
    share = (scaled.astype(np.float64) - low) / (high - low)
    return np.rint(share * _SIXTEEN_BITS).astype(np.uint16)


def _whole(scaled: Values) -> bool:
    """Return whether all values are whole numbers."""
    return scaled.dtype.kind in "iu" or bool(np.all(scaled == np.rint(scaled)))
