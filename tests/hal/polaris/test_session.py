"""Polaris driver and twin back to back: start-up, samples, and each failure it reports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hal.errors import DeviceError, LinkError
from hal.events import SendStop
from hal.messages import BadSample, MarkerFrame, Sample
from hal.polaris import codec
from hal.polaris.session import PolarisSession, PolarisSettings
from sim.back_to_back import MS, SECOND, BackToBack
from sim.polaris import PolarisTwin

ROMS = (b"NDI\0one" * 20, b"NDI\0two" * 20)


def frames(now_ns: int) -> list[Sample]:
    ticks = now_ns * 60 // SECOND
    moving = 0.01 * ticks
    places = ((1.0, moving, -1500.0), (20.0, 2.0, -1500.0))
    return [MarkerFrame("t", now_ns, ticks, places, (0.1, 0.2))]


def joined(twin: PolarisTwin | None = None, **settings: object) -> BackToBack:
    driver = PolarisSession("camera", ROMS, PolarisSettings(**settings))  # pyright: ignore
    return BackToBack(driver, twin or PolarisTwin())


@pytest.mark.parametrize("poll", ["TX", "BX"])
def test_every_frame_once_in_camera_coordinates(poll: str) -> None:
    pump = joined(poll=poll).run(3 * SECOND, frames, SECOND // 240)
    assert pump.driver.ready
    got: list[MarkerFrame] = pump.of(MarkerFrame)
    assert not pump.of(BadSample)
    ticks = [frame.ticks for frame in got]
    assert ticks == list(range(ticks[0], ticks[-1] + 1))
    assert ticks[-1] >= 178
    assert got[-1].markers_mm[0] == pytest.approx((1.0, 0.01 * ticks[-1], -1500.0), abs=0.006)
    assert got[-1].markers_mm[1] == pytest.approx((20.0, 2.0, -1500.0))
    assert got[-1].errors_mm == pytest.approx((0.1, 0.2))
    assert "Vega" in pump.driver.identity


def test_start_up_uploads_the_tool_definitions() -> None:
    twin = PolarisTwin()
    joined(twin).run(SECOND, frames)
    assert [bytes(port.rom[: len(ROMS[0])]) for port in twin.ports.values()] == list(ROMS)
    assert all(port.enabled for port in twin.ports.values())
    assert twin.baud_digit == "5"


@pytest.mark.parametrize("reset", ["break", "command", "none"])
def test_a_tracker_left_tracking_is_taken_over(reset: str) -> None:
    pump = joined(reset=reset).run(SECOND, frames)
    assert pump.driver.ready
    pump.driver.begin(pump.now_ns)
    pump.run(3 * SECOND, frames)
    assert pump.driver.ready
    assert len(pump.twin.ports) == 2
    assert pump.samples[-1].t_ns > 2.9 * SECOND


def test_serial_rate_changes_after_comm() -> None:
    driver = PolarisSession("camera", ROMS)
    twin = PolarisTwin()
    lines: list[int] = []
    ask = driver.line_to_set

    def noting() -> object:
        line = ask()
        if line is not None:
            lines.append(line.baud)
        return line

    driver.line_to_set = noting  # pyright: ignore
    pump = BackToBack(driver, twin).run(SECOND, frames)
    assert pump.driver.ready
    assert lines == [9600, 115200]


@pytest.mark.parametrize("heard", [b"", b"\x80\x1e\r", b"\xfe\xfe"])
def test_a_tracker_met_at_the_fast_rate(heard: bytes) -> None:
    """At the wrong rate it hears nothing, and so may we, or nonsense."""
    driver = PolarisSession("camera", ROMS)
    pump = BackToBack(driver, PolarisTwin())
    line = [0]
    ask = driver.line_to_set

    def noting() -> object:
        setting = ask()
        line[0] = setting.baud if setting else line[0]
        return setting

    driver.line_to_set = noting  # pyright: ignore
    pump.to_twin = lambda data: data if line[0] == 115200 else b"BEEP 1\r"
    pump.to_driver = lambda data: data if line[0] == 115200 else heard
    pump.run(2 * SECOND, frames)
    assert driver.ready
    assert not pump.of(BadSample)


def damage_nth(n: int, how: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    count = [0]

    def passing(data: bytes) -> bytes:
        count[0] += 1
        return how(data) if count[0] % n == 0 else data

    return passing


@pytest.mark.parametrize("poll", ["TX", "BX"])
@pytest.mark.parametrize("at", range(0, 60, 7))
def test_corrupt_reply_is_reported_and_recovered_from(poll: str, at: int) -> None:
    def flip(data: bytes) -> bytes:
        i = at % len(data)
        return data[:i] + bytes([data[i] ^ 0x15]) + data[i + 1 :]

    pump = joined(poll=poll, reply_ms=50.0)
    pump.to_driver = damage_nth(5, flip)
    pump.run(3 * SECOND, frames)
    assert pump.driver.ready
    assert pump.error is None
    assert pump.of(BadSample)
    good: list[MarkerFrame] = pump.of(MarkerFrame)
    assert len(good) > 40
    for frame in good:
        assert frame.markers_mm == (
            pytest.approx((1.0, 0.01 * frame.ticks, -1500.0), abs=0.006),
            pytest.approx((20.0, 2.0, -1500.0)),
        )


def test_lost_and_cut_replies_are_asked_for_again() -> None:
    pump = joined(reply_ms=50.0)
    pump.to_driver = damage_nth(6, lambda data: data[: len(data) // 2])
    pump.run(3 * SECOND, frames)
    assert pump.driver.ready
    assert any("no reply" in bad.what for bad in pump.of(BadSample))


def test_a_command_damaged_on_its_way_is_repeated() -> None:
    pump = joined()
    pump.to_twin = damage_nth(7, lambda data: b"X" + data[1:])
    pump.run(3 * SECOND, frames)
    assert pump.driver.ready
    assert any("failed its CRC" in bad.value for bad in pump.of(BadSample))


def test_silence_closes_the_link() -> None:
    pump = joined().run(SECOND, frames)
    pump.to_driver = lambda data: b""
    pump.run(5 * SECOND, frames)
    assert isinstance(pump.error, LinkError)
    assert pump.of(BadSample)[-1].what == "no reply to BX in 250 ms"


def test_no_tracker_at_all_closes_the_link() -> None:
    pump = joined(reset="break", reset_ms=500.0)
    pump.to_twin = lambda data: b""
    pump.to_driver = lambda data: b""
    pump.run(9 * SECOND)
    assert isinstance(pump.error, LinkError)


def test_frozen_frame_number_is_reported_then_closes_the_link() -> None:
    pump = joined().run(SECOND, frames)
    pump.run(SECOND + 300 * MS)
    (bad,) = pump.of(BadSample)
    assert bad.what == "frame number frozen"
    assert bad.t_ns - SECOND < 125 * MS
    pump.run(4 * SECOND)
    assert isinstance(pump.error, LinkError)


def test_a_frame_count_that_began_anew_is_followed_after_three_frames_that_agree() -> None:
    pump = joined().run(SECOND, frames)
    before = len(pump.of(MarkerFrame))

    def anew(now: int) -> list[Sample]:
        number = 3 + (now - SECOND) // (16 * MS)
        return [MarkerFrame("t", now, number, ((0.0, 0.0, 0.0), None))]

    pump.run(2 * SECOND, anew)
    assert pump.error is None
    told = [bad.what for bad in pump.of(BadSample) if "tool" not in bad.what]
    assert told == ["frame number went back"] * 2
    followed = [frame.ticks for frame in pump.of(MarkerFrame)[before:]]
    assert len(followed) > 30
    assert followed == sorted(set(followed))
    assert followed[0] < 10


def test_frame_number_going_back_is_no_sample() -> None:
    pump = joined().run(SECOND, frames)
    before = len(pump.of(MarkerFrame))
    pump.run(SECOND + 50 * MS, lambda now: [MarkerFrame("t", now, 3, ((0.0, 0.0, 0.0), None))])
    assert len(pump.of(MarkerFrame)) == before
    assert pump.of(BadSample)[0].what == "frame number went back"


def test_frame_number_wraps() -> None:
    def near_the_end(now_ns: int) -> list[Sample]:
        ticks = (1 << 32) - 60 + now_ns * 60 // SECOND
        return [MarkerFrame("t", now_ns, ticks, ((0.0, 0.0, -1500.0), None))]

    pump = joined().run(3 * SECOND, near_the_end, SECOND // 240)
    assert not [bad for bad in pump.of(BadSample) if "frame" in bad.what and "back" in bad.what]
    assert pump.of(MarkerFrame)[-1].ticks < 200


def test_missing_tool() -> None:
    pump = joined().run(SECOND, frames)

    def one_hidden(now_ns: int) -> list[Sample]:
        (frame,) = frames(now_ns)
        assert isinstance(frame, MarkerFrame)
        return [MarkerFrame("t", now_ns, frame.ticks, (None, frame.markers_mm[1]))]

    pump.run(2 * SECOND, one_hidden, SECOND // 240)
    last = pump.of(MarkerFrame)[-1]
    assert last.markers_mm[0] is None
    assert last.markers_mm[1] is not None
    (bad,) = pump.of(BadSample)
    assert (bad.what, bad.value) == ("tool 1 missing", "6 frames")


def test_disabled_tool_is_missing() -> None:
    pump = joined().run(SECOND, frames)
    pump.twin.unplugged.add(1)
    pump.run(2 * SECOND, frames, SECOND // 240)
    assert pump.of(MarkerFrame)[-1].markers_mm[1] is None
    assert pump.of(BadSample)[0].what == "tool 2 missing"


def test_out_of_volume() -> None:
    twin = PolarisTwin(volume_mm=((-10.0, -500.0, -2400.0), (10.0, 500.0, -950.0)))
    pump = joined(twin).run(SECOND, frames)
    assert pump.of(MarkerFrame)[-1].markers_mm[1] is None
    assert [bad.what for bad in pump.of(BadSample)] == ["tool 2 out of the volume"]


def test_infrared_light_is_reported_once() -> None:
    pump = joined().run(SECOND, frames)
    pump.twin.system_status = 0x0002
    pump.run(2 * SECOND, frames)
    (bad,) = pump.of(BadSample)
    assert bad.what == "tracker reports too much external infrared light"


@pytest.mark.parametrize("name", ["INIT", "PHRQ", "PVWR", "PINIT", "PENA", "TSTART"])
def test_start_up_refused(name: str) -> None:
    pump = joined()
    reply = codec.refusal(0x40)
    asked = [b""]

    def noting(data: bytes) -> bytes:
        asked[0] = data
        return data

    pump.to_twin = noting
    pump.to_driver = lambda data: reply if asked[0].startswith(name.encode()) else data
    pump.run(2 * SECOND, frames)
    assert isinstance(pump.error, DeviceError)
    assert f"refused {name}: error 40, tool definition file error" in str(pump.error)


def test_tracker_obeys_nothing_and_needs_a_tool() -> None:
    with pytest.raises(DeviceError, match="cannot obey SendStop"):
        joined().driver.obey(SendStop(0, "camera"), 0)
    with pytest.raises(DeviceError, match=r"no tool definition"):
        PolarisSession("camera", ())


def test_twin_refuses_what_a_tracker_refuses() -> None:
    twin = PolarisTwin()

    def ask(name: str, parameters: str = "") -> bytes:
        twin.receive(codec.command(name, parameters), 0)
        return twin.data_to_send()[:-5]

    assert ask("TX", "0801") == b"ERROR10"
    assert ask("PHSR", "00") == b"ERROR10"
    assert ask("NONSENSE") == b"ERROR01"
    assert ask("INIT") == b"OKAY"
    assert ask("TX", "0801") == b"ERROR0C"
    assert ask("PINIT", "01") == b"ERROR2B"
    assert ask("PHRQ", "1") == b"ERROR07"
    assert ask("PHRQ", "*********1****") == b"01"
    assert ask("PINIT", "01") == b"ERROR40"
    assert ask("PVWR", "01" + "1000" + "00" * 64) == b"ERROR40"
    assert ask("PVWR", "01" + "0000" + "00" * 64) == b"OKAY"
    assert ask("PENA", "01D") == b"ERROR0E"
    assert ask("PINIT", "01") == b"OKAY"
    assert ask("PENA", "01X") == b"ERROR07"
    assert ask("PENA", "01D") == b"OKAY"
    assert ask("PDIS", "01") == b"OKAY"
    assert ask("PHSR", "03") == b"0101011"
    assert ask("COMM", "90000") == b"ERROR07"
    assert ask("TSTART") == b"OKAY"
    assert ask("INIT") == b"ERROR0C"
    twin.receive(b"TX:0801FFFF\r", 0)
    assert twin.data_to_send()[:-5] == b"ERROR04"
    for _ in range(30):
        ask("TSTOP")
        last = ask("PHRQ", "*********1****")
    assert last == b"ERROR2D"
