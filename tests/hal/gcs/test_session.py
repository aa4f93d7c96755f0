"""Couch driver and twin back to back: start-up, streaming, limits, stop, and lost answers."""

from __future__ import annotations

import itertools
import math

import pytest

from hal.errors import DeviceError, LinkError
from hal.events import SendDemand, SendExpose, SendStop
from hal.gcs import codec
from hal.gcs.session import GcsSession, GcsSettings
from hal.messages import ActuatorStatus, BadSample, Triple
from sim.back_to_back import MS, SECOND, BackToBack
from sim.gcs import GcsTwin


def joined(twin: GcsTwin | None = None, **settings: object) -> BackToBack:
    driver = GcsSession("couch", GcsSettings(**settings))  # pyright: ignore
    return BackToBack(driver, twin or GcsTwin(), one_way_ns=MS)


def started(twin: GcsTwin | None = None, **settings: object) -> BackToBack:
    pump = joined(twin, **settings).run(SECOND)
    assert pump.error is None
    assert pump.driver.ready
    return pump


def demand(pump: BackToBack, position: Triple) -> None:
    pump.driver.obey(SendDemand(pump.now_ns, "couch", position), pump.now_ns)


def stream(pump: BackToBack, until_ns: int, position: Triple) -> None:
    while pump.now_ns < until_ns and pump.error is None:
        demand(pump, position)
        pump.run(pump.now_ns + 10 * MS)


def test_start_up() -> None:
    pump = started()
    assert "C-887" in pump.driver.identity
    assert pump.driver.limits_mm == ((-50.0,) * 3, (50.0,) * 3)
    assert pump.twin.speed_mm_s == 20.0
    assert pump.twin.parameters[0x19001900] == 1
    assert pump.sent.startswith(b"\x18ERR?\n*IDN?\n")
    assert pump.of(ActuatorStatus)[-1].fault == ""
    assert not pump.of(BadSample)


def test_position_is_polled_steadily() -> None:
    pump = started().run(3 * SECOND)
    times = [s.t_ns for s in pump.of(ActuatorStatus) if s.t_ns > SECOND]
    assert len(times) in (99, 100)


def test_streaming_follows_a_breath_within_its_speed() -> None:
    pump = started()
    last = 0.0
    for step in range(800):
        t = step * 0.01
        demand(pump, (0.0, 6 * math.sin(2 * math.pi * t / 4), 0.0))
        pump.run(pump.now_ns + 10 * MS)
        if step > 100:
            here = pump.of(ActuatorStatus)[-1].position_mm[1]
            assert here == pytest.approx(6 * math.sin(2 * math.pi * t / 4), abs=0.6)
            assert abs(here - last) < 20 * 0.021 + 0.01
        last = pump.of(ActuatorStatus)[-1].position_mm[1]
    assert not pump.of(BadSample)
    assert {type(command) for command in pump.commands[1:]} == {SendDemand}


def test_speed_and_acceleration_are_the_twins_limits() -> None:
    pump = started()
    stream(pump, SECOND + 500 * MS, (20.0, 0.0, 0.0))
    places = [(s.t_ns, s.position_mm[0]) for s in pump.of(ActuatorStatus) if s.t_ns > SECOND]
    speeds = [(b[1] - a[1]) / ((b[0] - a[0]) / 1e9) for a, b in zip(places, places[1:])]  # noqa
    assert max(speeds) <= 20.1
    assert speeds[-1] == pytest.approx(20.0, abs=0.1)
    stream(pump, 3 * SECOND, (20.0, 0.0, 0.0))
    assert pump.of(ActuatorStatus)[-1].position_mm[0] == pytest.approx(20.0, abs=0.01)
    assert pump.driver.on_target


def test_mounting_turns_axes_and_signs() -> None:
    pump = started(mounting=("-Y", "+X", "+Z"))
    stream(pump, 2 * SECOND, (1.0, 2.0, 3.0))
    assert pump.twin.position["Y"] == pytest.approx(-1.0, abs=0.01)
    assert pump.twin.position["X"] == pytest.approx(2.0, abs=0.01)
    assert pump.of(ActuatorStatus)[-1].position_mm == pytest.approx((1.0, 2.0, 3.0), abs=0.01)


def test_errors_are_asked_after_each_set_command() -> None:
    pump = started()
    stream(pump, SECOND + 200 * MS, (1.0, 0.0, 0.0))
    lines = pump.sent.replace(b"\x18", b"").split(b"\n")
    for here, following in itertools.pairwise(lines):
        if here.split(b" ")[0] in (b"MOV", b"VLS", b"SPA", b"SVO", b"FRF", b"HLT"):
            assert following == b"ERR?", here


def test_newest_demand_replaces_one_that_waits() -> None:
    pump = started()
    before = pump.sent.count(b"MOV")
    for k in range(5):
        demand(pump, (float(k), 0.0, 0.0))
    pump.run(pump.now_ns + 20 * MS)
    assert pump.sent.count(b"MOV") == before + 2
    assert pump.twin.target["X"] == 4.0


