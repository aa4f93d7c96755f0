"""GVSP, the picture half of GigE Vision: leader, payload and trailer packets as bytes.

It encodes and decodes. A packet's header says its block (one picture), its place in it and its
kind. The leader says what the picture is. GVSP has no checksum of its own beyond UDP's, so every
field that can be checked against the others is checked.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from hal.errors import ProtocolError
from hal.gige.multipart import (
    PIECE_HEADER_BYTES,
    Part,
    Piece,
    decode_parts,
    encode_parts,
    encode_piece,
    picture_part,
)

LEADER, TRAILER, PAYLOAD, MULTI_PART_PIECE = 1, 2, 3, 7
OTHER_KINDS = {4: "all-in", 5: "H.264", 6: "multi-zone", 8: "GenDC"}
"""Kinds of packet of payloads that are not read."""
EXTENDED = 0x80
IMAGE = 0x0001
MULTI_PART = 0x000A
CHUNKS_FOLLOW = 0x4000
"""Added to the payload type: chunk data follow the picture."""
OTHER_PAYLOADS = {
    2: ("raw data", "set a pixel format"),
    3: ("a file", "set a pixel format"),
    4: ("chunk data without a picture's leader", "set ChunkModeActive to false"),
    5: ("chunk data without a picture's leader", "set ChunkModeActive to false"),
    6: ("JPEG", "switch image compression off"),
    7: ("JPEG 2000", "switch image compression off"),
    8: ("H.264", "switch image compression off"),
    9: ("a multi-zone picture", "switch multi-zone transfer off"),
    11: ("a GenDC container", "set GenDCStreamingMode to Off"),
}
"""Payload types that are refused: what each is, and what the operator can set instead."""
HEADER_BYTES = 8
EXTENDED_HEADER_BYTES = 20
OVERHEAD_BYTES = 20 + 8 + HEADER_BYTES
"""Bytes of the configured packet size that are IP, UDP and GVSP headers."""
EXTENDED_OVERHEAD_BYTES = 20 + 8 + EXTENDED_HEADER_BYTES

RESENT = 0x0100
UNAVAILABLE = 0x800C
GONE = (UNAVAILABLE, 0x8011, 0x8012)
"""The packet is no longer in the camera's memory."""
LATER = (0x8010, 0x8014)
"""The packet cannot be had yet; it may be asked for again."""
STATUS_WORDS = {
    0x800D: "data overrun, a part of the picture was lost in the camera",
    0x8013: "no reference time",
    0x8015: "overflow in the camera",
    0x8FFF: "an error without a name",
}
"""What a status other than those above says of the picture."""

MONO8 = 0x0108_0001
MONO12 = 0x0110_0005
MONO14 = 0x0110_0025
MONO16 = 0x0110_0007
MONO10 = 0x0110_0003
BYTES_PER_PIXEL = {MONO8: 1, MONO10: 2, MONO12: 2, MONO14: 2, MONO16: 2}
"""Pixel formats this project reads: grey, unpacked."""

_HEADER = struct.Struct(">HHI")
_EXTENDED = struct.Struct(">HHIQI")
_LEADER = struct.Struct(">HHQIIIIIHH")
_LEADER_HEAD = struct.Struct(">HHQ")
_TRAILER = struct.Struct(">HHI")
_CHUNK_TRAILER = struct.Struct(">HHIII")
_MULTI_PART_END = struct.pack(">HH", 0, MULTI_PART)
_CHUNK_TAG = struct.Struct(">II")


class GvspPacket(NamedTuple):
    """One datagram: ``content`` is what follows the header."""

    status: int
    block: int
    kind: int
    number: int
    content: memoryview
    extended: bool


