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
from hal.messages import BadSample, BeltSample, Sample

MS = 1_000_000


def one(reading: LslReading, values: list[float], stamp_s: float, now_ns: int) -> Sample:
    """Return the only sample that a stamp gives."""
    (sample,) = reading.samples_of(values, stamp_s, now_ns)
    return sample


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
    assert one(reading, [7.0, 512.5], 1000.12345, 5 * MS) == BeltSample("belt", 5 * MS, 0, 512.5)
    stamps = (1000.1434, 1000.1600, 1000.2605)  # late, early, after four lost ones
    ticks = [one(reading, [7.0, 1.0], stamp, 0) for stamp in stamps]
    assert [sample.ticks for sample in ticks if isinstance(sample, BeltSample)] == [1, 2, 7]
    reading.correction_s = -99.998
    last = one(reading, [7.0, 1.0], 1000.2785, 0)
    assert isinstance(last, BeltSample)
    assert last.ticks == 8


@pytest.mark.parametrize(
    ("values", "stamp"),
    [([math.nan], 1.0), ([math.inf], 1.0), ([1.0], math.nan), ([], 1.0), ([1.0], 1e300)],
)
def test_what_is_not_finite_is_no_sample(values: list[float], stamp: float) -> None:
    said = one(LslReading("belt", LslSettings(), 0), values, stamp, 0)
    assert isinstance(said, BadSample)
    assert said.what == "belt value is not finite"


def test_a_stamp_that_goes_back_a_little_is_no_sample() -> None:
    reading = LslReading("belt", LslSettings(), 0)
    assert isinstance(one(reading, [1.0], 10.0, 0), BeltSample)
    said = one(reading, [1.0], 9.9, 1)
    assert isinstance(said, BadSample)
    assert (said.what, said.value) == (
        "belt clock does not advance",
        "-100.000 ms after the last sample",
    )
    assert isinstance(one(reading, [1.0], 10.02, 2), BeltSample)


PERIOD = 20 * MS


def played(offsets_s: list[float], *, spread: list[float] | None = None) -> list[Sample]:
    """Return what a belt of 50 Hz gives whose clock is off by so much at each sample."""
    reading = LslReading("belt", LslSettings(), 0)
    samples: list[Sample] = []
    for number, offset_s in enumerate(offsets_s):
        stamp_s = 1.7e9 + number * 0.02 + offset_s
        late_ns = 0 if spread is None else round(spread[number] * 1e9)
        samples += reading.samples_of([1.0], stamp_s, number * PERIOD + late_ns)
    return samples


def ticks_of(samples: list[Sample]) -> list[int]:
    return [sample.ticks for sample in samples if isinstance(sample, BeltSample)]


def told_by(samples: list[Sample]) -> list[str]:
    return [f"{s.what}: {s.value}" for s in samples if isinstance(s, BadSample)]


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0, -86_400.0, 0.7, -1.7e9, 700_000.0])
def test_a_clock_that_was_set_is_followed_after_three_samples_and_told(step_s: float) -> None:
    samples = played([0.0] * 50 + [step_s] * 50)
    ticks = ticks_of(samples)
    assert ticks == [*range(50), *range(52, 100)]  # two samples are lost, the count runs on
    told = told_by(samples)
    assert len(told) == 3
    assert all(text.startswith("belt clock jumps: ") for text in told)
    assert told[2].endswith("; followed from now on")


@pytest.mark.parametrize("wild", [1, 2])
def test_a_few_wild_stamps_cost_themselves_only(wild: int) -> None:
    samples = played([0.0] * 50 + [700_000.0] * wild + [0.0] * 50)
    assert ticks_of(samples) == [*range(50), *range(50 + wild, 100 + wild)]
    assert len(told_by(samples)) == wild


def test_a_clock_far_ahead_for_five_samples_is_followed_there_and_back() -> None:
    samples = played([0.0] * 50 + [700_000.0] * 5 + [0.0] * 50)
    ticks = ticks_of(samples)
    assert ticks == [*range(50), *range(52, 55), *range(57, 105)]
    assert len(told_by(samples)) == 6


def test_stamps_that_do_not_agree_are_never_followed() -> None:
    wild = [(-1) ** n * 1000.0 * (n + 1) for n in range(40)]
    samples = played([0.0] * 10 + wild + [0.0] * 10)
    assert ticks_of(samples) == [*range(10), *range(50, 60)]
    assert len(told_by(samples)) == 40


def test_a_first_stamp_of_0_is_left_behind() -> None:
    reading = LslReading("belt", LslSettings(), 0)
    samples = reading.samples_of([1.0], 0.0, 0)
    for number in range(1, 20):
        samples += reading.samples_of([1.0], 1.7e9 + number * 0.02, number * PERIOD)
    assert ticks_of(samples) == [0, *range(3, 20)]
    assert len(told_by(samples)) == 3


@pytest.mark.parametrize("apart_s", [0.0, 1e-6, 1e-4, 0.003])
def test_a_burst_of_one_stamp_is_spread_over_its_time(apart_s: float) -> None:
    """Twelve samples come at once, all stamped then: they are numbered one by one, not faster."""
    reading = LslReading("belt", LslSettings(), 0)
    ticks: list[int] = []
    for burst in range(50):
        at_s = 0.24 * burst
        for number in range(12):
            now_ns = round((at_s + number * 1e-5) * 1e9)
            samples = reading.samples_of([1.0], 100.0 + at_s + number * apart_s, now_ns)
            ticks += ticks_of(samples)
    assert ticks == list(range(600))


def test_a_burst_whose_samples_have_their_own_stamps_is_numbered_by_them() -> None:
    late = [0.02 * (11 - n % 12) for n in range(120)]
    assert ticks_of(played([0.0] * 120, spread=late)) == list(range(120))


def test_jitter_of_the_stamps_makes_no_gap() -> None:
    offsets = [0.0, 0.004, -0.004, 0.005, 0.0, -0.004, 0.004] * 20
    assert ticks_of(played(offsets)) == list(range(140))


def test_a_sender_that_is_twice_as_fast_is_counted_as_it_is() -> None:
    """The engine tells of the rate: the numbers must not hide it."""
    reading = LslReading("belt", LslSettings(), 0)
    ticks: list[int] = []
    for number in range(1000):
        at = number * 0.01
        ticks += ticks_of(reading.samples_of([1.0], at, round(at * 1e9)))
    assert len(ticks) == 1000
    assert ticks[-1] - ticks[-101] >= 99


def test_silence_has_a_limit_and_bad_values_do_not_break_it() -> None:
    reading = LslReading("belt", LslSettings(silence_ms=500), 0)
    reading.check_silence(499 * MS)
    one(reading, [1.0], 1.0, 400 * MS)
    one(reading, [math.nan], 2.0, 800 * MS)
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
