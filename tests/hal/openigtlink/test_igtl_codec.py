"""OpenIGTLink messages, both ways: vectors, pieces, corruption of every byte, a fuzz."""

from __future__ import annotations

import math
import random
import struct

import pytest

from hal.errors import ProtocolError
from hal.openigtlink.codec import HEADER, IgtlGarbled, IgtlPacket, StreamReader, crc64, encode
from hal.openigtlink.contents import (
    Content,
    IgtlText,
    IgtlTool,
    Position,
    QuaternionData,
    QuaternionTool,
    Sensor,
    StartTracking,
    StopTracking,
    TrackingAnswer,
    TrackingData,
    Transform,
    position_of,
)
from tests.hal.openigtlink.malformed import CONTENTS, TURNED, UNIX_NS, feed, malformed


def read(data: bytes) -> list[IgtlPacket | IgtlGarbled]:
    return StreamReader().feed(data)


def test_crc_is_the_published_one() -> None:
    assert crc64(b"123456789") == 0x6C40DF5F0B497347
    assert crc64(b"") == 0


def test_a_transform_byte_by_byte() -> None:
    data = encode(IgtlPacket("Chest", 1_700_000_000_500_000_000, Transform(TURNED)))
    body = struct.pack(">12f", *TURNED)
    assert data == (
        b"\0\1TRANSFORM\0\0\0Chest" + b"\0" * 15
        + struct.pack(">II", 1_700_000_000, 0x80000000)
        + struct.pack(">QQ", 48, crc64(body))
        + body
    )  # fmt: skip
    assert len(data) == 58 + 48
    (packet,) = read(data)
    assert isinstance(packet, IgtlPacket)
    assert isinstance(packet.content, Transform)
    assert position_of(packet.content.matrix) == (1.5, -2.25, 3.125)


def test_sizes_are_those_of_the_specification() -> None:
    def size(content: Content) -> int:
        return len(encode(IgtlPacket("x", 0, content))) - HEADER.size

    assert size(StartTracking("TDATA", 20, "Patient")) == 36
    assert size(StopTracking("TDATA")) == 0
    assert size(TrackingAnswer("TDATA", True)) == 1
    assert size(TrackingData((IgtlTool("a", TURNED), IgtlTool("b", TURNED)))) == 140
    assert size(QuaternionData((QuaternionTool("a", (0, 0, 0), (0, 0, 0, 1)),))) == 50
    assert size(Sensor((1.0, 2.0))) == 26
    assert size(Position((0, 0, 0))) == 12
    assert size(Position((0, 0, 0), (0, 0, 0, 1))) == 28


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: type(content).__name__)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_round_trip(content: Content, version: int) -> None:
    metadata = {"unit": "mm", "Ort": "Köln"} if version >= 2 else {}
    message_id = 77 if version >= 2 else 0
    packet = IgtlPacket("Tracker", UNIX_NS, content, version, message_id, metadata)
    assert read(encode(packet)) == [packet]


