"""OpenIGTLink messages ⇄ contents: header versions 1 and 2/3, CRC, and a reader for the stream.

A message is a 58-byte big-endian header (version, type, device name, 32.32 fixed-point Unix time,
body size, CRC) and a body. From header version 2 on (protocol 3) the body opens with an extended
header and closes with metadata; the CRC (CRC-64/ECMA-182, not reflected) covers all of it, but
never the header itself: name and time of a message are as trustworthy as the wire under it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from hal.errors import ProtocolError
from hal.openigtlink.bodies import LONGEST_BODY, READERS, chars, refused, utf8, write_content
from hal.openigtlink.contents import Content

HEADER = struct.Struct(">H12s20sQQQ")
_EXTENDED = struct.Struct(">HHII")
_META_ENTRY = struct.Struct(">HHI")

LONGEST_SKIPPED = 1 << 28
"""Bytes; longer bodies of other types (images) mean that the stream is out of step."""

_OTHER_ENCODINGS = {4: "latin-1", 1013: "utf-16-be", 1014: "utf-16-le", 1015: "utf-16"}
"""MIBenum of metadata values that are not ASCII (3) or UTF-8 (106)."""

_NAME = re.compile(rb"([ -~]*)\0*", re.DOTALL)
_TYPE = re.compile(rb"([A-Z][A-Z0-9_]*)\0*", re.DOTALL)


def _crc_table() -> tuple[int, ...]:
    table: list[int] = []
    for byte in range(256):
        value = byte << 56
        for _ in range(8):
            value = (value << 1) ^ 0x142F0E1EBA9EA3693 if value >> 63 else value << 1
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc64(data: bytes) -> int:
    """CRC-64/ECMA-182: polynomial 0x42F0E1EBA9EA3693, start 0, not reflected, no final xor."""
    value = 0
    table = _CRC_TABLE
    for byte in data:
        value = ((value << 8) & 0xFFFFFFFFFFFFFFFF) ^ table[(value >> 56) ^ byte]
    return value


@dataclass(frozen=True, slots=True)
class IgtlPacket:
    """One message: who says what, and when.

    ``unix_ns`` is 0 where the sender gives no time. ``metadata`` and ``message_id`` exist from
    header version 2 on.
    """

    device_name: str
    unix_ns: int
    content: Content
    version: int = 1
    message_id: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class IgtlGarbled:
    """Bytes that are no valid message."""

    what: str


def encode(packet: IgtlPacket) -> bytes:
    """Write a message; raises `ProtocolError` for what the wire cannot carry."""
    type_name, content = write_content(packet.content)
    body = content
    if packet.version >= 2:
        meta_header, meta = _write_metadata(packet.metadata)
        extended = _EXTENDED.pack(_EXTENDED.size, len(meta_header), len(meta), packet.message_id)
        body = extended + content + meta_header + meta
    elif packet.metadata:
        raise refused("header version 1 carries no metadata")
    if len(body) > LONGEST_BODY:
        raise refused(f"a body of {len(body)} bytes is longer than {LONGEST_BODY}")
    seconds, rest = divmod(packet.unix_ns, 1_000_000_000)
    stamp = (seconds << 32) | -(-(rest << 32) // 1_000_000_000)
    name = chars(packet.device_name, 20)
    head = HEADER.pack(packet.version, type_name.encode(), name, stamp, len(body), crc64(body))
    return head + body


class StreamReader:
    """Cut a stream into packets, and find the next message after invalid bytes."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._skip = 0
        self._in_step = True

    @property
    def waiting(self) -> int:
        """Number of bytes that wait for the rest of their message."""
        return len(self._held)

    def reset(self) -> None:
        """Forget what is held: a new stream begins."""
        self._held.clear()
        self._skip = 0
        self._in_step = True

    def resume(self) -> list[IgtlPacket | IgtlGarbled]:
        """Give up on the unfinished message: its length may be wrong. Look for the next one."""
        if not self._held:
            return []
        found = IgtlGarbled(f"a message stayed unfinished: {bytes(self._held[:34])!r}")
        self._in_step = False
        self._slide()
        return [found, *self.feed(b"")]

    def feed(self, data: bytes) -> list[IgtlPacket | IgtlGarbled]:
        """Add bytes; return every whole message and every stretch of invalid bytes."""
        held = self._held
        held += data
        found: list[IgtlPacket | IgtlGarbled] = []
        while True:
            if self._skip:
                gone = min(self._skip, len(held))
                del held[:gone]
                self._skip -= gone
            if len(held) < HEADER.size:
                return found
            try:
                head = _read_head(held)
                if head.skipped:
                    if not self._in_step:
                        raise refused(f"type {head.type_name} while looking for a message")
                    self._skip = HEADER.size + head.size
                    continue
                if len(held) < HEADER.size + head.size:
                    return found
                found.append(_read(head, bytes(held[HEADER.size : HEADER.size + head.size])))
                del held[: HEADER.size + head.size]
                self._in_step = True
            except ProtocolError as error:
                if self._in_step:
                    found.append(IgtlGarbled(str(error)))
                self._in_step = False
                self._slide()

    def _slide(self) -> None:
        """Skip one byte, and all that cannot begin a header."""
        start = self._held.find(b"\0", 1)
        del self._held[: start if start > 0 else len(self._held)]


