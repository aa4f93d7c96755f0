"""Gate driver and twin back to back: the lease, the watchdog, and every doubt holding the beam."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import SendHold, SendPermit, SendStop
from hal.messages import BadSample, BeamStatus
from hal.modbus import codec
from hal.modbus.codec import ModbusRequest, Telegrams
from hal.modbus.session import GateSession, GateSettings, Watchdog
from sim.back_to_back import MS, SECOND, BackToBack
from sim.modbus import ModbusTwin


def joined(twin: ModbusTwin | None = None, **settings: object) -> BackToBack:
    driver = GateSession("gate", GateSettings(**settings))  # pyright: ignore
    return BackToBack(driver, twin or ModbusTwin())


def started(twin: ModbusTwin | None = None, **settings: object) -> BackToBack:
    pump = joined(twin, **settings).run(SECOND)
    assert pump.error is None
    assert pump.driver.ready
    return pump


def permit(pump: BackToBack, until_ns: int) -> None:
    pump.driver.obey(SendPermit(pump.now_ns, "gate", until_ns), pump.now_ns)


def keep_permitted(pump: BackToBack, until_ns: int) -> None:
    """Renew a lease of 100 ms every 10 ms, as the controller does."""
    while pump.now_ns < until_ns and pump.error is None:
        permit(pump, pump.now_ns + 100 * MS)
        pump.run(pump.now_ns + 10 * MS)


def written(pump: BackToBack) -> list[ModbusRequest]:
    return [r for r in Telegrams().requests(bytes(pump.sent)) if r.function == codec.WRITE_COIL]


def test_start_sets_up_and_proves_the_watchdog_with_the_coil_off() -> None:
    pump = started()
    assert pump.twin.registers[0x1000] == 2
    assert pump.twin.registers[0x1001] == 0x0010
    assert pump.twin.bites == 1
    assert pump.twin.watchdog == "running"
    assert not any(r.values[0] for r in written(pump))
    assert pump.of(BeamStatus)[-1] == BeamStatus("gate", pump.of(BeamStatus)[-1].t_ns, False)
    assert pump.twin.bites == 1, "reading and coil writes keep it fed"
    pump.run(3 * SECOND)
    assert pump.twin.bites == 1


def test_coil_is_refreshed_in_time_while_permitted() -> None:
    pump = started()
    pump.sent.clear()
    at: list[int] = []
    encode = pump.to_twin

    def noting(data: bytes) -> bytes:
        for request in Telegrams().requests(data):
            if request.function == codec.WRITE_COIL and request.values[0]:
                at.append(pump.now_ns)
        return encode(data)

    pump.to_twin = noting
    keep_permitted(pump, 3 * SECOND)
    assert pump.of(BeamStatus)[-1].on
    assert pump.twin.coils[0]
    gaps = [b - a for a, b in itertools.pairwise(at)]
    assert at[0] == SECOND
    assert max(gaps) <= 50 * MS
    assert not pump.of(BadSample)


def test_lease_runs_out_by_itself_to_the_nanosecond() -> None:
    pump = started()
    permit(pump, SECOND + 73 * MS + 1)
    pump.run(SECOND + 73 * MS + 1)
    assert pump.twin.coils[0]
    pump.run(SECOND + 74 * MS)
    assert not pump.twin.coils[0]
    status = pump.of(BeamStatus)[-1]
    assert (status.on, status.lapsed) == (False, True)
    permit(pump, SECOND + 174 * MS)
    pump.run(SECOND + 80 * MS)
    status = pump.of(BeamStatus)[-1]
    assert (status.on, status.lapsed) == (True, False)


def test_hold_is_written_at_once() -> None:
    pump = started()
    permit(pump, SECOND + 100 * MS)
    pump.run(SECOND + 1 * MS)
    assert pump.twin.coils[0]
    pump.driver.obey(SendHold(pump.now_ns, "gate", ("stale",)), pump.now_ns)
    assert Telegrams().requests(pump.driver.data_to_send())[0].values == (0,)


def test_hold_does_not_wait_for_an_answer_that_is_out() -> None:
    pump = started()
    pump.to_driver = lambda data: b""
    permit(pump, pump.now_ns + 100 * MS)
    pump.run(pump.now_ns + 5 * MS)
    pump.driver.obey(SendHold(pump.now_ns, "gate", ("stop",)), pump.now_ns)
    pump.run(pump.now_ns + 1)
    assert not pump.twin.coils[0]


@pytest.mark.parametrize(("until_ms", "lasts_ms"), [(10_000, 250), (-5, 0), (0, 0), (30, 30)])
def test_lease_is_bounded(until_ms: int, lasts_ms: int) -> None:
    pump = started()
    permit(pump, SECOND + until_ms * MS)
    on_ms = 0
    for step in range(400):
        pump.run(SECOND + step * MS + 1)
        on_ms += pump.twin.coils[0]
    assert lasts_ms <= on_ms <= lasts_ms + 1


def test_dead_driver_watchdog_takes_the_beam() -> None:
    pump = started()
    keep_permitted(pump, SECOND + 200 * MS)
    assert pump.twin.coils[0]
    pump.to_twin = lambda data: b""
    keep_permitted(pump, SECOND + 350 * MS)
    assert pump.twin.coils[0]
    pump.error = None
    pump.driver.begin(pump.now_ns)
    pump.run(SECOND + 410 * MS)
    assert not pump.twin.coils[0]
    assert isinstance(pump.commands[-1], SendHold)
    assert pump.commands[-1].reasons == ("watchdog",)


def test_late_answer_drops_the_beam_and_silence_closes_the_link() -> None:
    pump = started()
    keep_permitted(pump, SECOND + 200 * MS)
    pump.to_driver = lambda data: b""
    keep_permitted(pump, SECOND + 300 * MS)
    assert pump.of(BadSample)[0].what == "gate did not answer in 50 ms"
    assert not pump.twin.coils[0], "doubt wins over permits that still come"
    keep_permitted(pump, SECOND + 500 * MS)
    assert isinstance(pump.error, LinkError)


def test_permits_count_again_after_the_doubt_is_gone() -> None:
    pump = started()
    keep_permitted(pump, SECOND + 200 * MS)
    lost = [3]

    def lossy(data: bytes) -> bytes:
        lost[0] -= 1
        return data if lost[0] < 0 else b""

    pump.to_driver = lossy
    keep_permitted(pump, SECOND + 275 * MS)
    pump.to_driver = lambda data: data
    assert pump.of(BadSample)
    # The answers lost are never given: the link closes and starts again without a permit.
    keep_permitted(pump, SECOND + 600 * MS)
    assert isinstance(pump.error, LinkError)
    pump.error = None
    pump.driver.begin(pump.now_ns)
    pump.run(pump.now_ns + SECOND)
    assert pump.driver.ready
    assert not pump.twin.coils[0]


def test_slow_answers_hold_the_beam_until_they_are_quick_again() -> None:
    pump = started()
    delayed: list[bytes] = []
    pump.to_driver = lambda data: delayed.append(data) or b""
    permit(pump, pump.now_ns + 100 * MS)
    pump.run(pump.now_ns + 90 * MS)
    assert not pump.twin.coils[0]
    pump.to_driver = lambda data: data
    for data in delayed:
        pump.driver.receive(data, pump.now_ns)
    pump.run(pump.now_ns + 100 * MS)
    assert pump.error is None
    keep_permitted(pump, pump.now_ns + 100 * MS)
    assert pump.twin.coils[0]


def test_expired_watchdog_is_reported_and_restarted_with_the_beam_off() -> None:
    pump = started()
    keep_permitted(pump, SECOND + 100 * MS)
    pump.twin._fed_ns -= 300 * MS
    keep_permitted(pump, SECOND + 150 * MS)
    assert [bad.what for bad in pump.of(BadSample)] == ["gate's watchdog expired"]
    assert any(status.lapsed and not status.on for status in pump.of(BeamStatus))
    keep_permitted(pump, SECOND + 500 * MS)
    assert pump.twin.watchdog == "running"
    assert pump.of(BeamStatus)[-1].on, "a fresh permit after a good read-back counts"


@pytest.mark.parametrize("stuck", [True, False])
def test_read_back_that_disagrees(stuck: bool) -> None:
    pump = started()
    pump.twin.stuck = stuck
    if stuck:
        pump.run(pump.now_ns + 300 * MS)
        said = "commanded off, reads on"
    else:
        keep_permitted(pump, pump.now_ns + 300 * MS)
        said = "commanded on, reads off"
    (bad,) = pump.of(BadSample)
    assert bad.what == "beam gate read-back disagrees"
    assert bad.value.startswith(said)
    assert pump.of(BeamStatus)[-1].on is stuck
    if stuck:
        pump.sent.clear()
        keep_permitted(pump, pump.now_ns + 200 * MS)
        assert not any(r.values[0] for r in written(pump)), "no permit on top of a stuck beam"


def test_input_as_read_back() -> None:
    pump = started(readback="input")
    keep_permitted(pump, pump.now_ns + 50 * MS)
    assert not pump.of(BeamStatus)[-1].on
    pump.twin.show(BeamStatus("gate", 0, True), 0)
    keep_permitted(pump, pump.now_ns + 50 * MS)
    assert pump.of(BeamStatus)[-1].on


def test_watchdog_that_never_bites_refuses_the_start() -> None:
    twin = ModbusTwin()
    twin.no_bite = True
    pump = joined(twin).run(2 * SECOND)
    assert isinstance(pump.error, DeviceError)
    assert "did not bite in 300 ms" in str(pump.error)


def test_watchdog_that_forgets_its_time_refuses_the_start() -> None:
    twin: Any = ModbusTwin()
    write = twin._write_register
    twin._write_register = lambda at, value, now: write(at, 9 if at == 0x1000 else value, now)
    pump = joined(twin).run(2 * SECOND)
    assert "register 0x1000 reads 9 after 2 was written" in str(pump.error)


def test_missing_watchdog_register_refuses_the_start() -> None:
    twin = ModbusTwin()
    del twin.registers[0x1003]
    pump = joined(twin).run(2 * SECOND)
    assert "gate refused function 6 at 0x1003: exception 2, address not known" in str(pump.error)


def test_watchdog_left_expired_by_an_earlier_run() -> None:
    twin = ModbusTwin()
    twin.registers[0x1006] = 2
    started(twin)


def test_turck_style_watchdog_is_one_register() -> None:
    dog = Watchdog(
        unit_ms=1,
        time_register=0x1120,
        mask_register=None,
        trigger_register=None,
        restart_register=None,
        stop_register=None,
    )
    twin = ModbusTwin()
    twin.registers[0x1120] = 0
    started(twin, watchdog=dog)
    assert twin.registers[0x1120] == 200


def test_answers_that_do_not_fit_close_the_link() -> None:
    pump = started()
    pump.to_driver = lambda data: data[:7] + bytes([data[7] ^ 1]) + data[8:]
    pump.run(pump.now_ns + 200 * MS)
    assert isinstance(pump.error, ProtocolError)
    assert not pump.twin.coils[0]


def test_padding_bits_of_an_answer_are_ignored() -> None:
    """A coupler may set the bits after the coil; the answer 56 (hex) says that coil 0 is off."""
    session = GateSession("gate", GateSettings(watchdog=None))
    session.begin(0)
    for transaction in (1, 2):
        echo = codec.ModbusAnswer(transaction, codec.WRITE_COIL, (0,))
        session.receive(codec.encode_answer(echo), 0)
    (off,) = session.receive(bytes.fromhex("000300000004010101") + b"\x56", 0)
    assert off == BeamStatus("gate", 0, on=False)


@pytest.mark.parametrize("readback", ["coil", "input"])
def test_a_coupler_that_sets_padding_bits_gates_the_beam(readback: Any) -> None:
    twin = ModbusTwin()
    twin.padding = True
    pump = started(twin, readback=readback)
    keep_permitted(pump, 2 * SECOND)
    assert pump.error is None
    on = pump.of(BeamStatus)[-1].on
    assert on == (readback == "coil")  # the twin's input 0 is not wired to the coil
    pump.run(3 * SECOND)
    assert not pump.of(BeamStatus)[-1].on


def reading(**fields: Any) -> bytes:
    """Return an answer to the driver's third request, the reading of coil 0."""
    kept = {"transaction": 3, "function": codec.READ_COILS, "values": (0,)} | fields
    return codec.encode_answer(codec.ModbusAnswer(**kept))


