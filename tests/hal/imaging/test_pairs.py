"""Pictures that belong together, shots answered, late, lost, skewed; the worker beside the loop."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from hal.errors import DeviceError
from hal.events import SendExpose, SendStop
from hal.imaging.image import Image
from hal.imaging.pairs import Pair, Pairing, ShotBook
from hal.imaging.stereo_device import MarkerDevice, Worker, XrayDevice
from hal.messages import BadSample, FiducialShot, Sample

BLACK = np.zeros((4, 4), dtype=np.uint8)
MS = 1_000_000


def image(side: str, t_ms: float, number: int = 1) -> Image:
    return Image(side, int(t_ms * MS), number, int(t_ms * MS) + 7, BLACK)


def test_pictures_that_arrive_together_are_a_pair_whichever_comes_first() -> None:
    pairing = Pairing("camera", "l", "r", 5 * MS)
    assert pairing.receive(image("l", 100)) == []
    (first,) = pairing.receive(image("r", 102))
    assert pairing.receive(image("r", 116)) == []
    (second,) = pairing.receive(image("l", 117))
    for pair in (first, second):
        assert isinstance(pair, Pair)
        assert (pair.left.device, pair.right.device, pair.shot_id) == ("l", "r", -1)


def test_a_picture_without_partner_is_reported_and_costs_no_later_pair() -> None:
    pairing = Pairing("camera", "l", "r", 5 * MS)
    pairing.receive(image("l", 100, 6))
    pairing.receive(image("l", 117, 7))
    lost, pair = pairing.receive(image("r", 118))
    assert isinstance(lost, BadSample)
    assert "frame 6 of l" in lost.value
    assert isinstance(pair, Pair)
    assert pair.left.number == 7


def test_one_dead_side_does_not_pile_up_pictures() -> None:
    pairing = Pairing("camera", "l", "r", 5 * MS)
    lost = [item for n in range(20) for item in pairing.receive(image("l", 17.0 * n, n))]
    assert len(lost) == 16


def book() -> ShotBook:
    return ShotBook("imager", "l", "r", 500 * MS, 20 * MS)


def test_a_shot_is_answered_by_both_sides() -> None:
    shots = book()
    assert shots.expose(9, 100 * MS) == []
    assert shots.wake_ns == 600 * MS
    assert shots.receive(image("r", 150)) == []
    (pair,) = shots.receive(image("l", 151))
    assert isinstance(pair, Pair)
    assert (pair.shot_id, pair.left.device) == (9, "l")
    assert shots.wake_ns is None


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([], "shot lost"),
        ([image("l", 150)], "shot lost"),
        ([image("l", 150), image("l", 160)], "picture nobody asked for"),
        ([image("l", 150), image("r", 171)], "pictures not simultaneous"),
        ([image("l", 99)], "picture nobody asked for"),
    ],
)
def test_what_is_no_answer_is_reported(given: list[Image], what: str) -> None:
    shots = book()
    shots.expose(9, 100 * MS)
    said = [item for one in given for item in shots.receive(one)]
    if not said:
        assert shots.wake(599 * MS) == []
        said = list(shots.wake(600 * MS))
    assert isinstance(said[0], BadSample)
    assert said[0].what == what


def test_pictures_without_a_shot_are_not_one() -> None:
    (said,) = book().receive(image("l", 1))
    assert isinstance(said, BadSample)


def test_a_new_shot_gives_the_open_one_up() -> None:
    shots = book()
    shots.expose(1, 100 * MS)
    (lost,) = shots.expose(2, 200 * MS)
    assert "shot 1" in lost.value
    assert shots.open


class Dummy:
    """A camera that notes what is asked of it."""

    def __init__(self) -> None:
        self.shots: list[int] = []
        self.down = False
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def expose(self, shot_id: int) -> None:
        if self.down:
            raise DeviceError("link is down")
        self.shots.append(shot_id)


class Reader:
    """Answers every pair with an empty shot."""

    def read(self, pair: Pair) -> list[FiducialShot]:
        return [FiducialShot("imager", pair.left.t_ns, pair.left.ticks, pair.shot_id, ())]


def drained(samples: list, count: int) -> None:
    until = time.monotonic() + 5.0
    while len(samples) < count and time.monotonic() < until:
        time.sleep(0.002)
    assert len(samples) >= count


def test_an_xray_device_triggers_both_sides_and_answers_once() -> None:
    samples: list = []
    left, right = Dummy(), Dummy()
    device = XrayDevice("imager", ("l", "r"), Reader(), samples.append, lambda: 0)  # pyright: ignore[reportArgumentType]
    device.start(left, right)
    try:
        device.obey(SendExpose(50 * MS, "imager", 4), 50 * MS)
        assert (left.shots, right.shots) == ([4], [4])
        device.on_image(image("r", 60))
        device.on_image(image("l", 61))
        drained(samples, 1)
        assert samples[0].shot_id == 4
        device.obey(SendExpose(80 * MS, "imager", 5), 80 * MS)
        device.on_image(BadSample("l", 90 * MS, "incomplete frame", "block 2"))
        drained(samples, 3)
        assert [s.what for s in samples[1:]] == ["incomplete frame", "shot lost"]
        device.obey(SendExpose(80 * MS, "imager", 6), 100 * MS)
        device.wake(device.wake_ns or 0)
        drained(samples, 4)
        right.down = True
        with pytest.raises(DeviceError):
            device.obey(SendExpose(80 * MS, "imager", 7), 200 * MS)
        drained(samples, 5)
        assert "link is down" in samples[4].value
        with pytest.raises(DeviceError, match="cannot SendStop"):
            device.obey(SendStop(1, "imager"), 1)
    finally:
        device.stop()
    assert not left.running


def test_a_worker_that_cannot_keep_up_drops_the_oldest_and_says_so() -> None:
    samples: list = []
    gate = threading.Event()

    def look(item: Pair | BadSample) -> list[Sample]:
        gate.wait(5.0)
        return [item] if isinstance(item, BadSample) else []

    worker = Worker("camera", look, samples.append, lambda: 3)
    worker.start()
    try:
        for number in range(12):
            worker.give(Pair(image("l", number), image("r", number), -1))
        gate.set()
        drained(samples, 1)
    finally:
        worker.stop()
    assert worker.dropped >= 1
    assert {s.what for s in samples} == {"pictures dropped unseen"}


def test_a_fault_of_ours_while_looking_is_reported_and_kept() -> None:
    samples: list = []

    class Broken:
        def locate(self, *_):
            raise ZeroDivisionError("no depth")

    device = MarkerDevice("camera", ("l", "r"), Broken(), 5.0, samples.append, lambda: 1)  # pyright: ignore[reportArgumentType]
    device.start()
    try:
        device.on_image(image("l", 1))
        device.on_image(image("r", 2))
        drained(samples, 1)
    finally:
        device.stop()
    assert samples[0].what == "picture analysis failed"
    assert isinstance(device.worker.failure, ZeroDivisionError)
