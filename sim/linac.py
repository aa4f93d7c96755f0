"""Simulate the linac that reports its angles, and the axes that turn with them.

The gantry stands, turns on and on, or turns to and fro over an arc, whatever the beam does. Angles
follow IEC 61217. The simulator keeps its own geometry on purpose: it must not share a sign error
with the controller it tests.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hal.messages import BadSample, LinacStatus, Sample
from sim import mishaps as trouble
from sim.chance import stream
from sim.gate import SimulatedGate
from sim.sampling import NEVER_NS, sampling
from sim.scenario import Mishap, RoomScenario
from sim.scenario import RoomLinac as LinacSettings

Floats = NDArray[np.float64]


class SimulatedLinac:
    """The twin of the linac: its angles at any moment, and what it reports of them."""

    def __init__(
        self,
        settings: LinacSettings,
        device: str,
        gate: SimulatedGate,
        mishaps: Sequence[Mishap],
        seed: int,
        duration_s: float,
    ) -> None:
        """Make a linac that turns from the start; ``gate`` tells when its beam is on."""
        self.settings = settings
        self.device = device
        self._gate = gate
        self._plan = sampling(
            "linac", mishaps, seed, duration_s,
            rate_hz=settings.status_hz, delay_ms=settings.status_delay_ms, phase=0.61,
        )  # fmt: skip
        times = self._plan.exposure_s
        noise = stream(seed, "linac", "noise").standard_normal(len(times))
        self._off_deg = settings.noise_deg * noise + trouble.summed(mishaps, "linac", "bias", times)
        self._next = 0
        self._units = 0.0
        self._counted_ns = 0
        self.due_ns = self._plan.arrival_ns[0] if settings.enabled else NEVER_NS

    def gantry_deg(self, times_s: Floats) -> Floats:
        """Return the gantry angle at these times, (N,), from 0 up to 360 degrees."""
        settings = self.settings
        way = settings.gantry_deg_s * times_s
        if settings.arc_deg > 0.0:
            folded = np.mod(way, 2.0 * settings.arc_deg)
            way = np.minimum(folded, 2.0 * settings.arc_deg - folded)
        return np.mod(settings.gantry_deg + way, 360.0)

    def axes(self, times_s: Floats, *, collimator: bool = True) -> Floats:
        """Return the axes of collimator or gantry in the fixed frame, (N, 3, 3): rows X, Y, Z.

        Z points to the source. At gantry 0 and collimator 0 the axes are those of the fixed frame.
        """
        about_y = np.radians(self.gantry_deg(times_s))
        about_z = np.radians(self.settings.collimator_deg) if collimator else 0.0
        zero, one = np.zeros_like(about_y), np.ones_like(about_y)
        gantry_x = np.stack([np.cos(about_y), zero, -np.sin(about_y)], axis=1)
        gantry_y = np.stack([zero, one, zero], axis=1)
        source = np.stack([np.sin(about_y), zero, np.cos(about_y)], axis=1)
        across = np.cos(about_z) * gantry_x + np.sin(about_z) * gantry_y
        along = np.cos(about_z) * gantry_y - np.sin(about_z) * gantry_x
        return np.stack([across, along, source], axis=1)

    def collect(self, to_ns: int, out: list[Sample]) -> None:
        """Append the reports that arrive at or before ``to_ns``."""
        plan, settings = self._plan, self.settings
        while self.due_ns <= to_ns:
            number = plan.sample[self._next]
            if plan.garbage[self._next]:
                out.append(BadSample(self.device, self.due_ns, "angles", "nan"))
            else:
                at_ns = plan.exposure_ns[number]
                gantry = float(self.gantry_deg(np.array([at_ns / 1e9]))[0])
                angle = (gantry + float(self._off_deg[number])) % 360.0
                out.append(
                    LinacStatus(
                        self.device,
                        self.due_ns,
                        angle,
                        settings.collimator_deg,
                        settings.table_deg,
                        self._delivered(at_ns),
                    )
                )
            self._next += 1
            self.due_ns = plan.arrival_ns[self._next]

    def _delivered(self, t_ns: int) -> float:
        """Return the monitor units up to a moment: those of the beam since the last report."""
        rate = self.settings.dose_rate_mu_min / 60e9
        if t_ns > self._counted_ns:
            if self._gate.on_at(t_ns):
                self._units += rate * (t_ns - self._counted_ns)
            self._counted_ns = t_ns
        return round(self._units, 3)


def with_arc(room: RoomScenario) -> RoomScenario:
    """Give a room a linac that reports, and whose gantry turns to and fro over an arc."""
    arc = LinacSettings(enabled=True, gantry_deg=180.0, gantry_deg_s=6.0, arc_deg=358.0)
    return msgspec.structs.replace(room, linac=arc)
