"""Demands in beam's-eye view over OpenIGTLink: what is sent, what is believed, and the twin."""

from __future__ import annotations

import msgspec
import pytest

from hal.errors import DeviceError, LinkError
from hal.events import SendDemand, SendPermit, SendStop
from hal.messages import ActuatorStatus, BadSample
from hal.motion_limits import MotionLimits
from hal.openigtlink.bev_session import IgtlBevSession, IgtlBevSettings, IgtlBevState
from hal.openigtlink.codec import IgtlPacket, StreamReader, encode
from hal.openigtlink.contents import Content, Status, Transform, at, position_of
from hal.openigtlink.driver import IgtlBevWire
from sim.back_to_back import MS, BackToBack
from sim.openigtlink_bev import IgtlBevTwin
from sim.openigtlink_linac import turned_about_z

LIMITS = MotionLimits((-40.0, -40.0, -40.0), (40.0, 40.0, 40.0), 36.0, 2000.0)
SETTINGS = IgtlBevSettings(demand="Shift", position="Aperture", fault="Leaves")


def session(settings: IgtlBevSettings = SETTINGS) -> IgtlBevSession:
    made = IgtlBevSession("mlc", LIMITS, settings)
    made.begin(0)
    return made


def said(name: str, content: Content, unix_ns: int = 0, **metadata: str) -> bytes:
    return encode(IgtlPacket(name, unix_ns, content, 2, 1, metadata))


def position(x: float, y: float = -2.0, unix_ns: int = 0) -> bytes:
    return said("Aperture", Transform(at((x, y, 0.0))), unix_ns)


def demands(made: IgtlBevSession) -> list[tuple[float, float, float]]:
    found: list[tuple[float, float, float]] = []
    for item in StreamReader().feed(made.data_to_send()):
        assert isinstance(item, IgtlPacket)
        assert item.device_name == "Shift"
        assert isinstance(item.content, Transform)
        assert item.content.matrix[:9] == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        found.append(position_of(item.content.matrix))
    return found


def test_the_first_position_is_answered_with_a_stop_and_demands_follow():
    made = session()
    with pytest.raises(DeviceError, match="does not answer yet; the demand is not sent"):
        made.obey(SendDemand(1, "mlc", (1.0, 2.0, 0.0)), 1)
    made.obey(SendStop(1, "mlc"), 1)
    assert demands(made) == []
    assert made.receive(position(0.5), 2) == [ActuatorStatus("mlc", 2, (0.5, -2.0, 0.0))]
    assert made.ready
    assert demands(made) == [(0.5, -2.0, 0.0)]
    made.obey(SendDemand(3, "mlc", (1.25, -3.5, 0.02)), 3)
    made.receive(position(1.0), 4)
    assert demands(made) == [(1.25, -3.5, 0.0)]
    made.obey(SendStop(5, "mlc"), 5)
    assert demands(made) == [(1.0, -2.0, 0.0)], "where it was said to be last"


@pytest.mark.parametrize(
    "place", [(40.1, 0.0, 0.0), (0.0, -40.1, 0.0), (0.0, 0.0, 0.2), (float("nan"), 0.0, 0.0)]
)
def test_a_demand_outside_the_limits_or_along_the_beam_is_not_sent(place):
    made = session()
    made.receive(position(0.0), 1)
    made.data_to_send()
    with pytest.raises(DeviceError, match="outside its limits"):
        made.obey(SendDemand(1, "mlc", place), 1)
    assert made.data_to_send() == b""
    with pytest.raises(DeviceError, match="cannot obey"):
        made.obey(SendPermit(1, "gate", 2), 1)


@pytest.mark.parametrize(
    ("data", "what", "value"),
    [
        (said("Aperture", turned_about_z(3.0)), "Aperture", "is turned; the aperture only shifts"),
        (position(501.0), "Aperture", "501, -2, 0; allowed are 500 mm, along the beam 0.1 mm"),
        (
            said("Aperture", Transform(at((1.0, 2.0, 3.0)))),
            "Aperture",
            "1, 2, 3; allowed are 500 mm, along the beam 0.1 mm",
        ),
        (
            said("Aperture", Transform(at((1.0, 2.0, 0.0))), TransformStatus="MISSING"),
            "Aperture",
            "is not measured",
        ),
    ],
)
def test_what_is_no_position_is_told(data, what, value):
    made = session()
    assert made.receive(data, 7) == [BadSample("mlc", 7, what, value)]
    assert not made.ready


