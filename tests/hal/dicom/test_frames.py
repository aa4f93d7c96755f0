"""Objects of several frames: each frame's pixels and time, or a refusal that names what is missing.

Sources of the time rules: DICOM PS3.3, C.7.6.5.1 (cine), C.7.6.16.2.2 (functional groups).
"""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="extra dicom is not installed")

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedXAImageStorage, RLELossless

from hal.dicom.codec import DicomSettings, decode
from hal.dicom.frame_times import FRAME_TIME, FRAME_TIME_VECTOR, frame_times_ns
from hal.dicom.session import PairCollector
from hal.errors import ProtocolError
from hal.imaging.pairs import Pair
from hal.messages import BadSample, FiducialShot
from tests.hal.dicom.radiograph_file import radiograph
from tests.hal.dicom.test_dicom import PLANNED, VIEWS, imager, stored

__all__ = ["imager"]

SETTINGS = DicomSettings(device="imager", port=0)
FRAMES = np.random.default_rng(4).integers(0, 65_536, (4, 20, 30)).astype(np.uint16)
MS = 1_000_000


def series(side: str = "LEFT", frames: np.ndarray = FRAMES, **changes: object):
    """Return an object of several frames without a time of its own."""
    data = radiograph(frames[0], side, NumberOfFrames=len(frames), PixelData=frames.tobytes())
    for name, value in changes.items():
        if value is None:
            data.pop(name, None)
        else:
            setattr(data, name, value)
    return data


def timed(side: str = "LEFT", frames: np.ndarray = FRAMES, **changes: object):
    """Return an object whose frames are 125 ms apart."""
    return series(side, frames, **{"FrameIncrementPointer": FRAME_TIME, "FrameTime": 125} | changes)


def steps_ms(data) -> list[float]:
    times = frame_times_ns(data)
    first = frame_times_ns(radiograph(FRAMES[0], "LEFT"))[0]
    return [(each - first) / 1e6 for each in times]


def test_every_frame_is_an_exposure_with_its_own_pixels_and_time() -> None:
    pictures = decode(timed(), SETTINGS)
    assert [picture.frame for picture in pictures] == [1, 2, 3, 4]
    for picture, frame in zip(pictures, FRAMES, strict=True):
        assert np.array_equal(picture.pixels, frame)
    assert steps_ms(timed()) == [0.0, 125.0, 250.0, 375.0]


def test_frames_of_eight_bits_and_an_odd_size_are_cut_at_their_bytes() -> None:
    frames = np.arange(3 * 5 * 7, dtype=np.uint8).reshape(3, 5, 7)
    data = timed(frames=frames, PixelData=frames.tobytes() + b"\0")
    pictures = decode(data, SETTINGS)
    assert all(np.array_equal(p.pixels, f) for p, f in zip(pictures, frames, strict=True))