class Leader(NamedTuple):
    """What picture follows; ``timestamp`` in the camera's own ticks."""

    timestamp: int
    pixel_format: int
    width: int
    height: int
    offset_x: int
    offset_y: int
    padding_x: int
    padding_y: int = 0
    """Bytes after the last row."""
    chunks: bool = False
    """Whether chunk data follow the picture."""
    parts: tuple[Part, ...] = ()
    """All parts of a multi-part payload; ``part`` is which of them the picture is."""
    part: int = 0

    def __str__(self) -> str:
        at = f"{self.offset_x}, {self.offset_y}"
        return f"{self.width} x {self.height} from {at} in 0x{self.pixel_format:08x}"

    @property
    def region(self) -> tuple[int, ...]:
        """The part that must stay as calibrated: format, size, place on the sensor, padding."""
        return self[1:8]

    @property
    def picture_bytes(self) -> int:
        """Return how many bytes of picture follow; raises for formats that cannot be read."""
        size = BYTES_PER_PIXEL.get(self.pixel_format)
        if size is None:
            raise ProtocolError(f"pixel format 0x{self.pixel_format:08x}: set Mono8 or Mono16")
        return (self.width * size + self.padding_x) * self.height + self.padding_y


class Trailer(NamedTuple):
    """The end of a picture: its height, and the length of its chunk data where it has any.

    The trailer of a multi-part payload says neither.
    """

    height: int
    chunk_bytes: int = 0
    multi_part: bool = False


class RefusedPictureError(ProtocolError):
    """A picture whose payload type is not read; all of its packets are left out."""


def decode_packet(data: bytes) -> GvspPacket:
    """Decode a datagram; raises `ProtocolError` for a malformed one."""
    if len(data) < HEADER_BYTES:
        raise ProtocolError(f"GVSP packet of {len(data)} bytes, at least {HEADER_BYTES}")
    status, block, mixed = _HEADER.unpack_from(data)
    kind = mixed >> 24
    if kind & EXTENDED:
        if len(data) < EXTENDED_HEADER_BYTES:
            raise ProtocolError(f"GVSP packet of {len(data)} bytes, {EXTENDED_HEADER_BYTES} needed")
        status, _flags, mixed, block, number = _EXTENDED.unpack_from(data)
        # The leader of a multi-part payload has the number of its parts in the lowest byte.
        if mixed & (0x00FF_FF00 if kind & 0x7F == LEADER else 0x00FF_FFFF):
            raise ProtocolError("GVSP reserved bits set")
        content, extended = memoryview(data)[EXTENDED_HEADER_BYTES:], True
    else:
        number = mixed & 0x00FF_FFFF
        content, extended = memoryview(data)[HEADER_BYTES:], False
    kind &= 0x7F
    if kind not in (LEADER, TRAILER, PAYLOAD, MULTI_PART_PIECE, *OTHER_KINDS):
        raise ProtocolError(f"GVSP packet kind {kind} is unknown")
    if block == 0:
        raise ProtocolError("GVSP block 0 is reserved")
    return GvspPacket(status, block, kind, number, content, extended)


def encode_packet(packet: GvspPacket) -> bytes:
    """Encode what `decode_packet` decodes."""
    if packet.extended:
        kind = (packet.kind | EXTENDED) << 24
        head = _EXTENDED.pack(packet.status, 0, kind, packet.block, packet.number)
    else:
        mixed = packet.kind << 24 | packet.number
        head = _HEADER.pack(packet.status, packet.block, mixed)
    return head + bytes(packet.content)


