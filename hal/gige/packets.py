"""GVSP, the picture half of GigE Vision: leader, payload and trailer packets as bytes.

It encodes and decodes. A packet's header says its block (one picture), its place in it and its
kind. The leader says what the picture is. GVSP has no checksum of its own beyond UDP's, so every
field that can be checked against the others is checked.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from hal.errors import ProtocolError

LEADER, TRAILER, PAYLOAD = 1, 2, 3
OTHER_KINDS = {4: "all-in", 5: "H.264", 6: "multi-zone", 7: "multi-part", 8: "GenDC"}
"""Kinds of packet of payloads that are no plain image."""
EXTENDED = 0x80
IMAGE = 0x0001
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
    10: ("a multi-part picture", "enable one component only (ComponentSelector, ComponentEnable)"),
    11: ("a GenDC container", "set GenDCStreamingMode to Off"),
}
"""Payload types that are refused: what each is, and what the operator can set instead."""
HEADER_BYTES = 8
EXTENDED_HEADER_BYTES = 20
OVERHEAD_BYTES = 20 + 8 + HEADER_BYTES
"""Bytes of the configured packet size that are IP, UDP and GVSP headers."""

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
_TRAILER = struct.Struct(">HHI")
_CHUNK_TRAILER = struct.Struct(">HHIII")
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
    """The end of a picture: its height, and the length of its chunk data where it has any."""

    height: int
    chunk_bytes: int = 0


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
        if mixed & 0x00FF_FFFF:
            raise ProtocolError("GVSP reserved bits set")
        content, extended = memoryview(data)[EXTENDED_HEADER_BYTES:], True
    else:
        number = mixed & 0x00FF_FFFF
        content, extended = memoryview(data)[HEADER_BYTES:], False
    kind &= 0x7F
    if kind not in (LEADER, TRAILER, PAYLOAD, *OTHER_KINDS):
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
    if len(content) != _LEADER.size:
        raise ProtocolError(f"GVSP leader of {len(content)} bytes, {_LEADER.size} expected")
    if fields or kind != IMAGE:
        raise ProtocolError(
            f"GVSP payload type 0x{payload_type:04x} flags 0x{fields:04x}, image is 1"
        )
    _, _, timestamp, pixel_format, *sizes = _LEADER.unpack(content)
    width, height, offset_x, offset_y, padding_x, padding_y = sizes
    if not (0 < width <= 65_536 and 0 < height <= 65_536) or padding_x > width:
        raise ProtocolError(f"GVSP image of {width} x {height}, padding {padding_x}, {padding_y}")
    chunks = bool(payload_type & CHUNKS_FOLLOW)
    place = (width, height, offset_x, offset_y, padding_x, padding_y)
    return Leader(timestamp, pixel_format, *place, chunks)


def encode_leader(leader: Leader) -> bytes:
    """Encode what `decode_leader` decodes."""
    payload_type = IMAGE | (CHUNKS_FOLLOW if leader.chunks else 0)
    return _LEADER.pack(0, payload_type, *leader[:-1])


def decode_trailer(content: memoryview) -> Trailer:
    """Return the height that the trailer confirms, and the length of the chunk data."""
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


def packets_of(block: int, leader: Leader, picture: bytes, packet_bytes: int) -> list[bytes]:
    """Return all datagrams of one picture, ``packet_bytes`` on the wire each.

    The twin's way to send.
    """
    size = packet_bytes - OVERHEAD_BYTES
    pieces = [memoryview(picture)[i : i + size] for i in range(0, len(picture), size)]
    rows: list[tuple[int, memoryview]] = [(LEADER, memoryview(encode_leader(leader)))]
    rows += [(PAYLOAD, piece) for piece in pieces]
    trailer = Trailer(leader.height, len(picture) if leader.chunks else 0)
    rows.append((TRAILER, memoryview(encode_trailer(trailer, chunks=leader.chunks))))
    return [
        encode_packet(GvspPacket(0, block, kind, number, content, False))
        for number, (kind, content) in enumerate(rows)
    ]
