"""Draw the patient of a run from its seed: generated, or from a folder of recordings.

Generated patients breathe freely. Rate, depth and their spread, hysteresis, drift and wander are
each drawn from the span that their row names. The depth stays within what the actuator can follow,
because a couch that is too slow for a patient shows nothing about the controller. If recordings are
given, every second seed is a recorded patient, started at a moment drawn from the seed.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from sim.recording import Recording, RecordingError, load_recording
from sim.recording_files import find_recordings
from sim.scenario import Breathing, RoomScenario
from tracker.offline.campaign.errors import CampaignError

PERIOD_S = (2.8, 6.0)
PERIOD_SD = (0.03, 0.12)
DEPTH_SI_MM = (5.0, 25.0)
"""H-table of the hazards: a median liver 12 mm, a large one 30 mm peak to peak."""
DEPTH_SD = (0.05, 0.18)
CHEST_MM = (5.0, 14.0)
LAG_S = (0.0, 0.25)
DRIFT_MM_MIN = (-0.6, 0.6)
WANDER_MM = (0.05, 0.3)
_STEEPEST = 4.6
"""Peak speed of Lujan's breath (n 2, inhaling 45 % of the time), times period over depth."""
_SHARE_OF_SPEED = 0.75
"""Of the actuator's speed that an average breath may need: the deep ones need more."""


class CampaignPatient(NamedTuple):
    """One patient: the room with the patient in it, and the recording, if there is one."""

    name: str
    room: RoomScenario
    recording: Recording | None


class PatientArchive(NamedTuple):
    """The recordings from which patients are drawn."""

    recordings: tuple[Recording, ...]
    sha256: str
    """The digest over names and values: two archives with the same digest are equal."""


def load_archive(folder: Path | None, shortest_s: float) -> PatientArchive:
    """Read every recording in a folder and below that is long enough to treat.

    Raises `CampaignError` when none is; a file that is no recording is left out and told.
    """
    found: list[Recording] = []
    if folder is not None:
        names: set[str] = set()
        files = find_recordings(folder)
        left_out = [files.remark(folder)] if files.left_out else []
        for path in files.files:
            try:
                recording = load_recording(path)
            except RecordingError as error:
                left_out.append(f"left out: {error}")
                continue
            name = f"{path.parent.name}/{recording.name}"
            if name not in names and float(recording.times_s[-1]) >= shortest_s:
                names.add(name)
                found.append(recording._replace(name=name))
            else:
                why = "is there already" if name in names else f"is shorter than {shortest_s:.0f} s"
                left_out.append(f"left out: {path}: {why}")
        for line in left_out:
            print(line, file=sys.stderr)
        if not found:
            raise CampaignError(
                f"--recordings {folder}: holds no recording of {shortest_s:.0f} s or more"
            )
    digest = hashlib.sha256()
    for recording in found:
        digest.update(recording.name.encode())
        digest.update(recording.times_s.tobytes())
        digest.update(recording.values.tobytes())
    return PatientArchive(tuple(found), digest.hexdigest())


def patient_of(
    seed: int, room: RoomScenario, archive: Sequence[Recording], length_s: float
) -> CampaignPatient:
    """Draw the patient of a seed; the same for every fault, so that faults can be compared."""
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    breathing, name = _breathing(rng, room)
    if archive and seed % 2 == 0:
        return _recorded(rng, room, archive[(seed // 2) % len(archive)], length_s)
    patient = msgspec.structs.replace(room.patient, breathing=breathing)
    made = msgspec.structs.replace(room, patient=patient, duration_s=length_s)
    return CampaignPatient(name, made, None)


def _breathing(rng: np.random.Generator, room: RoomScenario) -> tuple[Breathing, str]:
    def draw(span: tuple[float, float]) -> float:
        return float(f"{rng.uniform(*span):.3g}")

    period_s = draw(PERIOD_S)
    most_mm = _SHARE_OF_SPEED * room.actuator.speed_mm_s * period_s / _STEEPEST
    low, high = DEPTH_SI_MM
    si_mm = draw((low, max(low, min(high, most_mm))))
    breathing = Breathing(
        period_s=period_s,
        period_sd=draw(PERIOD_SD),
        amplitude_mm=draw(CHEST_MM),
        amplitude_sd=draw(DEPTH_SD),
        target_mm=(draw((-2.0, 2.0)), -si_mm, draw((0.0, 0.4 * si_mm))),
        target_lag_s=(draw(LAG_S), draw(LAG_S), draw(LAG_S)),
        chest_drift_mm_min=draw(DRIFT_MM_MIN),
        target_drift_mm_min=(0.0, draw(DRIFT_MM_MIN), draw(DRIFT_MM_MIN)),
        wander_mm=draw(WANDER_MM),
        # What the configuration's own patient is asked to do stays, such as its breath holds.
        events=room.patient.breathing.events,
    )
    return breathing, f"{si_mm:g} mm in {period_s:g} s"


def _recorded(
    rng: np.random.Generator, room: RoomScenario, recording: Recording, length_s: float
) -> CampaignPatient:
    spare_s = max(0.0, float(recording.times_s[-1]) - length_s - 5.0)
    # The recordings of a phantom begin with a robot's lead-in of some seconds.
    start_s = round(min(5.0, max(0.0, float(recording.times_s[-1]) - length_s)), 3)
    start_s = round(start_s + spare_s * float(rng.random()), 3)
    keep = recording.times_s <= start_s + length_s
    cut = recording._replace(times_s=recording.times_s[keep], values=recording.values[keep])
    patient = msgspec.structs.replace(room.patient, start_s=start_s)
    made = msgspec.structs.replace(room, patient=patient)
    return CampaignPatient(f"{recording.name} from {start_s:g} s", made, cut)
