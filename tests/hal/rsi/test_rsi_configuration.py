"""The controller's file says which elements exist; a file tracking cannot run on is refused."""

from __future__ import annotations

import pytest

from hal.errors import DeviceError
from hal.rsi.configuration import POSE, EthernetConfiguration, read_ethernet, require_tracking


def test_reads_network_and_elements_in_order(ethernet: EthernetConfiguration) -> None:
    assert (ethernet.ip_number, ethernet.port, ethernet.sen_type) == ("127.0.0.1", 49152, "ImFree")
    assert not ethernet.only_send
    assert [e.name for e in ethernet.sends] == ["RIst", "RSol", "AIPos", "Delay", "DiL", "Digout"]
    assert ethernet.sends[0].attributes == POSE
    assert ethernet.sends[5].attributes == ("o1", "o2")
    assert [e.name for e in ethernet.receives] == ["EStr", "RKorr", "DiO"]
    assert ethernet.receives[1].attributes == POSE
    assert ethernet.holds("RKorr", "Z")
    require_tracking(ethernet)


def test_tech_groups_share_one_element(xml: str) -> None:
    tech = "".join(f'<ELEMENT TAG="DEF_Tech.C{n}" TYPE="DOUBLE" INDX="INTERNAL" />' for n in (1, 2))
    sends = read_ethernet(xml.replace("</ELEMENTS>", tech + "</ELEMENTS>", 1)).sends
    assert sends[-1].name == "Tech"
    assert sends[-1].attributes[0] == "C11"
    assert sends[-1].attributes[-1] == "C210"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<ROOT>", "<!DOCTYPE ROOT><ROOT>", "document type"),
        ("</ROOT>", "", "no XML"),
        ("ROOT>", "TOOR>", "root is <TOOR>"),
        ("<PORT>49152</PORT>", "<PORT>70000</PORT>", "PORT is '70000'"),
        ("<SENTYPE>ImFree</SENTYPE>", "", "no SENTYPE"),
        ("<SENTYPE>ImFree", "<SENTYPE>Im&quot;Free", "SENTYPE is"),
        ("<ONLYSEND>FALSE", "<ONLYSEND>MAYBE", "ONLYSEND is 'MAYBE'"),
        ('TAG="DEF_RSol"', 'TAG="DEF_Rosl"', "DEF_Rosl is not a known"),
        ('TAG="DiL" TYPE="LONG"', 'TAG="DiL" TYPE="INT"', "TYPE 'INT'"),
        ('TAG="Digout.o2"', 'TAG="Digout.o1"', "names Digout.o1 twice"),
        ('TAG="DiL"', 'TAG="Di L"', "no element name"),
        ("RECEIVE>", "RECIEVE>", "RECEIVE has no elements"),
    ],
)
def test_refuses_a_broken_file(xml: str, old: str, new: str, says: str) -> None:
    assert old in xml
    with pytest.raises(DeviceError, match=says):
        read_ethernet(xml.replace(old, new))


def test_refuses_more_channels_than_the_object_has(xml: str) -> None:
    many = "".join(f'<ELEMENT TAG="S{n}" TYPE="LONG" INDX="{n}" />' for n in range(60))
    with pytest.raises(DeviceError, match="67 elements"):
        read_ethernet(xml.replace("</ELEMENTS>", many + "</ELEMENTS>", 1))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<ONLYSEND>FALSE", "<ONLYSEND>TRUE", "ONLYSEND is TRUE"),
        ('TAG="DEF_RIst"', 'TAG="DEF_ASPos"', "no DEF_RIst"),
        ('TAG="DEF_Delay"', 'TAG="Delays"', "no DEF_Delay"),
        ('TAG="RKorr.Y"', 'TAG="RKorr.V"', "no RKorr.Y"),
        ('INDX="3" HOLDON="1"', 'INDX="3" HOLDON="0"', "RKorr.Z has HOLDON"),
    ],
)
def test_refuses_what_tracking_cannot_run_on(xml: str, old: str, new: str, says: str) -> None:
    assert old in xml
    with pytest.raises(DeviceError, match=says):
        require_tracking(read_ethernet(xml.replace(old, new)))
