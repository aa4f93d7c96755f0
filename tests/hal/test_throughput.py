"""Time per frame of the codecs, loosely bounded; ``pytest -s`` prints the figures."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from hal.bitalino.codec import BitalinoFrame, Frames, encode_frame
from hal.gcs import codec as gcs
from hal.modbus import codec as modbus
from hal.polaris import codec as polaris
from hal.polaris.codec import PolarisReplies, PolarisTool, ToolPose, Tracking

POSE = ToolPose((1.0, 0.0, 0.0, 0.0), (1.0, 2.0, -1500.0), 0.1)
TRACKING = Tracking(tuple(PolarisTool(handle, POSE, 0x31, 1) for handle in range(1, 4)))
FRAMES = [encode_frame(BitalinoFrame(i % 16, (500,))) for i in range(160)]


def tx() -> Callable[[], object]:
    replies, wire = PolarisReplies(), polaris.tx_reply(TRACKING)
    replies.tracking = True
    return lambda: replies.feed(wire)


def bx() -> Callable[[], object]:
    replies, wire = PolarisReplies(), polaris.bx_reply(TRACKING)
    return lambda: replies.feed(wire)


def belt() -> Callable[[], object]:
    frames, count = Frames(1), iter(range(1 << 30))
    return lambda: frames.feed(FRAMES[next(count) % 160], 0)


def gate() -> Callable[[], object]:
    telegrams = modbus.Telegrams()
    wire = modbus.encode_answer(modbus.ModbusAnswer(1, modbus.READ_COILS, (1,)))
    return lambda: telegrams.answers(wire)


def couch() -> Callable[[], object]:
    answers, wire = gcs.Answers(), gcs.answer(["X=1.250000", "Y=-20.500000", "Z=0.001000"])

    def read() -> object:
        (answer,) = answers.feed(wire)
        assert isinstance(answer, gcs.GcsAnswer)
        return gcs.read_values(answer.lines, ("X", "Y", "Z"))

    return read


@pytest.mark.parametrize("make", [tx, bx, belt, gate, couch], ids=lambda make: make.__name__)
def test_a_frame_is_decoded_well_within_a_tick(make: Callable[[], Callable[[], object]]) -> None:
    decode = make()
    best_us = float("inf")
    for _ in range(20):
        begun = time.perf_counter()
        for _ in range(50):
            decode()
        best_us = min(best_us, (time.perf_counter() - begun) / 50 * 1e6)
    print(f"\n{make.__name__}: {best_us:.1f} us a frame")
    assert best_us < 500
