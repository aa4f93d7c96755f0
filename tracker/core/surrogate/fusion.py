"""Fusion: one breathing state out of N markers and a belt, each with its own rate, delay and noise.

`tracker.core.surrogate.fusion_kernel` holds the filter and its rewinding. This file owns the
buffer, chooses process noise and tells how old and how sure the state is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tracker.core.settings import Belt, Camera, Fusion
from tracker.core.surrogate import fusion_kernel as kernel

_SMALLEST_SPREAD_MM = 0.5


class MotionModel(NamedTuple):
    """What the learning phase found: how the markers move together, and the belt's scale.

    ``amplitudes`` are the markers' motions relative to their mean; ``weights`` make the common
    amplitude y = sum w_i s_i the least-squares one (s_i = a_i y). ``spread_mm`` is the standard
    deviation of y over the learning phase. Gain in au/mm, offset in au.
    """

    amplitudes: tuple[float, ...]
    weights: tuple[float, ...]
    spread_mm: float
    belt_gain: float
    belt_offset: float
    belt_gain_sigma: float
    belt_offset_sigma: float


class BreathingState(NamedTuple):
    """The breathing at one moment: common amplitude (mm), velocity (mm/s), variances, markers."""

    t_ns: int
    amplitude_mm: float
    velocity_mm_s: float
    amplitude_variance: float
    velocity_variance: float
    cross_variance: float
    markers_mm: tuple[float, ...]


class BreathingRange(NamedTuple):
    """Middle and half of the amplitude's range, and the speed that belongs to it."""

    middle_mm: float
    half_range_mm: float
    speed_mm_s: float

    def phase(self, amplitude_mm: float, velocity_mm_s: float) -> float:
        """Give the part of the breathing cycle, 0 to 1: the angle of amplitude and velocity."""
        angle = math.atan2(
            velocity_mm_s / self.speed_mm_s, (amplitude_mm - self.middle_mm) / self.half_range_mm
        )
        return (angle / (2.0 * math.pi) + 0.5) % 1.0


class SurrogateFilter:
    """The Kalman filter over markers and belt, with a bounded buffer for late samples."""

    def __init__(
        self, model: MotionModel, camera: Camera, belt: Belt, fusion: Fusion, start_ns: int
    ) -> None:
        """Start at ``start_ns`` with the markers anywhere near zero."""
        markers = len(model.amplitudes)
        self.markers = markers
        size = 2 * markers + 2
        rate = camera.rate_hz + (belt.rate_hz if belt.enabled else 0.0)
        capacity = kernel.ROOM * max(16, math.ceil(rate * fusion.history_ms / 1000.0))
        self._times = np.zeros(capacity, np.int64)
        self._kinds = np.zeros(capacity, np.int64)
        self._data = np.zeros((capacity, markers))
        self._states = np.zeros((capacity, size))
        self._covariances = np.zeros((capacity, size, size))
        self._meta = np.zeros(4, np.int64)
        spread = max(model.spread_mm, _SMALLEST_SPREAD_MM)
        self._params = np.array(
            [
                (fusion.agility_per_s2 * spread) ** 2,
                (fusion.own_agility_per_s2 * spread) ** 2,
                camera.noise_mm**2,
                belt.noise_au**2,
                (belt.gain_drift_per_s * model.belt_gain) ** 2,
                (belt.gain_drift_per_s * model.belt_gain * 10.0) ** 2,
                fusion.gate_sigma,
                *model.amplitudes,
                *model.weights,
            ]
        )
        x, p = self._states[0], self._covariances[0]
        x[-2], x[-1] = model.belt_gain, model.belt_offset
        for i in range(markers):
            p[2 * i, 2 * i] = 400.0
            p[2 * i + 1, 2 * i + 1] = 400.0
        p[-2, -2] = model.belt_gain_sigma**2
        p[-1, -1] = model.belt_offset_sigma**2
        self._times[0] = start_ns
        self._meta[kernel.COUNT] = 1
        self._z = np.full(markers, np.nan)
        self._out = np.zeros(5 + 2 * markers)
        self.newest_markers_ns = -1
        self.newest_belt_ns = -1

    def _insert(self, t_ns: int, kind: int) -> bool:
        return kernel.insert(  # pyright: ignore[reportUnknownMemberType]
            self._times,
            self._kinds,
            self._data,
            self._states,
            self._covariances,
            self._meta,
            self._params,
            self.markers,
            t_ns,
            kind,
            self._z,
        )

    @property
    def applied(self) -> int:
        """How many components of the last sample the gate let through."""
        return int(self._meta[kernel.APPLIED])

    @property
    def rejected(self) -> int:
        """How many components of the last sample the gate kept out."""
        return int(self._meta[kernel.REJECTED])

    def take_markers(self, t_ns: int, displacements_mm: tuple[float | None, ...]) -> bool:
        """Apply marker displacements at their exposure time; False when it is too old."""
        z = self._z
        for i, value in enumerate(displacements_mm):
            z[i] = math.nan if value is None else value
        if not self._insert(t_ns, kernel.MARKERS):
            return False
        if self._meta[kernel.APPLIED] and t_ns > self.newest_markers_ns:
            self.newest_markers_ns = t_ns
        return True

    def take_belt(self, t_ns: int, value_au: float) -> bool:
        """Apply a belt sample at its own time; False when it is too old."""
        self._z[0] = value_au
        if not self._insert(t_ns, kernel.BELT):
            return False
        if self._meta[kernel.APPLIED] and t_ns > self.newest_belt_ns:
            self.newest_belt_ns = t_ns
        return True

    @property
    def newest_ns(self) -> int:
        """Time of the newest sample the state rests on; -1 before the first."""
        return max(self.newest_markers_ns, self.newest_belt_ns)

    def state_at(self, t_ns: int) -> BreathingState | None:
        """Give the state at ``t_ns``; None when that is before the buffer."""
        out = self._out
        known = kernel.read(  # pyright: ignore[reportUnknownMemberType]
            self._times,
            self._states,
            self._covariances,
            self._meta,
            self._params,
            self.markers,
            t_ns,
            out,
        )
        if not known:
            return None
        values: list[float] = out.tolist()
        return BreathingState(
            t_ns,
            values[0],
            values[1],
            values[2],
            values[3],
            values[4],
            tuple(values[5 : 5 + self.markers]),
        )

    @property
    def belt_gain(self) -> float:
        """The belt's present gain in au/mm."""
        return float(self._states[self._meta[kernel.COUNT] - 1, -2])