@pytest.mark.parametrize(
    ("wire", "named"),
    [
        (reading(function=codec.READ_INPUTS), "function is 2, asked was 1"),
        (reading(unit=17), "unit is 17, asked was 1"),
        (reading(values=(0,) * 9), "bits in whole bytes is 16, asked was 8"),
        (reading(function=codec.READ_REGISTERS), "function is 3, asked was 1"),
        (reading(function=codec.WRITE_COIL, unit=0), "unit is 0, asked was 1"),
        (reading(exception=2, unit=9), "unit is 9, asked was 1"),
    ],
)
def test_a_refusal_names_the_field_and_both_values(wire: bytes, named: str) -> None:
    session = GateSession("gate", GateSettings(watchdog=None))
    session.begin(0)
    for transaction in (1, 2):
        echo = codec.ModbusAnswer(transaction, codec.WRITE_COIL, (0,))
        session.receive(codec.encode_answer(echo), 0)
    with pytest.raises(ProtocolError) as refusal:
        session.receive(wire, 0)
    assert named in str(refusal.value)
    assert "ModbusRequest" not in str(refusal.value)
    assert "function 1 at 0x0000" in str(refusal.value)


@pytest.mark.parametrize(("address", "value"), [(1, 0), (0, 1)])
def test_an_echo_of_another_write_is_refused_by_name(address: int, value: int) -> None:
    session = GateSession("gate", GateSettings(watchdog=None))
    session.begin(0)
    echo = codec.ModbusAnswer(1, codec.WRITE_COIL, (value,), address)
    named = "address is 1, asked was 0" if address else "value is 1, asked was 0"
    with pytest.raises(ProtocolError, match=named):
        session.receive(codec.encode_answer(echo), 0)


