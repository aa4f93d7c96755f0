"""A tool's status in the metadata decides whether its pose is a measurement; names fit fields."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest

from hal.messages import BadSample, BeltSample, MarkerFrame, Sample, Triple
from hal.openigtlink.codec import HEADER, IgtlPacket, StreamReader, crc64, encode
from hal.openigtlink.contents import (
    Content,
    IgtlTool,
    Position,
    QuaternionData,
    QuaternionTool,
    Sensor,
    TrackingData,
    Transform,
    at,
)
from hal.openigtlink.session import IgtlSession, IgtlSettings
from sim.back_to_back import MS, BackToBack
from sim.openigtlink import IgtlTwin
from tests.hal.openigtlink.malformed import UNIX_NS

TOOLS = ("Chest", "Belly", "Couch")
SHOWN: tuple[Triple, ...] = ((1.5, -2.25, 3.125), (4.0, 5.5, -6.25), (0.0, 0.5, 100.0))
PLACE: Triple = (10.0, 20.0, 30.0)
TURN = (0.0, 0.0, 0.0, 1.0)

FORMS: list[tuple[str, Content]] = [
    ("Chest", Transform(at(PLACE))),
    ("Chest", Position(PLACE)),
    ("Tracker", TrackingData((IgtlTool("Chest", at(PLACE)),))),
    ("Tracker", QuaternionData((QuaternionTool("Chest", PLACE, TURN),))),
]


def samples_of(settings: IgtlSettings, *packets: IgtlPacket) -> list[Sample]:
    """Give a new session these packets and let it report what it gathered."""
    session = IgtlSession("camera", settings)
    session.begin(0)
    samples: list[Sample] = []
    for number, packet in enumerate(packets):
        samples += session.receive(encode(packet), number * MS)
    return samples


def seen_with(metadata: dict[str, str], form: tuple[str, Content]) -> Triple | None:
    """Return what a single tool's only marker is under this metadata."""
    packet = IgtlPacket(form[0], UNIX_NS, form[1], 2, 1, metadata)
    (frame,) = samples_of(IgtlSettings(tools=("Chest",)), packet)
    assert isinstance(frame, MarkerFrame)
    return frame.markers_mm[0]


@pytest.mark.parametrize("form", FORMS, ids=["TRANSFORM", "POSITION", "TDATA", "QTDATA"])
@pytest.mark.parametrize(
    ("metadata", "measured"),
    [
        ({}, True),
        ({"TransformValid": "true", "TransformStatus": "OK"}, True),
        ({"TransformValid": "1", "TransformStatus": "ok"}, True),
        ({"MRMLNodeName": "LinearTransform", "Status": "OK"}, True),
        ({"BellyStatus": "OUT_OF_VIEW"}, True),  # of another tool
        ({"TransformValid": "false", "TransformStatus": "OUT_OF_VIEW"}, False),
        ({"TransformStatus": "INVALID"}, False),
        ({"TransformStatus": "OUT_OF_VOLUME"}, False),
        ({"TransformStatus": "REQ_TIMEOUT"}, False),
        ({"TransformStatus": "SWITCH1_IS_ON"}, False),
        ({"TransformStatus": "UNKNOWN"}, False),
        ({"TransformStatus": ""}, False),
        ({"TransformValid": "0"}, False),
        ({"TransformValid": "true", "TransformStatus": "MISSING"}, False),
        ({"TransformValid": "false", "TransformStatus": "OK"}, False),
        ({"Status": "Missing"}, False),
        ({"transformstatus": " out_of_view "}, False),
        ({"ChestStatus": "OUT_OF_VIEW"}, False),
        ({"ChestTransformStatus": "INVALID"}, False),
        ({"ChestStatus": "OK", "Status": "DISABLED"}, False),
    ],
)
def test_a_pose_counts_only_when_its_status_is_ok(
    form: tuple[str, Content], metadata: dict[str, str], measured: bool
) -> None:
    assert seen_with(metadata, form) == (PLACE if measured else None)


def test_of_several_rows_each_has_its_own_status() -> None:
    rows = TrackingData(tuple(IgtlTool(n, at(p)) for n, p in zip(TOOLS, SHOWN, strict=True)))
    told = {"ChestStatus": "OK", "BellyStatus": "OUT_OF_VIEW", "CouchStatus": "OK"}
    (frame,) = samples_of(
        IgtlSettings(tools=TOOLS), IgtlPacket("Tracker", UNIX_NS, rows, 2, 1, told)
    )
    assert isinstance(frame, MarkerFrame)
    assert frame.markers_mm == (SHOWN[0], None, SHOWN[2])