def test_position_with_three_quaternion_numbers_gets_the_fourth() -> None:
    body = struct.pack(">6f", 1, 2, 3, 0, 0, 0.6)
    data = HEADER.pack(1, b"POSITION", b"Pointer", 0, len(body), crc64(body)) + body
    (packet,) = read(data)
    assert isinstance(packet, IgtlPacket)
    assert isinstance(packet.content, Position)
    assert packet.content.quaternion == pytest.approx((0, 0, 0.6, 0.8))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (Transform((math.nan, *TURNED[1:])), "not all finite"),
        (Transform((1e39, *TURNED[1:])), "cannot be written"),
        (Sensor((math.inf,)), "not all finite"),
        (Sensor((0.0,) * 256), "cannot be written"),
        (TrackingData((IgtlTool("a name longer than twenty", TURNED),)), "at most 20"),
        (TrackingData((IgtlTool("grün", TURNED),)), "at most 20"),
        (TrackingData((IgtlTool("a", TURNED),) * 1000), "longer than 65536"),
    ],
)
def test_refuses_to_write(content: Content, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        encode(IgtlPacket("x", 0, content))


def test_version_1_has_no_place_for_metadata() -> None:
    with pytest.raises(ProtocolError, match="metadata"):
        encode(IgtlPacket("x", 0, IgtlText("y"), metadata={"a": "b"}))


def stream(version: int = 1) -> tuple[bytes, list[IgtlPacket]]:
    packets = [IgtlPacket(f"D{n}", UNIX_NS + n, c, version) for n, c in enumerate(CONTENTS)]
    return b"".join(encode(packet) for packet in packets), packets


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("piece", [1, 7, 57, 58, 59, 100, 10_000])
def test_pieces_of_any_size_give_the_same(version: int, piece: int) -> None:
    data, packets = stream(version)
    reader = StreamReader()
    found: list[IgtlPacket | IgtlGarbled] = []
    for start in range(0, len(data), piece):
        found += reader.feed(data[start : start + piece])
    assert found == packets
    assert reader.waiting == 0


def test_a_rest_waits_for_what_follows() -> None:
    packet = IgtlPacket("x", 0, IgtlText("y"))
    data = encode(packet)
    for cut in range(1, len(data)):
        reader = StreamReader()
        assert reader.feed(data + data[:cut]) == [packet]
        assert reader.waiting == cut
        assert reader.feed(data[cut:] + data) == [packet, packet]
    reader.feed(data[:20])
    reader.reset()
    assert reader.feed(data) == [packet]


def test_images_and_other_types_are_passed_over() -> None:
    image = HEADER.pack(1, b"IMAGE", b"Probe", 0, 1_000_000, 0) + b"\0\1" * 500_000
    wanted = IgtlPacket("x", 0, IgtlText("y"))
    reader = StreamReader()
    found: list[IgtlPacket | IgtlGarbled] = []
    data = image + encode(wanted) + HEADER.pack(1, b"GET_STATUS", b"", 0, 0, 0) + encode(wanted)
    for start in range(0, len(data), 65536):
        found += reader.feed(data[start : start + 65536])
        assert reader.waiting < 65536
    assert found == [wanted, wanted]


EXTENDED = struct.Struct(">HHII")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\0" * 11, "cut off"),
        (EXTENDED.pack(11, 0, 0, 0), "does not fit its body"),
        (EXTENDED.pack(12, 2, 0, 0), "does not fit its body"),
        (EXTENDED.pack(12, 2, 0, 0) + b"\0\1", "does not fit its count"),
        (EXTENDED.pack(12, 10, 1, 0) + b"\0\1" + struct.pack(">HHI", 9, 3, 9) + b"a", "its sizes"),
        (EXTENDED.pack(12, 0, 0, 0) + b"\0\3\0\2\xff\xff", "not UTF-8"),
        (EXTENDED.pack(12, 0, 0, 0) + b"\0\3\0", "content of 3 bytes"),
    ],
)
def test_extended_headers_that_do_not_fit(body: bytes, says: str) -> None:
    (found,) = read(HEADER.pack(2, b"STRING", b"x", 0, len(body), crc64(body)) + body)
    assert isinstance(found, IgtlGarbled)
    assert says in found.what


def test_a_name_with_control_characters_is_refused() -> None:
    body = b"Mark\ner".ljust(20, b"\0") + bytes(50)
    (found,) = read(HEADER.pack(1, b"TDATA", b"x", 0, 70, crc64(body)) + body)
    assert isinstance(found, IgtlGarbled)
    assert "Mark" in found.what


def test_after_a_name_senders_may_leave_anything() -> None:
    body = b"Marker\0\xfe\xff".ljust(20, b"\7") + bytes(50)
    (found,) = read(HEADER.pack(1, b"TDATA", b"x", 0, 70, crc64(body)) + body)
    assert isinstance(found, IgtlPacket)
    assert isinstance(found.content, TrackingData)
    assert found.content.tools[0].name == "Marker"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "content",
    [Transform(TURNED), TrackingData((IgtlTool("Marker 0", TURNED),)), Sensor((1.5, 2.5))],
    ids=lambda content: type(content).__name__,
)
def test_every_byte_corrupted(content: Content, version: int) -> None:
    """No wrong content is ever believed, and the reader finds its way back."""
    packet = IgtlPacket("Tracker", UNIX_NS, content, version)
    data = encode(packet)
    follower = encode(IgtlPacket("Next", UNIX_NS, IgtlText("still here")))
    unprotected = range(14, 42)  # device name and time: outside the CRC
    for place in range(len(data)):
        for flip in (0x01, 0x10, 0x80, 0xFF):
            corrupt = bytearray(data)
            corrupt[place] ^= flip
            reader = StreamReader()
            found = reader.feed(bytes(corrupt) + follower * 3)
            while reader.waiting:
                found += reader.resume()
            good = [item for item in found if isinstance(item, IgtlPacket)]
            if good and good[0].device_name != "Next":
                first = good[0]
                assert first.content == content
                assert place in unprotected or (place == 1 and version >= 2)
            assert [packet.device_name for packet in good][-3:] == ["Next"] * 3


def test_fuzz_believes_nothing_and_recovers() -> None:
    rng = random.Random(20240607)
    for _ in range(4_000):
        data = malformed(rng)
        assert not feed(data), data
