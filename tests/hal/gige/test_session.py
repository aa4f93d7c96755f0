"""The control conversation and its twin back to back: start-up, trouble, loss of control."""

from __future__ import annotations

import numpy as np
import pytest

from hal.errors import DeviceError, LinkError
from hal.events import SendExpose, SendHold
from hal.gige import codec
from hal.gige.reassembly import GvspFrame, Reassembly
from hal.gige.session import MOST_TRIES, GigeSession, GigeSettings
from sim.gige import GigeTwin

PICTURE = np.arange(64 * 48, dtype=np.uint16).astype(np.uint8).reshape(48, 64)
MS = 1_000_000


def twin_and_session(**changes) -> tuple[GigeTwin, GigeSession]:
    settings = {"features": {"Width": 64, "TriggerMode": "On", "AcquisitionFrameRate": 50.0}}
    twin = GigeTwin(lambda _: PICTURE, (64, 48))
    session = GigeSession(
        GigeSettings(device="camera", host="10.0.0.9", **{**settings, **changes}),
        ("127.0.0.1", 5000),
    )
    return twin, session


def talk(twin: GigeTwin, session: GigeSession, now_ns: int) -> None:
    """Carry datagrams both ways until there are none."""
    while data := session.data_to_send():
        reply = twin.receive(data, now_ns)
        if reply:
            session.receive(reply, now_ns)


def test_start_up_goes_through_every_phase_and_sets_what_was_asked() -> None:
    twin, session = twin_and_session(serial="TWIN1")
    session.begin(0)
    talk(twin, session, 0)
    assert session.ready
    assert session.identity is not None
    assert session.identity.serial == "TWIN1"
    assert session.ticks_hz == 1_000_000_000
    assert twin.registers[codec.CONTROL] == codec.CONTROL_SHARED_WRITE
    assert twin.registers[0x10C] == 20_000
    assert twin.destination == ("127.0.0.1", 5000)
    assert twin.running


def test_the_software_trigger_takes_one_picture_a_shot() -> None:
    twin, session = twin_and_session()
    session.begin(0)
    talk(twin, session, 0)
    pictures = Reassembly("camera", 1400, session.ticks_hz)
    for shot in (1, 2):
        session.obey(SendExpose(0, "camera", shot), shot * 100 * MS)
        talk(twin, session, shot * 100 * MS)
        assert twin.triggers == shot
    frames = [f for data in twin.stream for f in pictures.receive(data, 0)]
    assert [f.number for f in frames if isinstance(f, GvspFrame)] == [1, 2]
    assert np.array_equal(frames[0].pixels, PICTURE)  # pyright: ignore[reportAttributeAccessIssue]


def test_lost_datagrams_are_repeated() -> None:
    twin, session = twin_and_session()
    session.begin(0)
    now_ns = 0
    dropped = 0
    for step in range(500):
        now_ns += 5 * MS
        while data := session.data_to_send():
            if step % 3 == 0:
                dropped += 1
                continue
            reply = twin.receive(data, now_ns)
            if step % 5 == 1:
                continue
            session.receive(reply, now_ns)
        if session.wake_ns is not None and now_ns >= session.wake_ns:
            session.wake(now_ns)
        if session.ready:
            break
    assert session.ready
    assert dropped


def test_a_silent_camera_is_given_up() -> None:
    twin, session = twin_and_session()
    twin.silent = True
    session.begin(0)
    for _ in range(MOST_TRIES - 1):
        talk(twin, session, 0)
        session.wake(session.wake_ns or 0)
    with pytest.raises(LinkError, match="no answer to command 0x0002"):
        session.wake(session.wake_ns or 0)


def test_the_heartbeat_keeps_the_camera_and_its_absence_loses_it() -> None:
    twin, session = twin_and_session(heartbeat_ms=1000)
    session.begin(0)
    talk(twin, session, 0)
    for _ in range(20):
        now_ns = session.wake_ns or 0
        session.wake(now_ns)
        talk(twin, session, now_ns)
        twin.wake(now_ns)
    assert session.ready
    assert twin.registers[codec.CONTROL]
    late = (session.wake_ns or 0) + 1500 * MS
    twin.wake(late)
    assert not twin.registers[codec.CONTROL]
    assert not twin.running
    session.wake(late)
    with pytest.raises(LinkError, match="control lost"):
        talk(twin, session, late)