def decode_leader(content: memoryview) -> Leader:
    """Return what the leader of an image says; raises `RefusedPictureError` for another payload."""
    if len(content) < 4:
        raise ProtocolError(f"GVSP leader of {len(content)} bytes, {_LEADER.size} expected")
    fields, payload_type = struct.unpack_from(">HH", content)
    kind = payload_type & ~CHUNKS_FOLLOW
    if kind in OTHER_PAYLOADS:
        what, remedy = OTHER_PAYLOADS[kind]
        raise RefusedPictureError(f"payload type 0x{payload_type:04x}, {what}: {remedy}")
    if kind == MULTI_PART:
        return _multi_part_leader(content, payload_type)
    if len(content) != _LEADER.size:
        raise ProtocolError(f"GVSP leader of {len(content)} bytes, {_LEADER.size} expected")
    if fields or kind != IMAGE:
        raise ProtocolError(
            f"GVSP payload type 0x{payload_type:04x} flags 0x{fields:04x}, image is 1"
        )
    _, _, timestamp, pixel_format, *sizes = _LEADER.unpack(content)
    width, height, offset_x, offset_y, padding_x, padding_y = sizes
    chunks = bool(payload_type & CHUNKS_FOLLOW)
    place = (width, height, offset_x, offset_y, padding_x, padding_y)
    return _plausible(Leader(timestamp, pixel_format, *place, chunks))


def _plausible(leader: Leader) -> Leader:
    """Return a leader whose picture has a size; raises `ProtocolError` for another."""
    size = f"{leader.width} x {leader.height}"
    if not (0 < leader.width <= 65_536 and 0 < leader.height <= 65_536):
        raise ProtocolError(f"GVSP image of {size}")
    if leader.padding_x > leader.width:
        raise ProtocolError(f"GVSP image of {size}, padding {leader.padding_x}, {leader.padding_y}")
    return leader


def _multi_part_leader(content: memoryview, payload_type: int) -> Leader:
    """Return the leader of the part that is the grey picture."""
    if payload_type & CHUNKS_FOLLOW:
        raise RefusedPictureError(
            f"payload type 0x{payload_type:04x}, several parts with chunk data: set "
            "ChunkModeActive to false"
        )
    parts = decode_parts(content[_LEADER_HEAD.size :])
    _, _, timestamp = _LEADER_HEAD.unpack_from(content)
    number = picture_part(parts, BYTES_PER_PIXEL)
    if number is None:
        raise RefusedPictureError(
            f"{len(parts)} parts, not exactly one grey picture: {'; '.join(map(str, parts))}: "
            "enable one component in Mono8 or Mono16 (ComponentSelector, ComponentEnable)"
        )
    part = parts[number]
    place = (part.width, part.height, part.offset_x, part.offset_y, part.padding_x, part.padding_y)
    leader = _plausible(Leader(timestamp, part.pixel_format, *place, False, parts, number))
    if part.directions:
        raise RefusedPictureError("rows sent from the bottom up: set the camera to send them down")
    if leader.picture_bytes != part.part_bytes:
        raise ProtocolError(
            f"GVSP part {number} of {part.part_bytes} bytes, its size makes {leader.picture_bytes}"
        )
    return leader


def encode_leader(leader: Leader) -> bytes:
    """Encode what `decode_leader` decodes."""
    if leader.parts:
        return _LEADER_HEAD.pack(0, MULTI_PART, leader.timestamp) + encode_parts(leader.parts)
    payload_type = IMAGE | (CHUNKS_FOLLOW if leader.chunks else 0)
    return _LEADER.pack(0, payload_type, *leader[:8])


def decode_trailer(content: memoryview) -> Trailer:
    """Return the height that the trailer confirms, and the length of the chunk data."""
    if len(content) in (4, _TRAILER.size) and bytes(content[:4]) == _MULTI_PART_END:
        return Trailer(0, multi_part=True)
    if len(content) not in (_TRAILER.size, _CHUNK_TRAILER.size):
        raise ProtocolError(f"GVSP trailer of {len(content)} bytes, {_TRAILER.size} expected")
    reserved, payload_type, height = _TRAILER.unpack_from(content)
    chunks = len(content) == _CHUNK_TRAILER.size
    if reserved or payload_type != IMAGE | (CHUNKS_FOLLOW if chunks else 0):
        raise ProtocolError(f"GVSP trailer of payload type 0x{payload_type:04x}, image is 1")
    return Trailer(height, _CHUNK_TRAILER.unpack(content)[3] if chunks else 0)


