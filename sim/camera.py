"""Simulate the marker camera: it sees every marker at the exposure and reports it later.

A marker in the fixed frame is ``lying(orientation) (rest + displacement) + couch``; in the camera
frame ``turned' (fixed - camera position)``. Everything but the couch is computed beforehand.
"""

from __future__ import annotations

import numpy as np

from hal.messages import BadSample, MarkerFrame, Sample, Triple
from sim import mishaps as trouble
from sim.actuator import SimulatedActuator
from sim.chance import stream
from sim.geometry import lying, rotated, turned_xyz
from sim.sampling import sampling
from sim.scenario import RoomCamera as CameraSettings
from sim.source_twin import SourceTwinKind, Surroundings

BLOCK = 512


class SimulatedCamera:
    """The twin of the marker camera."""

    def __init__(self, settings: CameraSettings, around: Surroundings) -> None:
        """Compute all exposures of the run beforehand, without the couch's motion."""
        name, self.device, patient, orientation, mishaps, seed = around
        self._plan = plan = sampling(
            name, mishaps, seed, patient.duration_s,
            rate_hz=settings.rate_hz, delay_ms=settings.delay_ms, jitter_ms=settings.jitter_ms,
            clock_ppm=settings.clock_ppm, first_tick=settings.first_tick, phase=0.37,
        )  # fmt: skip
        times = plan.exposure_s
        turned = turned_xyz(settings.rotation_deg)
        placed = np.array(patient.marker_rest_mm) + patient.external(times)
        fixed = rotated(placed, lying(orientation))
        seen = rotated(fixed - np.array(settings.position_mm), turned.T)
        noise = stream(seed, name, "noise").standard_normal(seen.shape)
        burst = stream(seed, name, "burst").standard_normal(seen.shape)
        extra = trouble.summed(mishaps, name, "noise", times)[:, None, None]
        seen += settings.noise_mm * noise + extra * burst
        seen[:, :, 2] += trouble.summed(mishaps, name, "bias", times)[:, None]
        for mishap in trouble.of(mishaps, name, "marker_swap"):
            rows, second = trouble.active(mishap, times), (mishap.which + 1) % seen.shape[1]
            shown = list(range(seen.shape[1]))
            shown[mishap.which], shown[second] = second, mishap.which
            seen[rows] = seen[rows][:, shown]
        exchanged = trouble.during(mishaps, name, "frame_error", times)
        seen[exchanged] = seen[exchanged][:, :, (1, 0, 2)]
        self._exchanged = frozenset(np.flatnonzero(exchanged).tolist())
        for mishap in trouble.of(mishaps, name, "occlusion"):
            seen[trouble.active(mishap, times), mishap.which] = np.nan
        self._seen = seen
        self._to_camera: list[list[float]] = turned.T.tolist()
        self._block = -1
        self._rows: list[list[list[float]]] = []
        self._next = 0
        self.due_ns = plan.arrival_ns[0]

    def collect(self, to_ns: int, couch: SimulatedActuator | None, out: list[Sample]) -> None:
        """Append the frames that arrive at or before ``to_ns``; ``couch`` carries the patient."""
        plan = self._plan
        while self.due_ns <= to_ns:
            number = plan.sample[self._next]
            if plan.garbage[self._next]:
                out.append(BadSample(self.device, self.due_ns, "marker position", "nan"))
            else:
                markers = self._markers(number, couch)
                ticks = plan.ticks[self._next]
                out.append(MarkerFrame(self.device, self.due_ns, ticks, markers))
            self._next += 1
            self.due_ns = plan.arrival_ns[self._next]

    def _markers(self, number: int, couch: SimulatedActuator | None) -> tuple[Triple | None, ...]:
        block, row = divmod(number, BLOCK)
        if block != self._block:
            self._block = block
            self._rows = self._seen[block * BLOCK : (block + 1) * BLOCK].tolist()
        dx = dy = dz = 0.0
        if couch is not None:
            x, y, z = couch.position_at(self._plan.exposure_ns[number])
            (a, b, c), (d, e, f), (g, h, i) = self._to_camera
            dx, dy, dz = a * x + b * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z
        if number in self._exchanged:
            dx, dy = dy, dx
        factor = self._plan.factor[number]
        markers = [  # a list first: a tuple made of a generator takes longer
            (factor * (x + dx), factor * (y + dy), factor * (z + dz)) if x == x else None
            for x, y, z in self._rows[row]
        ]
        return tuple(markers)


MARKERS = SourceTwinKind("markers", "camera", CameraSettings, SimulatedCamera)
