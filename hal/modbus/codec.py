"""Modbus TCP on the wire: requests and answers for coils, inputs and registers, both ways.

A telegram is an MBAP header (transaction, protocol 0, length, unit) and a function code with
its data. Only what is needed here: functions 1 to 6, 15 and 16, and exceptions. Source: MODBUS
Messaging on TCP/IP Implementation Guide 1.0b.
"""

from __future__ import annotations

import struct

import msgspec

from hal.errors import ProtocolError

READ_COILS, READ_INPUTS, READ_REGISTERS, READ_INPUT_REGISTERS = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
_BITS = (READ_COILS, READ_INPUTS)
_REGISTERS = (READ_REGISTERS, READ_INPUT_REGISTERS)
_ONE = (WRITE_COIL, WRITE_REGISTER)
_MANY = (WRITE_COILS, WRITE_REGISTERS)
_LONGEST = 254  # unit and PDU

EXCEPTIONS = {
    1: "function not known",
    2: "address not known",
    3: "value not allowed",
    4: "device failure",
    6: "device busy",
}
FUNCTION, ADDRESS, VALUE, FAILURE, BUSY = 1, 2, 3, 4, 6


class ModbusRequest(msgspec.Struct, frozen=True, gc=False):
    """A request: ``count`` of things to read, or ``values`` to write (coils: 0 or 1)."""

    transaction: int
    function: int
    address: int
    count: int = 1
    values: tuple[int, ...] = ()
    unit: int = 1


class ModbusAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer: values read (bits padded to whole bytes), or the echo of a write.

    ``exception`` is 0 where the device did as asked.
    """

    transaction: int
    function: int
    values: tuple[int, ...] = ()
    address: int = 0
    exception: int = 0
    unit: int = 1


def _telegram(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction & 0xFFFF, 0, len(pdu) + 1, unit) + pdu


def _pack_bits(values: tuple[int, ...]) -> bytes:
    packed = bytearray(-(-len(values) // 8))
    for index, value in enumerate(values):
        packed[index // 8] |= (1 if value else 0) << (index % 8)
    return bytes(packed)


def _unpack_bits(packed: bytes) -> tuple[int, ...]:
    return tuple((byte >> bit) & 1 for byte in packed for bit in range(8))


def encode_request(request: ModbusRequest) -> bytes:
    """Return a request as it goes to the device."""
    head = struct.pack(">BH", request.function, request.address)
    if request.function in _BITS + _REGISTERS:
        pdu = head + struct.pack(">H", request.count)
    elif request.function == WRITE_COIL:
        pdu = head + struct.pack(">H", 0xFF00 if request.values[0] else 0)
    elif request.function == WRITE_REGISTER:
        pdu = head + struct.pack(">H", request.values[0])
    elif request.function == WRITE_COILS:
        data = _pack_bits(request.values)
        pdu = head + struct.pack(">HB", len(request.values), len(data)) + data
    else:
        data = struct.pack(f">{len(request.values)}H", *request.values)
        pdu = head + struct.pack(">HB", len(request.values), len(data)) + data
    return _telegram(request.transaction, request.unit, pdu)


def encode_answer(answer: ModbusAnswer, count: int = 1) -> bytes:
    """Return an answer as it comes from the device; ``count`` is that of a written range."""
    function = answer.function
    if answer.exception:
        pdu = bytes([function | 0x80, answer.exception])
    elif function in _BITS:
        data = _pack_bits(answer.values)
        pdu = bytes([function, len(data)]) + data
    elif function in _REGISTERS:
        data = struct.pack(f">{len(answer.values)}H", *answer.values)
        pdu = bytes([function, len(data)]) + data
    elif function in _ONE:
        value = answer.values[0]
        value = (0xFF00 if value else 0) if function == WRITE_COIL else value
        pdu = struct.pack(">BHH", function, answer.address, value)
    else:
        pdu = struct.pack(">BHH", function, answer.address, count)
    return _telegram(answer.transaction, answer.unit, pdu)


def _decode_answer(transaction: int, unit: int, pdu: bytes) -> ModbusAnswer:
    function = pdu[0]
    if function & 0x80:
        if len(pdu) != 2 or pdu[1] == 0:
            raise ProtocolError(f"Modbus exception of {len(pdu)} bytes: {pdu.hex()}")
        return ModbusAnswer(transaction, function & 0x7F, exception=pdu[1], unit=unit)
    if function in _BITS + _REGISTERS:
        if len(pdu) < 3 or len(pdu) != 2 + pdu[1] or (function in _REGISTERS and pdu[1] % 2):
            raise ProtocolError(f"Modbus answer with a wrong byte count: {pdu[:4].hex()}")
        if function in _BITS:
            return ModbusAnswer(transaction, function, _unpack_bits(pdu[2:]), unit=unit)
        values = struct.unpack(f">{pdu[1] // 2}H", pdu[2:])
        return ModbusAnswer(transaction, function, values, unit=unit)
    if function in _ONE + _MANY:
        if len(pdu) != 5:
            raise ProtocolError(f"Modbus write echo of {len(pdu)} bytes")
        address, value = struct.unpack(">HH", pdu[1:])
        if function == WRITE_COIL:
            if value not in (0, 0xFF00):
                raise ProtocolError(f"Modbus coil echo {value:04X}")
            value = 1 if value else 0
        return ModbusAnswer(transaction, function, (value,), address, unit=unit)
    raise ProtocolError(f"Modbus answer with function {function}")


def _decode_request(transaction: int, unit: int, pdu: bytes) -> ModbusRequest:
    """Return a request; one with a function that is not known keeps its number, with address 0."""
    function = pdu[0]
    if function not in _BITS + _REGISTERS + _ONE + _MANY:
        return ModbusRequest(transaction, function, 0, unit=unit)
    if len(pdu) < 5:
        raise ProtocolError(f"Modbus request of {len(pdu)} bytes")
    address, value = struct.unpack(">HH", pdu[1:5])
    if function in _BITS + _REGISTERS + _ONE and len(pdu) != 5:
        raise ProtocolError(f"Modbus request of {len(pdu)} bytes")
    if function in _BITS + _REGISTERS:
        return ModbusRequest(transaction, function, address, value, unit=unit)
    if function == WRITE_COIL:
        if value not in (0, 0xFF00):
            raise ProtocolError(f"Modbus coil value {value:04X}")
        return ModbusRequest(transaction, function, address, 1, (1 if value else 0,), unit)
    if function == WRITE_REGISTER:
        return ModbusRequest(transaction, function, address, 1, (value,), unit)
    width = -(-value // 8) if function == WRITE_COILS else 2 * value
    if len(pdu) < 6 or value == 0 or pdu[5] != width or len(pdu) != 6 + width:
        raise ProtocolError(f"Modbus write of {value} values in {len(pdu)} bytes")
    if function == WRITE_COILS:
        return ModbusRequest(
            transaction, function, address, value, _unpack_bits(pdu[6:])[:value], unit
        )
    values = struct.unpack(f">{value}H", pdu[6:])
    return ModbusRequest(transaction, function, address, value, values, unit)


def difference(request: ModbusRequest, answer: ModbusAnswer) -> str:
    """Return which field of an answer does not fit its request; empty where all do.

    The bits after the coil that was asked for only fill up the byte. The standard wants them zero;
    some couplers set them, and they say nothing.
    """
    wanted = [("function", request.function, answer.function), ("unit", request.unit, answer.unit)]
    if not answer.exception and request.values:
        wanted.append(("address", request.address, answer.address))
        wanted.append(("value", request.values[0], answer.values[0]))
    elif not answer.exception:
        bits = request.function in (READ_COILS, READ_INPUTS)
        count = 8 * -(-request.count // 8) if bits else request.count
        name = "bits in whole bytes" if bits else "count of registers"
        wanted.append((name, count, len(answer.values)))
    return "; ".join(
        f"{name} is {got}, asked was {asked}" for name, asked, got in wanted if got != asked
    )


class Telegrams:
    """Cuts a stream into telegrams; raises `ProtocolError` where it is none any more.

    TCP keeps order and content: a header that is no header means that the two ends no longer
    speak of the same bytes, and only a new connection helps.
    """

    def __init__(self) -> None:
        self._held = bytearray()

    def drop(self) -> None:
        """Forget the beginning of a telegram."""
        self._held.clear()

    def _cut(self, data: bytes) -> list[tuple[int, int, bytes]]:
        self._held += data
        found: list[tuple[int, int, bytes]] = []
        while len(self._held) >= 6:
            transaction, protocol, length = struct.unpack_from(">HHH", self._held)
            if protocol != 0 or not 2 <= length <= _LONGEST:
                raise ProtocolError(f"not a Modbus header: {self._held[:7].hex()}")
            if len(self._held) < 6 + length:
                break
            found.append((transaction, self._held[6], bytes(self._held[7 : 6 + length])))
            del self._held[: 6 + length]
        return found

    def answers(self, data: bytes) -> list[ModbusAnswer]:
        """Return the answers that these bytes complete."""
        return [_decode_answer(*telegram) for telegram in self._cut(data)]

    def requests(self, data: bytes) -> list[ModbusRequest]:
        """Return the requests that these bytes complete."""
        return [_decode_request(*telegram) for telegram in self._cut(data)]
