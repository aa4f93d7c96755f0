"""The driver in docs/how-to/write-a-driver.md: the page's own lines, run against a twin."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal.errors import DeviceError, LinkError
from hal.events import Command, SendStop
from hal.messages import BadSample, BeltSample, Sample
from sim.back_to_back import MS, SECOND, BackToBack

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-driver.md"


@pytest.fixture(scope="module")
def belt() -> Iterator[Any]:
    source = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    assert source.count("\n") < 150
    module = types.ModuleType("line_belt")
    sys.modules["line_belt"] = module
    exec(compile(source, str(PAGE), "exec"), module.__dict__)
    yield module
    del sys.modules["line_belt"]


class Twin:
    """Sends each sample shown, once told to go."""

    wake_ns = None

    def __init__(self, belt: Any) -> None:
        self._belt = belt
        self._going = False
        self._out = b""

    def begin(self, now_ns: int) -> None: ...

    def show(self, sample: Sample, now_ns: int) -> None:
        if self._going and isinstance(sample, BeltSample):
            self._out += self._belt.encode(sample.ticks, int(sample.value_au))

    def receive(self, data: bytes, now_ns: int) -> list[Command]:
        self._going = self._going or b"GO\n" in data
        return []

    def wake(self, now_ns: int) -> list[Command]:
        return []

    def data_to_send(self) -> bytes:
        data, self._out = self._out, b""
        return data


def world(now_ns: int) -> list[Sample]:
    ticks = now_ns // (20 * MS)
    return [BeltSample("room", now_ns, ticks, float(500 + ticks % 7))]


def started(belt: Any) -> BackToBack:
    return BackToBack(belt.LineBelt("belt"), Twin(belt)).run(SECOND, world, 20 * MS)


def test_samples(belt: Any) -> None:
    pump = started(belt)
    got = pump.of(BeltSample)
    assert [sample.ticks for sample in got] == list(range(1, 50))
    assert all(sample.value_au == 500 + sample.ticks % 7 for sample in got)
    assert not pump.of(BadSample)


def test_every_byte_damaged(belt: Any) -> None:
    line = belt.encode(123, 456)
    for at in range(len(line)):
        for flip in range(1, 256):
            driver = belt.LineBelt("belt")
            damaged = line[:at] + bytes([line[at] ^ flip]) + line[at + 1 :]
            got = driver.receive(damaged + belt.encode(124, 457), 0)
            assert all(s.ticks == 124 for s in got if isinstance(s, BeltSample)), (at, flip)
            assert any(isinstance(s, BadSample) for s in got)


def test_bytewise_and_endless(belt: Any) -> None:
    driver = belt.LineBelt("belt")
    line = belt.encode(1, 2)
    got = [s for i in range(len(line)) for s in driver.receive(line[i : i + 1], i)]
    assert got == [BeltSample("belt", len(line) - 1, 1, 2.0)]
    assert driver.receive(b"B" * 41, 0)[0].what == "belt line without an end"


def test_loss_silence_and_the_end(belt: Any) -> None:
    pump = started(belt)
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