@dataclass(frozen=True, slots=True)
class _Head:
    version: int
    type_name: str
    device_name: str
    unix_ns: int
    size: int
    crc: int
    skipped: bool


def _read_head(data: bytearray) -> _Head:
    """Read a header and refuse one no sender writes."""
    version, type_field, name_field, stamp, size, crc = HEADER.unpack_from(data)
    type_match, name_match = _TYPE.fullmatch(type_field), _NAME.fullmatch(name_field)
    if version not in (1, 2, 3) or type_match is None or name_match is None:
        raise refused(f"no header in {bytes(data[:34])!r}")
    type_name = type_match[1].decode()
    skipped = type_name not in READERS
    if size > (LONGEST_SKIPPED if skipped else LONGEST_BODY):
        raise refused(f"{type_name} with a body of {size} bytes")
    reader = READERS.get(type_name)
    if version == 1 and reader is not None and size not in reader.sizes:
        raise refused(f"{type_name} with a body of {size} bytes")
    unix_ns = (stamp >> 32) * 1_000_000_000 + ((stamp & 0xFFFFFFFF) * 1_000_000_000 >> 32)
    return _Head(version, type_name, name_match[1].decode(), unix_ns, size, crc, skipped)


def _read(head: _Head, body: bytes) -> IgtlPacket:
    """Check the CRC and read the body."""
    if crc64(body) != head.crc:
        raise refused(f"{head.type_name} of {head.device_name!r} fails its CRC")
    message_id, metadata, content = 0, dict[str, str](), body
    if head.version >= 2:
        message_id, metadata, content = _read_extended(body)
    reader = READERS[head.type_name]
    if len(content) not in reader.sizes:
        raise refused(f"{head.type_name} with a content of {len(content)} bytes")
    return IgtlPacket(
        head.device_name,
        head.unix_ns,
        reader.read(head.type_name, content),
        head.version,
        message_id,
        metadata,
    )


def _read_extended(body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Return message id, metadata and content of a body with an extended header."""
    if len(body) < _EXTENDED.size:
        raise refused("the extended header is cut off")
    size, meta_header_size, meta_size, message_id = _EXTENDED.unpack_from(body)
    end = len(body) - meta_header_size - meta_size
    if size < _EXTENDED.size or end < size or meta_header_size == 1:
        raise refused("the extended header does not fit its body")
    metadata: dict[str, str] = {}
    if meta_header_size:
        (count,) = struct.unpack_from(">H", body, end)
        if meta_header_size != 2 + count * _META_ENTRY.size:
            raise refused("the metadata header does not fit its count")
        place = end + meta_header_size
        for index in range(count):
            entry = _META_ENTRY.unpack_from(body, end + 2 + index * _META_ENTRY.size)
            key_size, encoding, value_size = entry
            key = utf8(body[place : place + key_size])
            value = body[place + key_size : place + key_size + value_size]
            metadata[key] = _metadata_text(encoding, value)
            place += key_size + value_size
        if place != len(body):
            raise refused("the metadata does not fit its sizes")
    return message_id, metadata, body[size:end]


def _metadata_text(encoding: int, value: bytes) -> str:
    """Decode a metadata value by the MIBenum of its encoding (IANA character sets)."""
    if encoding in _OTHER_ENCODINGS:
        return value.decode(_OTHER_ENCODINGS[encoding], "replace")
    return utf8(value)


def _write_metadata(metadata: Mapping[str, str]) -> tuple[bytes, bytes]:
    header, values = struct.pack(">H", len(metadata)), b""
    for key, value in metadata.items():
        key_bytes, value_bytes = key.encode(), value.encode()
        header += _META_ENTRY.pack(len(key_bytes), 106, len(value_bytes))  # 106: UTF-8
        values += key_bytes + value_bytes
    return header, values
