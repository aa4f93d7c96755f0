"""The linac behind an OpenIGTLink server: every angle, and what is no angle."""

from __future__ import annotations

import pytest

from hal.errors import DeviceError, LinkError
from hal.events import SendPermit
from hal.messages import BadSample, LinacStatus
from hal.openigtlink.codec import IgtlPacket, encode
from hal.openigtlink.contents import Sensor, Transform, at
from hal.openigtlink.linac_session import (
    IgtlLinacSession,
    IgtlLinacSettings,
    IgtlLinacState,
)
from sim.openigtlink_linac import IgtlLinacTwin, turned_about_y, turned_about_z

MS = 1_000_000
SETTINGS = IgtlLinacSettings(monitor_units="Dose")


def session(settings: IgtlLinacSettings = SETTINGS) -> IgtlLinacSession:
    made = IgtlLinacSession("linac", settings)
    made.begin(0)
    return made


def report(gantry: float, collimator: float = 90.0, table: float = 0.0) -> LinacStatus:
    return LinacStatus("linac", 5, gantry, collimator, table, 12.5)


@pytest.mark.parametrize("gantry", range(0, 360, 15))
def test_every_angle_of_the_twin_arrives_whole_and_byte_by_byte(gantry):
    twin = IgtlLinacTwin(SETTINGS)
    sent = report(float(gantry), (gantry + 40.0) % 360.0, (360.0 - gantry) % 360.0)
    twin.show(sent, 5)
    data = twin.data_to_send()
    (whole,) = session().receive(data, 5)
    made = session()
    pieces = [sample for byte in data for sample in made.receive(bytes([byte]), 5)]
    assert pieces == [whole]
    assert isinstance(whole, LinacStatus)
    for name in ("gantry_deg", "collimator_deg", "table_deg"):
        apart = (getattr(whole, name) - getattr(sent, name) + 180.0) % 360.0 - 180.0
        assert apart == pytest.approx(0.0, abs=1e-4)
    assert whole.monitor_units == 12.5
    assert made.ready


def packet(name: str, content, version: int = 1, **metadata: str) -> bytes:
    return encode(IgtlPacket(name, 0, content, version, 1 if version > 1 else 0, metadata))


def test_a_report_waits_for_every_angle_that_is_configured():
    made = session()
    assert made.receive(packet("Gantry", turned_about_y(10.0)), 1) == []
    assert made.receive(packet("Collimator", turned_about_z(90.0)), 2) == []
    assert made.receive(packet("Gantry", turned_about_y(10.0)), 3) == []
    assert made.receive(packet("Table", turned_about_z(0.0)), 4) == []
    assert not made.ready
    (told,) = made.receive(packet("Gantry", turned_about_y(11.0)), 5)
    assert isinstance(told, LinacStatus)
    assert told.monitor_units is None
    alone = session(IgtlLinacSettings(collimator="", table=""))
    (told,) = alone.receive(packet("Gantry", turned_about_y(11.0)), 5)
    assert isinstance(told, LinacStatus)
    assert (told.collimator_deg, told.table_deg) == (0.0, 0.0)


SHIFTED = Transform((0.9, 0.1, 0.0, *turned_about_y(0.0).matrix[3:]))


@pytest.mark.parametrize(
    ("name", "content", "what", "value"),
    [
        ("Gantry", turned_about_z(30.0), "angle of Gantry", "is no turn about Y"),
        ("Table", turned_about_y(30.0), "angle of Table", "is no turn about Z"),
        ("Gantry", SHIFTED, "angle of Gantry", "is no turn about Y"),
        ("Gantry", Transform((0.0,) * 12), "angle of Gantry", "is no turn about Y"),
        ("Dose", Sensor((-1.0,)), "monitor units", "(-1.0,)"),
    ],
)
def test_what_is_no_angle_is_told(name, content, what, value):
    (bad,) = session().receive(packet(name, content), 7)
    assert bad == BadSample("linac", 7, what, value)


def test_an_angle_that_was_not_measured_is_told():
    data = packet("Gantry", turned_about_y(1.0), version=2, TransformStatus="MISSING")
    (bad,) = session().receive(data, 7)
    assert bad == BadSample("linac", 7, "angle of Gantry", "is not measured")


def test_other_messages_say_nothing():
    made = session()
    assert made.receive(packet("Probe", Transform(at((1.0, 2.0, 3.0)))), 1) == []
    assert made.receive(packet("Other", Sensor((1.0,))), 1) == []
    assert made.state is IgtlLinacState.LISTENING


def test_a_position_beside_the_turn_does_not_matter():
    turned = turned_about_y(25.0).matrix
    made = session(IgtlLinacSettings(collimator="", table=""))
    (told,) = made.receive(packet("Gantry", Transform((*turned[:9], 1.0, 2.0, 3.0))), 5)
    assert isinstance(told, LinacStatus)
    assert told.gantry_deg == pytest.approx(25.0, abs=1e-4)


def test_a_new_connection_forgets_the_angles_of_the_last():
    made = session(IgtlLinacSettings(table=""))
    made.receive(packet("Collimator", turned_about_z(90.0)), 2)
    made.begin(3)
    assert made.receive(packet("Gantry", turned_about_y(10.0)), 4) == []


def test_long_silence_closes_the_link_and_it_obeys_nobody():
    made = session(IgtlLinacSettings(collimator="", table=""))
    assert made.wake_ns is None
    made.receive(packet("Gantry", turned_about_y(10.0)), 0)
    assert made.wake(4999 * MS) == []
    with pytest.raises(LinkError, match="no angle of the gantry for 5000 ms"):
        made.wake(5000 * MS)
    with pytest.raises(DeviceError, match="cannot obey"):
        made.obey(SendPermit(1, "gate", 2), 1)


@pytest.mark.parametrize(
    "changes", [{"gantry": ""}, {"gantry": "Table"}, {"monitor_units": "Gantry"}]
)
def test_names_that_cannot_be_used_are_refused(changes):
    with pytest.raises(ValueError, match=r"gantry"):
        IgtlLinacSettings(**changes)
