"""A made-up session, small and with errors that are known, for everything the report shows."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from hal.events import Request, SendDemand, SendHold, SendPermit, Tick
from hal.messages import ActuatorStatus, BeamStatus, Triple
from tracker.core.types import (
    FaultChanged,
    ModelRefitted,
    Notice,
    Observation,
    Output,
    SessionChanged,
    SurrogateState,
    TargetEstimate,
    TargetPrediction,
)
from tracker.journal import JournalWriter, Truth, make_header

STEP_NS = 10_000_000
LATENCY_NS = 150_000_000
TRACKING_S, HOLD_S, RESUME_S, END_S = 10.0, 20.0, 22.0, 30.0
CONFIGURATION = '[session]\npatient_id = "A <b>&amp; B"\n[actuator]\nkind = "couch"\n'
SURE = (0.1, 0.0, 0.0, 0.1, 0.0, 0.1)


def breath(t_s: float) -> float:
    return 5.0 * math.sin(2 * math.pi * t_s / 4.0)


def target(t_s: float) -> Triple:
    return (0.2 * breath(t_s), -breath(t_s), 0.4 * breath(t_s - 0.1))


def off(position: Triple, by: Triple) -> Triple:
    return (position[0] + by[0], position[1] + by[1], position[2] + by[2])


CORRELATION, PREDICTION, ACTUATOR = (0.3, 0.0, 0.0), (0.0, 0.4, 0.0), (0.0, 0.0, -1.2)
"""Constant error vectors, true minus said, patient frame: 0.3, 0.4 and 1.2 mm; 1.3 mm in all."""


def negative(vector: Triple) -> Triple:
    return (-vector[0], -vector[1], -vector[2])


def is_held(t_s: float) -> bool:
    return HOLD_S <= t_s < RESUME_S


def special_outputs(now: int) -> list[Output]:
    """What the session does once, by the moment it does it."""
    once: dict[int, list[Output]] = {
        0: [SessionChanged(now, "IDLE", "MODELLING", "model")],
        8_000: [
            Observation(now, now - 300_000_000, 1, (0.1, 2.0, -0.3), -2.0, 1.0, None, used=True),
            ModelRefitted(
                now, ("linear", "dual", "linear"), (0.1, 0.3, 0.2), 1, 0.9,
                (-5.0, 0.0, 5.0),
                ((-1.0, 5.0, -2.0), (0.0, 0.1, 0.0), (1.0, -5.0, 2.0)),
                ((-1.0, 5.0, -2.0), (0.0, -0.1, 0.0), (1.0, -5.0, 2.0)),
            ),
            SessionChanged(now, "MODELLING", "READY", "model ready"),
        ],
        10_000: [SessionChanged(now, "READY", "TRACKING", "start")],
        20_000: [
            FaultChanged(now, "irregular breathing", True, "HOLD", "70 mm/s, limit 60 mm/s"),
            SessionChanged(now, "TRACKING", "HOLDING", "fault: hold"),
            SendHold(now, "gate", ("irregular breathing",)),
        ],
        20_500: [SendHold(now, "gate", ("irregular breathing", "target unsure"))],
        22_000: [
            FaultChanged(now, "irregular breathing", False, "HOLD", ""),
            SessionChanged(now, "HOLDING", "TRACKING", "faults cleared"),
        ],
        25_000: [
            Observation(
                now, now - 300_000_000, 2, (0.1, 2.0, -0.3), -2.0, 1.0, (0.0, 0.6, 0.8), used=True
            ),
            Notice(now, "warning", "shot 3: <no fiducial>"),
        ],
    }  # fmt: skip
    return once.get(now // 1_000_000, [])


def tick_outputs(now: int) -> list[Output]:
    """What a tick brings forth."""
    t_s = now / 1e9
    out: list[Output] = [SurrogateState(now, breath(t_s), 0.0, 0.1), *special_outputs(now)]
    if t_s < 8:
        return out
    at = now + LATENCY_NS
    out.append(TargetEstimate(now, off(target(t_s), negative(CORRELATION)), SURE))
    said = off(off(target(at / 1e9), negative(CORRELATION)), negative(PREDICTION))
    out.append(TargetPrediction(now, at, said, SURE))
    if t_s >= TRACKING_S:
        out.append(SendDemand(now, "couch", negative(said)))
        if not is_held(t_s):
            out.append(SendPermit(now, "gate", now + 100_000_000))
    return out


def truth_at(now: int) -> Truth:
    """The couch carries the beam, seen from the patient, past the target by the three errors."""
    t_s = now / 1e9
    where = target(t_s)
    miss = off(off(CORRELATION, PREDICTION), ACTUATOR)
    couch = off(negative(where), miss) if t_s >= TRACKING_S else (0.0, 0.0, 0.0)
    return Truth(
        t_ns=now,
        target_mm=where,
        target_fixed_mm=off(where, couch),
        beam_fixed_mm=(0.0, 0.0, 0.0),
        actuator_mm=couch,
        surrogate_mm=breath(t_s),
        beam_on=t_s >= TRACKING_S and not is_held(t_s),
        scored=True,
    )


def write_session(
    path: Path, *, truth: bool = True, until_s: float = END_S, configuration: str = CONFIGURATION
) -> Path:
    """Write the session's journal."""
    header = make_header(configuration, 3, {"trace": "made up", "config": "test.toml"})
    with JournalWriter(path, header) as journal:
        journal.event(Request(0, "model"))
        for now in range(0, int(until_s * 1e9), STEP_NS):
            record = truth_at(now)
            journal.event(BeamStatus("gate", now, record.beam_on))
            journal.event(ActuatorStatus("couch", now, record.actuator_mm))
            journal.event(Tick(now, now))
            journal.outputs(tick_outputs(now))
            if truth:
                journal.truth(record)
        journal.close({"realtime_factor": "123.4"})
    return path


@pytest.fixture(scope="session")
def session_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("report") / "session.mcap")


@pytest.fixture(scope="session")
def live_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without truth, as a real room would leave it."""
    return write_session(tmp_path_factory.mktemp("live") / "session.mcap", truth=False)


@pytest.fixture(scope="session")
def idle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, ended before tracking began."""
    return write_session(tmp_path_factory.mktemp("idle") / "session.mcap", until_s=9.0)
