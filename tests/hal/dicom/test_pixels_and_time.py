"""What an image says of its bits, scale, compression and time is followed, or refused by name."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydicom", reason="extra dicom is not installed")
pytest.importorskip("gdcm", reason="extra dicom is not installed")

import gdcm
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate

from hal.dicom.exposure_time import exposure_ns
from hal.dicom.pixels import counts
from hal.dicom.receiver import COMPRESSED, PLAIN, readable_syntaxes
from hal.errors import ProtocolError
from tests.hal.dicom.radiograph_file import radiograph, save

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")  # pydicom warns of them too

RNG = np.random.default_rng(5)
TWELVE = RNG.integers(0, 4096, (20, 30)).astype(np.uint16)


def twelve(words: np.ndarray, **changes: object):
    """Return an object of 12 stored bits whose words are given."""
    kept: dict[str, object] = {"BitsStored": 12, "HighBit": 11} | changes
    return radiograph(words.astype(np.uint16), "LEFT", **kept)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("overlay_bit", [12, 13, 14, 15])
def test_an_overlay_in_an_unused_bit_is_no_part_of_the_value(overlay_bit: int) -> None:
    overlay = (RNG.random(TWELVE.shape) < 0.3).astype(np.uint16) << overlay_bit
    assert overlay.any()
    data = twelve(TWELVE | overlay)
    data.add_new((0x6000, 0x0102), "US", overlay_bit)  # OverlayBitPosition
    assert np.array_equal(counts(data), TWELVE)


@pytest.mark.parametrize("high_bit", [11, 12, 13, 14, 15])
def test_the_value_lies_below_the_high_bit(high_bit: int) -> None:
    below = RNG.integers(0, 1 << (high_bit - 11), TWELVE.shape).astype(np.uint16)
    data = twelve(TWELVE << (high_bit - 11) | below, HighBit=high_bit)
    assert np.array_equal(counts(data), TWELVE)


@pytest.mark.parametrize("stored", [8, 10, 12, 14, 16])
def test_signed_values_are_counted_from_their_least(stored: int) -> None:
    least = -(1 << stored - 1)
    values = RNG.integers(least, -least, (20, 30))
    noise = RNG.integers(0, 1 << 16 - stored, values.shape) << stored if stored < 16 else 0
    words = (values & (1 << stored) - 1) | noise
    data = twelve(words, BitsStored=stored, HighBit=stored - 1, PixelRepresentation=1)
    assert np.array_equal(counts(data), values - least)


def test_six_bits_in_the_upper_part_of_eight() -> None:
    six = RNG.integers(0, 64, (20, 30)).astype(np.uint8)
    words = (six << 2 | 1).astype(np.uint8)
    data = radiograph(words, "LEFT", BitsStored=6, HighBit=7)
    assert counts(data).dtype == np.uint8
    assert np.array_equal(counts(data), six)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("sign", [1, -1, None])
@pytest.mark.parametrize("slope", [1.0, 2.0, -3.0])
def test_brightness_follows_the_radiation(photometric: str, sign: int | None, slope: float) -> None:
    """The sign is about stored values; without one the photometric is about rescaled values."""
    rising = sign > 0 if sign else (photometric == "MONOCHROME1") == (slope > 0)
    data = twelve(
        TWELVE,
        PhotometricInterpretation=photometric,
        PixelIntensityRelationshipSign=sign,
        RescaleSlope=slope,
        RescaleIntercept=0,
    )
    order = np.argsort(TWELVE.ravel(), kind="stable")
    steps = np.diff(counts(data).ravel()[order].astype(int))
    assert np.all(steps >= 0) if rising else np.all(steps <= 0)
    assert np.any(steps)


@pytest.mark.parametrize(
    ("slope", "intercept", "expected"),
    [
        ("1", "0", lambda v: v),
        ("2", "100", lambda v: 2 * v + 100),
        ("16", "15", lambda v: 16 * v + 15),
        ("1", "-1024", lambda v: v),  # counted from the least
        ("0.5", "0", lambda v: np.rint(v / 4095 * 65535)),
        ("1000", "0", lambda v: np.rint(v / 4095 * 65535)),
    ],
)
def test_values_are_rescaled(slope: str, intercept: str, expected) -> None:
    data = twelve(TWELVE, RescaleSlope=slope, RescaleIntercept=intercept)
    assert np.array_equal(counts(data), expected(TWELVE.astype(int)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"BitsStored": 0}, "0 bits stored"),
        ({"BitsStored": 17}, "17 bits stored below bit 11 of 16"),
        ({"HighBit": 10}, "12 bits stored below bit 10"),
        ({"HighBit": 16}, "below bit 16 of 16"),
        ({"PixelRepresentation": 3}, "representation 3"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "photometric 'PALETTE COLOR'"),
        ({"NumberOfFrames": 3}, "1200 bytes of pixels, 20 x 30 of 16 bits in 3 frames"),
        ({"NumberOfFrames": 0}, "0 frames"),
        ({"NumberOfFrames": 513}, "513 frames: 1 to 512"),
        ({"BitsAllocated": 32}, "32 bits"),
        ({"RescaleSlope": 0}, "rescale slope 0"),
        ({"PixelIntensityRelationship": "DISP"}, "relationship 'DISP'"),
        ({"Rows": 0}, "0 x 30 pixels"),
        ({"Rows": 65535, "Columns": 65535}, "65535 x 65535 pixels"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(changes: dict, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        counts(twelve(TWELVE, **changes))


def test_a_lookup_table_is_refused_by_name() -> None:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    with pytest.raises(ProtocolError, match="modality lookup table"):
        counts(twelve(TWELVE, ModalityLUTSequence=Sequence([Dataset()])))


def compressed(syntax: str, folder: Path, words: np.ndarray = TWELVE, **changes):
    """Return an object compressed by GDCM."""
    path = save(twelve(words, **changes), folder / "plain.dcm")
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(folder / "compressed.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    data = dcmread(folder / "compressed.dcm")
    assert data.file_meta.TransferSyntaxUID == syntax
    return data


@pytest.mark.parametrize(
    "syntax",
    [
        uid.RLELossless,
        uid.JPEGLosslessSV1,
        uid.JPEGLossless,
        uid.JPEGLSLossless,
        uid.JPEG2000Lossless,
    ],
)
def test_lossless_compression_gives_the_same_counts(syntax: str, tmp_path: Path) -> None:
    assert np.array_equal(counts(compressed(syntax, tmp_path)), TWELVE)


def test_an_overlay_bit_survives_lossless_compression_and_is_left_out(tmp_path: Path) -> None:
    data = twelve(TWELVE | (RNG.random(TWELVE.shape) < 0.3).astype(np.uint16) << 15)
    data.compress(uid.RLELossless)
    assert np.array_equal(counts(data), TWELVE)


def test_big_endian_words_are_read() -> None:
    data = twelve(TWELVE.byteswap())
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
    assert np.array_equal(counts(data), TWELVE)


@pytest.mark.parametrize("garbage", [b"\x00" * 64, b"\xff\xd8\xff\xd9", bytes(range(256)) * 4])
@pytest.mark.parametrize(
    "syntax", [uid.RLELossless, uid.JPEGLosslessSV1, uid.JPEG2000Lossless, uid.JPEGLSLossless]
)
def test_damaged_compressed_data_are_refused(syntax: str, garbage: bytes) -> None:
    data = twelve(TWELVE)
    data.PixelData = encapsulate([garbage])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = uid.UID(syntax)
    with pytest.raises(ProtocolError, match="compressed as "):
        counts(data)


def test_a_form_that_is_no_picture_format_is_refused_by_name() -> None:
    data = twelve(TWELVE)
    data.file_meta.TransferSyntaxUID = uid.MPEG2MPML
    with pytest.raises(ProtocolError, match="compressed as MPEG2"):
        counts(data)


def test_every_form_with_a_decoder_is_offered() -> None:
    assert readable_syntaxes() == [*PLAIN, *COMPRESSED]  # GDCM decodes all of them


def moment(text: str, **changes) -> int:
    return exposure_ns(radiograph(TWELVE, "LEFT", text, **changes))


def unix_ns(*parts: int, micro: int = 0) -> int:
    whole = datetime.datetime(*parts, tzinfo=datetime.UTC)
    return round(whole.timestamp()) * 10**9 + micro * 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20240315101112", unix_ns(2024, 3, 15, 10, 11, 12)),
        ("20240315101112.5", unix_ns(2024, 3, 15, 10, 11, 12, micro=500_000)),
        ("20240315101112.25", unix_ns(2024, 3, 15, 10, 11, 12, micro=250_000)),
        ("20240315101112.125", unix_ns(2024, 3, 15, 10, 11, 12, micro=125_000)),
        ("20240315101112.1234", unix_ns(2024, 3, 15, 10, 11, 12, micro=123_400)),
        ("20240315101112.12345", unix_ns(2024, 3, 15, 10, 11, 12, micro=123_450)),
        ("20240315101112.123456", unix_ns(2024, 3, 15, 10, 11, 12, micro=123_456)),
        ("20240315101112+0530", unix_ns(2024, 3, 15, 4, 41, 12)),
        ("20240315101112.000001-0330", unix_ns(2024, 3, 15, 13, 41, 12, micro=1)),
        ("20240315101112.5+1400", unix_ns(2024, 3, 14, 20, 11, 12, micro=500_000)),
        ("20240315101112.5-1200", unix_ns(2024, 3, 15, 22, 11, 12, micro=500_000)),
        ("20161231235960.25", unix_ns(2017, 1, 1, 0, 0, 0, micro=250_000)),  # a leap second
        ("20240229000000.0 ", unix_ns(2024, 2, 29, 0, 0, 0)),
    ],
)
def test_a_date_and_time_known_to_the_second_is_read(text: str, expected: int) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize(
    ("time", "micro"),
    [("101112", 0), ("101112.2", 200_000), ("101112.123456", 123_456), ("10:11:12.5", 500_000)],
)
@pytest.mark.parametrize("stem", ["Acquisition", "Content"])
def test_date_and_time_in_two_attributes(stem: str, time: str, micro: int) -> None:
    changes = {f"{stem}Date": "20240315", f"{stem}Time": time, "AcquisitionDateTime": None}
    assert moment("20000101000000", **changes) == unix_ns(2024, 3, 15, 10, 11, 12, micro=micro)


def test_the_zone_of_the_object_counts_where_the_time_has_none() -> None:
    utc = unix_ns(2024, 3, 15, 10, 11, 12)
    assert moment("20240315111112", TimezoneOffsetFromUTC="+0100") == utc
    assert moment("20240315111112+0100", TimezoneOffsetFromUTC="-0500") == utc
    split = {"AcquisitionDateTime": None, "ContentDate": "20240315", "ContentTime": "051112"}
    assert moment("20000101000000", TimezoneOffsetFromUTC="-0500", **split) == utc


def test_the_first_attribute_that_is_known_to_the_second_counts() -> None:
    split = {"ContentDate": "20240315", "ContentTime": "101112.5"}
    assert moment("20240315", **split) == unix_ns(2024, 3, 15, 10, 11, 12, micro=500_000)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("2024", "year"),
        ("202403", "month"),
        ("20240315", "day"),
        ("2024031510", "hour"),
        ("202403151011", "minute"),
        ("202403151011+0100", "minute"),
    ],
)
def test_a_legal_moment_that_is_no_exposure_time_is_refused_by_its_precision(
    text: str, known: str
) -> None:
    with pytest.raises(ProtocolError, match=f"known to the {known} only"):
        moment(text)


@pytest.mark.parametrize("time", ["10", "1011"])
def test_a_time_of_hours_or_minutes_is_refused(time: str) -> None:
    changes = {"AcquisitionDateTime": None, "ContentDate": "20240315", "ContentTime": time}
    with pytest.raises(ProtocolError, match=r"ContentDate and ContentTime\) is known to the"):
        moment("20000101000000", **changes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("20240230101112", "acquisition time '20240230101112'"),
        ("20240315250000", "acquisition time"),
        ("20240315101161", "acquisition time"),
        ("20240315101112.1234567", "no date and time of DICOM"),
        ("20240315101112.", "no date and time of DICOM"),
        ("202403151", "no date and time of DICOM"),
        ("15/03/2024 10:11", "no date and time of DICOM"),
        ("20240315101112+25", "no date and time of DICOM"),
        ("20240315101112+1500", "-1200 to .1400 exist"),
        ("20240315101112+0160", "time zone"),
    ],
)
def test_what_is_no_moment_is_refused(text: str, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        moment(text)


def test_a_zone_of_the_object_that_is_none_is_refused() -> None:
    with pytest.raises(ProtocolError, match="time zone 'CET'"):
        moment("20240315101112", TimezoneOffsetFromUTC="CET")
