"""Measure an actuator's latency from what was demanded and how it moved.

A chirp (a sine of rising frequency) is demanded along one axis. The cross-correlation of demand
and position gives the delay to a few milliseconds. Its Fourier transform gives the delay at each
frequency ``w``, which is not the same for all of them:

    delay(w) = latency + c w^2 + ...        (an even function, for dead time and followers alike)

The fit uses the frequencies with ``w latency`` below `SLOW_RAD`. Its value at ``w = 0`` is what
the controller calls latency: the time from a demand sent to the motion done, for slow motion.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.events import SendDemand
from hal.messages import ActuatorStatus, Triple
from sim.room import SimulatedRoom

Floats = NDArray[np.float64]

LOWEST_HZ, HIGHEST_HZ = 0.05, 0.6
CHIRP_S = 60.0
REST_S = 2.0
"""How long the actuator stands still before and after: both signals begin and end at rest."""
TAPER_S = 5.0
LONGEST_S = 1.0
BREATH_HZ = 0.25
SLOW_RAD = 0.6
LEAST_S = 20.0
AXIS = 1
"""The axis along the body, in which targets move most."""
_GRID_S = 1e-3


class Chirp(NamedTuple):
    """The demand: millimetres along one axis, from where the actuator stood."""

    amplitude_mm: float
    length_s: float = CHIRP_S

    @property
    def duration_s(self) -> float:
        """The length of rest, chirp and rest, in seconds."""
        return REST_S + self.length_s + REST_S

    def at(self, t_s: float) -> float:
        """Return the demand (mm) at a moment since the beginning (s)."""
        inside = t_s - REST_S
        if not 0.0 < inside < self.length_s:
            return 0.0
        rate = (HIGHEST_HZ - LOWEST_HZ) / self.length_s
        phase = 2.0 * math.pi * (LOWEST_HZ + 0.5 * rate * inside) * inside
        edge = min(inside, self.length_s - inside) / TAPER_S
        taper = 1.0 if edge >= 1.0 else 0.5 - 0.5 * math.cos(math.pi * edge)
        return self.amplitude_mm * taper * math.sin(phase)


def chirp_for(speed_mm_s: float, acceleration_mm_s2: float, limit_mm: float) -> Chirp:
    """Return a chirp well inside the limits of the actuator: 5 mm, or less."""
    fastest = 2.0 * math.pi * HIGHEST_HZ
    amplitude = min(
        5.0,
        0.4 * speed_mm_s / fastest,
        0.4 * acceleration_mm_s2 / fastest**2,
        0.5 * limit_mm,
    )
    return Chirp(amplitude)


class Latency(NamedTuple):
    """What was measured; milliseconds."""

    slow_ms: float
    error_ms: float
    """Standard error of the fit."""
    correlation_ms: float
    """The delay at which the cross-correlation is highest."""
    breathing_ms: float
    """The delay at 0.25 Hz."""
    gain: float
    """The ratio of motion to demand at 0.25 Hz."""


class Track(NamedTuple):
    """Positions along the axis (mm) at moments (s)."""

    t_s: Floats
    place_mm: Floats


def demanded(commands: list[SendDemand]) -> Track:
    """Return the demands; each holds until the next."""
    return Track(
        np.array([command.t_ns for command in commands]) / 1e9,
        np.array([command.position_mm[AXIS] for command in commands]),
    )


def reported(statuses: list[ActuatorStatus], delay_ms: float) -> Track:
    """Return the positions at the moments they were measured."""
    return Track(
        np.array([status.t_ns for status in statuses]) / 1e9 - delay_ms / 1e3,
        np.array([status.position_mm[AXIS] for status in statuses]),
    )


def latency_of(demand: Track, position: Track) -> Latency:
    """Return the latency of the motion; raises ``ValueError`` where the actuator did not follow."""
    begin = max(float(demand.t_s[0]), float(position.t_s[0]))
    end = min(float(demand.t_s[-1]), float(position.t_s[-1]))
    if end - begin < LEAST_S:
        raise ValueError(
            f"demands and positions overlap for {end - begin:.1f} s, at least {LEAST_S:g} s needed"
        )
    grid = np.arange(begin, end, _GRID_S)
    held = np.searchsorted(demand.t_s, grid, side="right") - 1
    asked = demand.place_mm[held] - demand.place_mm[0]
    moved = np.interp(grid, position.t_s, position.place_mm)
    moved = moved - np.median(moved[: round(REST_S / 2 / _GRID_S)])
    if np.std(moved) < 0.2 * np.std(asked):
        raise ValueError(
            f"the actuator moved {np.std(moved):.3f} mm (rms) where {np.std(asked):.3f} mm were "
            "demanded; it does not follow"
        )
    rough_s = _highest(asked, moved)
    hz = np.arange(LOWEST_HZ, HIGHEST_HZ, 0.25 / (end - begin))
    rotations = np.exp(-2j * np.pi * np.outer(hz, grid - begin))
    into, out = rotations @ asked, rotations @ moved
    transfer = out / into
    omega = 2.0 * np.pi * hz
    delay = rough_s - np.angle(transfer * np.exp(1j * omega * rough_s)) / omega
    slow = omega * max(rough_s, 0.01) <= SLOW_RAD
    if np.count_nonzero(slow) < 8:
        slow = np.arange(len(hz)) < 8
    latency, error = _at_rest(omega[slow], delay[slow], np.abs(into[slow]) * omega[slow])
    breath = int(np.argmin(np.abs(hz - BREATH_HZ)))
    return Latency(
        1e3 * latency,
        1e3 * error,
        1e3 * rough_s,
        1e3 * float(delay[breath]),
        float(abs(transfer[breath])),
    )


def _highest(asked: Floats, moved: Floats) -> float:
    """Return the delay (s) of the highest cross-correlation, from 0 to a second."""
    size = 1 << (2 * len(asked) - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(moved, size) * np.conj(np.fft.rfft(asked, size)), size)
    return int(np.argmax(cross[: round(LONGEST_S / _GRID_S) + 1])) * _GRID_S


def _at_rest(omega: Floats, delay: Floats, weight: Floats) -> tuple[float, float]:
    """Return the delay in the limit of frequency 0, and its standard error."""
    design = np.column_stack([np.ones_like(omega), omega**2]) * weight[:, None]
    wanted = delay * weight
    found, *_ = np.linalg.lstsq(design, wanted, rcond=None)
    left = wanted - design @ found
    freedom = max(1, len(omega) - 2)
    covariance = np.linalg.inv(design.T @ design) * float(left @ left) / freedom
    return float(found[0]), math.sqrt(max(0.0, float(covariance[0, 0])))


def measure_in_room(room: SimulatedRoom, chirp: Chirp, tick_ns: int, delay_ms: float) -> Latency:
    """Move the simulated actuator through the chirp on virtual time."""
    device = room.devices.actuator
    commands: list[SendDemand] = []
    statuses: list[ActuatorStatus] = []
    for k in range(1, round(chirp.duration_s * 1e9 / tick_ns)):
        now_ns = k * tick_ns
        for sample in room.advance(now_ns):
            if isinstance(sample, ActuatorStatus):
                statuses.append(sample)
        place: list[float] = [0.0, 0.0, 0.0]
        place[AXIS] = chirp.at(now_ns / 1e9)
        command = SendDemand(now_ns, device, triple(place))
        commands.append(command)
        room.obey(command)
    return latency_of(demanded(commands), reported(statuses, delay_ms))


def triple(values: list[float]) -> Triple:
    """Return three numbers as a position."""
    x, y, z = values
    return (x, y, z)
