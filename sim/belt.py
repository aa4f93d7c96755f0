"""Simulate the breathing belt: it measures the chest in its own unit, with a drifting gain."""

from __future__ import annotations

import numpy as np

from hal.messages import BadSample, BeltSample, Sample
from sim import mishaps as trouble
from sim.actuator import SimulatedActuator
from sim.chance import stream
from sim.sampling import sampling
from sim.scenario import RoomBelt as BeltSettings
from sim.source_twin import SourceTwinKind, Surroundings


class SimulatedBelt:
    """The twin of the belt: ``offset + gain chest + curvature chest^2 + noise``."""

    def __init__(self, settings: BeltSettings, around: Surroundings) -> None:
        """Compute all samples of the run beforehand; the couch's motion does not change them."""
        name, self.device, patient, _, mishaps, seed = around
        self._plan = plan = sampling(
            name, mishaps, seed, patient.duration_s,
            rate_hz=settings.rate_hz, delay_ms=settings.delay_ms, jitter_ms=settings.jitter_ms,
            clock_ppm=settings.clock_ppm, first_tick=settings.first_tick, phase=0.61,
        )  # fmt: skip
        times = plan.exposure_s
        chest = patient.belt(times)
        step = settings.gain_drift_per_s / np.sqrt(settings.rate_hz)
        gain = settings.gain_au_mm
        drawn = {
            purpose: stream(seed, name, purpose).standard_normal(len(times))
            for purpose in ("gain", "offset", "noise", "burst")
        }
        value = settings.offset_au + gain * step * np.cumsum(drawn["offset"])
        value += gain * (1.0 + step * np.cumsum(drawn["gain"])) * chest
        value += settings.curvature_au_mm2 * chest * chest + settings.noise_au * drawn["noise"]
        value += trouble.summed(mishaps, name, "noise", times) * drawn["burst"]
        value += trouble.summed(mishaps, name, "bias", times)
        value += trouble.stepped(mishaps, name, "slip", times)
        value *= np.array(plan.factor)
        self._values: list[float] = value.tolist()
        self._next = 0
        self.due_ns = plan.arrival_ns[0]

    def collect(self, to_ns: int, couch: SimulatedActuator | None, out: list[Sample]) -> None:
        """Append the samples that arrive at or before ``to_ns``."""
        plan = self._plan
        while self.due_ns <= to_ns:
            number = plan.sample[self._next]
            if plan.garbage[self._next]:
                out.append(BadSample(self.device, self.due_ns, "belt value", "nan"))
            else:
                ticks = plan.ticks[self._next]
                out.append(BeltSample(self.device, self.due_ns, ticks, self._values[number]))
            self._next += 1
            self.due_ns = plan.arrival_ns[self._next]


BELT = SourceTwinKind("belt", "belt", BeltSettings, SimulatedBelt)
