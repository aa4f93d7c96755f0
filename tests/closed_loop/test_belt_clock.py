"""A belt whose clock is set, runs wild or delivers in bursts: told, and tracking is back in 3 s."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest

from hal.messages import BadSample, BeltSample
from tests.closed_loop.conftest import Session, session
from tracker.core.safety.fault_table import FAULTS, Reaction
from tracker.core.types import FaultChanged, SessionChanged

HOUR_MS = 3_600_000.0
FAR_MS = 700_000_000.0
PERIOD_S = 0.01
RETURN_S = 3.0


class Trouble(NamedTuple):
    """What befalls the belt's clock, from when to when, and which fault says so."""

    at_s: float
    end_s: float
    fault: str
    mishaps: tuple[tuple[str, float, float, float], ...]
    """Kind, moment, duration and size of each mishap."""


TROUBLES = {
    "an hour back": Trouble(40.0, 40.0, "clock set anew", (("clock_step", 40.0, 1.0, -HOUR_MS),)),
    "an hour ahead": Trouble(50.0, 50.0, "clock set anew", (("clock_step", 50.0, 1.0, HOUR_MS),)),
    "far ahead for five samples": Trouble(
        60.0,
        60.05,
        "clock set anew",
        (("clock_step", 60.0, 1.0, FAR_MS), ("clock_step", 60.05, 1.0, -FAR_MS)),
    ),
    "bursts of 12": Trouble(70.0, 75.0, "sensor rate off", (("bursts", 70.0, 5.0, 12.0),)),
}


@pytest.fixture(scope="module")
def run() -> Session:
    mishaps = [
        {"kind": kind, "on": "belt", "at_s": at_s, "duration_s": lasts_s, "size": size}
        for trouble in TROUBLES.values()
        for kind, at_s, lasts_s, size in trouble.mishaps
    ]
    return session(85.0, mishaps=mishaps, seed=4)


@pytest.mark.parametrize("name", TROUBLES)
def test_tracking_is_back_within_3_s_and_the_fault_is_told(run: Session, name: str) -> None:
    trouble = TROUBLES[name]
    told = [
        (change.t_ns / 1e9, change.detail)
        for change in run.outputs(FaultChanged)
        if change.active and change.fault == trouble.fault
        and trouble.at_s <= change.t_ns / 1e9 < trouble.end_s + RETURN_S
    ]  # fmt: skip
    assert told, f"{trouble.fault} was not told"
    assert told[0][1].startswith("belt")
    state = "IDLE"
    back_s = trouble.end_s
    for change in run.outputs(SessionChanged):
        at_s = change.t_ns / 1e9
        if at_s > trouble.end_s + 9.0:
            break
        state = change.after
        if at_s > trouble.end_s and state == "TRACKING":
            back_s = at_s
    assert state == "TRACKING"
    assert back_s - trouble.end_s <= RETURN_S


def test_bursts_hold_nothing(run: Session) -> None:
    held = [
        change
        for change in run.outputs(FaultChanged)
        if change.active and FAULTS[change.fault].reaction >= Reaction.HOLD
        and 70.0 <= change.t_ns / 1e9 <= 80.0 and change.detail.startswith("belt")
    ]  # fmt: skip
    assert held == []


def test_the_twin_really_did_all_this(run: Session) -> None:
    belt = [event for event, _ in run.steps if isinstance(event, BeltSample)]
    assert not [event for event, _ in run.steps if isinstance(event, BadSample)]
    ticks = [sample.ticks for sample in belt]
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    wild = [step for step in steps if step != 1]
    assert [round(step * PERIOD_S) for step in wild] == [-3600, 3600, 700_000, -700_000]
    arrivals = [s.t_ns / 1e9 for s in belt if 71.0 < s.t_ns / 1e9 < 74.0]
    assert len({round(at_s, 4) for at_s in arrivals}) <= len(arrivals) / 11
