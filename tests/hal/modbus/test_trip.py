"""The monitor's telegrams: the bytes of the driver's codec, and a latch behind the permit."""

from __future__ import annotations

import itertools

import pytest

from hal.events import SendHold, SendPermit
from hal.modbus import codec
from hal.modbus.codec import ModbusAnswer, ModbusRequest, encode_answer, encode_request
from hal.modbus.trip import READ_COILS, READ_INPUTS, ModbusReplies, Reply, read_bit, write_bit
from sim.modbus import ModbusTwin

ADDRESSES = (0, 1, 2, 255, 256, 0x1001)


def test_requests_are_those_of_the_codec() -> None:
    for number, unit, address in itertools.product((1, 300), (1, 17), ADDRESSES):
        for function in (READ_COILS, READ_INPUTS):
            wanted = encode_request(ModbusRequest(number, function, address, 1, (), unit))
            assert read_bit(number, unit, function, address) == wanted
        for on in (False, True):
            asked = ModbusRequest(number, codec.WRITE_COILS, address, 1, (int(on),), unit)
            assert write_bit(number, unit, address, on) == encode_request(asked)


def test_replies_are_read_whole_byte_by_byte_and_with_a_rest() -> None:
    answers = [
        (ModbusAnswer(1, codec.READ_INPUTS, (1,)), Reply(1, True)),
        (ModbusAnswer(2, codec.READ_COILS, (0,)), Reply(2, False)),
        (ModbusAnswer(3, codec.WRITE_COILS, (1,), 1), Reply(3, None)),
        (ModbusAnswer(4, codec.READ_INPUTS, exception=4), Reply(4, None, 4)),
    ]
    data = b"".join(encode_answer(answer) for answer, _ in answers)
    wanted = [reply for _, reply in answers]
    assert ModbusReplies().feed(data) == wanted
    one = ModbusReplies()
    assert [reply for byte in data for reply in one.feed(bytes([byte]))] == wanted
    rest = ModbusReplies()
    assert rest.feed(data + data[:5]) == wanted
    assert rest.feed(data[5:11])[0] == wanted[0]


@pytest.mark.parametrize(
    "data",
    [
        bytes([0, 1, 0, 1, 0, 4, 1, 2, 1, 1]),  # not protocol 0
        bytes([0, 1, 0, 0, 0, 2, 1, 2]),  # too short to hold an answer
        bytes([0, 1, 0, 0, 1, 0, 1, 2]),  # longer than any telegram
        bytes([0, 1, 0, 0, 0, 5, 1, 2, 2, 1, 1]),  # sixteen bits for one
        bytes([0, 1, 0, 0, 0, 6, 1, 5, 0, 0, 0, 0]),  # function 5 was never asked
    ],
)
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no "):
        ModbusReplies().feed(data)


def ask(twin: ModbusTwin, data: bytes, now_ns: int) -> list[object]:
    return list(twin.receive(data, now_ns))


def test_the_latch_holds_whatever_the_permits_coil_says() -> None:
    twin = ModbusTwin()
    permit = encode_request(ModbusRequest(1, codec.WRITE_COIL, 0, 1, (1,)))
    (given,) = ask(twin, permit, 1)
    assert isinstance(given, SendPermit)
    (taken,) = ask(twin, write_bit(2, 1, 1, True), 2)
    assert isinstance(taken, SendHold)
    assert twin.inputs[1]
    refreshed = ask(twin, permit, 3)
    assert not any(isinstance(command, SendPermit) for command in refreshed)
    ask(twin, write_bit(3, 1, 2, True), 4)
    assert twin.tripped, "no reset while the trip is still asked for"
    ask(twin, write_bit(4, 1, 1, False), 5)
    assert not ask(twin, write_bit(5, 1, 2, True), 6), "a reset alone gives no beam"
    assert not twin.tripped
    (again,) = ask(twin, permit, 7)
    assert isinstance(again, SendPermit)


def test_the_latch_breaks_the_loop_of_a_welded_relay_and_outlives_a_bite() -> None:
    twin = ModbusTwin()
    twin.stuck = True
    off = encode_request(ModbusRequest(1, codec.WRITE_COIL, 0, 1, (0,)))
    assert isinstance(ask(twin, off, 1)[0], SendPermit), "welded"
    assert isinstance(ask(twin, write_bit(2, 1, 1, True), 2)[0], SendHold)
    assert not any(isinstance(command, SendPermit) for command in ask(twin, off, 3))
    twin.registers[0x1000] = 2
    ask(twin, encode_request(ModbusRequest(3, codec.WRITE_REGISTER, 0x1003, 1, (1,))), 4)
    twin.wake(10**9)
    assert twin.bites == 1
    assert twin.coils == [False] * 8
    assert twin.tripped


def test_a_guest_takes_the_beam_and_does_not_feed_the_watchdog() -> None:
    twin = ModbusTwin()
    twin.registers |= {0x1000: 2, 0x1001: 0x0010}
    ask(twin, encode_request(ModbusRequest(1, codec.WRITE_REGISTER, 0x1003, 1, (1,))), 0)
    ask(twin, encode_request(ModbusRequest(2, codec.WRITE_COIL, 0, 1, (1,))), 0)
    fed_until = twin.wake_ns
    twin.data_to_send()
    guest = twin.join()
    (hold,) = guest.receive(write_bit(9, 1, 0, False), 150_000_000)
    assert isinstance(hold, SendHold)
    assert guest.data_to_send() == encode_answer(ModbusAnswer(9, codec.WRITE_COILS, (0,), 0))
    assert not twin.data_to_send(), "each client has its own answers"
    assert twin.wake_ns == fed_until