@pytest.mark.parametrize("push", ["TRANSFORM", "POSITION", "TDATA", "QTDATA"])
def test_a_hidden_tool_that_is_sent_on_with_its_last_pose_is_missing(push: Any) -> None:
    def world(now_ns: int) -> list[Sample]:
        hidden = 300 * MS <= now_ns < 600 * MS
        return [MarkerFrame("room", now_ns, now_ns // MS, (SHOWN[0], None if hidden else SHOWN[1]))]

    twin = IgtlTwin(TOOLS[:2], push=push, version=2, hidden_status="OUT_OF_VIEW")
    pair = BackToBack(IgtlSession("camera", IgtlSettings(tools=TOOLS[:2])), twin)
    pair.run(1000 * MS, world, 20 * MS)
    frames = pair.of(MarkerFrame)
    assert len(frames) == len(pair.samples)
    assert {frame.markers_mm for frame in frames} == {SHOWN[:2], (SHOWN[0], None)}
    missing = [frame for frame in frames if frame.markers_mm[1] is None]
    assert len(missing) == 15  # 300 ms of 20 ms
    # The sender says that the tool is hidden, so the frame does not wait for it.
    assert all(frame.t_ns % (20 * MS) == frames[0].t_ns % (20 * MS) for frame in frames)


def test_a_belt_value_without_the_status_ok_is_a_bad_sample() -> None:
    settings = IgtlSettings(sensor="Belt")
    good = IgtlPacket("Belt", UNIX_NS, Sensor((1.5,)), 2, 1, {"Status": "OK"})
    lost = IgtlPacket("Belt", UNIX_NS + 20 * MS, Sensor((1.5,)), 2, 2, {"Status": "MISSING"})
    first, second = samples_of(settings, good, lost)
    assert isinstance(first, BeltSample)
    assert isinstance(second, BadSample)
    assert (second.what, second.value) == ("belt value is not measured", "Status MISSING")


def test_two_rows_of_one_configured_name_are_refused() -> None:
    rows = TrackingData((IgtlTool("Chest", at(SHOWN[0])), IgtlTool("Chest", at(SHOWN[1]))))
    (bad,) = samples_of(IgtlSettings(tools=TOOLS), IgtlPacket("Tracker", UNIX_NS, rows))
    assert isinstance(bad, BadSample)
    assert bad.what == "two tools of one name"
    assert "'Chest'" in bad.value


@pytest.mark.parametrize(
    "keys",
    [
        {"tools": ["SternumUpperToTracker"]},  # 21 bytes
        {"tools": ["Chest", "CostalArchLeftToTracker"]},
        {"tools": ["Chest"], "sensor": "RespirationBeltSensor"},
        {"tools": ["Brust-Mäcker"]},
        {"tools": ["Chest"], "ask": "TDATA", "coordinates": "P" * 33},
        {"tools": ["Che\tst"]},
    ],
)
def test_a_name_that_no_field_can_carry_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"its field carries (20|32) printable"):
        msgspec.convert(keys, IgtlSettings)


def test_names_that_just_fit_are_taken() -> None:
    fits = {"tools": ["T" * 20], "sensor": "S" * 20, "coordinates": "C" * 32}
    assert msgspec.convert(fits, IgtlSettings).tools == ("T" * 20,)


@pytest.mark.parametrize(
    ("encoding", "value", "expected"),
    [
        (3, b"OUT_OF_VIEW", "OUT_OF_VIEW"),
        (106, "außer Sicht".encode(), "außer Sicht"),
        (4, "außer Sicht".encode("latin-1"), "außer Sicht"),
        (1013, "MISSING".encode("utf-16-be"), "MISSING"),
        (1014, "MISSING".encode("utf-16-le"), "MISSING"),
    ],
)
def test_a_metadata_value_is_read_in_its_own_encoding(
    encoding: int, value: bytes, expected: str
) -> None:
    body = struct.pack(">HHII", 12, 10, 6 + len(value), 7) + struct.pack(">12f", *at(PLACE))
    body += struct.pack(">HHHI", 1, 6, encoding, len(value)) + b"Status" + value
    head = HEADER.pack(2, b"TRANSFORM", b"Chest", 0, len(body), crc64(body))
    (packet,) = StreamReader().feed(head + body)
    assert isinstance(packet, IgtlPacket)
    assert packet.metadata == {"Status": expected}
