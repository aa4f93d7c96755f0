"""The angles of a linac in Modbus registers: every form of a number, and every doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import SendPermit
from hal.messages import BadSample, LinacStatus, Sample
from hal.modbus import codec
from hal.modbus.codec import ModbusAnswer, ModbusRequest
from hal.modbus.linac_registers import (
    AngleRegister,
    LinacRegisters,
    UnitsRegister,
    nearest_count,
    number_in,
    words_of,
)
from hal.modbus.linac_session import ModbusLinacSession
from sim.back_to_back import MS, SECOND, BackToBack
from sim.modbus_linac import ModbusLinacTwin

PLAIN = LinacRegisters(
    gantry=AngleRegister(register=10),
    collimator=AngleRegister(register=12, signed=True, factor=-0.01, zero_deg=90.0),
    table=AngleRegister(register=13, words=2, signed=True, factor=0.001),
    monitor_units=UnitsRegister(register=15),
)
COUNTED = LinacRegisters(gantry=AngleRegister(register=0), counter=1)


def asked(made: ModbusLinacSession) -> ModbusRequest:
    (request,) = codec.Telegrams().requests(made.data_to_send())
    return request


def answered(made: ModbusLinacSession, *values: int, now_ns: int = 5) -> list[Sample]:
    """What the driver says of an answer with these registers to what it asked."""
    request = asked(made)
    answer = ModbusAnswer(request.transaction, request.function, values, unit=request.unit)
    return made.receive(codec.encode_answer(answer), now_ns)


def session(settings: LinacRegisters = PLAIN) -> ModbusLinacSession:
    made = ModbusLinacSession("linac", settings)
    made.begin(0)
    return made


def refused(exception: int) -> list[Sample]:
    made = session()
    answer = ModbusAnswer(1, codec.READ_INPUT_REGISTERS, exception=exception)
    return made.receive(codec.encode_answer(answer), 5)


@pytest.mark.parametrize(
    ("words", "order", "signed", "value"),
    [
        ((1800,), "big", False, 1800),
        ((0xFFFF,), "big", False, 65535),
        ((0xFFFF,), "big", True, -1),
        ((0x8000,), "little", True, -32768),
        ((1, 2), "big", False, 65538),
        ((1, 2), "little", False, 131073),
        ((0xFFFF, 0xFFFE), "big", True, -2),
        ((0xFFFE, 0xFFFF), "little", True, -2),
        ((0x8000, 0), "big", True, -(2**31)),
        ((0x7FFF, 0xFFFF), "big", True, 2**31 - 1),
    ],
)
def test_the_registers_of_a_value_are_one_number(words, order, signed, value):
    assert number_in(words, order, signed=signed) == value
    assert words_of(value, len(words), order) == list(words)


def test_one_request_reads_all_registers():
    request = asked(session())
    assert (request.function, request.address, request.count) == (4, 10, 7)
    holding = LinacRegisters(gantry=AngleRegister(register=3), area="holding", unit=9)
    request = asked(session(holding))
    assert (request.function, request.address, request.count, request.unit) == (3, 3, 1, 9)


def test_an_answer_becomes_a_report():
    made = session()
    assert not made.ready
    (told,) = answered(made, 3599, 777, 0xFFFF, 0xFFFF, 0xEC78, 1, 34464, now_ns=7)
    assert isinstance(told, LinacStatus)
    assert (told.device, told.t_ns) == ("linac", 7)
    assert told.gantry_deg == pytest.approx(359.9)
    assert told.collimator_deg == pytest.approx(90.01)
    assert told.table_deg == pytest.approx(355.0)
    assert told.monitor_units == pytest.approx(1000.0)
    assert made.ready


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("gantry", range(0, 360, 24))
def test_every_angle_of_the_twin_arrives(gantry, order):
    settings = LinacRegisters(
        word_order=order,
        gantry=AngleRegister(register=10, words=2, factor=0.001),
        collimator=PLAIN.collimator,
        table=AngleRegister(register=13, signed=True, factor=-0.1),
        monitor_units=UnitsRegister(register=14),
    )
    sent = LinacStatus("x", 0, float(gantry), (gantry + 40.0) % 360, (380.0 - gantry) % 360, 789.0)
    pump = BackToBack(ModbusLinacSession("linac", settings), ModbusLinacTwin(settings))
    pump.run(SECOND, lambda now_ns: [sent])
    told = pump.of(LinacStatus)[-1]
    for name in ("gantry_deg", "collimator_deg", "table_deg"):
        apart = (getattr(told, name) - getattr(sent, name) + 180.0) % 360.0 - 180.0
        assert apart == pytest.approx(0.0, abs=0.051)
    assert told.monitor_units == pytest.approx(789.0)
    assert len(pump.of(LinacStatus)) == 50, "one in each period of 20 ms"
    assert pump.of(BadSample) == []


def test_what_is_not_configured_stands_at_zero():
    made = session(LinacRegisters(gantry=AngleRegister(register=0)))
    assert answered(made, 900) == [LinacStatus("linac", 5, 90.0, 0.0, 0.0, None)]


@pytest.mark.parametrize(
    ("values", "what", "said"),
    [
        ((3601, 0, 0, 0, 0, 0, 0), "linac's gantry", "360.1 degrees, allowed are -360 to 360"),
        ((0xFFFF, 0, 0, 0, 0, 0, 0), "linac's gantry", "6553.5 degrees"),
        ((0, 0, 0, 0x7FFF, 0, 0, 0), "linac's table", "2.14742e+06 degrees"),
        ((0, 0, 0, 0, 0, 0xFFFF, 0), "linac's monitor units", "allowed are 0 to 100000"),
    ],
)
def test_a_value_outside_its_range_is_told(values, what, said):
    made = session()
    (bad,) = answered(made, *values)
    assert isinstance(bad, BadSample)
    assert bad.what == what
    assert said in bad.value
    assert not made.ready


def test_a_device_that_is_busy_is_told_and_one_without_the_registers_closes_the_link():
    for exception, meaning in ((4, "device failure"), (6, "device busy")):
        value = f"exception {exception}, {meaning}"
        assert refused(exception) == [BadSample("linac", 5, "linac refused the reading", value)]
    for exception in (1, 2, 3, 11):
        with pytest.raises(DeviceError, match=r"input registers 10 to 16 cannot be read: exc"):
            refused(exception)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ModbusAnswer(1, 4, (1, 2, 3)), "count of registers is 3, asked was 7"),
        (ModbusAnswer(1, 3, (0,) * 7), "function is 3, asked was 4"),
        (ModbusAnswer(1, 4, (0,) * 7, unit=2), "unit is 2, asked was 1"),
    ],
)
def test_an_answer_to_something_else_closes_the_link(answer, said):
    with pytest.raises(ProtocolError, match=said):
        session().receive(codec.encode_answer(answer), 5)


def test_an_answer_that_nobody_asked_for_is_told():
    made = session()
    answer = codec.encode_answer(ModbusAnswer(9, 4, (0,) * 7))
    (bad,) = made.receive(answer, 5)
    assert bad == BadSample(
        "linac", 5, "linac answered what was not asked", "transaction 9, function 4"
    )


def test_a_late_answer_is_told_and_not_used_and_silence_closes_the_link():
    made = session()
    request = asked(made)
    assert made.wake_ns == 100 * MS
    assert made.wake(100 * MS) == [
        BadSample("linac", 100 * MS, "linac did not answer", "in 100 ms")
    ]
    late = ModbusAnswer(request.transaction, request.function, (0,) * 7)
    assert made.receive(codec.encode_answer(late), 300 * MS) == []
    assert made.wake(300 * MS) == []
    assert isinstance(answered(made, *[0] * 7)[0], LinacStatus), "the next one is used"
    made.wake(400 * MS)
    made.wake(500 * MS)
    with pytest.raises(LinkError, match="linac: no answer for 1000 ms"):
        made.wake(1400 * MS)


def counting(step: Callable[[int], int]) -> list[tuple[int, Sample]]:
    """A second of readings whose counter is given by the number of the reading."""
    made, told = session(COUNTED), list[tuple[int, Sample]]()
    for number in range(50):
        now_ns = number * 20 * MS
        made.wake(now_ns)
        told += [(number, s) for s in answered(made, 900, step(number) % 65536, now_ns=now_ns)]
    return told


def test_a_counter_that_stands_still_shows_that_the_angles_are_old():
    assert all(isinstance(sample, LinacStatus) for _, sample in counting(lambda n: 65530 + n // 4))
    told = counting(lambda n: n if n < 20 else 19 if n < 40 else n)
    reports = [number for number, sample in told if isinstance(sample, LinacStatus)]
    assert reports == [*range(29), *range(40, 50)]
    (bad,) = [sample for _, sample in told if isinstance(sample, BadSample)]
    assert bad.what == "linac's counter stands still"
    assert bad.value == "at 19 for 200 ms"


def test_a_counter_that_goes_back_is_no_report():
    told = counting(lambda n: n if n != 20 else 5)
    (bad,) = [sample for _, sample in told if isinstance(sample, BadSample)]
    assert (bad.what, bad.value) == ("linac's counter went back", "19 to 5")
    assert len(told) == 50


def test_the_twin_refuses_what_it_does_not_have_and_a_new_connection_begins_anew():
    pump = BackToBack(session(), ModbusLinacTwin(COUNTED)).run(SECOND)
    assert isinstance(pump.error, DeviceError)
    other = LinacRegisters(gantry=PLAIN.gantry, area="holding")
    pump = BackToBack(session(other), ModbusLinacTwin(PLAIN)).run(SECOND)
    assert "exception 1, function not known" in str(pump.error)
    made = session()
    answered(made, *[0] * 7)
    made.begin(0)
    assert not made.ready
    with pytest.raises(DeviceError, match="cannot obey"):
        made.obey(SendPermit(1, "gate", 2), 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"counter": 10}, "counter: register 10 is gantry; choose another"),
        ({"counter": 14}, "counter: register 14 is table"),
        ({"counter": 400}, "registers 10 to 400: 391 are too many for one request, at most 125"),
        ({"table": AngleRegister(register=65535, words=2)}, "register 65536 is no register"),
        ({"table": AngleRegister(register=1, factor=0.0)}, "table.factor 0: every value would"),
        ({"give_up_ms": 100.0}, "give_up_ms 100: must be above deadline_ms 100"),
    ],
)
def test_registers_that_cannot_be_read_are_refused(changes: dict[str, Any], said: str):
    given = {name: getattr(PLAIN, name) for name in PLAIN.__struct_fields__}
    with pytest.raises(ValueError, match=said):
        LinacRegisters(**{**given, **changes})


def test_an_unsigned_register_reports_angles_from_zero_up():
    plain = AngleRegister(register=0)
    assert [nearest_count(plain, angle) for angle in (0.0, 179.0, 181.0, 359.9)] == [
        0, 1790, 1810, 3599,
    ]  # fmt: skip
    signed = AngleRegister(register=0, signed=True)
    assert nearest_count(signed, 359.9) == -1
