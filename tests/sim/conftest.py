"""A room driven by a fixed script, and patients simple enough to know by heart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from hal.events import Command, SendDemand, SendExpose, SendHold, SendPermit, SendStop
from hal.messages import Sample
from sim.patient import SimulatedPatient
from sim.recording import Recording
from sim.room import RoomTruth, SimulatedRoom
from sim.scenario import RoomScenario as RoomSettings

MS = 1_000_000
SECOND = 1_000_000_000

Drive = Callable[..., tuple[list[Sample], list[RoomTruth]]]


def script(duration_s: float) -> list[Command]:
    """Demands at 50 Hz, permits that lapse once, a hold, a stop, shots every 1.5 s."""
    commands: list[Command] = []
    for step in range(int(duration_s * 50)):
        t_ns = step * 20 * MS
        wanted = 6.0 * math.sin(1.3 * t_ns / SECOND)
        commands.append(SendDemand(t_ns, "couch", (0.3 * wanted, wanted, -0.5 * wanted)))
        if not 2.0 <= t_ns / SECOND < 2.4:
            commands.append(SendPermit(t_ns, "gate", t_ns + 100 * MS))
        if step % 75 == 5:
            commands.append(SendExpose(t_ns, "imager", step))
    commands.append(SendHold(4 * SECOND + 7, "gate", ("test",)))
    commands.append(SendStop(6 * SECOND + 3, "couch"))
    return sorted(commands, key=lambda command: command.t_ns)


@pytest.fixture(scope="session")
def drive() -> Drive:
    """Run a room by the script, cut at every command and every ``cut_ns``."""

    def run(
        settings: RoomSettings | None = None,
        *,
        patient: SimulatedPatient | None = None,
        seed: int = 5,
        cut_ns: int = 10 * MS,
        duration_s: float = 8.0,
    ) -> tuple[list[Sample], list[RoomTruth]]:
        settings = settings or RoomSettings(duration_s=duration_s)
        patient = patient or SimulatedPatient.generated(settings, seed)
        room = SimulatedRoom(settings, patient, seed)
        end_ns = int(duration_s * SECOND)
        commands = script(duration_s)
        stops = sorted({*range(0, end_ns, cut_ns), *(c.t_ns for c in commands), end_ns})
        samples: list[Sample] = []
        truths: list[RoomTruth] = []
        told_ns = 0
        for stop_ns in stops:
            samples += room.advance(stop_ns)
            truths += room.truth_between(told_ns, stop_ns)
            told_ns = stop_ns
            while commands and commands[0].t_ns <= stop_ns:
                room.obey(commands.pop(0))
        # Asked afterwards, the past is what it was when it was now.
        assert room.truth_between(0, end_ns) == truths
        return samples, truths

    return run


@pytest.fixture
def still() -> Callable[..., Recording]:
    """A recording in which nothing moves, or only what the columns say."""

    def make(
        duration_s: float = 20.0,
        rate_hz: float = 10.0,
        channels: Sequence[str] = ("int_lr_mm", "int_si_mm", "int_ap_mm", "ext_mm"),
        values: np.ndarray | None = None,
        kind: str = "both",
    ) -> Recording:
        times = np.arange(int(duration_s * rate_hz) + 1) / rate_hz
        if values is None:
            values = np.zeros((len(times), len(channels)))
        return Recording("still", times, tuple(channels), values, (), kind)

    return make
