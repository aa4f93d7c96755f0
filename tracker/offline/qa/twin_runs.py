"""Run the phantoms of the QA tests in the twin room, on virtual time, each into a journal.

Three runs serve all tests. ``rest``: the target stands still at known places while the chest moves.
``motion``: target and chest move as a regular breath. ``faults``: the same, and devices fail in
known moments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from sim.recording import Recording
from tracker.build.room import furnish
from tracker.build.warm_up import warm
from tracker.config import Configuration, ConfigurationError, altered
from tracker.journal import JournalWriter, make_header
from tracker.offline.closed_loop import ClosedLoop
from tracker.offline.qa.qa_error import QaError

RunKind = Literal["rest", "motion", "faults"]

PERIOD_S = 4.0
CHEST_MM = 8.0
TARGET_MM = (1.5, 12.0, 4.0)
"""Peak to peak along left, superior and anterior; the target moves inferior as the chest rises."""
_RATE_HZ = 50.0
_FIRST_STEP_S, _EACH_STEP_S, _STEP_MM = 48.0, 10.0, 3.0
_RAMP_S = 1.0
_HOW_LONG_S: dict[RunKind, float] = {"rest": 110.0, "motion": 120.0, "faults": 130.0}


class Interruption(NamedTuple):
    """A device that fails at a known moment, for how long."""

    on: str
    kind: str
    at_s: float
    duration_s: float


INTERRUPTIONS = (
    Interruption("camera", "loss", 60.0, 2.0),
    Interruption("camera", "freeze", 85.0, 2.0),
    Interruption("actuator", "stall", 109.0, 1.5),
)
"""Camera and belt fail together, because either of them alone is no reason to hold. A machine that
stands still stops the session, so it comes last."""


def run_phantom(configuration: Configuration, kind: RunKind, seed: int, journal: Path) -> Path:
    """Track a phantom in the twin room and write the journal. Raises `QaError`."""
    changes: dict[str, dict[str, Any]] = {"room": {"mishaps": []}}
    if kind == "rest":
        changes["imager"] = {"interval_s": 2.0, "drift_interval_s": 2.0}
    if kind == "faults":
        changes["room"]["mishaps"] = _mishaps(configuration)
    try:
        configuration = altered(configuration, changes)
        warm(configuration)
        room = furnish(configuration, phantom(kind), seed)
    except (ValueError, KeyError, ConfigurationError) as error:
        raise QaError(
            f"the configuration cannot run the {kind} phantom in the twin room: {error}; give one"
            " with a [room], or a journal with --journal"
        ) from None
    header = make_header(configuration.text, seed, {"run": "qa", "trace": f"phantom {kind}"})
    journal.parent.mkdir(parents=True, exist_ok=True)
    with JournalWriter(journal, header, overwrite=True) as writer:
        ClosedLoop(configuration, room, writer).run()
        writer.close({})
    return journal


def phantom(kind: RunKind) -> Recording:
    """Return the phantom's motion as a recording: one chest signal and the target."""
    t_s = np.arange(0.0, _HOW_LONG_S[kind], 1.0 / _RATE_HZ)
    breath = np.sin(np.pi * t_s / PERIOD_S) ** 4
    target = np.zeros((len(t_s), 3)) if kind != "rest" else _steps(t_s)
    if kind != "rest":
        target = breath[:, None] * np.array([TARGET_MM[0], -TARGET_MM[1], TARGET_MM[2]])
    return Recording(
        name=f"phantom {kind}",
        times_s=t_s,
        channels=("ext_mm", "int_LR_mm", "int_SI_mm", "int_AP_mm"),
        values=np.column_stack([CHEST_MM * breath, target]),
        gaps=(),
        kind="both",
    )


def _steps(t_s: np.ndarray) -> np.ndarray:
    """Return the places at rest: 3 mm to both sides along each axis, one after the other."""
    places = [(0.0, 0.0, 0.0)]
    for axis in range(3):
        for sign in (1.0, -1.0):
            place = [0.0, 0.0, 0.0]
            place[axis] = sign * _STEP_MM
            places.append((place[0], place[1], place[2]))
    times: list[float] = [0.0]
    values: list[tuple[float, float, float]] = [places[0]]
    for number, place in enumerate(places[1:]):
        at_s = _FIRST_STEP_S + number * _EACH_STEP_S
        times += [at_s, at_s + _RAMP_S]
        values += [values[-1], place]
    table = np.array(values)
    return np.stack([np.interp(t_s, times, table[:, k]) for k in range(3)], axis=1)


def _mishaps(configuration: Configuration) -> list[dict[str, Any]]:
    """Return the interruptions as mishaps; where the camera fails, the belt fails as well."""
    controller = configuration.controller
    found: list[dict[str, Any]] = []
    for each in INTERRUPTIONS:
        devices = [each.on]
        if each.on == "camera" and controller.belt.enabled:
            devices.append("belt")
        found += [
            {"kind": each.kind, "on": on, "at_s": each.at_s, "duration_s": each.duration_s}
            for on in devices
        ]
    return found
