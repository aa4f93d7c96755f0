"""The twin of the X-ray imager: it exposes on request and reports the fiducials later.

A pair reports where each fiducial is. A single imager reports where each is in its picture, with
the projection matrix of the angle at which it then stood.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import atan2, cos, degrees, radians, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.events import SendExpose
from hal.messages import BadSample, FiducialShot, Pair, ProjectionShot, Sample, Triple
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
    portal: bool = False
    """A picture of the treatment beam, which nobody asked for."""


def _stands(_: float) -> NDArray[np.float64]:
    """Return the axes of a gantry that stands at 0 degrees."""
    return np.eye(3)


def _never_on(_: int) -> bool:
    """Return that there is no beam."""
    return False


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
        axes_at: Callable[[float], NDArray[np.float64]] = _stands,
        source_mm: float = 1000.0,
        beam_on: Callable[[int], bool] = _never_on,
    ) -> None:
        """Make an imager that waits for its first request.

        ``axes_at`` gives the axes of the gantry (3, 3) in the fixed frame at a time in s, and
        ``source_mm`` is the distance of a single imager's source from the isocentre. ``beam_on``
        tells whether there was a beam, for pictures of it, at a time that is past.
        """
        self._beam_on = beam_on
        self._axes_at = axes_at
        self._source_mm = source_mm
        self.settings = settings
        self.device = device
        self._patient = patient
        self._lying = lying(orientation)
        self._mishaps = [m for m in mishaps if m.on == "imager"]
        self._layout = np.array(settings.fiducials_mm)
        self._noise = stream(seed, "imager", "noise")
        self._burst = stream(seed, "imager", "burst")
        self._jitter = stream(seed, "imager", "jitter")
        self._portal_noise = stream(seed, "imager", "portal")
        self._pending: list[Pending] = []
        self.due_ns = NEVER_NS
        if settings.portal_every_s > 0.0:
            self._plan_portal(round(settings.portal_every_s * 1e9))

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
            if not shot.portal or self._beam_on(shot.exposure_ns):
                out.append(self._answer(shot, couch))
            if shot.portal:
                self._plan_portal(shot.exposure_ns + round(self.settings.portal_every_s * 1e9))
            self.due_ns = self._pending[0].arrival_ns if self._pending else NEVER_NS

    def _plan_portal(self, exposure_ns: int) -> None:
        """Plan a picture of the treatment beam; if there is no beam then, it is not taken."""
        settings = self.settings
        noise = settings.portal_noise_mm * self._portal_noise.standard_normal(self._layout.shape)
        arrival_ns = exposure_ns + round(settings.processing_ms * 1e6)
        self._pending.append(Pending(arrival_ns, exposure_ns, 0, noise, portal=True))
        self._pending.sort(key=lambda shot: shot.arrival_ns)
        self.due_ns = self._pending[0].arrival_ns

    def _answer(self, shot: Pending, couch: SimulatedActuator | None) -> Sample:
        at = np.array([shot.exposure_ns / 1e9])
        if trouble.during(self._mishaps, "imager", "garbage", at)[0]:
            return BadSample(self.device, shot.arrival_ns, "fiducial position", "nan")
        layout = self._layout.copy()
        for mishap in trouble.of(self._mishaps, "imager", "migration"):
            if at[0] >= mishap.at_s:
                layout[mishap.which] += mishap.size * trouble.MIGRATION_DIRECTION
        where = rotated(layout + self._patient.internal(at)[0], self._lying)
        single = self.settings.kind == "single"
        if not single:
            where = where + shot.noise_mm
        if couch is not None:
            where = where + np.array(couch.position_at(shot.exposure_ns))
        matrix = np.zeros((3, 4))
        if single:
            matrix = self._matrix(float(at[0]), portal=shot.portal)
            seen = where @ matrix[:, :3].T + matrix[:, 3]
            where = seen[:, :2] / seen[:, 2:] + shot.noise_mm[:, :2]
        where = where * trouble.scale(self._mishaps, "imager", at)[0]
        if trouble.during(self._mishaps, "imager", "frame_error", at)[0]:
            where = where[:, (1, 0, *range(2, where.shape[1]))]
        for mishap in trouble.of(self._mishaps, "imager", "fiducial_swap"):
            if trouble.is_active(mishap, shot.exposure_ns):
                second = (mishap.which + 1) % len(where)
                where[[mishap.which, second]] = where[[second, mishap.which]]
        lost = {
            mishap.which
            for mishap in trouble.of(self._mishaps, "imager", "fiducial_lost")
            if trouble.is_active(mishap, shot.exposure_ns)
        }
        step_ms = float(trouble.stepped(self._mishaps, "imager", "clock_step", at)[0])
        ticks = shot.exposure_ns + round((self.settings.clock_offset_ms + step_ms) * 1e6)
        places = where.tolist()
        if single:
            pairs: list[Pair | None] = [
                None if number in lost else (x, y) for number, (x, y) in enumerate(places)
            ]
            return ProjectionShot(
                self.device,
                shot.arrival_ns,
                ticks,
                shot.shot_id,
                tuple(matrix.ravel().tolist()),
                tuple(pairs),
                self._angle_deg(float(at[0]), portal=shot.portal),
                self.settings.portal_noise_mm if shot.portal else 0.0,
            )
        found: list[Triple | None] = [
            None if number in lost else (x, y, z) for number, (x, y, z) in enumerate(places)
        ]
        return FiducialShot(self.device, shot.arrival_ns, ticks, shot.shot_id, tuple(found))

    def _angle_deg(self, time_s: float, *, portal: bool) -> float:
        """Return where the source of a single imager stands, or that of the beam."""
        x, _, z = self._axes_at(time_s)[2].tolist()
        from_gantry_deg = 0.0 if portal else self.settings.from_gantry_deg
        return (degrees(atan2(x, z)) + from_gantry_deg) % 360.0

    def _matrix(self, time_s: float, *, portal: bool) -> NDArray[np.float64]:
        """Return the projection (3, 4) from the fixed frame to the picture, as calibrated.

        The arm sags while the gantry turns, so the picture shifts along the body and across.
        """
        angle = radians(self._angle_deg(time_s, portal=portal))
        flex = self.settings.flex_mm
        matrix = np.zeros((3, 4))
        matrix[0, :3] = (cos(angle), 0.0, -sin(angle))
        matrix[1, 1] = 1.0
        matrix[2] = (-sin(angle) / self._source_mm, 0.0, -cos(angle) / self._source_mm, 1.0)
        matrix[0] += flex * sin(angle) * matrix[2]
        matrix[1] += flex * (1.0 - cos(angle)) * matrix[2]
        return matrix
