"""Payloads of several parts: the grey picture is found and whole, or it is refused by name."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from hal.errors import DeviceError
from hal.gige.multipart import (
    DATA_TYPES,
    INTENSITY,
    PICTURE_2D,
    Part,
    Piece,
    decode_parts,
    encode_parts,
    encode_piece,
    picture_part,
)
from hal.gige.packets import (
    BYTES_PER_PIXEL,
    MONO8,
    MONO16,
    MULTI_PART,
    MULTI_PART_PIECE,
    PAYLOAD,
    GvspPacket,
    Leader,
    decode_leader,
    encode_leader,
    encode_packet,
    encode_trailer,
    multi_part_packets_of,
    packets_of,
)
from hal.gige.packets import Trailer as End
from hal.gige.reassembly import GvspFrame, Reassembly
from hal.messages import BadSample

RNG = np.random.default_rng(3)
PICTURE = RNG.integers(0, 256, (30, 40), dtype=np.uint8)
COORD3D_C16 = 0x0110_00B8
DEPTH = Part(5, 2400, COORD3D_C16, 0, 4, 40, 30)
GREY = Part(PICTURE_2D, 1200, MONO8, 0, INTENSITY, 40, 30)
CONFIDENCE = Part(9, 1200, MONO8, 0, 6, 40, 30)
PARTS = (DEPTH, GREY, CONFIDENCE)
CONTENTS = (RNG.bytes(2400), PICTURE.tobytes(), RNG.bytes(1200))
PACKET_BYTES = 256
MS = 1_000_000


def leader_of(parts: Sequence[Part] = PARTS, number: int = 1) -> Leader:
    part = parts[number]
    return Leader(
        5000, part.pixel_format, part.width, part.height, 0, 0, 0, 0, False, tuple(parts), number
    )


def sent(
    block: int = 1,
    contents: Sequence[bytes] = CONTENTS,
    parts: Sequence[Part] = PARTS,
    number: int = 1,
    through: bool = True,
) -> list[bytes]:
    return multi_part_packets_of(
        block, leader_of(parts, number), contents, PACKET_BYTES, through=through
    )


def fed(
    datagrams: Sequence[bytes], assembly: Reassembly | None = None
) -> list[GvspFrame | BadSample]:
    assembly = assembly or Reassembly("camera", PACKET_BYTES, 0)
    return [item for data in datagrams for item in assembly.receive(data, 0)]


@pytest.mark.parametrize("through", [True, False])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_picture_is_found_among_other_parts(number: int, through: bool) -> None:
    others = [(DEPTH, CONTENTS[0]), (CONFIDENCE, CONTENTS[2])]
    rows = [*others[:number], (GREY, CONTENTS[1]), *others[number:]]
    parts, contents = tuple(part for part, _ in rows), [content for _, content in rows]
    datagrams = sent(3, contents, parts, number, through)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(datagrams))
        (frame,) = fed([datagrams[k] for k in order])
        assert isinstance(frame, GvspFrame)
        assert np.array_equal(frame.pixels, PICTURE)
        assert (frame.number, frame.timestamp) == (3, 5000)


def test_a_picture_of_sixteen_bits_alone() -> None:
    picture = RNG.integers(0, 65_536, (30, 40)).astype(np.uint16)
    part = Part(PICTURE_2D, 2400, MONO16, 2, 0, 40, 30)
    (frame,) = fed(sent(1, [picture.tobytes()], [part], 0))
    assert isinstance(frame, GvspFrame)
    assert np.array_equal(frame.pixels, picture)


def test_every_lost_packet_is_asked_for_with_its_long_block_id() -> None:
    datagrams = sent(2**40)
    for lost in range(len(datagrams) - 1):
        assembly = Reassembly("camera", PACKET_BYTES, 0)
        assert fed(datagrams[:lost] + datagrams[lost + 1 :], assembly) == []
        (wanted,) = assembly.wanted
        assert (wanted.block, wanted.first, wanted.last) == (2**40, lost, lost)
        assert wanted.extended
        (frame,) = assembly.receive(datagrams[lost], MS)
        assert isinstance(frame, GvspFrame)


def test_a_lost_end_is_asked_for_after_silence() -> None:
    datagrams = sent()
    assembly = Reassembly("camera", PACKET_BYTES, 0)
    assert fed(datagrams[:-2], assembly) == []
    assert assembly.wake_ns is not None
    assembly.wake(assembly.wake_ns)
    (wanted,) = assembly.wanted
    assert (wanted.first, wanted.last) == (len(datagrams) - 2, len(datagrams) - 1)


def test_a_camera_may_cut_its_parts_into_more_packets() -> None:
    pieces = [
        Piece(part, at, memoryview(content)[at : at + 90])
        for part, content in enumerate(CONTENTS)
        for at in range(0, len(content), 90)
    ]
    rows = [(MULTI_PART_PIECE, encode_piece(piece)) for piece in pieces]
    datagrams = [
        sent()[0],
        *(
            encode_packet(GvspPacket(0, 1, kind, number, memoryview(content), True))
            for number, (kind, content) in enumerate(rows, 1)
        ),
    ]
    end = encode_trailer(End(0, multi_part=True))[:4]  # some trailers end after the payload type
    datagrams.append(encode_packet(GvspPacket(0, 1, 2, len(datagrams), memoryview(end), True)))
    (frame,) = fed(datagrams)
    assert isinstance(frame, GvspFrame)
    assert np.array_equal(frame.pixels, PICTURE)


def changed(number: int, piece: Piece) -> list[bytes]:
    datagrams = sent(through=False)
    content = memoryview(encode_piece(piece))
    datagrams[number] = encode_packet(GvspPacket(0, 1, MULTI_PART_PIECE, number, content, True))
    return datagrams


@pytest.mark.parametrize(
    ("datagrams", "says"),
    [
        (changed(1, Piece(3, 0, memoryview(b"x" * 200))), "part 3, the leader lists 3"),
        (changed(1, Piece(0, 1, memoryview(b"x" * 200))), "part 0 has bytes at 1, 0 expected"),
        (changed(2, Piece(0, 0, memoryview(b"x" * 200))), "part 0 has bytes at 0, 200 expected"),
        (changed(2, Piece(1, 0, memoryview(b"x" * 200))), "part 0 has bytes at 400, 200 expected"),
        (changed(12, Piece(0, 2200, memoryview(b"x"))), "part 0 has 2201 bytes, leader says 2400"),
        ([*sent()[:-1], packets_of(1, Leader(5000, MONO8, 40, 30, 0, 0, 0), b"", 256)[-1]],
         "several parts"),
    ],
)  # fmt: skip
def test_parts_that_are_not_whole_spoil_the_picture(datagrams: list[bytes], says: str) -> None:
    if len(datagrams[-1]) < 20:  # a plain trailer, with the number and the id of the others
        end = encode_trailer(End(30))
        number = len(datagrams) - 1
        datagrams[-1] = encode_packet(GvspPacket(0, 1, 2, number, memoryview(end), True))
    (bad,) = fed(datagrams)
    assert isinstance(bad, BadSample)
    assert bad.what == "inconsistent frame"
    assert says in bad.value


def test_packets_of_a_plain_picture_do_not_belong_to_several_parts() -> None:
    datagrams = sent()
    datagrams[4] = encode_packet(GvspPacket(0, 1, PAYLOAD, 4, memoryview(b"x" * 200), True))
    (bad,) = fed(datagrams)
    assert isinstance(bad, BadSample)
    assert "packets of one part and of several" in bad.value


RANGE = Part(PICTURE_2D, 2400, MONO16, 0, 4, 40, 30)
SECOND = GREY._replace(source=1)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((GREY,), 0),
        (PARTS, 1),
        ((RANGE, GREY), 1),
        ((CONFIDENCE, GREY._replace(purpose=0)), 1),
        ((GREY._replace(purpose=2), GREY), 1),  # infrared beside intensity
        ((GREY, SECOND), None),  # two sources: which one was calibrated?
        ((RANGE, DEPTH, CONFIDENCE), None),
        ((GREY._replace(pixel_format=0x0218_0014),), None),  # RGB8
    ],
)
def test_exactly_one_part_is_the_picture(parts: tuple[Part, ...], expected: int | None) -> None:
    assert picture_part(parts, BYTES_PER_PIXEL) == expected
    content = memoryview(b"\0\0" + MULTI_PART.to_bytes(2, "big") + bytes(8) + encode_parts(parts))
    if expected is None:
        datagrams = [encode_packet(GvspPacket(0, 1, 1, 0, content, True))]
        (bad,) = fed(datagrams)
        assert isinstance(bad, BadSample)
        assert bad.what == "picture refused"
        assert "ComponentSelector" in bad.value
        assert all(DATA_TYPES[part.data_type] in bad.value for part in parts)
    else:
        leader = decode_leader(content)
        assert (leader.part, leader.parts) == (expected, parts)
        assert memoryview(encode_leader(leader))[12:] == content[12:]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"part_bytes": 1199}, "part 0 of 1199 bytes, its size makes 1200"),
        ({"padding_x": 2}, "its size makes 1260"),
        ({"width": 0}, "image of 0 x 30"),
        ({"directions": 1}, "from the bottom up"),
    ],
)
def test_a_part_that_contradicts_itself_is_refused(change: dict[str, int], says: str) -> None:
    content = encode_leader(leader_of([GREY._replace(**change)], 0))
    with pytest.raises(DeviceError, match=says):
        decode_leader(memoryview(content))


def test_parts_with_chunk_data_are_refused_with_a_remedy() -> None:
    content = bytearray(encode_leader(leader_of()))
    content[2:4] = (MULTI_PART | 0x4000).to_bytes(2, "big")
    with pytest.raises(DeviceError, match="ChunkModeActive"):
        decode_leader(memoryview(bytes(content)))


def test_no_corrupted_or_short_list_of_parts_escapes() -> None:
    whole = encode_leader(leader_of())
    rng = random.Random(4)
    for _ in range(5000):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            leader = decode_leader(memoryview(bytes(data[: rng.randrange(len(data) + 1)])))
        except DeviceError:
            continue
        assert leader.picture_bytes > 0
    assert decode_parts(memoryview(encode_parts(PARTS))) == PARTS


def test_no_corrupted_packet_makes_another_picture() -> None:
    """Every byte of every header is corrupted in turn; the picture is right or there is none."""
    datagrams = sent()
    for number in range(1, len(datagrams)):
        for at in range(28):
            if at >= len(datagrams[number]):
                continue
            data = bytearray(datagrams[number])
            data[at] ^= 0xA5
            for frame in fed([*datagrams[:number], bytes(data), *datagrams[number + 1 :]]):
                assert isinstance(frame, BadSample) or np.array_equal(frame.pixels, PICTURE)
