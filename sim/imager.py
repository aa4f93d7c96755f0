"""The twin of the stereo X-ray imager: it exposes on request and reports the fiducials later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.events import SendExpose
from hal.messages import BadSample, FiducialShot, Sample, Triple
from sim import mishaps as trouble
from sim.actuator import SimulatedActuator
from sim.chance import cut_normal, stream
from sim.geometry import lying, rotated
from sim.patient import SimulatedPatient
from sim.sampling import NEVER_NS
from sim.scenario import Mishap, Orientation
from sim.scenario import RoomImager as ImagerSettings


class Pending(NamedTuple):
    """A shot that has not arrived yet; ordered by arrival."""

    arrival_ns: int
    exposure_ns: int
    shot_id: int
    noise_mm: NDArray[np.float64]
    """Shape (fiducials, 3)."""


class SimulatedImager:
    """The twin of the imager; the patient does not turn or deform between target and fiducials."""

    def __init__(
        self,
        settings: ImagerSettings,
        device: str,
        patient: SimulatedPatient,
        orientation: Orientation,
        mishaps: Sequence[Mishap],
        seed: int,
    ) -> None:
        """Make an imager that waits for its first request."""
        self.settings = settings
        self.device = device
        self._patient = patient
        self._lying = lying(orientation)
        self._mishaps = [m for m in mishaps if m.on == "imager"]
        self._layout = np.array(settings.fiducials_mm)
        self._noise = stream(seed, "imager", "noise")
        self._burst = stream(seed, "imager", "burst")
        self._jitter = stream(seed, "imager", "jitter")
        self._pending: list[Pending] = []
        self.due_ns = NEVER_NS

    def obey(self, command: SendExpose) -> None:
        """Expose after the trigger delay; every request draws the same number of numbers."""
        settings = self.settings
        noise = settings.noise_mm * self._noise.standard_normal(self._layout.shape)
        burst = self._burst.standard_normal(self._layout.shape)
        jitter_ms = float(cut_normal(self._jitter, 1, settings.jitter_ms)[0])
        exposure_ns = command.t_ns + round(settings.trigger_ms * 1e6)
        at = np.array([exposure_ns / 1e9])
        if trouble.during(self._mishaps, "imager", "no_shot", at)[0]:
            return
        noise = noise + trouble.summed(self._mishaps, "imager", "noise", at) * burst
        late_ms = float(trouble.summed(self._mishaps, "imager", "delay", at)[0])
        wait_ms = max(settings.processing_ms + jitter_ms + late_ms, 0.0)
        arrival_ns = exposure_ns + round(wait_ms * 1e6)
        self._pending.append(Pending(arrival_ns, exposure_ns, command.shot_id, noise))
        self._pending.sort(key=lambda shot: shot.arrival_ns)
        self.due_ns = self._pending[0].arrival_ns

    def collect(self, to_ns: int, couch: SimulatedActuator | None, out: list[Sample]) -> None:
        """Append the shots that arrive at or before ``to_ns``; ``couch`` carries the patient."""
        while self.due_ns <= to_ns:
            shot = self._pending.pop(0)
            out.append(self._answer(shot, couch))
            self.due_ns = self._pending[0].arrival_ns if self._pending else NEVER_NS

    def _answer(self, shot: Pending, couch: SimulatedActuator | None) -> Sample:
        at = np.array([shot.exposure_ns / 1e9])
        if trouble.during(self._mishaps, "imager", "garbage", at)[0]:
            return BadSample(self.device, shot.arrival_ns, "fiducial position", "nan")
        layout = self._layout.copy()
        for mishap in trouble.of(self._mishaps, "imager", "migration"):
            if at[0] >= mishap.at_s:
                layout[mishap.which] += mishap.size * trouble.MIGRATION_DIRECTION
        where = rotated(layout + self._patient.internal(at)[0], self._lying) + shot.noise_mm
        if couch is not None:
            where = where + np.array(couch.position_at(shot.exposure_ns))
        where = where * trouble.scale(self._mishaps, "imager", at)[0]
        if trouble.during(self._mishaps, "imager", "frame_error", at)[0]:
            where = where[:, (1, 0, 2)]
        for mishap in trouble.of(self._mishaps, "imager", "fiducial_swap"):
            if trouble.is_active(mishap, shot.exposure_ns):
                second = (mishap.which + 1) % len(where)
                where[[mishap.which, second]] = where[[second, mishap.which]]
        found: list[Triple | None] = [(x, y, z) for x, y, z in where.tolist()]
        for mishap in trouble.of(self._mishaps, "imager", "fiducial_lost"):
            if trouble.is_active(mishap, shot.exposure_ns):
                found[mishap.which] = None
        step_ms = float(trouble.stepped(self._mishaps, "imager", "clock_step", at)[0])
        ticks = shot.exposure_ns + round((self.settings.clock_offset_ms + step_ms) * 1e6)
        return FiducialShot(self.device, shot.arrival_ns, ticks, shot.shot_id, tuple(found))
