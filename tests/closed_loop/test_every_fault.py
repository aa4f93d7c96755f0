"""Every row of the fault table is raised through its real cause: a mishap, an event, a setting.

Most causes are the mishaps of test_mishaps.py. The others are here: messages that cannot be read,
links, requests, announcements, and settings that bring a limit within reach.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from hal.events import LinkChanged, Request, SendDemand, SendExpose, SendHold, SendPermit, Tick
from hal.messages import BadSample
from tracker.build.engine import build_engine
from tracker.config import SHIPPED, Configuration, altered, load_configuration
from tracker.core.safety.fault_table import FAULTS, FaultName, Reaction
from tracker.core.safety.situation import MONITOR
from tracker.core.session import SessionState
from tracker.core.types import FaultChanged, Notice, Output

from . import test_machines as machines
from .room_run import RoomRun, raised
from .test_mishaps import CASES, FROM_THE_START, mishap


def configured(mishaps: tuple[dict[str, Any], ...] = (), **sections: Any) -> Configuration:
    """The shipped couch room, with mishaps and with changes of its sections."""
    room = {"duration_s": 90.0, "mishaps": list(mishaps)}
    return altered(load_configuration(SHIPPED / "couch.toml"), {"room": room, **sections})


def tracking(seed: int = 1, **sections: Any) -> RoomRun:
    """A room that has tracked for two seconds."""
    run = RoomRun(configured(**sections), seed=seed)
    run.run_until(SessionState.TRACKING)
    run.run_s(2.0)
    return run


def bad(device: str, run: RoomRun) -> BadSample:
    return BadSample(device, run.now_ns + 1, "checksum", "0xBEEF")


def permitted(outputs: list[Output]) -> bool:
    return any(isinstance(o, SendPermit) for o in outputs)


# Messages that cannot be read (H04) --------------------------------------------------------------


ROLES = {
    "imager": FaultName.BAD_IMAGE,
    "gate": FaultName.BAD_GATE_MESSAGE,
    "couch": FaultName.BAD_ACTUATOR_MESSAGE,
    "kettle": FaultName.UNKNOWN_DEVICE,
}


@cache
def unreadable() -> dict[str, tuple[list[Output], list[Output]]]:
    """One run in which each device sends an unreadable message: that tick, and 2.5 s after it."""
    run = tracking(seed=2)
    return {device: (run.step(bad(device, run)), run.run_s(2.5)) for device in ROLES}


@pytest.mark.parametrize("device", ROLES)
def test_an_unreadable_message_warns_by_the_role_of_its_device_and_holds_nothing(device):
    fault, (out, later) = ROLES[device], unreadable()[device]
    assert raised(out) == [fault]
    (told,) = [o for o in out if isinstance(o, FaultChanged)]
    assert told.detail == f"{device}: checksum 0xBEEF"
    assert f"{device}: checksum 0xBEEF" in [o.text for o in out if isinstance(o, Notice)]
    assert permitted(out)
    assert not any(isinstance(o, SendHold) for o in later)
    assert [o.active for o in later if isinstance(o, FaultChanged) and o.fault == fault] == [False]


@pytest.mark.parametrize("device", ["camera", "belt"])
def test_an_unreadable_message_of_a_breathing_sensor_holds_the_beam(device):
    run = tracking(seed=3)
    out = run.step(bad(device, run))
    assert raised(out) == [FaultName.BAD_SAMPLES]
    assert not permitted(out)
    assert run.engine.state is SessionState.HOLDING


def shots(outputs: list[Output]) -> list[int]:
    return [o.t_ns for o in outputs if isinstance(o, SendExpose)]


def test_images_that_cannot_be_read_are_taken_again_and_hold_nothing():
    run = RoomRun(configured((mishap("garbage", "imager", 25.0),)), seed=4)
    run.run_s(38.0)
    out = run.run_s(25.0)
    asked = [t_ns / 1e9 for t_ns in shots(out)]
    told = [o for o in out if isinstance(o, FaultChanged)]
    assert {o.fault for o in told} == {FaultName.BAD_IMAGE}
    assert len([o for o in told if o.active]) >= 4
    assert [round(b - a, 1) for a, b in pairwise(asked)] == [2.5] * (len(asked) - 1)
    assert not any(isinstance(o, SendHold) for o in out)


def test_an_unreadable_image_that_nobody_asked_for_takes_none():
    run = tracking(seed=5)
    while not shots(run.step()):
        pass
    run.run_s(3.0)  # the answer has come
    assert shots([*run.step(bad("imager", run)), *run.run_s(4.0)]) == []


# Every row ---------------------------------------------------------------------------------------


def _markers_lost() -> list[Output]:
    run = RoomRun(configured((mishap("loss", "camera", 1.0),)), seed=6)
    return run.run_s(40.0)


def _nobody_announces() -> list[Output]:
    engine = build_engine(configured(session={"identify": True}).controller)
    engine.handle(Request(1, "model"))
    return engine.handle(Tick(10_000_000, 10_000_000))


@cache
def _interventions() -> dict[FaultName, list[Output]]:
    """One run in which the monitor ends, a person holds, and the couch is connected again."""
    run = tracking(seed=1)
    found = {FaultName.MONITOR_LOST: run.step(LinkChanged(MONITOR, run.now_ns + 1, up=False))}
    run.step(LinkChanged(MONITOR, run.now_ns + 1, up=True))
    run.run_until(SessionState.TRACKING)
    found[FaultName.OPERATOR_HOLD] = run.step(Request(run.now_ns + 1, "hold"))
    link = LinkChanged("couch", run.now_ns + 1, up=True)
    found[FaultName.ACTUATOR_RESTARTED] = [*run.step(link), *run.run_s(0.5)]
    return found


def _limits(seconds: float, *mishaps: dict[str, Any], seed: int = 10, **sections: Any):
    return RoomRun(configured(mishaps, **sections), seed=seed).run_s(seconds)


CAUSES: dict[FaultName, Callable[[], list[Output]]] = {
    FaultName.BAD_IMAGE: lambda: unreadable()["imager"][0],
    FaultName.BAD_GATE_MESSAGE: lambda: unreadable()["gate"][0],
    FaultName.BAD_ACTUATOR_MESSAGE: lambda: unreadable()["couch"][0],
    FaultName.UNKNOWN_DEVICE: lambda: unreadable()["kettle"][0],
    FaultName.MARKERS_LOST: _markers_lost,
    FaultName.SURROGATE_UNSURE: lambda: _limits(30.0, fusion={"sigma_mm": 0.02}),
    FaultName.UNUSUAL_BREATHING: lambda: _limits(46.0, mishap("shift", "patient", 2.0, 15.0)),
    FaultName.MODEL_MISSING: lambda: _limits(5.0),
    FaultName.IMAGING_LATE: lambda: _limits(
        60.0, mishap("no_shot", "imager", 65.0), imager={"warn_s": 16.0}
    ),
    FaultName.PREDICTION_OFF: lambda: _limits(
        50.0, mishap("cough", "patient", 2.0, 6.0), gating={"prediction_error_mm": 0.5}
    ),
    FaultName.TARGET_UNSURE: lambda: _limits(45.0, gating={"tolerance_mm": 1.0}),
    FaultName.BEAM_OFF_TARGET: lambda: _limits(
        50.0, mishap("period_jump", "patient", 8.0, 2.0), gating={"off_target_share": 0.1}
    ),
    FaultName.ACTUATOR_RESTARTED: lambda: _interventions()[FaultName.ACTUATOR_RESTARTED],
    FaultName.DEMAND_REFUSED: lambda: _limits(
        50.0,
        *(mishap("stalled_loop", "controller", 0.06, at_s=38.0 + k) for k in range(10)),
        guard={"step_mm": 0.2},
    ),
    FaultName.NOT_IDENTIFIED: _nobody_announces,
    FaultName.MONITOR_LOST: lambda: _interventions()[FaultName.MONITOR_LOST],
    FaultName.ERROR_PERSISTS: lambda: _limits(
        50.0, gating={"persistent_mm": 0.2, "persistent_s": 1.0}
    ),
    FaultName.ANGLES_LOST: machines.lost,
    FaultName.ANGLES_WRONG: machines.leapt,
    FaultName.BAD_LINAC_MESSAGE: machines.unreadable,
    FaultName.OPERATOR_HOLD: lambda: _interventions()[FaultName.OPERATOR_HOLD],
}


@pytest.mark.parametrize("fault", CAUSES)
def test_a_cause_raises_its_fault(fault):
    out = CAUSES[fault]()
    told = [o for o in out if isinstance(o, FaultChanged) and o.active and o.fault == fault]
    assert told
    assert told[0].reaction == FAULTS[fault].reaction.name
    at_ns = told[0].t_ns
    if FAULTS[fault].reaction >= Reaction.HOLD:
        assert not any(isinstance(o, SendPermit) and o.t_ns == at_ns for o in out)
    if FAULTS[fault].reaction is Reaction.STOP:
        assert not any(isinstance(o, SendDemand | SendPermit) and o.t_ns > at_ns for o in out)


def test_every_row_has_a_cause_that_a_test_brings_about():
    by_mishaps = {case.fault for case in CASES.values()}
    from_the_start = {fault for _, fault in FROM_THE_START}
    assert by_mishaps | from_the_start | set(CAUSES) == set(FaultName)
