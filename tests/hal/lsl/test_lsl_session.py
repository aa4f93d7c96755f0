"""What an LSL stream has to be, what its samples become, and where streams are looked for."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from hal.errors import LinkError
from hal.lsl.configuration import configuration_text, confine
from hal.lsl.session import LslReading, LslSettings, StreamFacts, choose, query
from hal.messages import BadSample, BeltSample

MS = 1_000_000
BELT = StreamFacts("belt", "RESP", "id1", "room2", 2, True, 50.0)


def test_query_names_what_is_given() -> None:
    settings = LslSettings(name="GDX-RB 0K2", source_id="x1")
    assert query(settings) == "name='GDX-RB 0K2' and type='RESP' and source_id='x1'"
    assert query(LslSettings(type="", name="a")) == "name='a'"


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": ""},
        {"rate_hz": 0.0},
        {"name": "a' or '1'='1"},
        {"type": 'RE"SP'},
        {"source_id": "a\nb"},
    ],
)
def test_settings_that_would_find_anything_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="LSL"):
        LslSettings(**wrong)


def test_the_one_fitting_stream_is_chosen() -> None:
    assert choose([BELT], LslSettings(channel=1)) == 0


@pytest.mark.parametrize(
    ("found", "settings", "says"),
    [
        ([], LslSettings(), "no stream with type='RESP'; is the belt's program running"),
        ([BELT, BELT], LslSettings(), "2 streams fit"),
        ([BELT], LslSettings(channel=2), "has 2 channels, channel 2 is wanted"),
        ([BELT], LslSettings(rate_hz=10.0), "has 50 samples a second, configured are 10"),
        ([StreamFacts("log", "RESP", "", "h", 1, False, 0.0)], LslSettings(), "text, not numbers"),
    ],
)
def test_streams_that_do_not_fit(
    found: list[StreamFacts], settings: LslSettings, says: str
) -> None:
    with pytest.raises(LinkError, match=says):
        choose(found, settings)


def test_samples_are_numbered_by_their_corrected_stamps() -> None:
    reading = LslReading("belt", LslSettings(channel=1), 0)
    reading.correction_s = -100.0
    assert reading.sample_of([7.0, 512.5], 1000.12345, 5 * MS) == BeltSample(
        "belt", 5 * MS, 0, 512.5
    )
    stamps = (1000.1434, 1000.1600, 1000.2605)  # late, early, after four lost ones
    ticks = [reading.sample_of([7.0, 1.0], stamp, 0) for stamp in stamps]
    assert [sample.ticks for sample in ticks if isinstance(sample, BeltSample)] == [1, 2, 7]
    reading.correction_s = -99.998
    last = reading.sample_of([7.0, 1.0], 1000.2785, 0)
    assert isinstance(last, BeltSample)
    assert last.ticks == 8


@pytest.mark.parametrize(
    ("values", "stamp"),
    [([math.nan], 1.0), ([math.inf], 1.0), ([1.0], math.nan), ([], 1.0)],
)
def test_what_is_not_finite_is_no_sample(values: list[float], stamp: float) -> None:
    said = LslReading("belt", LslSettings(), 0).sample_of(values, stamp, 0)
    assert isinstance(said, BadSample)
    assert said.what == "belt value is not finite"


def test_a_clock_that_stands_still_or_goes_back_is_no_sample() -> None:
    reading = LslReading("belt", LslSettings(), 0)
    assert isinstance(reading.sample_of([1.0], 10.0, 0), BeltSample)
    for stamp in (10.0, 9.0):
        said = reading.sample_of([1.0], stamp, 1)
        assert isinstance(said, BadSample)
        assert said.what == "belt clock does not advance"
    assert isinstance(reading.sample_of([1.0], 10.02, 2), BeltSample)


def test_silence_has_a_limit_and_bad_values_do_not_break_it() -> None:
    reading = LslReading("belt", LslSettings(silence_ms=500), 0)
    reading.check_silence(499 * MS)
    reading.sample_of([1.0], 1.0, 400 * MS)
    reading.sample_of([math.nan], 2.0, 800 * MS)
    reading.check_silence(900 * MS)
    with pytest.raises(LinkError, match="no sample for 501 ms"):
        reading.check_silence(901 * MS)


def test_configuration_stays_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSLAPICFG", "before")
    path = confine(tmp_path)
    assert os.environ["LSLAPICFG"] == str(path)
    text = path.read_text(encoding="ascii")
    assert "ResolveScope = machine" in text
    assert "KnownPeers = {127.0.0.1}" in text
    assert "{127.0.0.1, belt-pc, 10.0.0.7}" in configuration_text("link", ("belt-pc", "10.0.0.7"))
    with pytest.raises(ValueError, match="host name"):
        configuration_text("link", ("a}\n[log]",))