def test_stale_demands_halt_the_couch() -> None:
    pump = started()
    stream(pump, SECOND + 300 * MS, (20.0, 0.0, 0.0))
    pump.run(pump.now_ns + 300 * MS)
    (bad,) = pump.of(BadSample)
    assert bad.what == "couch halted, demands stale"
    assert bad.t_ns == SECOND + 390 * MS
    assert pump.twin.position["X"] < 15
    assert pump.of(ActuatorStatus)[-1].fault == "", "what we asked for is no complaint of the couch"
    assert isinstance(pump.commands[-1], SendStop)
    assert pump.sent.count(b"HLT") == 1
    stream(pump, 3 * SECOND, (20.0, 0.0, 0.0))
    assert pump.of(ActuatorStatus)[-1].fault == ""
    assert pump.of(ActuatorStatus)[-1].position_mm[0] == pytest.approx(20.0, abs=0.01)


def test_stop_goes_ahead_of_everything() -> None:
    pump = started()
    stream(pump, SECOND + 300 * MS, (20.0, 0.0, 0.0))
    demand(pump, (20.0, 0.0, 0.0))
    demand(pump, (21.0, 0.0, 0.0))
    pump.driver.obey(SendStop(pump.now_ns, "couch"), pump.now_ns)
    assert pump.driver.data_to_send()[:1] == b"\x18"


def test_stop_holds_until_a_new_demand() -> None:
    pump = started()
    stream(pump, SECOND + 300 * MS, (20.0, 0.0, 0.0))
    pump.driver.obey(SendStop(pump.now_ns, "couch"), pump.now_ns)
    pump.run(pump.now_ns + 5 * MS)
    stopped = pump.twin.position["X"]
    pump.run(pump.now_ns + SECOND)
    assert pump.twin.position["X"] == stopped
    assert pump.of(ActuatorStatus)[-1].fault == "", "what we asked for is no complaint of the couch"
    assert not pump.of(BadSample)
    stream(pump, pump.now_ns + 100 * MS, (20.0, 0.0, 0.0))
    assert pump.of(ActuatorStatus)[-1].fault == ""


def test_demand_out_of_limits_is_not_sent() -> None:
    pump = started()
    with pytest.raises(DeviceError, match=r"demand Y 50\.01 mm outside -50 to 50 mm"):
        demand(pump, (0.0, 50.01, 0.0))
    with pytest.raises(DeviceError, match="not finite"):
        demand(pump, (0.0, float("nan"), 0.0))
    pump.run(pump.now_ns + 50 * MS)
    assert b"50.01" not in pump.sent
    assert "outside" in pump.of(ActuatorStatus)[-1].fault
    demand(pump, (0.0, 50.0, 0.0))


@pytest.mark.parametrize(
    ("prepare", "fault"),
    [
        (lambda twin: twin.servo.update(X=False), "error 5, cannot move: not referenced"),
        (lambda twin: twin._limits.update(X=1.0), "error 7, position out of limits"),
    ],
)
def test_refused_move_is_a_fault(prepare: object, fault: str) -> None:
    pump = started()
    prepare(pump.twin)  # pyright: ignore
    stream(pump, pump.now_ns + 50 * MS, (2.0, 0.0, 0.0))
    assert pump.of(BadSample)[0].what == "couch refused MOV"
    assert pump.of(ActuatorStatus)[-1].fault.startswith(fault)


def test_unreferenced_couch_is_not_moved_unasked() -> None:
    pump = joined(GcsTwin(referenced=False)).run(2 * SECOND)
    assert isinstance(pump.error, DeviceError)
    assert "not referenced" in str(pump.error)
    assert b"FRF X\n" not in pump.sent


def test_reference_when_allowed() -> None:
    pump = joined(GcsTwin(referenced=False), reference=True).run(4 * SECOND)
    assert pump.driver.ready
    assert pump.of(ActuatorStatus)[0].t_ns > 2 * SECOND


def test_reference_that_never_ends() -> None:
    twin = GcsTwin(referenced=False, reference_s=100.0)
    pump = joined(twin, reference=True, reference_s=5.0).run(20 * SECOND)
    assert "reference move not finished in 5 s" in str(pump.error)


def test_servo_is_switched_on() -> None:
    twin = GcsTwin()
    twin.servo["Z"] = False
    pump = started(twin)
    assert twin.servo["Z"]
    assert b"SVO Z 1\n" in pump.sent


def test_speed_the_couch_refuses() -> None:
    pump = joined(speed_mm_s=80.0).run(SECOND)
    assert str(pump.error).endswith("couch refused 'VLS 80': error 8, velocity out of limits")


def test_axis_the_couch_does_not_have() -> None:
    pump = joined(mounting=("+X", "+Y", "+A")).run(SECOND)
    assert "couch has no axis A" in str(pump.error)
    with pytest.raises(DeviceError, match="write a sign and an axis"):
        joined(mounting=("X", "+Y", "+Z"))


