"""The driver in docs/how-to/write-a-driver.md: what the page shows, run against its twin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hal.errors import DeviceError, LinkError
from hal.events import SendStop
from hal.messages import BadSample, BeltSample, Sample
from sim.back_to_back import MS, SECOND, BackToBack
from tests.examples.line_belt import LineBelt, encode
from tests.examples.line_belt_twin import LineBeltTwin

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "write-a-driver.md"


def test_the_page_shows_the_example_as_it_is() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    examples = ROOT / "tests" / "examples"
    assert blocks[0] == (examples / "line_belt.py").read_text()
    assert blocks[1] == (examples / "line_belt_twin.py").read_text()


def world(now_ns: int) -> list[Sample]:
    ticks = now_ns // (20 * MS)
    return [BeltSample("room", now_ns, ticks, float(500 + ticks % 7))]


def started() -> BackToBack:
    return BackToBack(LineBelt("belt"), LineBeltTwin()).run(SECOND, world, 20 * MS)


def test_samples() -> None:
    pump = started()
    got = pump.of(BeltSample)
    assert [sample.ticks for sample in got] == list(range(1, 50))
    assert all(sample.value_au == 500 + sample.ticks % 7 for sample in got)
    assert not pump.of(BadSample)


def test_every_byte_damaged() -> None:
    line = encode(123, 456)
    for at in range(len(line)):
        for flip in range(1, 256):
            driver = LineBelt("belt")
            damaged = line[:at] + bytes([line[at] ^ flip]) + line[at + 1 :]
            got = driver.receive(damaged + encode(124, 457), 0)
            assert all(s.ticks == 124 for s in got if isinstance(s, BeltSample)), (at, flip)
            assert any(isinstance(s, BadSample) for s in got)


def test_bytewise_and_endless() -> None:
    driver = LineBelt("belt")
    line = encode(1, 2)
    got = [s for i in range(len(line)) for s in driver.receive(line[i : i + 1], i)]
    assert got == [BeltSample("belt", len(line) - 1, 1, 2.0)]
    (bad,) = driver.receive(b"B" * 41, 0)
    assert isinstance(bad, BadSample)
    assert bad.what == "belt line without an end"


def test_loss_silence_and_the_end() -> None:
    pump = started()
    pump.run(SECOND + 100 * MS, lambda now: [])
    pump.run(SECOND + 300 * MS, world, 20 * MS)
    assert [(bad.what, bad.value) for bad in pump.of(BadSample)] == [
        ("no belt sample", "100 ms"),
        ("belt samples lost", "5"),
    ]
    pump.run(4 * SECOND)
    assert isinstance(pump.error, LinkError)
    with pytest.raises(DeviceError, match="cannot obey"):
        pump.driver.obey(SendStop(0, "belt"), 0)
