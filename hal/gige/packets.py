"""GVSP, the picture half of GigE Vision: leader, payload and trailer packets as bytes.

Both directions. A packet's header says its block (one picture), its place in it and its kind;
the leader says what the picture is. GVSP has no checksum of its own beyond UDP's, so every
field that can be checked against the others is.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from hal.errors import ProtocolError

LEADER, TRAILER, PAYLOAD = 1, 2, 3
EXTENDED = 0x80
IMAGE = 0x0001
HEADER_BYTES = 8
EXTENDED_HEADER_BYTES = 20
OVERHEAD_BYTES = 20 + 8 + HEADER_BYTES
"""Bytes of the configured packet size that are IP, UDP and GVSP headers."""

RESENT = 0x0100
UNAVAILABLE = 0x800C

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

    def __str__(self) -> str:
        at = f"{self.offset_x}, {self.offset_y}"
        return f"{self.width} x {self.height} from {at} in 0x{self.pixel_format:08x}"

    @property
    def region(self) -> tuple[int, ...]:
        """The part that must stay as calibrated: format, size, place on the sensor, padding."""
        return self[1:]

    @property
    def picture_bytes(self) -> int:
        """How many bytes of picture follow; raises for formats that cannot be read."""
        size = BYTES_PER_PIXEL.get(self.pixel_format)
        if size is None:
            raise ProtocolError(f"pixel format 0x{self.pixel_format:08x}: set Mono8 or Mono16")
        return (self.width * size + self.padding_x) * self.height


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
    if kind not in (LEADER, TRAILER, PAYLOAD):
        raise ProtocolError(f"GVSP packet kind {kind} is unknown")
    if block == 0:
        raise ProtocolError("GVSP block 0 is reserved")
    if status not in (0, RESENT, UNAVAILABLE):
        raise ProtocolError(f"GVSP status 0x{status:04x}")
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
    """Return what the leader of an image says."""
    if len(content) != _LEADER.size:
        raise ProtocolError(f"GVSP leader of {len(content)} bytes, {_LEADER.size} expected")
    flags, payload_type, timestamp, pixel_format, *sizes = _LEADER.unpack(content)
    if flags or payload_type != IMAGE:
        raise ProtocolError(
            f"GVSP payload type 0x{payload_type:04x} flags 0x{flags:04x}, image is 1"
        )
    width, height, offset_x, offset_y, padding_x, padding_y = sizes
    if not (0 < width <= 65_536 and 0 < height <= 65_536) or padding_y or padding_x > width:
        raise ProtocolError(f"GVSP image of {width} x {height}, padding {padding_x}, {padding_y}")
    return Leader(timestamp, pixel_format, width, height, offset_x, offset_y, padding_x)


def encode_leader(leader: Leader) -> bytes:
    """Encode what `decode_leader` decodes."""
    timestamp, pixel_format, width, height, offset_x, offset_y, padding_x = leader
    return _LEADER.pack(
        0, IMAGE, timestamp, pixel_format, width, height, offset_x, offset_y, padding_x, 0
    )


def decode_trailer(content: memoryview) -> int:
    """Return the height the trailer confirms."""
    if len(content) != _TRAILER.size:
        raise ProtocolError(f"GVSP trailer of {len(content)} bytes, {_TRAILER.size} expected")
    reserved, payload_type, height = _TRAILER.unpack(content)
    if reserved or payload_type != IMAGE:
        raise ProtocolError(f"GVSP trailer of payload type 0x{payload_type:04x}, image is 1")
    return height


def encode_trailer(height: int) -> bytes:
    """Encode what `decode_trailer` decodes."""
    return _TRAILER.pack(0, IMAGE, height)


def packets_of(block: int, leader: Leader, picture: bytes, packet_bytes: int) -> list[bytes]:
    """Return all datagrams of one picture, ``packet_bytes`` on the wire each.

    The twin's way to send.
    """
    size = packet_bytes - OVERHEAD_BYTES
    pieces = [memoryview(picture)[i : i + size] for i in range(0, len(picture), size)]
    rows: list[tuple[int, memoryview]] = [(LEADER, memoryview(encode_leader(leader)))]
    rows += [(PAYLOAD, piece) for piece in pieces]
    rows.append((TRAILER, memoryview(encode_trailer(leader.height))))
    return [
        encode_packet(GvspPacket(0, block, kind, number, content, False))
        for number, (kind, content) in enumerate(rows)
    ]
