"""The LSL inlet against pylsl's own outlet, in a process with a liblsl of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hal.clock import HostClock
from hal.events import LinkChanged
from hal.lsl.configuration import confine
from hal.lsl.inlet import LslInlet
from hal.lsl.session import LslSettings
from hal.messages import BeltSample, Sample

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.peer,
    pytest.mark.skipif(
        importlib.util.find_spec("pylsl") is None,
        reason="pylsl is not installed: pip install pylsl==1.18.6",
    ),
]

OUTLET = """
import sys, time
import pylsl
name, kind, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
form = pylsl.cf_string if kind == "text" else pylsl.cf_float32
info = pylsl.StreamInfo(name, "RESP", 2, rate, form, name + "-id")
outlet = pylsl.StreamOutlet(info, chunk_size=1)
print("offered", flush=True)
count = 0
while True:
    if kind == "silent" and count > 20:
        time.sleep(1)
        continue
    if kind == "text":
        outlet.push_sample(["a", "b"])
    else:
        outlet.push_sample([0.0, 500.0 + count])
    count += outlet.have_consumers()
    time.sleep(1 / rate)
"""


@pytest.fixture(autouse=True, scope="module")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """liblsl reads its configuration once per process: all tests here share one."""
    before = os.environ.get("LSLAPICFG")
    confine(tmp_path_factory.mktemp("lsl"))
    yield
    if before is None:
        os.environ.pop("LSLAPICFG", None)
    else:
        os.environ["LSLAPICFG"] = before


@contextmanager
def outlet(name: str, kind: str = "numbers", rate_hz: float = 50.0) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-c", OUTLET, name, kind, str(rate_hz)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "offered\n"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Heard:
    """What an inlet handed over."""

    def __init__(self) -> None:
        self.samples: list[BeltSample] = []
        self.others: list[Sample] = []
        self.changes: list[LinkChanged] = []

    def receive(self, item: Sample | LinkChanged) -> None:
        if isinstance(item, LinkChanged):
            self.changes.append(item)
        elif isinstance(item, BeltSample):
            self.samples.append(item)
        else:
            self.others.append(item)


async def listen(
    settings: LslSettings, enough: Callable[[Heard], bool], seconds: float = 15.0
) -> tuple[LslInlet, Heard]:
    """Run an inlet until there is enough, and end it."""
    heard = Heard()
    inlet = LslInlet("belt", settings, HostClock(), heard.receive)
    task = asyncio.create_task(inlet.run())
    for _ in range(round(seconds / 0.02)):
        if enough(heard) or task.done():
            break
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return inlet, heard


def test_samples_of_an_outlet_arrive_stamped_and_in_order(tmp_path: Path) -> None:
    settings = LslSettings(name="peer belt", channel=1)
    with outlet("peer belt"):
        inlet, heard = asyncio.run(listen(settings, lambda heard: len(heard.samples) >= 100))
    assert heard.others == []
    assert [change.up for change in heard.changes] == [True, False]
    assert heard.changes[0].detail.startswith("'peer belt' (RESP) on ")
    assert heard.changes[1].detail == "closed by us"
    values = [sample.value_au for sample in heard.samples]
    assert values == [values[0] + n for n in range(len(values))]
    ticks = [sample.ticks for sample in heard.samples]
    assert all(later > earlier for earlier, later in itertools.pairwise(ticks))
    assert (ticks[-1] - ticks[0]) / (len(ticks) - 1) == pytest.approx(1, rel=0.5)
    assert abs(inlet.correction_ms) < 5.0  # the same clock on the same machine
    assert inlet.counts.samples >= 100
    assert inlet.stream is not None
    assert inlet.stream.rate_hz == 50.0


def test_a_stream_that_ends_is_told_and_found_again() -> None:
    settings = LslSettings(name="short belt", channel=1, find_s=1.0)

    async def scenario() -> Heard:
        heard = Heard()
        inlet = LslInlet("belt", settings, HostClock(), heard.receive)
        task = asyncio.create_task(inlet.run())

        async def until(condition: Callable[[], bool]) -> None:
            for _ in range(1000):
                if condition():
                    return
                await asyncio.sleep(0.02)
            pytest.fail(f"never: {heard.changes}")

        with outlet("short belt"):
            await until(lambda: len(heard.samples) >= 10)
            assert inlet.up
        await until(lambda: not inlet.up)
        first = len(heard.samples)
        with outlet("short belt"):
            await until(lambda: len(heard.samples) >= first + 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return heard

    heard = asyncio.run(scenario())
    assert [change.up for change in heard.changes] == [True, False, True, False]
    assert "is gone" in heard.changes[1].detail or "no sample for" in heard.changes[1].detail


def test_a_stream_that_falls_silent_is_told() -> None:
    settings = LslSettings(name="silent belt", channel=1, silence_ms=400)
    with outlet("silent belt", "silent"):
        _, heard = asyncio.run(
            listen(settings, lambda heard: any(not change.up for change in heard.changes))
        )
    assert "no sample for" in heard.changes[1].detail


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (LslSettings(name="nobody", find_s=0.4), "no stream with name='nobody'"),
        (LslSettings(name="odd belt"), "carries text, not numbers"),
    ],
)
def test_no_stream_to_take(settings: LslSettings, says: str) -> None:
    with outlet("odd belt", "text"):
        inlet, heard = asyncio.run(listen(settings, lambda heard: bool(heard.changes)))
    assert not heard.changes[0].up
    assert says in heard.changes[0].detail
    assert inlet.counts.openings == 0


def test_two_belts_are_not_guessed_between() -> None:
    with outlet("twice"), outlet("twice"):
        _, heard = asyncio.run(listen(LslSettings(name="twice"), lambda heard: bool(heard.changes)))
    assert "2 streams fit" in heard.changes[0].detail


def test_twin_outlet_to_inlet() -> None:
    source = """
import sys, time
from sim.lsl import LslTwin
from hal.messages import BeltSample
with LslTwin("twin belt", channels=3, channel=2) as belt:
    print("offered", flush=True)
    count = 0
    while True:
        belt.show(BeltSample("room", 0, count, 512.25 + count), 0)
        count += belt.heard
        time.sleep(0.02)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "offered\n"
        settings = LslSettings(name="twin belt", channel=2)
        _, heard = asyncio.run(listen(settings, lambda heard: len(heard.samples) >= 20))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    values = [sample.value_au for sample in heard.samples]
    assert values == [values[0] + n for n in range(len(values))]
    assert values[0] % 1 == 0.25