def test_lost_answer_is_reported_and_the_dialogue_goes_on() -> None:
    pump = started()
    drop = [1]

    def lossy(data: bytes) -> bytes:
        drop[0] -= 1
        return b"" if drop[0] == 0 else data

    pump.to_driver = lossy
    stream(pump, 3 * SECOND, (5.0, 0.0, 0.0))
    assert pump.error is None
    assert len(pump.of(BadSample)) == 1
    assert pump.of(ActuatorStatus)[-1].position_mm[0] == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("flip", [0x01, 0x04, 0x10, 0x80])
@pytest.mark.parametrize("at", range(0, 40, 7))
def test_damaged_answer_is_no_position_far_away(at: int, flip: int) -> None:
    pump = started()
    stream(pump, 2 * SECOND, (5.0, 0.0, 0.0))
    count = [0]

    def damage(data: bytes) -> bytes:
        count[0] += 1
        if count[0] % 10 or at >= len(data):
            return data
        return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]

    pump.to_driver = damage
    before = len(pump.of(ActuatorStatus))
    stream(pump, 3 * SECOND, (5.0, 0.0, 0.0))
    assert pump.error is None
    for status in pump.of(ActuatorStatus)[before:]:
        assert status.position_mm == pytest.approx((5.0, 0.0, 0.0), abs=1.4)
    pump.to_driver = lambda data: data
    stream(pump, 3500 * MS, (5.0, 0.0, 0.0))
    assert pump.of(ActuatorStatus)[-1].position_mm == pytest.approx((5.0, 0.0, 0.0), abs=0.01)
    assert pump.of(ActuatorStatus)[-1].t_ns > 3.4 * SECOND


def test_silence_closes_the_link() -> None:
    pump = started()
    pump.twin.mute = True
    pump.run(4 * SECOND)
    assert isinstance(pump.error, LinkError)
    assert len(pump.of(BadSample)) == 2


def test_reconnection_stops_what_still_moves() -> None:
    pump = started()
    stream(pump, SECOND + 300 * MS, (20.0, 0.0, 0.0))
    pump.driver.begin(pump.now_ns)
    pump.run(2 * SECOND)
    assert pump.driver.ready
    assert pump.twin.position["X"] < 8


def test_couch_exposes_nothing() -> None:
    with pytest.raises(DeviceError, match="cannot obey SendExpose"):
        started().driver.obey(SendExpose(0, "couch", 1), 0)


def test_twin_moved_by_the_room() -> None:
    pump = started()
    pump.twin.show(ActuatorStatus("couch", 0, (1.0, 2.0, 3.0)), 0)
    pump.run(pump.now_ns + 100 * MS)
    pump.twin.show(ActuatorStatus("couch", 0, (1.2, 2.0, 3.0)), 0)
    pump.run(pump.now_ns + 100 * MS)
    assert pump.of(ActuatorStatus)[-1].position_mm == (1.2, 2.0, 3.0)


def test_twin_refuses_what_a_hexapod_refuses() -> None:
    twin = GcsTwin()

    def error_of(line: str) -> int:
        twin.receive(line.encode() + b"\n", 0)
        twin.data_to_send()
        twin.receive(b"ERR?\n", 0)
        return int(twin.data_to_send())

    assert error_of("MOV X 1") == 0
    assert error_of("MOV X") == 24
    assert error_of("MOV Q 1") == 15
    assert error_of("MOV X one") == 1
    assert error_of("MOV X inf") == 1
    assert error_of("MOV X 51") == 7
    assert error_of("MVR X 1") == 0
    assert error_of("SPA X 0x19001900 1") == 0
    assert error_of("MVR X 1") == 2
    assert error_of("SPA X 0x1 1") == 17
    assert error_of("VLS 51") == 8
    assert error_of("VLS") == 24
    assert error_of("BLA") == 2
    assert error_of("POS? Q") == 15
    assert error_of("HLT") == 10
    assert error_of("SVO X 0") == 0
    assert error_of("MOV X 1") == 5
    assert error_of("FRF X") == 5


def test_a_line_that_says_something_else_than_the_demand_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pump = started()
    right = codec.axis_values
    monkeypatch.setattr(codec, "axis_values", lambda v: right({a: -x for a, x in v.items()}))
    sent = len(pump.sent)
    with pytest.raises(DeviceError, match="would be sent as b'MOV X -1"):
        demand(pump, (1.0, 2.0, 3.0))
    pump.run(pump.now_ns + 100 * MS)
    assert b"MOV" not in pump.sent[sent:]


def test_limits_are_judged_on_what_rounding_makes_of_a_demand() -> None:
    pump = started(twin=GcsTwin(limit_mm=20.00004))
    demand(pump, (20.00004, 0.0, 0.0))  # goes out as 20.0000
    with pytest.raises(DeviceError, match="outside"):
        demand(pump, (20.00006, 0.0, 0.0))  # would go out as 20.0001