def test_unasked_answer_is_reported() -> None:
    pump = started()
    wire = codec.encode_answer(codec.ModbusAnswer(4711, codec.READ_COILS, (1,)))
    (bad,) = pump.driver.receive(wire, pump.now_ns)
    assert bad.what == "gate answered what was not asked"


def test_every_byte_of_an_answer_corrupted_never_shows_beam_by_itself() -> None:
    """All but the status bit itself, whose truth only TCP's checksum and the next reading keep."""
    for at in range(10):
        for flip in (0x01, 0x02, 0x80, 0xFF):
            pump = started()
            before = len(pump.of(BeamStatus))

            def damage(data: bytes, at: int = at, flip: int = flip) -> bytes:
                if data[7] == codec.READ_COILS and not (at == 9 and flip & 1):
                    return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
                return data

            pump.to_driver = damage
            pump.run(pump.now_ns + SECOND)
            new = pump.of(BeamStatus)[before:]
            assert not any(status.on for status in new), (at, flip)
            assert pump.error is not None or at == 9, (at, flip)  # the other bits there say nothing


def test_gate_obeys_no_motion() -> None:
    with pytest.raises(DeviceError, match="cannot obey SendStop"):
        started().driver.obey(SendStop(0, "gate"), 0)


def test_commands_reach_the_room_through_the_twin() -> None:
    pump = started()
    keep_permitted(pump, SECOND + 100 * MS)
    permits = [c for c in pump.commands if isinstance(c, SendPermit)]
    assert permits
    assert all(c.until_ns - c.t_ns == 200 * MS for c in permits)
    pump.driver.obey(SendHold(pump.now_ns, "gate", ()), pump.now_ns)
    pump.run(pump.now_ns + 1)
    assert isinstance(pump.commands[-1], SendHold)