@pytest.mark.parametrize(
    ("changes", "refuse", "says"),
    [
        ({"serial": "OTHER"}, None, "serial 'TWIN1', 'OTHER' expected"),
        ({}, codec.CONTROL, "access denied"),
        ({}, codec.PACKET_SIZE, "phase 'stream'"),
        ({"features": {"Wdth": 1}}, None, "no feature 'Wdth'"),
        ({"features": {"Width": 0}}, None, "at least 1"),
    ],
)
def test_a_camera_that_will_not_is_a_device_error(changes, refuse, says) -> None:
    twin, session = twin_and_session(**changes)
    if refuse is not None:
        twin.refuse.add(refuse)
    session.begin(0)
    with pytest.raises(DeviceError, match=says):
        talk(twin, session, 0)


def test_answers_that_are_not_ours_change_nothing() -> None:
    twin, session = twin_and_session()
    session.begin(0)
    data = session.data_to_send()
    reply = twin.receive(data, 0)
    for at in range(len(reply)):
        if at in (2, 3, 6, 7) or at < 2:
            session.receive(reply[:at] + bytes([reply[at] ^ 0x11]) + reply[at + 1 :], 0)
            assert session.phase == "identify"
    session.receive(codec.encode_ack(codec.Ack(0, 0x83, 1, b"")), 0)
    session.receive(b"", 0)
    assert session.data_to_send() == b""
    session.receive(reply, 0)
    talk(twin, session, 0)
    assert session.ready


def test_a_camera_that_needs_time_gets_it() -> None:
    _, session = twin_and_session()
    session.begin(0)
    session.data_to_send()
    wait = codec.Ack(0, codec.PENDING, 1, (900).to_bytes(4, "big"))
    session.receive(codec.encode_ack(wait), 10 * MS)
    assert session.wake_ns == 910 * MS


def test_commands_a_camera_cannot_obey() -> None:
    _, session = twin_and_session()
    with pytest.raises(DeviceError, match="cannot SendHold"):
        session.obey(SendHold(0, "camera", ()), 0)
    with pytest.raises(DeviceError, match="not streaming"):
        session.obey(SendExpose(0, "camera", 1), 0)


def test_a_second_beginning_starts_clean() -> None:
    twin, session = twin_and_session()
    session.begin(0)
    session.data_to_send()
    session.begin(5 * MS)
    talk(twin, session, 5 * MS)
    assert session.ready


def test_farewell_stops_the_pictures_and_gives_the_camera_back() -> None:
    twin, session = twin_and_session()
    session.begin(0)
    talk(twin, session, 0)
    session.farewell(1)
    talk(twin, session, 1)
    assert not twin.running
    assert not twin.registers[codec.CONTROL]


@pytest.mark.parametrize("register", [codec.TICK_FREQUENCY_HIGH, codec.TICK_FREQUENCY_LOW])
def test_a_tick_frequency_that_cannot_be_read_refuses_nothing(register: int) -> None:
    twin, session = twin_and_session()
    del twin.registers[register]
    session.begin(0)
    talk(twin, session, 0)
    assert session.ready
    assert session.ticks_hz == 0


def test_a_camera_that_does_not_answer_for_its_tick_frequency_is_used() -> None:
    twin, session = twin_and_session()
    session.begin(0)
    now_ns = 0
    while not session.ready:
        while data := session.data_to_send():
            address = int.from_bytes(codec.decode_command(data).payload[:4], "big")
            reply = b"" if address == codec.TICK_FREQUENCY_HIGH else twin.receive(data, now_ns)
            if reply:
                session.receive(reply, now_ns)
        if not session.ready:
            assert session.wake_ns is not None
            now_ns = session.wake_ns
            session.wake(now_ns)
    assert session.ticks_hz == 0
    assert twin.running


def test_the_stream_is_ended_without_waiting_for_an_answer() -> None:
    twin, session = twin_and_session()
    session.begin(0)
    talk(twin, session, 0)
    assert twin.running
    session.farewell(MS)
    while data := session.data_to_send():
        twin.receive(data, MS)  # nothing comes back
    assert not twin.running


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (b"http://camera/x.xml", "only Local:name;address;length is read"),
        (b"Local:x.xml;10000;0", "0 bytes, 1 to 16777216 are read"),
        (b"Local:x.xml;10000;FFFFFFFF", "4294967295 bytes"),
        (b"Local:x.xml;zz;10", "no address"),
    ],
)
def test_a_description_that_cannot_be_fetched_is_refused_by_its_address(
    url: bytes, says: str
) -> None:
    twin, session = twin_and_session()
    twin._url = url.ljust(codec.XML_URL_BYTES, b"\0")
    session.begin(0)
    with pytest.raises(LinkError, match=says):
        talk(twin, session, 0)


def test_the_second_address_of_the_description_is_tried() -> None:
    twin, session = twin_and_session()
    good = twin._url
    twin._url = b"File:twin.xml".ljust(codec.XML_URL_BYTES, b"\0") + good
    session.begin(0)
    talk(twin, session, 0)
    assert session.ready
