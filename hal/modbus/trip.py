"""The second channel to the gate: the telegrams with which the monitor reads and stops the beam.

This module was written independently of `hal.modbus.codec`, from the same specification, so that
the monitor shares no code with the driver that it watches. Coils are written with function 15:
where only function 5 feeds the coupler's watchdog, taking the beam away does not keep it permitted.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

READ_COILS, READ_INPUTS, WRITE_COILS = 1, 2, 15
_HEAD = struct.Struct(">HHHBB")
_LONGEST = 254


class Reply(NamedTuple):
    """An answer: the first bit read (a write: ``None``), or the exception's number."""

    transaction: int
    bit: bool | None
    exception: int = 0


def read_bit(transaction: int, unit: int, function: int, address: int) -> bytes:
    """Ask for one coil (function 1) or one discrete input (function 2)."""
    return _HEAD.pack(transaction, 0, 6, unit, function) + struct.pack(">HH", address, 1)


def write_bit(transaction: int, unit: int, address: int, on: bool) -> bytes:
    """Write one coil with function 15."""
    head = _HEAD.pack(transaction, 0, 8, unit, WRITE_COILS)
    return head + struct.pack(">HHBB", address, 1, 1, int(on))


class ModbusReplies:
    """Cuts a stream into replies; raises ``ValueError`` where it is none any more."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that these bytes complete."""
        held = self._held + data
        found: list[Reply] = []
        while len(held) >= _HEAD.size:
            transaction, protocol, length, _, function = _HEAD.unpack_from(held)
            if protocol or not 3 <= length <= _LONGEST:
                raise ValueError(f"no Modbus header: {held[:8].hex()}")
            if len(held) < 6 + length:
                break
            found.append(_reply(transaction, function, held[_HEAD.size : 6 + length]))
            held = held[6 + length :]
        self._held = held
        return found


def _reply(transaction: int, function: int, body: bytes) -> Reply:
    if function & 0x80:
        return Reply(transaction, None, body[0] or 4)
    if function in (READ_COILS, READ_INPUTS):
        if len(body) != 2 or body[0] != 1:
            raise ValueError(f"no answer to one bit: {body.hex()}")
        return Reply(transaction, bool(body[1] & 1))
    if function == WRITE_COILS and len(body) == 4:
        return Reply(transaction, None)
    raise ValueError(f"no answer to what was asked: function {function}, {body.hex()}")
