"""Demands in beam's-eye view: messages, conversation, twin, and the example receiver."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hal.bev.codec import (
    BevDemand,
    BevStatus,
    BevStop,
    decode_message,
    encode_message,
    schema,
)
from hal.bev.session import BevSession, BevSettings, BevState
from hal.errors import DeviceError, LinkError, ProtocolError
from hal.events import SendDemand, SendPermit, SendStop
from hal.messages import ActuatorStatus, BadSample
from hal.motion_limits import MotionLimits
from sim.bev import BevTwin

from .malformed import MESSAGES

ROOT = Path(__file__).parents[3]
MS = 1_000_000
LIMITS = MotionLimits((-40.0, -40.0, -40.0), (40.0, 40.0, 40.0), 36.0, 2000.0)


def session() -> BevSession:
    made = BevSession("mlc", LIMITS, BevSettings())
    made.begin(0)
    return made


def status(number: int = 1, x: float = 0.5, fault: str = "") -> bytes:
    return encode_message(BevStatus(1, number, x, -2.0, fault))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was_sent(message):
    assert decode_message(encode_message(message)) == message


def test_the_datagram_is_the_published_one():
    data = encode_message(BevDemand(1, 7, 1.25, -3.5))
    assert data == b'{"type":"demand","version":1,"number":7,"x_mm":1.25,"y_mm":-3.5}'


def test_the_published_schema_is_that_of_the_messages():
    page = ROOT / "docs" / "reference" / "bev-udp.json"
    assert json.loads(page.read_text()) == schema()


def test_a_long_datagram_is_refused():
    with pytest.raises(ProtocolError, match="600 bytes, at most 512"):
        decode_message(b" " * 600)


def test_it_begins_with_a_stop_and_repeats_it_until_a_status_comes():
    made = session()
    first = decode_message(made.data_to_send())
    assert first == BevStop(1, 1)
    assert made.data_to_send() == b""
    assert made.wake(199 * MS) == []
    assert made.data_to_send() == b""
    made.wake(200 * MS)
    assert decode_message(made.data_to_send()) == BevStop(1, 1)
    assert not made.ready
    assert made.receive(status(), 210 * MS) == [ActuatorStatus("mlc", 210 * MS, (0.5, -2.0, 0.0))]
    assert made.ready
    assert made.state is BevState.FOLLOWING


def test_demands_and_stops_are_numbered():
    made = session()
    with pytest.raises(DeviceError, match="does not answer yet"):
        made.obey(SendDemand(1, "mlc", (1.0, 2.0, 0.0)), 1)
    made.receive(status(), 1)
    made.obey(SendDemand(1, "mlc", (1.0, 2.0, 0.02)), 1)
    made.obey(SendStop(2, "mlc"), 2)
    sent = [decode_message(made.data_to_send()) for _ in range(3)]
    assert sent == [BevStop(1, 1), BevDemand(1, 2, 1.0, 2.0), BevStop(1, 3)]


@pytest.mark.parametrize(
    "place", [(40.1, 0.0, 0.0), (0.0, -40.1, 0.0), (0.0, 0.0, 0.2), (float("nan"), 0.0, 0.0)]
)
def test_a_demand_outside_the_limits_or_along_the_beam_is_not_sent(place):
    made = session()
    made.receive(status(), 1)
    made.data_to_send()
    with pytest.raises(DeviceError, match="outside its limits"):
        made.obey(SendDemand(1, "mlc", place), 1)
    assert made.data_to_send() == b""


def test_another_command_is_refused():
    with pytest.raises(DeviceError, match="cannot obey"):
        session().obey(SendPermit(1, "gate", 2), 1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "truncated"),
        (encode_message(BevStop(1, 3)), "BevStop of another sender"),
        (status(2), "answers message 2, 1 were sent"),
        (b'{"type":"status","version":1,"number":1,"x_mm":1e9,"y_mm":0.0}', "<= 500"),
    ],
)
def test_what_is_no_status_of_this_receiver_is_told(data, said):
    made = session()
    (bad,) = made.receive(data, 5)
    assert isinstance(bad, BadSample)
    assert said in bad.value
    assert not made.ready


def test_a_fault_of_the_receiver_is_passed_on():
    (told,) = session().receive(status(fault="leaf 12 is stuck"), 5)
    assert isinstance(told, ActuatorStatus)
    assert told.fault == "leaf 12 is stuck"


def test_long_silence_closes_the_link():
    made = session()
    made.receive(status(), 1 * MS)
    assert made.wake_ns == 1001 * MS
    assert made.wake(1000 * MS) == []
    with pytest.raises(LinkError, match="no status for 1000 ms"):
        made.wake(1001 * MS)
    assert made.wake_ns is None
    assert made.receive(status(), 1002 * MS) == []


@pytest.mark.parametrize("changes", [{"ask_again_ms": 1.0}, {"silence_ms": 1e9}])
def test_times_that_cannot_be_kept_are_refused(changes):
    with pytest.raises(ValueError, match="allowed are 10 to 60000"):
        BevSettings(**changes)


def test_the_twin_passes_demands_to_its_room_and_shows_where_it_is():
    made, twin = BevSession("mlc", LIMITS, BevSettings()), BevTwin("mlc")
    made.begin(0)
    stop = twin.receive(made.data_to_send(), 1)
    assert stop == [SendStop(1, "mlc")]
    twin.show(ActuatorStatus("mlc", 2, (0.5, 1.0, 0.0)), 2)
    assert made.receive(twin.data_to_send(), 3) == [ActuatorStatus("mlc", 3, (0.5, 1.0, 0.0))]
    made.obey(SendDemand(4, "mlc", (3.0, -4.0, 0.0)), 4)
    demand = made.data_to_send()
    assert twin.receive(demand, 5) == [SendDemand(5, "mlc", (3.0, -4.0, 0.0))]
    assert twin.receive(demand, 6) == [], "the same number again is late"
    assert twin.receive(b"?", 7) == []
    assert (twin.demands, twin.ignored) == (1, 2)
    made.begin(8)
    assert twin.receive(made.data_to_send(), 9) == [SendStop(9, "mlc")], "a sender begins again"


def test_the_example_receiver_follows_and_stops_by_itself():
    program = [sys.executable, str(ROOT / "tests" / "examples" / "leaf_receiver.py"), "0"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        try:
            link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            link.settimeout(10.0)
            with link:
                made = session()
                link.sendto(made.data_to_send(), ("127.0.0.1", port))
                samples = made.receive(link.recv(512), 1)
                assert samples == [ActuatorStatus("mlc", 1, (0.0, 0.0, 0.0))]
                link.sendto(b"{}", ("127.0.0.1", port))
                reached = 0.0
                for _ in range(200):  # until it is there, however slow the machine
                    made.obey(SendDemand(2, "mlc", (1.0, -0.5, 0.0)), 2)
                    link.sendto(made.data_to_send(), ("127.0.0.1", port))
                    (sample,) = made.receive(link.recv(512), 2)
                    assert isinstance(sample, ActuatorStatus)
                    reached = sample.position_mm[0]
                    if sample.position_mm == (1.0, -0.5, 0.0):
                        break
                assert reached == 1.0
        finally:
            process.kill()
