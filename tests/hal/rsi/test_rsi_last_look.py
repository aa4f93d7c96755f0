"""The reply's own bytes are judged: rounding stays inside the limits, a wrong writer is stopped."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from hal.errors import DeviceError
from hal.messages import Triple
from hal.motion_limits import MotionLimits
from hal.rsi.codec import Telegram, sensor_form
from hal.rsi.configuration import EthernetConfiguration
from hal.rsi.last_look import COUNT_MM, LastLook, leaving_room
from hal.rsi.session import RsiSession

from .conftest import BackToBack

DT_S = 0.004
LIMITS = MotionLimits((-5.0, -5.0, -5.0), (5.0, 5.0, 5.0), 25.0, 500.0)


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_each_limit_on_each_axis(which: int, sign: float) -> None:
    def along(value: float) -> Triple:
        x, y, z = (sign * value if axis == which else 0.0 for axis in range(3))
        return (x, y, z)

    def words(*path: float, limits: MotionLimits = LIMITS) -> list[str]:
        look = LastLook(limits, 4_000_000)
        return [look.judge(along(value)) for value in path]

    assert words(500.0 * DT_S**2) == [""]
    assert "limit 500 mm/s2" in words(500.0 * DT_S**2 + COUNT_MM)[0]
    brisk = MotionLimits((-5.0, -5.0, -5.0), (5.0, 5.0, 5.0), 25.0, 1e5)
    assert words(0.1, 0.2, limits=brisk) == ["", ""]
    assert "limit 25 mm/s" in words(0.1 + COUNT_MM, limits=brisk)[0]
    endless = MotionLimits((-5.0, -5.0, -5.0), (5.0, 5.0, 5.0), 1e9, 1e12)
    assert words(5.0, limits=endless) == [""]
    assert "outside" in words(5.0 + COUNT_MM, limits=endless)[0]
    assert words(500.0 * DT_S**2 + COUNT_MM, 500.0 * DT_S**2)[1] == "", "a refusal leaves no trace"


def test_limits_finer_than_the_wire_are_refused() -> None:
    with pytest.raises(DeviceError, match=r"at least 0\.05 mm/s and 50 mm/s2"):
        leaving_room(MotionLimits(acceleration_mm_s2=40.0), 4_000_000)
    assert leaving_room(MotionLimits(), 12_000_000).acceleration_mm_s2 > 597.0


def test_a_reply_that_says_something_else_is_not_sent(
    ethernet: EthernetConfiguration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer turns a sign: the bytes are refused although the correction was fine."""
    session = RsiSession("robot", ethernet, LIMITS)
    right = sensor_form(ethernet)
    pair = BackToBack(session, _twin(ethernet))
    session.begin(0)
    pair.twin.begin(0)
    pair.run(0.2)
    pair.demand((2.0, 0.0, 0.0))
    pair.run(0.5)
    assert pair.twin.asked_mm[0] > 1.9

    class Mirrored:
        def encode(self, telegram: Telegram) -> bytes:
            numbers = {**telegram.numbers, "RKorr.X": -telegram.numbers["RKorr.X"]}
            return right.encode(Telegram(telegram.ipoc, numbers, telegram.texts))

        decode = staticmethod(right.decode)

    monkeypatch.setattr(session, "_sensor", Mirrored())
    with pytest.raises(DeviceError, match="last look"):
        pair.run(0.1)


def _twin(ethernet: EthernetConfiguration):
    from sim.rsi import RobotTwin

    return RobotTwin("twin", ethernet)


@pytest.mark.parametrize("seed", range(4))
def test_replies_that_are_lost_make_no_step_at_the_robot(
    back_to_back: Callable[..., BackToBack], seed: int
) -> None:
    """The robot holds what it took last; the next reply goes on from there, from rest."""
    rng = random.Random(seed)
    pair = back_to_back(limits=LIMITS)
    pair.lost = lambda direction, _cycle: rng.random() < 0.05
    path: list[tuple[Triple, int]] = []
    pair.run(0.1)
    for tick in range(150):
        pair.demand((2.0 * (-1) ** (tick // 30), 0.5, -1.0))
        pair.run(0.010, lambda _now: path.append((pair.twin.asked_mm, pair.twin.faulty_packets)))
    assert path[-1][1] > 10
    assert max(abs(p[0]) for p, _ in path) > 0.5
    steps = [
        (max(abs(b - a) for a, b in zip(one, other, strict=True)), after > before)
        for (one, before), (other, after) in itertools.pairwise(path)
    ]
    most = 500.0 * DT_S**2 * (1 + 1e-9)
    for (_, held), (step, _) in itertools.pairwise(steps):
        if held:
            assert step <= most, "a start from rest is no jump"