def test_compressed_frames_are_unpacked_one_by_one() -> None:
    data = timed()
    data.compress(RLELossless)
    pictures = decode(data, SETTINGS)
    assert all(np.array_equal(p.pixels, f) for p, f in zip(pictures, FRAMES, strict=True))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"FrameTime": "33.333"}, [0.0, 33.333, 66.666, 99.999]),
        ({"FrameIncrementPointer": None}, [0.0, 125.0, 250.0, 375.0]),
        (
            {"FrameIncrementPointer": FRAME_TIME_VECTOR, "FrameTimeVector": [0, 100, 110, 90.5]},
            [0.0, 100.0, 210.0, 300.5],
        ),
        (
            {"FrameIncrementPointer": FRAME_TIME_VECTOR, "FrameTimeVector": [20, 1, 1, 1]},
            [20.0, 21.0, 22.0, 23.0],
        ),
        (
            {"FrameDelay": 500, "ContentDate": "20261124", "ContentTime": "101112.000"},
            [250.0, 375.0, 500.0, 625.0],
        ),
        ({"CineRate": 30, "RecommendedDisplayFrameRate": 15}, [0.0, 125.0, 250.0, 375.0]),
    ],
)
def test_the_attribute_that_the_pointer_names_tells_the_times(changes, expected) -> None:
    assert steps_ms(timed(**changes)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"FrameIncrementPointer": 0x0018_2002}, "the frames differ by FrameLabelVector"),
        ({"FrameIncrementPointer": 0x0009_1001}, r"differ by \(0009,1001\)"),
        ({"FrameIncrementPointer": [FRAME_TIME, 0x0054_0080]}, "FrameTime, SliceVector"),
        ({"FrameTime": None, "FrameIncrementPointer": None}, "no time of the frames"),
        ({"FrameTimeVector": [0, 1, 1, 1], "FrameIncrementPointer": None}, "both FrameTime and"),
        ({"FrameTime": 0}, "FrameTime is 0 ms"),
        ({"FrameTime": -33}, "FrameTime is -33 ms"),
        ({"FrameTime": 1e9}, "FrameTime is 1e.09 ms"),
        ({"FrameTime": None}, "FrameTime is None"),
        ({"FrameIncrementPointer": FRAME_TIME_VECTOR}, "0 values for 4 frames"),
        (
            {"FrameIncrementPointer": FRAME_TIME_VECTOR, "FrameTimeVector": [0, 10, 10]},
            "3 values for 4 frames",
        ),
        (
            {"FrameIncrementPointer": FRAME_TIME_VECTOR, "FrameTimeVector": [0, 10, 0, 10]},
            "frame 3 is not later than frame 2",
        ),
        (
            {"FrameIncrementPointer": FRAME_TIME_VECTOR, "FrameTimeVector": [0, 10, -5, 10]},
            "FrameTimeVector is -5 ms",
        ),
        ({"FrameDelay": 10}, "no acquisition time"),
        ({"PixelData": FRAMES[:3].tobytes()}, "3600 bytes of pixels, 20 x 30 of 16 bits in 4"),
        ({"NumberOfFrames": 512, "Rows": 4096, "Columns": 4096}, "4096 x 4096 pixels in 512"),
    ],
)
def test_frames_without_a_time_are_refused_by_name(changes, says) -> None:
    with pytest.raises(ProtocolError, match=says):
        decode(timed(**changes), SETTINGS)


def item(**attributes: object) -> Dataset:
    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def enhanced(name: str, texts: list[str], **groups: list[Dataset]):
    """Return an object whose frames say their moments themselves."""
    per_frame = []
    for number, text in enumerate(texts):
        content = Sequence([item(**({name: text} if text else {}))])
        others = {key: Sequence([items[number]]) for key, items in groups.items()}
        per_frame.append(item(FrameContentSequence=content, **others))
    return series(
        frames=FRAMES[: len(texts)],
        PerFrameFunctionalGroupsSequence=Sequence(per_frame),
        SOPClassUID=EnhancedXAImageStorage,
    )


@pytest.mark.parametrize("name", ["FrameAcquisitionDateTime", "FrameReferenceDateTime"])
def test_a_frame_that_says_its_moment_is_believed(name: str) -> None:
    data = enhanced(name, ["20261124101112.300", "20261124111112.4375+0100", "20261124101113"])
    assert steps_ms(data) == pytest.approx([50.0, 187.5, 750.0])
    data.PerFrameFunctionalGroupsSequence[1].FrameContentSequence[0] = item()
    with pytest.raises(ProtocolError, match="frame 2 has no acquisition time, 2 others have"):
        frame_times_ns(data)


def test_the_moment_that_stands_for_a_frame_comes_before_its_begin() -> None:
    data = enhanced("FrameAcquisitionDateTime", ["20261124101112.3", "20261124101112.4"])
    for number, group in enumerate(data.PerFrameFunctionalGroupsSequence):
        group.FrameContentSequence[0].FrameReferenceDateTime = f"20261124101112.{number + 5}"
    assert steps_ms(data) == pytest.approx([250.0, 350.0])


def test_groups_of_too_few_frames_are_refused() -> None:
    data = enhanced("FrameAcquisitionDateTime", ["20261124101112.3", "20261124101112.4"])
    data.NumberOfFrames = 3
    with pytest.raises(ProtocolError, match="groups of 2 frames, frame 3 needed"):
        decode(data, SETTINGS)


