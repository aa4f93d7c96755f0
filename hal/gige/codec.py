"""GVCP, the control half of GigE Vision: commands and acknowledgements as bytes.

It encodes and decodes, because the twin camera speaks the same. Every field is big endian. A
datagram that is not exactly one well-formed message raises `ProtocolError`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from hal.errors import ProtocolError

PORT = 3956
KEY = 0x42
ACK_WANTED = 0x01
EXTENDED_IDS = 0x10

DISCOVERY = 0x0002
PACKETRESEND = 0x0040
EXTENDED_RESEND_BYTES = 20
"""Length of a `PACKETRESEND` for a block with a 64-bit id."""
READREG = 0x0080
WRITEREG = 0x0082
READMEM = 0x0084
WRITEMEM = 0x0086
PENDING = 0x0089
"""PENDING_ACK: the camera still works on the command; it carries milliseconds to wait."""

MODE = 0x0004
XML_URL = 0x0200
STREAM_CHANNELS = 0x0904
CAPABILITY = 0x0934
SECOND_XML_URL = 0x0400
XML_URL_BYTES = 512
TICK_FREQUENCY_HIGH = 0x093C
TICK_FREQUENCY_LOW = 0x0940
HEARTBEAT_MS = 0x0938
CONTROL = 0x0A00
CONTROL_EXCLUSIVE = 0x1
CONTROL_SHARED_WRITE = 0x2
STREAM_PORT = 0x0D00
PACKET_SIZE = 0x0D04
DO_NOT_FRAGMENT = 0x4000_0000
PACKET_DELAY = 0x0D08
STREAM_DESTINATION = 0x0D18

MOST_MEMORY = 512
"""Bytes asked for in one READMEM: every device must grant that much."""

STATUS = {
    0x0000: "success",
    0x8001: "not implemented",
    0x8002: "invalid parameter",
    0x8003: "invalid address",
    0x8004: "write protected",
    0x8005: "bad alignment",
    0x8006: "access denied",
    0x8007: "busy",
    0x800C: "packet unavailable",
    0x800D: "data overrun",
    0x800E: "invalid header",
    0x8FFF: "error",
}

_HEADER = struct.Struct(">BBHHH")
_ACK = struct.Struct(">HHHH")
_COMMANDS = (DISCOVERY, PACKETRESEND, READREG, WRITEREG, READMEM, WRITEMEM)
_IDENTITY = struct.Struct(">HHIHHI II 12x I 12x I 12x I 32s 32s 32s 48s 16s 16s")


class GvcpAsk(NamedTuple):
    """A command before it has a number; ``may_fail``: its refusal ends nothing."""

    command: int
    payload: bytes = b""
    may_fail: bool = False


class GvcpCommand(NamedTuple):
    """A command as it arrived (the camera's side)."""

    command: int
    request_id: int
    payload: bytes
    ack_wanted: bool


class Ack(NamedTuple):
    """An acknowledgement: 0 is success, see `STATUS`."""

    status: int
    answer: int
    request_id: int
    payload: bytes


class GigeIdentity(NamedTuple):
    """What a camera says of itself."""

    vendor: str
    model: str
    version: str
    serial: str
    user_name: str
    address: str
    mac: str


class Resend(NamedTuple):
    """A request to send packets ``first`` to ``last`` of a block again.

    ``extended``: the block has a 64-bit id (GigE Vision 2).
    """

    channel: int
    block: int
    first: int
    last: int
    extended: bool = False


def encode_command(ask: GvcpAsk, request_id: int, ack_wanted: bool = True) -> bytes:
    """Return one command as a datagram; ``request_id`` is 1 to 65535."""
    flags = ACK_WANTED if ack_wanted else 0
    if ask.command == PACKETRESEND and len(ask.payload) == EXTENDED_RESEND_BYTES:
        flags |= EXTENDED_IDS
    return _HEADER.pack(KEY, flags, ask.command, len(ask.payload), request_id) + ask.payload


def decode_command(data: bytes) -> GvcpCommand:
    """Decode what `encode_command` encodes."""
    if len(data) < _HEADER.size:
        raise ProtocolError(f"GVCP command of {len(data)} bytes, at least {_HEADER.size}")
    key, flags, command, length, request_id = _HEADER.unpack_from(data)
    if key != KEY or flags & ~0x11:
        raise ProtocolError(f"GVCP key 0x{key:02x} flags 0x{flags:02x}, 0x42 expected")
    if length != len(data) - _HEADER.size:
        raise ProtocolError(f"GVCP length says {length}, {len(data) - _HEADER.size} bytes follow")
    if command not in _COMMANDS:
        raise ProtocolError(f"GVCP command 0x{command:04x} is unknown")
    if request_id == 0:
        raise ProtocolError("GVCP request id 0 is reserved")
    return GvcpCommand(command, request_id, data[_HEADER.size :], bool(flags & ACK_WANTED))


def encode_ack(ack: Ack) -> bytes:
    """Return one acknowledgement as a datagram."""
    return _ACK.pack(ack.status, ack.answer, len(ack.payload), ack.request_id) + ack.payload


def decode_ack(data: bytes) -> Ack:
    """Decode what `encode_ack` encodes."""
    if len(data) < _ACK.size:
        raise ProtocolError(f"GVCP answer of {len(data)} bytes, at least {_ACK.size}")
    status, answer, length, request_id = _ACK.unpack_from(data)
    if status and not status & 0x8000:
        raise ProtocolError(f"GVCP answer with status 0x{status:04x}, 0 or an error expected")
    if length != len(data) - _ACK.size:
        raise ProtocolError(f"GVCP length says {length}, {len(data) - _ACK.size} bytes follow")
    if answer != PENDING and answer - 1 not in _COMMANDS:
        raise ProtocolError(f"GVCP answer 0x{answer:04x} is unknown")
    return Ack(status, answer, request_id, data[_ACK.size :])


def read_register(address: int, *, may_fail: bool = False) -> GvcpAsk:
    """Ask for one 32-bit register."""
    return GvcpAsk(READREG, struct.pack(">I", address), may_fail)


def write_register(address: int, value: int) -> GvcpAsk:
    """Set one 32-bit register."""
    return GvcpAsk(WRITEREG, struct.pack(">II", address, value & 0xFFFF_FFFF))


def read_memory(address: int, count: int) -> GvcpAsk:
    """Ask for ``count`` bytes (a multiple of four, `MOST_MEMORY` at most)."""
    return GvcpAsk(READMEM, struct.pack(">IHH", address, 0, count))


def write_memory(address: int, data: bytes) -> GvcpAsk:
    """Set bytes (a multiple of four)."""
    return GvcpAsk(WRITEMEM, struct.pack(">I", address) + data)


def resend(wanted: Resend) -> GvcpAsk:
    """Ask for packets once more."""
    block = 0 if wanted.extended else wanted.block
    payload = struct.pack(">HHII", wanted.channel, block, wanted.first, wanted.last)
    if wanted.extended:
        payload += struct.pack(">Q", wanted.block)
    return GvcpAsk(PACKETRESEND, payload)


def decode_resend(payload: bytes) -> Resend:
    """Decode what `resend` encodes."""
    extended = len(payload) == EXTENDED_RESEND_BYTES
    if len(payload) != 12 and not extended:
        raise ProtocolError(f"PACKETRESEND of {len(payload)} bytes, 12 or 20 expected")
    channel, block, first, last = struct.unpack_from(">HHII", payload)
    if extended:
        (block,) = struct.unpack_from(">Q", payload, 12)
    if first > last:
        raise ProtocolError(f"PACKETRESEND from {first} to {last}")
    return Resend(channel, block, first, last, extended)


def register_value(ack: Ack) -> int:
    """Return the value in the answer to `read_register`."""
    if len(ack.payload) != 4:
        raise ProtocolError(f"register answer of {len(ack.payload)} bytes, 4 expected")
    return int.from_bytes(ack.payload, "big")


def memory_bytes(ack: Ack, address: int, count: int) -> bytes:
    """Return the bytes in the answer to `read_memory`, which repeats the address."""
    if len(ack.payload) != count + 4:
        raise ProtocolError(f"memory answer of {len(ack.payload) - 4} bytes, {count} expected")
    if int.from_bytes(ack.payload[:4], "big") != address:
        raise ProtocolError(f"memory answer for another address than 0x{address:x}")
    return ack.payload[4:]


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("latin-1").strip()


def decode_identity(payload: bytes) -> GigeIdentity:
    """Return what a discovery answer says."""
    if len(payload) < _IDENTITY.size:
        raise ProtocolError(f"discovery answer of {len(payload)} bytes, {_IDENTITY.size} expected")
    fields = _IDENTITY.unpack_from(payload)
    mac = f"{fields[4]:04x}{fields[5]:08x}"
    address = ".".join(str(part) for part in struct.pack(">I", fields[8]))
    vendor, model, version, _info, serial, user = (_text(f) for f in fields[-6:])
    return GigeIdentity(vendor, model, version, serial, user, address, mac)


def encode_identity(identity: GigeIdentity) -> bytes:
    """Encode what `decode_identity` decodes."""
    mac = int(identity.mac or "0", 16)
    address = int.from_bytes(bytes(int(part) for part in identity.address.split(".")), "big")
    return _IDENTITY.pack(
        1,
        2,
        0x8000_0001,
        0,
        mac >> 32 & 0xFFFF,
        mac & 0xFFFF_FFFF,
        6,
        6,
        address,
        0,
        0,
        identity.vendor.encode("latin-1"),
        identity.model.encode("latin-1"),
        identity.version.encode("latin-1"),
        b"",
        identity.serial.encode("latin-1"),
        identity.user_name.encode("latin-1"),
    )
