"""Belt driver and twin back to back: start-up, samples, and each failure it reports."""

from __future__ import annotations

import math
import random

import pytest

from hal.bitalino.session import BitalinoSession, BitalinoSettings
from hal.errors import DeviceError, LinkError
from hal.events import SendStop
from hal.messages import BadSample, BeltSample, Sample
from sim.back_to_back import MS, SECOND, BackToBack
from sim.bitalino import BitalinoTwin


def breathing(now_ns: int) -> list[Sample]:
    value = 500 + 100 * math.sin(2 * math.pi * now_ns / (4 * SECOND))
    return [BeltSample("room", now_ns, now_ns // (10 * MS), value)]


def joined(twin: BitalinoTwin | None = None, **settings: object) -> BackToBack:
    driver = BitalinoSession("belt", BitalinoSettings(**settings))  # pyright: ignore
    return BackToBack(driver, twin or BitalinoTwin())


@pytest.mark.parametrize("channels", [(1,), (1, 2), (1, 2, 3, 4, 5, 6)])
def test_every_sample_once(channels: tuple[int, ...]) -> None:
    pump = joined(channels=channels).run(3 * SECOND, breathing)
    assert pump.driver.ready
    assert pump.driver.version == "5.1"
    got: list[BeltSample] = pump.of(BeltSample)
    assert not pump.of(BadSample)
    assert [sample.ticks for sample in got] == list(range(len(got)))
    assert len(got) > 250
    assert got[-1].value_au == pytest.approx(500 + 100 * math.sin(2 * math.pi * 2.99 / 4), abs=1)
    assert got[-1].t_ns == 2990 * MS


@pytest.mark.parametrize("rate_hz", [10, 100, 1000])
def test_device_sampling_by_its_own_clock(rate_hz: int) -> None:
    twin = BitalinoTwin(free_running=True)
    pump = joined(twin, rate_hz=rate_hz).run(3 * SECOND, breathing)
    assert twin.rate_hz == rate_hz
    got = pump.of(BeltSample)
    assert not pump.of(BadSample)
    assert len(got) == pytest.approx(2.5 * rate_hz, rel=0.1)
    step_ns = (got[-1].t_ns - got[0].t_ns) / (got[-1].ticks - got[0].ticks)
    assert step_ns == pytest.approx(SECOND / rate_hz)


def test_a_belt_left_sending_is_taken_over() -> None:
    pump = joined().run(2 * SECOND, breathing)
    pump.driver.begin(pump.now_ns)
    pump.run(4 * SECOND, breathing)
    assert pump.driver.ready
    assert pump.samples[-1].t_ns == 3990 * MS


@pytest.mark.parametrize("at", range(3))
def test_corrupt_frames_are_reported_and_counted_as_lost(at: int) -> None:
    pump = joined().run(SECOND, breathing)
    chance = random.Random(at)
    true = {round(s.value_au) for now in range(0, 5000, 10) for s in breathing(now * MS)}  # pyright: ignore

    def damage(data: bytes) -> bytes:
        if chance.random() < 0.1 and len(data) == 3:
            return data[:at] + bytes([data[at] ^ chance.randrange(1, 256)]) + data[at + 1 :]
        return data

    pump.to_driver = damage
    pump.run(5 * SECOND, breathing)
    assert pump.driver.ready
    assert pump.of(BadSample)
    for sample in pump.of(BeltSample):
        assert sample.value_au in true
    ticks = [sample.ticks for sample in pump.of(BeltSample)]
    assert ticks == sorted(set(ticks))
    assert pump.driver.samples_lost == ticks[-1] + 1 - len(ticks)
    assert ticks[-1] + 1 == pytest.approx(5 * 100 - 40, abs=8), "loss is counted, not forgotten"


def test_long_loss_is_counted_by_time() -> None:
    pump = joined().run(SECOND, breathing)
    pump.to_driver = lambda data: bytes(b ^ 0x3C for b in data)
    pump.run(1650 * MS, breathing)
    pump.to_driver = lambda data: data
    pump.run(3 * SECOND, breathing)
    ticks = pump.of(BeltSample)[-1].ticks
    at_one = max(s.ticks for s in pump.of(BeltSample) if s.t_ns < SECOND)
    assert ticks - at_one == 200
    lost = [bad for bad in pump.of(BadSample) if bad.what == "belt samples lost"]
    assert sum(int(bad.value) for bad in lost) == pump.driver.samples_lost


def test_samples_the_room_loses_are_a_gap() -> None:
    pump = joined().run(SECOND, breathing)

    def gappy(now_ns: int) -> list[Sample]:
        return [] if now_ns // (10 * MS) % 20 in (3, 4) else breathing(now_ns)

    pump.run(2 * SECOND, gappy)
    assert {(bad.what, bad.value) for bad in pump.of(BadSample)} == {("belt samples lost", "2")}


def test_silence_is_reported_then_closes_the_link() -> None:
    pump = joined().run(SECOND, breathing)
    pump.twin.mute = True
    pump.run(SECOND + 200 * MS, breathing)
    (bad,) = pump.of(BadSample)
    assert bad.what == "no belt sample"
    assert bad.t_ns == 990 * MS + 100 * MS
    pump.run(3 * SECOND, breathing)
    assert isinstance(pump.error, LinkError)


def test_no_belt_at_all() -> None:
    twin = BitalinoTwin()
    twin.mute = True
    pump = joined(twin).run(5 * SECOND, breathing)
    assert isinstance(pump.error, LinkError)
    assert "is the belt switched on" in str(pump.error)
    assert {bad.what for bad in pump.of(BadSample)} == {"no version in 500 ms"}


def test_belt_obeys_nothing_and_needs_its_channel() -> None:
    with pytest.raises(DeviceError, match="cannot obey SendStop"):
        joined().driver.obey(SendStop(0, "belt"), 0)
    with pytest.raises(DeviceError, match="belt on channel 2"):
        BitalinoSession("belt", BitalinoSettings(belt_channel=2))


def test_noise_on_the_wire_makes_no_samples() -> None:
    pump = joined().run(SECOND, breathing)
    before = len(pump.of(BeltSample))
    chance = random.Random(3)
    for _ in range(50):
        pump.driver.receive(chance.randbytes(40), pump.now_ns)
    assert len(pump.of(BeltSample)) == before
    pump.run(pump.now_ns + SECOND, breathing)
    assert pump.samples[-1].t_ns > 1.9 * SECOND