def test_what_a_group_says_of_its_frame_comes_before_the_object() -> None:
    """The second frame alone is inverted and rescaled; the shared group says LIN for both."""
    properties = [
        item(PixelIntensityRelationshipSign=1),
        item(PixelIntensityRelationshipSign=-1),
    ]
    data = enhanced(
        "FrameReferenceDateTime",
        ["20261124101112.3", "20261124101112.4"],
        FramePixelDataPropertiesSequence=properties,
    )
    data.PixelIntensityRelationship = "DISP"
    shared = item(
        FramePixelDataPropertiesSequence=Sequence([item(PixelIntensityRelationship="LIN")])
    )
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    first, second = decode(data, SETTINGS)
    assert np.array_equal(first.pixels, FRAMES[0])
    assert np.array_equal(second.pixels, 65_535 - FRAMES[1])
    del data.SharedFunctionalGroupsSequence
    with pytest.raises(ProtocolError, match="DISP"):
        decode(data, SETTINGS)


def paired(skew_ms: float = 20.0, right_ms: float = 3.0):
    """Return what comes of two series whose sides are so far apart."""
    collector = PairCollector(DicomSettings(device="imager", port=0, skew_ms=skew_ms))
    collector.expose(5)
    left = decode(timed("LEFT", FrameTime=40), SETTINGS)
    late = f"20261124101112.{250_000 + round(right_ms * 1000):06d}"
    right = decode(timed("RIGHT", FrameTime=40, AcquisitionDateTime=late), SETTINGS)
    assert collector.receive_all(left, 1) == []
    return collector, left, right, collector.receive_all(right, 2)


def test_two_series_are_paired_frame_by_frame() -> None:
    _, left, right, pairs = paired()
    assert [type(pair) for pair in pairs] == [Pair] * 4
    assert [pair.shot_id for pair in pairs if isinstance(pair, Pair)] == [5, -1, -1, -1]
    for pair, one, other in zip(pairs, left, right, strict=True):
        assert isinstance(pair, Pair)
        assert (pair.left.ticks, pair.right.ticks) == (one.exposed_ns, other.exposed_ns)
        assert pair.left.pixels is one.pixels


def test_the_nearest_frame_is_the_partner_where_several_are_near() -> None:
    """Sides 35 ms apart with 40 ms between frames: each is 5 ms from the next frame."""
    _, left, right, pairs = paired(skew_ms=36.0, right_ms=35.0)
    found = [
        (p.left.ticks - left[0].exposed_ns, p.right.ticks) for p in pairs if isinstance(p, Pair)
    ]
    assert found[:3] == [(40 * MS * (k + 1), right[k].exposed_ns) for k in range(3)]


def test_a_series_without_its_other_side_is_told_once() -> None:
    collector, left, _, pairs = paired(right_ms=700.0)
    assert pairs == []
    wake_ns = collector.wake_ns
    assert wake_ns is not None
    told = collector.wake(wake_ns + 1)
    assert [type(each) for each in told] == [BadSample, BadSample]
    assert isinstance(told[0], BadSample)
    assert f"left, {left[0].instance}, 4 frames from 1 on: no other side" in str(told[0].value)
    assert collector.wake_ns is None


def test_a_series_stored_twice_is_told_and_makes_no_pairs() -> None:
    collector, left, _, _ = paired()
    again = collector.receive_all(left, 3)
    assert {each.what for each in again if isinstance(each, BadSample)} == {"picture stored twice"}
    assert len(again) == 4


def test_a_stored_series_becomes_a_shot_for_every_frame(imager) -> None:
    from sim.radiograph import Exposure, Seed, expose_pair

    device, samples = imager
    rng = np.random.default_rng(2)
    moved = [np.array([0.0, 0.0, 2.0 * k]) for k in range(3)]
    sides: tuple[list, list] = ([], [])
    for shift in moved:
        seeds = [Seed(np.array(p) + shift, rng.standard_normal(3)) for p in PLANNED]
        for side, picture in zip(
            sides, expose_pair(VIEWS, (seeds, seeds), Exposure(), rng), strict=True
        ):
            side.append(picture)
    objects = [
        timed(name, np.stack(frames)) for name, frames in zip(("LEFT", "RIGHT"), sides, strict=True)
    ]
    assert stored(device, *objects) == [0, 0]
    end = time.monotonic() + 20.0
    while len(samples) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    shots = [shot for shot in samples if isinstance(shot, FiducialShot)]
    assert [shot.ticks - shots[0].ticks for shot in shots] == [0, 125 * MS, 250 * MS]
    for shot, shift in zip(shots, moved, strict=True):
        assert np.array(shot.fiducials_mm) == pytest.approx(np.array(PLANNED) + shift, abs=0.3)
