"""Radiographs by DICOM: objects read or refused, sides paired, a C-STORE over loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="extra dicom is not installed")

from pydicom import dcmread, uid
from pynetdicom import AE

from hal.dicom.codec import DicomSettings, counts, decode
from hal.dicom.exposure_time import exposure_ns
from hal.dicom.receiver import CANNOT_UNDERSTAND, DicomImager
from hal.dicom.session import PairCollector
from hal.errors import DeviceError, ProtocolError
from hal.events import LinkChanged, SendExpose, SendStop
from hal.imaging.fiducials import FiducialFinder
from hal.imaging.pairs import Pair
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from hal.imaging.xray_reader import XrayReader
from hal.messages import BadSample, FiducialShot
from sim.radiograph import Exposure, Seed, expose_pair
from tests.hal.dicom.radiograph_file import radiograph, save

SETTINGS = DicomSettings(device="imager", port=0)
PIXELS = np.random.default_rng(1).integers(0, 65_536, (20, 30)).astype(np.uint16)
VIEWS = nominal_pair(XrayGeometry(width_px=400, height_px=400))
PLANNED = ((0.0, 12.0, 4.0), (9.0, -6.0, -3.0), (-8.0, -5.0, 6.0))
MS = 1_000_000


def test_an_object_gives_side_exposure_and_counts() -> None:
    (picture,) = decode(radiograph(PIXELS, "LEFT"), SETTINGS)
    assert picture.side == "left"
    assert np.array_equal(picture.pixels, PIXELS)
    (later,) = decode(radiograph(PIXELS, "RIGHT", "20261124101112.251000"), SETTINGS)
    assert later.exposed_ns - picture.exposed_ns == 1 * MS


def test_times_with_zones_and_in_two_attributes_are_the_same_moment() -> None:
    plain = exposure_ns(radiograph(PIXELS, "LEFT", "20261124101112.5"))
    assert exposure_ns(radiograph(PIXELS, "LEFT", "20261124111112.5+0100")) == plain
    assert exposure_ns(radiograph(PIXELS, "LEFT", "20261124084112.5-0130")) == plain
    zone = radiograph(PIXELS, "LEFT", "20261124084112.5", TimezoneOffsetFromUTC="-0130")
    assert exposure_ns(zone) == plain
    split = radiograph(PIXELS, "LEFT", AcquisitionDateTime=None, ContentDate="20261124")
    split.ContentTime = "101112.500000"
    assert exposure_ns(split) == plain


def test_conventions_of_brightness_end_as_counts() -> None:
    negative = radiograph(65_535 - PIXELS, "LEFT", PixelIntensityRelationshipSign=-1)
    assert np.array_equal(counts(negative), PIXELS)
    white_bone = radiograph(
        65_535 - PIXELS,
        "LEFT",
        PixelIntensityRelationshipSign=None,
        PhotometricInterpretation="MONOCHROME2",
    )
    assert np.array_equal(counts(white_bone), PIXELS)
    logarithm = radiograph(PIXELS, "LEFT", PixelIntensityRelationship="LOG")
    order = np.argsort(PIXELS.ravel(), kind="stable")
    assert np.all(np.diff(counts(logarithm).ravel()[order].astype(int)) >= 0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"DetectorID": "TOP"}, "DetectorID is 'TOP'"),
        ({"DetectorID": None}, "DetectorID is ''"),
        ({"AcquisitionDateTime": None}, "acquisition time"),
        ({"SamplesPerPixel": 3}, "3 samples"),
        ({"NumberOfFrames": 2}, "2 frames, no time of the frames"),
        ({"PhotometricInterpretation": "RGB"}, "photometric"),
        ({"PixelRepresentation": 2}, "representation 2"),
        ({"PixelData": None}, "0 bytes of pixels"),
        ({"Rows": 21}, "bytes of pixels"),
    ],
)
def test_an_object_without_what_is_needed_is_refused(changes, says) -> None:
    with pytest.raises(ProtocolError, match=says):
        decode(radiograph(PIXELS, "LEFT", **changes), SETTINGS)


def side(name: str, ms: float, instance: str = ""):
    data = radiograph(PIXELS, name, f"20261124101112.{int(ms * 1000):06d}")
    if instance:
        data.SOPInstanceUID = instance
    (picture,) = decode(data, SETTINGS)
    return picture


def test_sides_of_one_exposure_become_a_pair_with_the_asked_number() -> None:
    collector = PairCollector(SETTINGS)
    collector.expose(8)
    assert collector.receive(side("RIGHT", 100), 5) == []
    (pair,) = collector.receive(side("LEFT", 103), 9)
    assert isinstance(pair, Pair)
    assert (pair.shot_id, pair.left.device, pair.left.t_ns) == (8, "imager/left", 9)
    collector.receive(side("LEFT", 300), 10)
    (again,) = collector.receive(side("RIGHT", 300), 11)
    assert isinstance(again, Pair)
    assert again.shot_id == -1


def test_sides_of_different_exposures_are_no_pair() -> None:
    collector = PairCollector(SETTINGS)
    assert collector.receive(side("LEFT", 100), 0) == []
    assert collector.receive(side("RIGHT", 150), 0) == []
    assert collector.receive(side("LEFT", 101), 0) == []
    wake_ns = collector.wake_ns
    assert wake_ns == 5000 * MS
    lost = collector.wake(wake_ns)
    assert {bad.what for bad in lost} == {"picture without partner"}
    assert len(lost) == 3


def test_a_picture_stored_twice_counts_once() -> None:
    collector = PairCollector(SETTINGS)
    collector.receive(side("LEFT", 100, "1.2.3"), 0)
    (bad,) = collector.receive(side("LEFT", 100, "1.2.3"), 0)
    assert isinstance(bad, BadSample)
    assert bad.what == "picture stored twice"


@pytest.fixture
def imager() -> Iterator[tuple[DicomImager, list]]:
    samples: list = []
    links: list[LinkChanged] = []
    reader = XrayReader("imager", FiducialFinder(VIEWS, PLANNED))
    device = DicomImager(SETTINGS, reader, samples.append, links.append)
    device.start()
    assert links[0].up
    yield device, samples
    device.stop()


def stored(device: DicomImager, *objects) -> list[int]:
    entity = AE()
    entity.add_requested_context(objects[0].SOPClassUID, objects[0].file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", device.port, ae_title="TIDETRACK")
    assert association.is_established
    answers = [association.send_c_store(data).Status for data in objects]
    association.release()
    return answers


def until(condition) -> None:
    end = time.monotonic() + 8.0
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_a_stored_pair_becomes_a_shot(imager) -> None:
    device, samples = imager
    rng = np.random.default_rng(2)
    seeds = [Seed(np.array(p) + [1.0, 2.0, 3.0], rng.standard_normal(3)) for p in PLANNED]
    left, right = expose_pair(VIEWS, (seeds, seeds), Exposure(), rng)
    device.obey(SendExpose(0, "imager", 12), 0)
    assert stored(device, radiograph(left, "LEFT"), radiograph(right, "RIGHT")) == [0, 0]
    until(lambda: samples)
    (shot,) = samples
    assert isinstance(shot, FiducialShot)
    assert shot.shot_id == 12
    assert shot.ticks == exposure_ns(radiograph(left, "LEFT"))
    assert np.array(shot.fiducials_mm) == pytest.approx(np.array(PLANNED) + [1, 2, 3], abs=0.3)


def test_an_object_that_cannot_be_read_is_refused_and_reported(imager) -> None:
    device, samples = imager
    assert stored(device, radiograph(PIXELS, "TOP")) == [CANNOT_UNDERSTAND]
    until(lambda: samples)
    assert samples[0].what == "DICOM object"
    with pytest.raises(DeviceError):
        device.obey(SendStop(0, "imager"), 0)


def test_another_title_is_not_let_in_and_told(imager) -> None:
    device, samples = imager
    entity = AE(ae_title="STRANGER")
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", device.port, ae_title="SOMEBODY")
    assert association.is_rejected
    until(lambda: samples)
    (bad,) = samples
    assert bad.what == "DICOM association rejected"
    assert "'STRANGER' at 127.0.0.1" in bad.value
    assert "it calls 'SOMEBODY', this is 'TIDETRACK'" in bad.value


def test_a_caller_that_is_not_configured_is_told() -> None:
    samples: list = []
    settings = msgspec.structs.replace(SETTINGS, callers=("CARM", "PANEL"))
    reader = XrayReader("imager", FiducialFinder(VIEWS, PLANNED))
    device = DicomImager(settings, reader, samples.append, lambda change: None)
    device.start()
    try:
        entity = AE(ae_title="STRANGER")
        entity.add_requested_context("1.2.840.10008.1.1")
        assert entity.associate("127.0.0.1", device.port, ae_title="TIDETRACK").is_rejected
        until(lambda: samples)
    finally:
        device.stop()
    assert samples[0].what == "DICOM association rejected"
    assert "'STRANGER'" in samples[0].value
    assert "only CARM, PANEL may store here" in samples[0].value


@pytest.mark.parametrize(
    ("contents", "named"),
    [
        (("CTImageStorage", "ExplicitVRLittleEndian"), "CT Image Storage as Explicit VR"),
        (("DigitalXRayImageStorageForProcessing", "MPEG2MPML"), "as MPEG2 Main Profile"),
    ],
)
def test_contents_that_are_not_read_are_told_with_the_caller(imager, contents, named) -> None:
    device, samples = imager
    entity = AE(ae_title="CARM")
    entity.add_requested_context(*(getattr(uid, name) for name in contents))
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", device.port, ae_title="TIDETRACK")
    assert association.is_established
    association.release()
    until(lambda: samples)
    (bad,) = samples
    assert bad.what == "DICOM contents rejected"
    assert "'CARM' at 127.0.0.1" in bad.value
    assert named in bad.value


def test_a_caller_that_offers_everything_is_told_of_nothing(imager) -> None:
    device, samples = imager
    entity = AE(ae_title="ARCHIVE")
    for name in ("CTImageStorage", "MRImageStorage", "RTImageStorage"):
        entity.add_requested_context(getattr(uid, name))
    association = entity.associate("127.0.0.1", device.port, ae_title="TIDETRACK")
    assert association.is_established
    association.release()
    assert stored(device, radiograph(PIXELS, "TOP")) == [CANNOT_UNDERSTAND]
    until(lambda: samples)
    assert [sample.what for sample in samples] == ["DICOM object"]


def test_a_refused_object_names_who_sent_it(imager) -> None:
    device, samples = imager
    bad_time = radiograph(PIXELS, "LEFT", "202611241011")
    assert stored(device, bad_time) == [CANNOT_UNDERSTAND]
    until(lambda: samples)
    assert "from 'PYNETDICOM' at 127.0.0.1: " in samples[0].value
    assert "known to the minute only" in samples[0].value


def test_a_compressed_object_is_taken(imager, tmp_path) -> None:
    device, samples = imager
    pair = []
    for name in ("LEFT", "RIGHT"):
        data = radiograph(PIXELS, name)
        data.compress(uid.RLELossless)
        pair.append(dcmread(save(data, tmp_path / f"{name}.dcm")))
    assert stored(device, *pair) == [0, 0]
    until(lambda: samples)
    assert "calibrated for 400 x 400" in str(samples[0])  # it was read: only its size is wrong