def test_damaged_bytes_are_told_and_other_messages_say_nothing():
    made = session()
    (bad,) = made.receive(b"\x00" + position(1.0)[1:-3] + b"xyz", 7)
    assert isinstance(bad, BadSample)
    assert bad.what == "OpenIGTLink message"
    assert session().receive(said("Other", Transform(at((1.0, 2.0, 3.0)))), 1) == []
    assert session().receive(said("Aperture", Status(1)), 1) == []


def test_a_position_that_is_old_is_not_used():
    made = session()
    made.receive(position(1.0, unix_ns=2_000 * MS), 1)
    assert made.receive(position(1.0, unix_ns=2_000 * MS), 2) == [], "the same once more"
    (bad,) = made.receive(position(1.0, unix_ns=1_900 * MS), 3)
    assert bad == BadSample("mlc", 3, "Aperture", "is 100 ms older than the last one")
    assert made.wake_ns == 1 + 1000 * MS, "neither is a sign of life"
    assert isinstance(made.receive(position(1.0, unix_ns=2_001 * MS), 4)[0], ActuatorStatus)


def test_a_fault_lasts_until_the_controller_says_that_it_is_over():
    made = session()
    assert made.receive(said("Leaves", Status(13, 0, "leaf 12", "is stuck")), 1) == []
    (told,) = made.receive(position(1.0), 2)
    assert isinstance(told, ActuatorStatus)
    assert told.fault == "not ready: leaf 12: is stuck"
    made.receive(said("Leaves", Status(1)), 3)
    (told,) = made.receive(position(1.0), 4)
    assert isinstance(told, ActuatorStatus)
    assert told.fault == ""


def test_long_silence_closes_the_link_and_a_new_one_begins_anew():
    made = session()
    assert made.wake_ns is None
    made.receive(position(1.0), 1 * MS)
    assert made.wake(1000 * MS) == []
    with pytest.raises(LinkError, match="mlc: no new Aperture for 1000 ms; is the controller run"):
        made.wake(1001 * MS)
    assert made.state is IgtlBevState.CLOSED
    made.begin(2000 * MS)
    assert not made.ready
    made.data_to_send()
    made.receive(position(3.0), 2001 * MS)
    assert demands(made) == [(3.0, -2.0, 0.0)]


@pytest.mark.parametrize("version", [1, 2])
def test_the_twin_passes_demands_to_its_room_and_says_where_it_is(version):
    settings = IgtlBevSettings(version=version)
    twin = IgtlBevTwin("mlc", settings)
    pump = BackToBack(session(settings), twin)
    place = [ActuatorStatus("mlc", 0, (0.5, 1.0, 0.0), "")]
    pump.run(50 * MS, lambda now_ns: [msgspec.structs.replace(place[0], t_ns=now_ns + 1)])
    assert pump.of(ActuatorStatus)[-1].position_mm == (0.5, 1.0, 0.0)
    pump.driver.obey(SendDemand(0, "mlc", (3.0, -4.0, 0.0)), pump.now_ns)
    place[0] = ActuatorStatus("mlc", 0, (3.0, -4.0, 0.0), "leaf 12")
    pump.run(100 * MS, lambda now_ns: [msgspec.structs.replace(place[0], t_ns=now_ns + 1)])
    stop, demand = pump.commands
    assert isinstance(stop, SendDemand)
    assert stop.position_mm == (0.5, 1.0, 0.0)
    assert isinstance(demand, SendDemand)
    assert demand.position_mm == (3.0, -4.0, 0.0)
    assert pump.of(ActuatorStatus)[-1].fault == "not ready: leaf 12"
    assert twin.receive(said("Other", Transform(at((1.0, 1.0, 0.0)))), 1) == []
    assert (twin.demands, twin.ignored) == (2, 1)


@pytest.mark.parametrize(
    "keys", [{"demand": ""}, {"demand": "x" * 21}, {"position": "BevDemand"}, {"fault": "é"}]
)
def test_names_that_cannot_be_used_are_refused(keys):
    wire = {"driver": "openigtlink-bev", "address": "tcp://a:1", "session": keys}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wire, IgtlBevWire)
