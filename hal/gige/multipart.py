"""Read multi-part payloads of GVSP: several pictures or maps of one exposure in one block.

The leader lists the parts, each packet says which part it belongs to and at which offset. One part
must be the grey picture that is looked at; depth, confidence and other parts are left out. This
module does no I/O. Sources: GigE Vision 2.1 (payload type 10), the data types and component
numbers of GenICam's PFNC and SFNC, and the client of Aravis, for which offsets count through all
parts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from hal.errors import ProtocolError

PICTURE_2D = 0x0001
DATA_TYPES = {
    PICTURE_2D: "picture",
    2: "planar picture",
    3: "planar picture",
    4: "planar picture",
    5: "3D picture",
    6: "planar 3D picture",
    7: "planar 3D picture",
    8: "planar 3D picture",
    9: "confidence map",
    10: "chunk data",
    11: "JPEG picture",
    12: "JPEG 2000 picture",
}
"""What a part holds."""
INTENSITY = 1
PICTURE_PURPOSES = (0, INTENSITY, 2, 3, 5)
"""Not said, intensity, infrared, ultraviolet, reflectance: what markers are seen in."""
MOST_PARTS = 255

_PART = struct.Struct(">HHIIHBBIHHIIIIHHI")
_PIECE = struct.Struct(">BBHI")
PIECE_HEADER_BYTES = _PIECE.size


class Part(NamedTuple):
    """One part of a payload, as its leader describes it; ``part_bytes`` with all padding."""

    data_type: int
    part_bytes: int
    pixel_format: int
    source: int
    purpose: int
    width: int
    height: int
    offset_x: int = 0
    offset_y: int = 0
    padding_x: int = 0
    padding_y: int = 0
    zones: int = 0
    directions: int = 0

    def __str__(self) -> str:
        what = DATA_TYPES.get(self.data_type, f"type 0x{self.data_type:04x}")
        size = f"{self.width} x {self.height} in 0x{self.pixel_format:08x}"
        return f"{what} {size}, source {self.source}, component {self.purpose}"


class Piece(NamedTuple):
    """The content of one packet: its part, where its bytes belong, and the bytes."""

    part: int
    offset: int
    data: memoryview


def decode_parts(content: memoryview) -> tuple[Part, ...]:
    """Return the parts that follow the common head of a multi-part leader."""
    count, rest = divmod(len(content), _PART.size)
    if rest or not 0 < count <= MOST_PARTS:
        raise ProtocolError(f"GVSP multi-part leader with {len(content)} bytes of parts")
    return tuple(_part(content[_PART.size * k :]) for k in range(count))


def _part(content: memoryview) -> Part:
    fields = _PART.unpack_from(content)
    data_type, high, low, pixel_format, _, source, zones, directions, purpose, _region = fields[:10]
    width, height, offset_x, offset_y, padding_x, padding_y, _ = fields[10:]
    place = (width, height, offset_x, offset_y, padding_x, padding_y)
    return Part(
        data_type, high << 32 | low, pixel_format, source, purpose, *place, zones, directions
    )


def encode_parts(parts: Iterable[Part]) -> bytes:
    """Encode what `decode_parts` decodes."""
    return b"".join(
        _PART.pack(
            part.data_type,
            part.part_bytes >> 32,
            part.part_bytes & 0xFFFF_FFFF,
            part.pixel_format,
            0,
            part.source,
            part.zones,
            part.directions,
            part.purpose,
            0,
            *part[5:11],
            0,
        )
        for part in parts
    )


def decode_piece(content: memoryview) -> Piece:
    """Return the part, the offset and the bytes of a packet's content."""
    if len(content) <= _PIECE.size:
        raise ProtocolError(f"GVSP multi-part packet of {len(content)} bytes")
    part, _zone, high, low = _PIECE.unpack_from(content)
    return Piece(part, high << 32 | low, content[_PIECE.size :])


def encode_piece(piece: Piece) -> bytes:
    """Encode what `decode_piece` decodes."""
    head = _PIECE.pack(piece.part, 0, piece.offset >> 32, piece.offset & 0xFFFF_FFFF)
    return head + bytes(piece.data)


def picture_part(parts: Sequence[Part], readable: Iterable[int]) -> int | None:
    """Return which part is the grey picture; ``None`` where none is, or where two may be.

    ``readable`` holds the pixel formats that are read. Of several grey pictures, the only one that
    is an intensity counts.
    """
    formats = set(readable)
    grey = [
        number
        for number, part in enumerate(parts)
        if part.data_type == PICTURE_2D
        and part.pixel_format in formats
        and part.purpose in PICTURE_PURPOSES
    ]
    if len(grey) > 1:
        grey = [number for number in grey if parts[number].purpose == INTENSITY]
    return grey[0] if len(grey) == 1 else None


def joined(parts: Sequence[Part], pieces: Sequence[Piece], wanted: int) -> bytes:
    """Return the bytes of one part; raises `ProtocolError` where any part is not whole.

    Offsets count from the beginning of the part, or through all parts; which of both shows in
    the packets, because each must lie inside its part.
    """
    of_part: list[list[Piece]] = [[] for _ in parts]
    for piece in pieces:
        if piece.part >= len(parts):
            raise ProtocolError(f"a packet of part {piece.part}, the leader lists {len(parts)}")
        of_part[piece.part].append(piece)
    begins = [0, *accumulate(part.part_bytes for part in parts)][: len(parts)]
    problem = ""
    for starts in ([0] * len(parts), begins):
        problems = [
            _gap(number, part, of_part[number], start)
            for number, (part, start) in enumerate(zip(parts, starts, strict=True))
        ]
        problem = problem or next(filter(None, problems), "")
        if not any(problems):
            return b"".join(piece.data for piece in _sorted(of_part[wanted]))
    raise ProtocolError(problem)


def _gap(number: int, part: Part, pieces: list[Piece], start: int) -> str:
    """Return why the pieces do not make the part, or nothing."""
    at = start
    for piece in _sorted(pieces):
        if piece.offset != at:
            return f"part {number} has bytes at {piece.offset - start}, {at - start} expected"
        at += len(piece.data)
    if at - start != part.part_bytes:
        return f"part {number} has {at - start} bytes, leader says {part.part_bytes}"
    return ""


def _sorted(pieces: list[Piece]) -> list[Piece]:
    return sorted(pieces, key=lambda piece: piece.offset)
