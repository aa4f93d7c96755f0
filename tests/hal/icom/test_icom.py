"""The iCOM stream of an Elekta linac: every angle, every damage, and streams that are old."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from hal.errors import DeviceError, LinkError
from hal.events import SendPermit
from hal.icom.codec import (
    COLLIMATOR,
    GANTRY,
    TABLE,
    UNITS,
    encode_element,
    encode_message,
    tags_with,
)
from hal.icom.session import IcomSession, IcomSettings, IcomState
from hal.linac_angles import AngleScale
from hal.messages import BadSample, LinacStatus, Sample
from sim.icom import IcomTwin

MS = 1_000_000
S = 1000 * MS
TAGS = tags_with("isocentric")
START = datetime(2026, 3, 1, 7, 59, 58)  # noqa: DTZ001
TEXTS = {UNITS: "12.50", GANTRY: "-178.5", COLLIMATOR: "90.0", TABLE: "-5"}
NEXT_HEAD = bytes(8) + b"2026-03-0107:59:59"
"""The beginning of the message after: what shows that one is whole."""


def session(settings: IcomSettings | None = None) -> IcomSession:
    made = IcomSession("linac", settings or IcomSettings())
    made.begin(0)
    return made


def message(number: int = 7, seconds: float = 0.0, **texts: str) -> bytes:
    """A message with the angles of `TEXTS`, changed by name; an empty text leaves one out."""
    spoken = {**TEXTS, **{name.replace("_", " "): text for name, text in texts.items()}}
    elements = b"".join(encode_element(TAGS[name], text) for name, text in spoken.items() if text)
    end = encode_element(TAGS[UNITS]._replace(part=b"P"), "50")
    return encode_message(START + timedelta(seconds=seconds), number, elements + end)


def bad(samples: list[Sample]) -> BadSample:
    (sample,) = samples
    assert isinstance(sample, BadSample)
    return sample


TOLD = LinacStatus("linac", 3, 181.5, 90.0, 355.0, 12.5)


def test_the_bytes_of_an_element_are_those_that_the_public_reader_looks_for():
    assert encode_element(TAGS[GANTRY], "1.5") == b"\x0a0\x1e\x01DS\x00R\x03\x00\x00\x001.5"
    assert encode_element(TAGS[COLLIMATOR], "1.5") == b"\x0a0 \x01DS\x00R\x03\x00\x00\x001.5"
    assert encode_element(TAGS[TABLE], "1") == b"\x0a0%\x01DS\x00R\x01\x00\x00\x001"
    assert encode_element(TAGS[UNITS], "1.5") == b"\x0802\x00DS\x00R\x03\x00\x00\x001.5"
    assert message()[8:27] == b"2026-03-0107:59:58\x07"


def test_a_message_becomes_a_report_as_soon_as_its_angles_have_come():
    made = session()
    assert not made.ready
    assert made.receive(message(), 3) == [TOLD]
    assert made.ready
    assert made.state is IcomState.STREAMING


def test_pieces_and_rests_make_no_difference():
    data = message() + message(8, 0.5, gantry="-177.5")
    whole = session().receive(data, 3)
    made = session()
    pieces = [sample for byte in data for sample in made.receive(bytes([byte]), 3)]
    assert whole == pieces == [TOLD, msgspec.structs.replace(TOLD, gantry_deg=182.5)]
    late = session()
    assert late.receive(data[40:], 3) == whole[1:], "the rest of a message before is skipped"


@pytest.mark.parametrize("gantry", range(0, 360, 15))
def test_every_angle_of_the_twin_arrives(gantry):
    settings = IcomSettings(gantry=AngleScale(factor=-1.0, zero_deg=180.0), table_element="column")
    twin = IcomTwin(settings)
    twin.show(LinacStatus("x", 0, float(gantry), (gantry + 40.0) % 360, 270.0, 1.25), 0)
    (got,) = session(settings).receive(twin.data_to_send(), 5)
    assert isinstance(got, LinacStatus)
    assert got.gantry_deg == pytest.approx(gantry, abs=0.051)
    assert got.collimator_deg == pytest.approx((gantry + 40.0) % 360, abs=0.051)
    assert (got.table_deg, got.monitor_units) == (270.0, 1.25)


def test_the_twin_keeps_the_period_and_counts():
    twin = IcomTwin(IcomSettings())
    made, samples = session(), list[Sample]()
    for now_ns in range(0, 80 * S, 20 * MS):
        twin.show(LinacStatus("x", now_ns, 10.0, 0.0, 0.0, None), now_ns)
        samples += made.receive(twin.data_to_send(), now_ns)
    assert len(samples) == 320, "more than 256, so the counter began again"
    assert all(isinstance(sample, LinacStatus) for sample in samples)


def test_units_that_are_not_sent_or_not_known_are_none():
    for text in ("", "-32767"):
        (told,) = session().receive(message(monitor_units=text), 3)
        assert told == msgspec.structs.replace(TOLD, monitor_units=None)


@pytest.mark.parametrize(
    ("texts", "what", "value"),
    [
        ({"gantry": "-32767"}, "iCOM gantry", "is not known to the linac"),
        ({"gantry": "360.5"}, "iCOM gantry", "360.5, allowed are -360 to 360"),
        ({"collimator": "-361"}, "iCOM collimator", "-361, allowed are -360 to 360"),
        ({"table": "999"}, "iCOM table", "999, allowed are -360 to 360"),
        ({"monitor_units": "-1"}, "iCOM monitor units", "-1, allowed are 0 to 100000"),
        ({"gantry": "nan"}, "iCOM value of gantry", "'nan'"),
        ({"gantry": "1e3"}, "iCOM value of gantry", "'1e3'"),
        ({"table": "9" * 65}, "iCOM length of table", "65 bytes, allowed are 1 to 64"),
        ({"table": ""}, "iCOM message", "has no table"),
        ({"gantry": "", "table": ""}, "iCOM message", "has no gantry"),
    ],
)
def test_what_is_no_angle_is_told(texts, what, value):
    assert bad(session().receive(message(**texts) + NEXT_HEAD, 7)) == BadSample(
        "linac", 7, what, value
    )


@pytest.mark.parametrize("length", [0, 1, 5, 7, 20, 255, 0x2000006])
def test_a_wrong_length_never_becomes_a_value(length):
    tag = TAGS[GANTRY]
    data = message().replace(tag.head(6), tag.head(length))
    told = bad(session().receive(data + NEXT_HEAD, 7))
    assert "of gantry" in told.what


def test_a_date_that_is_none_is_told_and_the_next_message_is_used():
    wrong = message().replace(b"2026-03-01", b"2026-13-01")
    told, report = session().receive(wrong + message(8), 3)
    assert told == BadSample("linac", 3, "iCOM date", "2026-13-0107:59:58")
    assert report == TOLD


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n" * 3000, "no iCOM message, or an unknown version of it"),
        (message(gantry="") + bytes(70_000), "a message without an end in 65536 bytes"),
    ],
)
def test_a_stream_of_another_form_closes_the_link(data, said):
    with pytest.raises(LinkError, match=f"linac: {said}.*is this the linac's iCOM port"):
        session().receive(data, 1)


def test_the_counter_shows_messages_that_are_lost_repeated_or_old():
    made = session()
    assert made.receive(message(254), 1) == [msgspec.structs.replace(TOLD, t_ns=1)]
    assert made.receive(message(254), 2) == [], "repeated"
    lost, report = made.receive(message(1), 3)
    assert lost == BadSample("linac", 3, "iCOM messages lost", "2")
    assert report == TOLD
    assert bad(made.receive(message(250), 4)).what == "iCOM counter went back"
    assert bad(made.receive(message(250 - 100), 4)).value == "250 to 150"


def test_time_that_goes_back_is_no_report_until_the_clock_is_seen_to_be_set():
    made = session()
    made.receive(message(1, 3600.0), 1)
    told = bad(made.receive(message(2, 0.0), 2))
    assert told.what == "iCOM time went back"
    assert told.value == "2026-03-01 08:59:58 to 2026-03-01 07:59:58"
    assert bad(made.receive(message(3, 0.3), 3)).what == told.what
    assert isinstance(made.receive(message(4, 1.0), 4)[0], LinacStatus), "three agree"
    assert isinstance(made.receive(message(5, 1.2), 5)[0], LinacStatus)


def test_an_old_message_among_new_ones_is_not_used():
    made = session()
    for number, seconds, kind in [
        (1, 100.0, LinacStatus),
        (2, 5.0, BadSample),
        (3, 100.0, LinacStatus),
        (4, 6.0, BadSample),
        (5, 101.0, LinacStatus),
        (6, 7.0, BadSample),
        (7, 2.0, BadSample),
        (8, 1.0, BadSample),
        (9, 0.5, BadSample),
    ]:
        (sample,) = made.receive(message(number, seconds), number)
        assert isinstance(sample, kind), number


def test_a_clock_that_stands_still_is_an_old_stream():
    made = session()
    kinds: list[type] = []
    for number in range(20):
        kinds += [type(s) for s in made.receive(message(number), number * 250 * MS)]
    assert kinds == [LinacStatus] * 12 + [BadSample] * 8
    again = made.receive(message(20, 1.0), 20 * 250 * MS)
    assert isinstance(again[0], LinacStatus)


def test_long_silence_closes_the_link_and_it_obeys_nobody():
    made = session()
    assert made.wake_ns is None
    made.receive(message(), 0)
    assert made.wake(2999 * MS) == []
    with pytest.raises(LinkError, match="linac: no iCOM message with angles for 3000 ms"):
        made.wake(3000 * MS)
    with pytest.raises(DeviceError, match="cannot obey"):
        made.obey(SendPermit(1, "gate", 2), 1)
    assert made.data_to_send() == b""


def test_a_new_connection_begins_anew():
    made = session()
    made.receive(message(200, 3600.0), 1)
    made.receive(message()[:60], 2)
    made.begin(3)
    assert not made.ready
    assert made.receive(message(), 3) == [TOLD]


def test_a_scale_has_a_factor():
    with pytest.raises(ValueError, match="factor 0: every value would be the same angle"):
        AngleScale(factor=0.0)
    for scale in (AngleScale(), AngleScale(factor=-1.0, zero_deg=180.0), AngleScale(factor=0.1)):
        for angle in range(0, 360, 7):
            assert scale.angle_deg(scale.value(angle)) == pytest.approx(angle, abs=1e-9)
