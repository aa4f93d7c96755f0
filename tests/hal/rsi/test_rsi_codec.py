"""RSI telegrams, both ways: vectors, corruption of every byte, a fuzz, and time per telegram."""

from __future__ import annotations

import random

import pytest

from hal.errors import ProtocolError
from hal.rsi.codec import Telegram, robot_form, sensor_form
from hal.rsi.configuration import EthernetConfiguration
from tests.hal.rsi.malformed import IN_VALUES, ROBOT, SENSOR, SPACES, feed, malformed


def test_reads_a_robot_telegram(ethernet: EthernetConfiguration) -> None:
    telegram = robot_form(ethernet).decode(ROBOT)
    assert telegram.ipoc == 4208163634
    assert telegram.numbers["RIst.X"] == 1620.0008
    assert telegram.numbers["RIst.C"] == -1.5
    assert telegram.numbers["AIPos.A6"] == 1e-5
    assert telegram.numbers["Delay.D"] == 3
    assert telegram.numbers["DiL"] == -7
    assert telegram.numbers["Digout.o1"] == 1
    assert len(telegram.numbers) == 6 + 6 + 6 + 1 + 1 + 2
    assert telegram.texts == {}


def test_accepts_what_other_senders_write(ethernet: EthernetConfiguration) -> None:
    form = robot_form(ethernet)
    usual = form.decode(ROBOT)
    other = ROBOT.replace(b" Type=", b" TYPE=").replace(b"><", b">\r\n <").replace(b"/>", b" />")
    assert form.decode(other + b"\r\n") == usual
    swapped = ROBOT.replace(b'<Delay D="3"/><DiL>-7</DiL>', b'<DiL> -7 </DiL><Delay D="3.00"/>')
    assert form.decode(swapped) == usual
    assert form.decode(ROBOT.replace(b'X="1620.0008" Y="-35.5000"', b'Y="-35.5" X="1620.0008"'))


def test_writes_and_reads_the_sensor_telegram(ethernet: EthernetConfiguration) -> None:
    form = sensor_form(ethernet)
    numbers = {"RKorr.X": 1.25, "RKorr.Y": -0.0625, "DiO": 125.0}
    assert form.encode(Telegram(123456, numbers, {"EStr": "hello"})) == SENSOR
    back = form.decode(SENSOR)
    assert back.ipoc == 123456
    assert back.texts == {"EStr": "hello"}
    assert {name: value for name, value in back.numbers.items() if value} == numbers


def test_robot_telegram_survives_a_round_trip(ethernet: EthernetConfiguration) -> None:
    form = robot_form(ethernet)
    telegram = form.decode(form.encode(form.decode(ROBOT)))
    assert telegram.ipoc == 4208163634
    assert telegram.numbers["RIst.X"] == 1620.0008


@pytest.mark.parametrize(
    ("numbers", "texts", "says"),
    [
        ({"RKorr.X": float("nan")}, {}, "RKorr.X is nan"),
        ({"RKorr.X": float("inf")}, {}, "RKorr.X is inf"),
        ({"RKorr.X": 1e9}, {}, "below 1e9"),
        ({"AKorr.A1": 1.0}, {}, "AKorr.A1 is not in"),
        ({}, {"EStr": "</EStr>"}, "EStr is"),
        ({}, {"EStr": "grün"}, "EStr is"),
    ],
)
def test_refuses_to_write(
    ethernet: EthernetConfiguration, numbers: dict[str, float], texts: dict[str, str], says: str
) -> None:
    with pytest.raises(ProtocolError, match=says):
        sensor_form(ethernet).encode(Telegram(1, numbers, texts))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b'Type="KUKA"', b'Type="ABB"', "Type is 'ABB'"),
        (b"<Rob ", b"<Sen ", "does not open with"),
        (b"</Rob>", b"</Rob>x", "after the IPOC"),
        (b"</Rob>", b"", "after the IPOC"),
        (b"<IPOC>4208163634</IPOC>", b"", "no element"),
        (b"4208163634", b"", "IPOC is ''"),
        (b"4208163634", b"-1", "IPOC is '-1'"),
        (b"4208163634", b"1.5", "IPOC is '1.5'"),
        (b'X="1620.0008"', b'X="nan"', "RIst.X is 'nan'"),
        (b'X="1620.0008"', b'X="1e999"', "RIst.X is '1e999'"),
        (b'X="1620.0008"', b'X="0x10"', "RIst.X is"),
        (b'X="1620.0008"', b'X="1620,0008"', "RIst.X is"),
        (b'X="1620.0008"', b'Y="1620.0008"', "'Y' twice"),
        (b'X="1620.0008"', b"", "RIst> has not"),
        (b'D="3"', b'D="3.5"', "Delay.D is '3.5'"),
        (b'o1="1"', b'o1="2"', "Digout.o1 is '2'"),
        (b"<DiL>-7</DiL>", b"", "lacks DiL"),
        (b"<DiL>-7</DiL>", b"<DiL>-7</DiL><DiL>-7</DiL>", "twice"),
        (b"<DiL>-7</DiL>", b"<DiL>-7</DiX>", "closed by </DiX>"),
        (b"<DiL>-7</DiL>", b"<DiX>-7</DiX>", "<DiX> is not in"),
        (b"<DiL>-7</DiL>", b"<DiL>&#55;</DiL>", "no element"),
        (b'<Delay D="3"/>', b'<Delay D="3">4</Delay>', "Delay> has not"),
        (b"KUKA", b"K\xc3\x9cKA", "not ASCII"),
        (b"", b"x" * 9000, "more than 8192"),
    ],
)
def test_refuses_to_read(
    ethernet: EthernetConfiguration, old: bytes, new: bytes, says: str
) -> None:
    assert old in ROBOT
    with pytest.raises(ProtocolError, match=says):
        robot_form(ethernet).decode(ROBOT.replace(old, new, 1))


def test_every_truncation_is_refused(ethernet: EthernetConfiguration) -> None:
    form = robot_form(ethernet)
    for length in range(len(ROBOT)):
        with pytest.raises(ProtocolError):
            form.decode(ROBOT[:length])
        if length:
            with pytest.raises(ProtocolError):
                form.decode(ROBOT[length:])
    with pytest.raises(ProtocolError):
        form.decode(ROBOT + ROBOT)


def test_every_byte_corrupted_is_refused_unless_it_is_another_number(
    ethernet: EthernetConfiguration,
) -> None:
    """Without a checksum in it, a telegram with another digit is another telegram."""
    form = robot_form(ethernet)
    for place in range(len(ROBOT)):
        for other in range(256):
            if other == ROBOT[place]:
                continue
            corrupt = ROBOT[:place] + bytes([other]) + ROBOT[place + 1 :]
            try:
                form.decode(corrupt)
            except ProtocolError:
                continue
            assert {other, ROBOT[place]} <= IN_VALUES | SPACES, corrupt


def test_fuzz_accepts_nothing_and_crashes_on_nothing() -> None:
    rng = random.Random(20240607)
    for _ in range(16_000):
        data = malformed(rng)
        assert not feed(data), data
