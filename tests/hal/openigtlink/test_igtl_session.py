"""OpenIGTLink driver and twin, back to back on virtual time: every form, and every failure."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from hal.errors import DeviceError, LinkError
from hal.events import SendStop
from hal.messages import BadSample, BeltSample, MarkerFrame, Sample, Triple
from hal.openigtlink.codec import IgtlPacket, encode
from hal.openigtlink.contents import (
    IgtlText,
    IgtlTool,
    Position,
    Sensor,
    StartTracking,
    Status,
    StopTracking,
    TrackingData,
    Transform,
    at,
)
from hal.openigtlink.session import TABLE, IgtlSession, IgtlSettings, IgtlState, IgtlTrigger
from sim.back_to_back import MS, BackToBack
from sim.openigtlink import IgtlTwin

TOOLS = ("Chest", "Belly", "Couch")
SHOWN: tuple[Triple, ...] = ((1.5, -2.25, 3.125), (4.0, 5.5, -6.25), (0.0, 0.5, 100.0))


def frames_at_60_hz(hidden: set[int] | None = None) -> Any:
    def world(now_ns: int) -> list[Sample]:
        markers = tuple(
            None if index in (hidden or set()) else place for index, place in enumerate(SHOWN)
        )
        return [MarkerFrame("room", now_ns, now_ns // MS, markers)]

    return world


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("push", ["TRANSFORM", "POSITION", "TDATA", "QTDATA"])
def test_pushed_frames_arrive_whole(push: Any, version: int) -> None:
    driver = IgtlSession("camera", IgtlSettings(tools=TOOLS))
    pair = BackToBack(driver, IgtlTwin(TOOLS, push=push, version=version))
    assert not driver.ready
    pair.run(1000 * MS, frames_at_60_hz(), 16 * MS)
    frames = pair.of(MarkerFrame)
    assert driver.ready
    assert len(frames) == len(pair.samples) == 63
    assert {frame.markers_mm for frame in frames} == {SHOWN}
    steps = {b.ticks - a.ticks for a, b in itertools.pairwise(frames)}
    assert steps == {1}  # 16 ms at 60 frames a second
    assert frames[-1].device == "camera"


@pytest.mark.parametrize("ask", ["TDATA", "QTDATA"])
def test_asked_for_data_come_at_the_resolution(ask: Any) -> None:
    settings = IgtlSettings(tools=TOOLS, ask=ask, resolution_ms=50, coordinates="Patient")
    driver = IgtlSession("camera", settings)
    twin = IgtlTwin(TOOLS)
    pair = BackToBack(driver, twin)
    assert driver.state is IgtlState.ASKED
    pair.run(1000 * MS, frames_at_60_hz(), 10 * MS)
    assert len(pair.of(MarkerFrame)) == 20
    assert isinstance(twin.heard[0], IgtlPacket)
    assert twin.heard[0].content == StartTracking(ask, 50, "Patient")
    driver.stop()
    pair.run(1100 * MS)
    assert isinstance(twin.heard[1], IgtlPacket)
    assert twin.heard[1].content == StopTracking(ask)


def test_a_server_that_refuses_closes_the_link() -> None:
    twin = IgtlTwin(TOOLS)
    twin.accepts = False
    driver = IgtlSession("camera", IgtlSettings(tools=TOOLS, ask="TDATA"))
    pair = BackToBack(driver, twin).run(100 * MS, frames_at_60_hz())
    assert isinstance(pair.error, LinkError)
    assert "refuses to push TDATA" in str(pair.error)
    assert driver.state is IgtlState.CLOSED


@pytest.mark.parametrize("push", ["TRANSFORM", "POSITION", "TDATA", "QTDATA"])
def test_an_invisible_marker_is_none(push: Any) -> None:
    pair = BackToBack(
        IgtlSession("camera", IgtlSettings(tools=TOOLS)), IgtlTwin(TOOLS, push=push)
    ).run(500 * MS, frames_at_60_hz({1}), 20 * MS)
    frames = pair.of(MarkerFrame)
    assert len(frames) >= 24
    assert {frame.markers_mm for frame in frames} == {(SHOWN[0], None, SHOWN[2])}
    assert all(later.t_ns > earlier.t_ns for earlier, later in itertools.pairwise(frames))


def test_an_incomplete_moment_waits_five_milliseconds() -> None:
    driver = IgtlSession("camera", IgtlSettings(tools=TOOLS))
    driver.begin(0)
    first = encode(IgtlPacket("Chest", 10**18, Transform(at(SHOWN[0]))))
    assert driver.receive(first, 100 * MS) == []
    assert driver.wake(100 * MS) == []
    driver.receive(encode(IgtlPacket("Chest", 10**18 + 20 * MS, Transform(at(SHOWN[0])))), 120 * MS)
    assert driver.wake_ns == 125 * MS
    (frame,) = driver.wake(125 * MS)
    assert frame == MarkerFrame("camera", 120 * MS, 1, (SHOWN[0], None, None))


def test_belt_by_name_and_channel() -> None:
    driver = IgtlSession("belt", IgtlSettings(sensor="Belt", channel=1))
    driver.begin(0)
    samples: list[Sample] = []
    for n in range(5):
        packet = IgtlPacket("Belt", 10**18 + n * 10 * MS, Sensor((9.0, 100.0 + n)))
        samples += driver.receive(encode(packet), n * 10 * MS)
        samples += driver.receive(encode(IgtlPacket("Other", 10**18, Sensor((1.0,)))), n * 10 * MS)
    values = [sample.value_au for sample in samples if isinstance(sample, BeltSample)]
    assert values == [100.0, 101.0, 102.0, 103.0, 104.0]
    assert len(samples) == 5
    (short,) = driver.receive(encode(IgtlPacket("Belt", 10**18 + 50 * MS, Sensor((9.0,)))), 50 * MS)
    assert isinstance(short, BadSample)
    assert short.value == "1 values, channel 1 is wanted"


def test_belt_twin_to_driver() -> None:
    driver = IgtlSession("belt", IgtlSettings(sensor="Belt", rate_hz=100.0))
    pair = BackToBack(driver, IgtlTwin())
    pair.run(
        1000 * MS,
        lambda now_ns: [BeltSample("room", now_ns, now_ns // MS, 500 + math.sin(now_ns / 1e9))],
    )
    samples = pair.of(BeltSample)
    assert len(samples) == len(pair.samples) == 100
    assert samples[50].t_ns == 500 * MS
    assert samples[50].value_au == 500 + math.sin(0.5)
    assert samples[50].ticks - samples[0].ticks == 50


def test_status_is_reported_and_ok_is_not() -> None:
    driver = IgtlSession("camera", IgtlSettings(tools=TOOLS))
    driver.begin(0)
    assert driver.receive(encode(IgtlPacket("Tracker", 0, Status(1))), 0) == []
    data = encode(IgtlPacket("Tracker", 0, Status(18, 3, "IR", "illuminator broken")))
    (said,) = driver.receive(data, 0)
    assert said == BadSample(
        "camera", 0, "tracker status", "18 hardware failure: IR: illuminator broken"
    )
    assert driver.receive(encode(IgtlPacket("Note", 0, IgtlText("hello"))), 0) == []
    assert driver.last_text == "hello"
    assert not driver.ready


def test_silence_closes_the_link_and_names_the_unfinished_message() -> None:
    twin = IgtlTwin(TOOLS, push="TDATA")
    pair = BackToBack(IgtlSession("camera", IgtlSettings(tools=TOOLS, silence_ms=1000)), twin)
    pair.run(200 * MS, frames_at_60_hz())
    pair.run(3000 * MS)
    assert isinstance(pair.error, LinkError)
    assert "no OpenIGTLink sample for 1000 ms (0 bytes" in str(pair.error)
    assert pair.now_ns < 1300 * MS


def test_a_corrupt_message_is_reported_and_the_next_one_read() -> None:
    pair = BackToBack(
        IgtlSession("camera", IgtlSettings(tools=TOOLS)), IgtlTwin(TOOLS, push="TDATA")
    )
    count = 0

    def spoil(data: bytes) -> bytes:
        nonlocal count
        count += 1
        if count % 10 == 0:
            return data[:80] + bytes([data[80] ^ 4]) + data[81:]
        return data

    pair.to_driver = spoil
    pair.run(1000 * MS, frames_at_60_hz(), 10 * MS)
    bad = pair.of(BadSample)
    assert len(bad) == 10
    assert "fails its CRC" in bad[0].value
    assert len(pair.of(MarkerFrame)) == 90
    assert {frame.markers_mm for frame in pair.of(MarkerFrame)} == {SHOWN}


def test_a_wrong_length_costs_a_fifth_of_a_second() -> None:
    pair = BackToBack(
        IgtlSession("camera", IgtlSettings(tools=TOOLS)), IgtlTwin(TOOLS, push="TDATA")
    )
    spoilt = False

    def spoil(data: bytes) -> bytes:
        nonlocal spoilt
        if pair.now_ns < 300 * MS or spoilt:
            return data
        spoilt = True
        return data[:48] + bytes([70 * 200 >> 8, 70 * 200 & 255]) + data[50:]

    pair.to_driver = spoil
    pair.run(2000 * MS, frames_at_60_hz(), 10 * MS)
    assert any("stayed unfinished" in bad.value for bad in pair.of(BadSample))
    frames = pair.of(MarkerFrame)
    gaps = [b.t_ns - a.t_ns for a, b in itertools.pairwise(frames)]
    assert 200 * MS < max(gaps) <= 230 * MS
    assert frames[-1].t_ns == 1990 * MS


def test_a_segment_in_two_pieces_after_a_pause_is_no_unfinished_message() -> None:
    driver = IgtlSession("camera", IgtlSettings(tools=TOOLS))
    driver.begin(0)
    data = encode(IgtlPacket("T", 0, TrackingData((IgtlTool("Chest", at(SHOWN[0])),))))
    assert driver.receive(data[:30], 900 * MS) == []
    (frame,) = driver.receive(data[30:], 901 * MS)
    assert isinstance(frame, MarkerFrame)


def test_a_timestamp_that_jumps_is_refused_until_it_stays() -> None:
    driver = IgtlSession("camera", IgtlSettings(tools=("Chest",)))
    driver.begin(0)

    told: list[str] = []

    def send(n: int, unix_ns: int) -> Sample:
        data = encode(IgtlPacket("Chest", unix_ns, Position(SHOWN[0])))
        *bad, sample = driver.receive(data, n * 20 * MS)
        told.extend(one.value for one in bad if isinstance(one, BadSample))
        return sample

    for n in range(10):
        assert isinstance(send(n, 10**18 + n * 20 * MS), MarkerFrame)
    jumped = send(10, 10**18 + 10**10)
    assert isinstance(jumped, BadSample)
    assert jumped.what == "timestamp jumps"
    assert isinstance(send(11, 10**18 + 11 * 20 * MS), MarkerFrame)
    kinds = [type(send(n, 2 * 10**18 + n * 20 * MS)) for n in range(12, 16)]
    assert kinds == [BadSample, BadSample, MarkerFrame, MarkerFrame]
    assert told == ["+1000000000.0 s; followed from now on"]


def test_senders_without_a_clock_get_the_arrival() -> None:
    driver = IgtlSession("camera", IgtlSettings(tools=("Chest",)))
    driver.begin(0)
    (frame,) = driver.receive(encode(IgtlPacket("Chest", 0, Position(SHOWN[0]))), 700 * MS)
    assert isinstance(frame, MarkerFrame)
    assert frame.ticks == 0
    (later,) = driver.receive(encode(IgtlPacket("Chest", 0, Position(SHOWN[0]))), 750 * MS)
    assert isinstance(later, MarkerFrame)
    assert later.ticks == 3


def test_lost_frames_leave_a_gap_and_repeated_ones_are_dropped() -> None:
    driver = IgtlSession("camera", IgtlSettings(tools=("Chest",), rate_hz=50.0))
    driver.begin(0)
    ticks: list[int] = []
    for moment_ms in (0, 20, 20, 41, 59, 100, 100, 99, 120):
        data = encode(
            IgtlPacket(
                "T", 10**18 + moment_ms * MS, TrackingData((IgtlTool("Chest", at(SHOWN[0])),))
            )
        )
        samples = driver.receive(data, moment_ms * MS)
        ticks += [sample.ticks for sample in samples if isinstance(sample, MarkerFrame)]
    assert ticks == [0, 1, 2, 3, 5, 6]


def test_a_tracker_obeys_nothing() -> None:
    with pytest.raises(DeviceError, match="cannot obey"):
        IgtlSession("camera", IgtlSettings(tools=TOOLS)).obey(SendStop(0, "camera"), 0)


@pytest.mark.parametrize("wrong", [{}, {"tools": ("a", "a")}, {"tools": ("a",), "rate_hz": 0.0}])
def test_settings_that_report_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="OpenIGTLink"):
        IgtlSettings(**wrong)


def test_the_table_begins_anywhere_and_knows_every_state() -> None:
    assert {state for state, _ in TABLE} == set(IgtlState)
    for state in IgtlState:
        assert TABLE[state, IgtlTrigger.BEGIN_ASKING] is IgtlState.ASKED
        assert TABLE[state, IgtlTrigger.BEGIN_LISTENING] is IgtlState.LISTENING
    assert TABLE[IgtlState.STREAMING, IgtlTrigger.SILENCE] is IgtlState.CLOSED
