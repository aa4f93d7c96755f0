"""Modbus TCP bytes: whole, byte by byte, with a rest, and what is no telegram."""

from __future__ import annotations

import pytest

from hal.errors import ProtocolError
from hal.modbus import codec
from hal.modbus.codec import ModbusAnswer, ModbusRequest, Telegrams

REQUESTS = [
    (ModbusRequest(1, codec.READ_COILS, 0x13, 19, (), 17), "0001 0000 0006 11 01 0013 0013"),
    (ModbusRequest(2, codec.READ_INPUTS, 0xC4, 22), "0002 0000 0006 01 02 00c4 0016"),
    (ModbusRequest(3, codec.READ_REGISTERS, 0x6B, 3), "0003 0000 0006 01 03 006b 0003"),
    (ModbusRequest(4, codec.WRITE_COIL, 0xAC, 1, (1,)), "0004 0000 0006 01 05 00ac ff00"),
    (ModbusRequest(5, codec.WRITE_COIL, 0xAC, 1, (0,)), "0005 0000 0006 01 05 00ac 0000"),
    (ModbusRequest(6, codec.WRITE_REGISTER, 1, 1, (3,)), "0006 0000 0006 01 06 0001 0003"),
    (
        ModbusRequest(7, codec.WRITE_COILS, 0x13, 10, (1, 0, 1, 1, 0, 0, 1, 1, 1, 0)),
        "0007 0000 0009 01 0f 0013 000a 02 cd01",
    ),
    (
        ModbusRequest(8, codec.WRITE_REGISTERS, 1, 2, (10, 258)),
        "0008 0000 000b 01 10 0001 0002 04 000a 0102",
    ),
]
ANSWERS = [
    (ModbusAnswer(1, codec.READ_COILS, (1, 0, 1, 1, 0, 0, 1, 1)), "0001 0000 0004 01 01 01 cd", 1),
    (ModbusAnswer(2, codec.READ_REGISTERS, (555, 0)), "0002 0000 0007 01 03 04 022b 0000", 1),
    (ModbusAnswer(3, codec.WRITE_COIL, (1,), 0xAC), "0003 0000 0006 01 05 00ac ff00", 1),
    (ModbusAnswer(4, codec.WRITE_REGISTER, (3,), 1), "0004 0000 0006 01 06 0001 0003", 1),
    (ModbusAnswer(5, codec.WRITE_REGISTERS, (2,), 1), "0005 0000 0006 01 10 0001 0002", 2),
    (ModbusAnswer(6, codec.READ_COILS, exception=4), "0006 0000 0003 01 81 04", 1),
]


@pytest.mark.parametrize(("request_", "wire"), REQUESTS)
def test_requests(request_: ModbusRequest, wire: str) -> None:
    data = bytes.fromhex(wire)
    assert codec.encode_request(request_) == data
    assert Telegrams().requests(data) == [request_]
    telegrams = Telegrams()
    got = [r for i in range(len(data)) for r in telegrams.requests(data[i : i + 1])]
    assert got == [request_]


@pytest.mark.parametrize(("answer", "wire", "count"), ANSWERS)
def test_answers(answer: ModbusAnswer, wire: str, count: int) -> None:
    data = bytes.fromhex(wire)
    assert codec.encode_answer(answer, count) == data
    assert Telegrams().answers(data) == [answer]
    telegrams = Telegrams()
    assert telegrams.answers(data + data[:5]) == [answer]
    assert telegrams.answers(data[5:]) == [answer]


@pytest.mark.parametrize(
    "wire",
    [
        "0001 0001 0006 01 05 00ac ff00",  # protocol
        "0001 0000 0000 01 05",  # no PDU
        "0001 0000 0001 01",
        "0001 0000 ffff 01 05",  # longer than any telegram
        "0001 0000 0003 01 81 00",  # exception without a code
        "0001 0000 0004 01 81 04 00",
        "0001 0000 0004 01 01 02 cd",  # byte count
        "0001 0000 0006 01 03 03 022b 00",
        "0001 0000 0006 01 05 00ac 1234",  # coil neither on nor off
        "0001 0000 0005 01 05 00ac ff",
        "0001 0000 0006 01 63 0000 0000",  # function
    ],
)
def test_what_is_no_answer(wire: str) -> None:
    with pytest.raises(ProtocolError):
        Telegrams().answers(bytes.fromhex(wire))


@pytest.mark.parametrize(
    "wire",
    [
        "0001 0000 0004 01 05 00ac",
        "0001 0000 0007 01 05 00ac ff00 00",
        "0001 0000 0006 01 05 00ac 1234",
        "0007 0000 0009 01 0f 0013 000a 03 cd01",
        "0007 0000 0007 01 10 0001 0000 00",
    ],
)
def test_what_is_no_request(wire: str) -> None:
    with pytest.raises(ProtocolError):
        Telegrams().requests(bytes.fromhex(wire))


def test_a_function_nobody_knows_is_a_request_to_refuse() -> None:
    (request,) = Telegrams().requests(bytes.fromhex("0001 0000 0003 01 2b 0e"))
    assert request.function == 0x2B