def encode_trailer(trailer: Trailer, *, chunks: bool = False) -> bytes:
    """Encode what `decode_trailer` decodes."""
    if chunks:
        kind = IMAGE | CHUNKS_FOLLOW
        return _CHUNK_TRAILER.pack(0, kind, trailer.height, trailer.chunk_bytes, 0)
    if trailer.multi_part:
        return _MULTI_PART_END + bytes(4)
    return _TRAILER.pack(0, IMAGE, trailer.height)


def chunk_problem(data: bytes, picture_bytes: int) -> str:
    """Return why a picture with chunk data is none; empty where it is one.

    Each chunk is its data, its number and its length, the picture first; so they are walked from
    the end (GigE Vision 2.0, 24.1).
    """
    end = len(data)
    while end:
        if end < _CHUNK_TAG.size:
            return "the chunk data begin inside a chunk"
        _, length = _CHUNK_TAG.unpack_from(data, end - _CHUNK_TAG.size)
        start = end - _CHUNK_TAG.size - length
        if start < 0:
            return f"a chunk of {length} bytes in {end}"
        if start == 0:
            same = length == picture_bytes
            return "" if same else f"{length} bytes of picture, leader says {picture_bytes}"
        end = start
    return "no chunk data"


def with_chunks(picture: bytes, *chunks: tuple[int, bytes]) -> bytes:
    """Return a picture and numbered chunks as they are sent (the twin's way)."""
    parts = [(1, picture), *chunks]
    return b"".join(data + _CHUNK_TAG.pack(number, len(data)) for number, data in parts)


def packet_room(packet_bytes: int, *, extended: bool, multi_part: bool) -> int:
    """Return how many bytes of picture one packet of a size on the wire holds."""
    overhead = EXTENDED_OVERHEAD_BYTES if extended else OVERHEAD_BYTES
    return packet_bytes - overhead - (PIECE_HEADER_BYTES if multi_part else 0)


def packets_of(block: int, leader: Leader, picture: bytes, packet_bytes: int) -> list[bytes]:
    """Return all datagrams of one picture, ``packet_bytes`` on the wire each.

    The twin's way to send.
    """
    size = packet_room(packet_bytes, extended=False, multi_part=False)
    pieces = [memoryview(picture)[i : i + size] for i in range(0, len(picture), size)]
    rows: list[tuple[int, memoryview]] = [(LEADER, memoryview(encode_leader(leader)))]
    rows += [(PAYLOAD, piece) for piece in pieces]
    trailer = Trailer(leader.height, len(picture) if leader.chunks else 0)
    rows.append((TRAILER, memoryview(encode_trailer(trailer, chunks=leader.chunks))))
    return [
        encode_packet(GvspPacket(0, block, kind, number, content, False))
        for number, (kind, content) in enumerate(rows)
    ]


def multi_part_packets_of(
    block: int, leader: Leader, contents: Sequence[bytes], packet_bytes: int, *, through: bool
) -> list[bytes]:
    """Return all datagrams of a multi-part payload, with the ids of GigE Vision 2.

    ``contents`` holds the bytes of each part; offsets count ``through`` all parts, or in each.
    """
    size = packet_room(packet_bytes, extended=True, multi_part=True)
    rows: list[tuple[int, memoryview]] = [(LEADER, memoryview(encode_leader(leader)))]
    before = 0
    for part, content in enumerate(contents):
        for at in range(0, len(content), size):
            piece = Piece(part, before + at, memoryview(content)[at : at + size])
            rows.append((MULTI_PART_PIECE, memoryview(encode_piece(piece))))
        before += len(content) if through else 0
    rows.append((TRAILER, memoryview(encode_trailer(Trailer(0, multi_part=True)))))
    packets = [
        encode_packet(GvspPacket(0, block, kind, number, content, True))
        for number, (kind, content) in enumerate(rows)
    ]
    return [packets[0][:7] + bytes((len(contents),)) + packets[0][8:], *packets[1:]]
