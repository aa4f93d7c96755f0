"""Simulate the patient: chest, markers and target over time, from a recording or generated.

Everything is in the patient frame (+X left, +Y superior, +Z anterior), in millimetres; the target
relative to its mean over the first ``reference_s`` seconds, which is where the isocentre is put.
Between recorded samples the motion follows a shape-preserving cubic that looks at most two samples
ahead. Nothing is normalised over more than the first ``reference_s``. So samples later than that do
not change the patient's earlier motion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from hal.messages import Triple
from sim import breathing, mishaps
from sim.chance import SlowNoise, stream
from sim.geometry import rotated
from sim.recording import MotionChannels, Recording, motion_channels
from sim.scenario import Axis, ChestMarker, Derived, Mishap, RoomScenario
from sim.scenario import RoomPatient as PatientSettings

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]
"""Times (N,) in seconds to values (N, C); constant before the first and after the last sample."""

HYSTERESIS_S = 0.5
REFERENCE_STEP_S = 0.02
REFERENCE_SHARE = 1.0 / 3.0
"""Share of the time that counts as the end of exhale, or of inhale."""
EXHALED_OVER_S = 20.0
"""The time before a change of depth in which the end of exhale is looked for."""
EXHALED_SHARE = 0.1
"""The share of that time that counts as end of exhale."""


class Parts(NamedTuple):
    """The signals of a patient, before they are related to the reference point."""

    chest: Curve
    """Shape (N, 1)."""
    target: Curve
    """Shape (N, 3)."""
    markers: tuple[Curve, ...]
    """Displacement of each recorded 3-D marker, (N, 3) each; empty: chest markers are derived."""
    marker_rest_mm: tuple[Triple, ...]
    unscored: tuple[tuple[float, float], ...]
    duration_s: float
    target_lag_s: Triple = (0.0, 0.0, 0.0)
    """The lag of the target behind the chest, per axis; 0 where it was recorded."""
    chest_lag_s: float = 0.0
    """The lag of the chest behind the target it was derived from."""


class Exhaled(NamedTuple):
    """The position at end of exhale when the depth changes, from the zero of each signal."""

    chest_mm: float
    target_mm: Floats
    """Shape (3,)."""
    markers_mm: tuple[Floats, ...]
    """Of each recorded marker, (3,)."""


class SimulatedPatient:
    """A breathing patient; every method is a pure function of time."""

    def __init__(self, room: RoomScenario, parts: Parts) -> None:
        """Make a patient from its signals; call `generated` or `recorded` instead."""
        self.duration_s = parts.duration_s
        self._parts = parts
        self._settings = room.patient
        self._mishaps: tuple[Mishap, ...] = tuple(m for m in room.mishaps if m.on == "patient")
        first = np.arange(0.0, min(room.patient.reference_s, parts.duration_s), REFERENCE_STEP_S)
        self._target_zero = self._reference(parts.target(first))
        self._chest_zero = float(parts.chest(first).mean())
        self.reference_mm: Triple = as_triple(self._target_zero)
        """Where the plan has the target, from the recording's zero."""
        deeper = (mishap for mishap in self._mishaps if mishap.kind in mishaps.DEEPER)
        self._deeper = [(mishap, self._exhaled(mishap.at_s)) for mishap in deeper]
        derived_rest = tuple(marker.rest_mm for marker in room.patient.markers)
        self.marker_rest_mm = parts.marker_rest_mm if parts.markers else derived_rest
        """Where the markers lie at rest, from the target's reference point, one a marker."""

    def _reference(self, target: Floats) -> Floats:
        """Return where the plan has the target, (3,), from positions (N, 3).

        It is the mean of them all, or of those nearest to the end of exhale or inhale.
        """
        phase = self._settings.reference
        if phase == "mean":
            return target.mean(axis=0)
        inhaled = (target - target.mean(axis=0)) @ main_direction(target)
        if phase == "exhale":
            return target[inhaled <= np.quantile(inhaled, REFERENCE_SHARE)].mean(axis=0)
        return target[inhaled >= np.quantile(inhaled, 1.0 - REFERENCE_SHARE)].mean(axis=0)

    @classmethod
    def generated(cls, room: RoomScenario, seed: int) -> SimulatedPatient:
        """Make a patient who breathes as ``room.patient.breathing`` says."""
        breath = breathing.breathe(
            room.patient.breathing,
            room.duration_s,
            stream(seed, "patient", "cycles"),
            stream(seed, "patient", "wander"),
        )
        chest = curve(breath.times_s, breath.chest_mm[:, None])
        target = curve(breath.times_s, breath.target_mm)
        lag_s = room.patient.breathing.target_lag_s
        return cls(room, Parts(chest, target, (), (), (), room.duration_s, target_lag_s=lag_s))

    @classmethod
    def recorded(cls, room: RoomScenario, recording: Recording, seed: int) -> SimulatedPatient:
        """Make a patient of a recording; the half that was not recorded is derived from the rest.

        Raises `ValueError` if the recording ends before ``room.patient.start_s``.
        """
        how = room.patient.derived
        start = room.patient.start_s
        duration = float(recording.times_s[-1]) - start
        if duration <= 0.0:
            what = f"{recording.name} lasts {float(recording.times_s[-1]):g} s"
            raise ValueError(f"{what}, but room.patient.start_s is {start:g}; start earlier")
        times = recording.times_s - start
        motion = motion_channels(recording.channels)
        markers, rest = recorded_markers(room.patient, motion, times, recording.values)
        chest = recorded_chest(room.patient, motion, times, recording.values, markers)
        target = recorded_target(motion, times, recording.values)
        slow = SlowNoise.drawn(
            stream(seed, "patient", "wander"), duration,
            how.wander_mm, how.wander_s, axes=3,
        )  # fmt: skip
        target_s = how.lag_s if target is None else 0.0
        chest_lag_s = how.lag_s if chest is None else 0.0
        if target is None and chest is not None:
            target = derived(chest, np.array([how.target_ratio]), how, slow)
        elif chest is None and target is not None:
            first_s = min(room.patient.reference_s, duration)
            direction = main_direction(target(np.arange(0.0, first_s, REFERENCE_STEP_S)))
            weights = how.chest_ratio * direction[:, None]
            chest = derived(target, weights, how, SlowNoise(slow.knots[:, :1]))
        if target is None or chest is None:
            raise ValueError(f"{recording.name} has no channel that moves; name another trace")
        spans = [*recording.gaps, *long_gaps(recording, motion, room.patient.bridge_s)]
        unscored = tuple((a - start, b - start) for a, b in spans)
        target_lag_s = (target_s, target_s, target_s)
        return cls(
            room,
            Parts(chest, target, markers, rest, unscored, duration, target_lag_s, chest_lag_s),
        )

    def belt(self, times_s: Floats) -> Floats:
        """Return the chest signal that drives the belt, (N,) in mm toward anterior."""
        held = mishaps.patient_time(self._mishaps, times_s)
        moved = self._parts.chest(held)[:, 0]
        for mishap, exhaled in self._deeper:
            late = times_s - self._parts.chest_lag_s
            moved += mishaps.deeper(mishap, late) * (moved - exhaled.chest_mm)
        return moved - self._chest_zero + mishaps.chest_added(self._mishaps, times_s)

    def internal(self, times_s: Floats) -> Floats:
        """Return the target's displacement from the reference point, (N, 3)."""
        lagging = mishaps.target_time(self._mishaps, times_s)
        moved = self._parts.target(mishaps.patient_time(self._mishaps, lagging))
        for mishap, exhaled in self._deeper:
            deeper = [mishaps.deeper(mishap, lagging - lag_s) for lag_s in self._parts.target_lag_s]
            moved += np.stack(deeper, axis=1) * (moved - exhaled.target_mm)
        return moved - self._target_zero + mishaps.target_added(self._mishaps, times_s)

    def external(self, times_s: Floats) -> Floats:
        """Return each marker's displacement from rest, (N, markers, 3)."""
        if self._parts.markers:
            held = mishaps.patient_time(self._mishaps, times_s)
            added = mishaps.chest_added(self._mishaps, times_s)
            moved = np.stack([marker(held) for marker in self._parts.markers], axis=1)
            for mishap, exhaled in self._deeper:
                deeper = mishaps.deeper(mishap, times_s)[:, None, None]
                moved += deeper * (moved - np.array(exhaled.markers_mm))
            return moved + added[:, None, None] * np.array([0.0, 0.0, 1.0])
        return np.stack([self._marker(m, times_s) for m in self._settings.markers], axis=1)

    def scored(self, times_s: Floats) -> NDArray[np.bool_]:
        """Return where the truth is known, (N,): False in marked and in long unsampled spans."""
        held = mishaps.patient_time(self._mishaps, times_s)
        known = np.ones(len(held), dtype=np.bool_)
        for start, end in self._parts.unscored:
            known &= ~((held >= start) & (held <= end))
        return known

    def _exhaled(self, at_s: float) -> Exhaled:
        """Return the end of exhale in the breaths before ``at_s``, or in the first ones."""
        parts = self._parts
        own_s = float(mishaps.patient_time(self._mishaps, np.array([at_s]))[0])
        first_s = max(0.0, own_s - EXHALED_OVER_S)
        times = np.arange(first_s, first_s + EXHALED_OVER_S, REFERENCE_STEP_S)
        target = parts.target(times)
        inhaled = target @ main_direction(target)
        lowest = times[inhaled <= np.quantile(inhaled, EXHALED_SHARE)]
        return Exhaled(
            float(parts.chest(lowest).mean()),
            parts.target(lowest).mean(axis=0),
            tuple(marker(lowest).mean(axis=0) for marker in parts.markers),
        )

    def _marker(self, marker: ChestMarker, times_s: Floats) -> Floats:
        direction = np.array(marker.direction)
        length = float(np.linalg.norm(direction))
        late = self.belt(times_s - marker.lag_s)
        return np.outer(marker.ratio * late, direction / max(length, 1e-9))


def curve(times_s: Floats, values: Floats) -> Curve:
    """Join samples (N, C) by a monotone cubic; rows with a missing value are bridged."""
    whole = np.isfinite(values).all(axis=1)
    knots, points = times_s[whole], values[whole]
    joined = PchipInterpolator(knots, points, axis=0, extrapolate=False)
    first, last = knots[0], knots[-1]

    def at(times: Floats) -> Floats:
        return np.asarray(joined(np.clip(times, first, last)), dtype=np.float64)

    return at


def derived(source: Curve, weights: Floats, how: Derived, slow: SlowNoise) -> Curve:
    """Return the half that was not recorded: ``source`` times ``weights`` (C, D), late and looped.

    ``y(t) = w . [x(t - lag) + h (x(t - lag) - x(t - lag - 0.5 s))] + slow noise(t)``
    """

    def at(times: Floats) -> Floats:
        late = source(times - how.lag_s)
        change = late - source(times - how.lag_s - HYSTERESIS_S)
        looped = late + how.hysteresis * change
        moved = slow.at(times)
        for column, weight in zip(looped.T, weights, strict=True):
            moved += column[:, None] * weight
        return moved

    return at


def main_direction(target: Floats) -> Floats:
    """Return the unit direction of most motion of positions (N, 3), (3,), pointing to inhale."""
    moved = target - target.mean(axis=0)
    spread = (moved[:, :, None] * moved[:, None, :]).sum(axis=0)
    direction = np.linalg.eigh(spread).eigenvectors[:, -1]
    # Inhale lowers SI and raises AP.
    return direction if float(direction[2] - direction[1]) >= 0.0 else -direction


def recorded_target(motion: MotionChannels, times_s: Floats, values: Floats) -> Curve | None:
    """Return the target as recorded, or None; an axis that was not recorded stays at 0."""
    if not motion.has_internal:
        return None
    columns = [np.zeros(len(times_s)) if c is None else values[:, c] for c in motion.internal]
    return curve(times_s, np.stack(columns, axis=1))


def recorded_chest(
    settings: PatientSettings,
    motion: MotionChannels,
    times_s: Floats,
    values: Floats,
    markers: Sequence[Curve],
) -> Curve | None:
    """Return the chest signal as recorded: a lone channel, or AP of the marker that moves most."""
    early = (times_s >= 0.0) & (times_s < settings.reference_s)
    if motion.scalar is not None:
        signal = values[:, motion.scalar]
        if motion.scalar_unit == "au":
            part = signal[early & np.isfinite(signal)]
            swing = float(np.subtract(*np.percentile(part, [95, 5]))) if len(part) else 0.0
            signal = signal * (settings.chest_amplitude_mm / swing if swing > 0.0 else 1.0)
        return curve(times_s, signal[:, None])
    if not markers:
        return None
    grid = np.arange(0.0, settings.reference_s, REFERENCE_STEP_S)
    most = max(markers, key=lambda marker: float(np.std(marker(grid)[:, 2])))
    return lambda times: most(times)[:, 2:]


def recorded_markers(
    settings: PatientSettings, motion: MotionChannels, times_s: Floats, values: Floats
) -> tuple[tuple[Curve, ...], tuple[Triple, ...]]:
    """Return displacement and rest of every recorded 3-D marker, turned into the patient frame.

    The markers keep their true distances; their middle is put where the settings' markers have
    theirs, since a recording does not say where the target was.
    """
    if not motion.markers:
        return (), ()
    turn = axis_matrix(settings.trace_axes)
    curves = [curve(times_s, rotated(values[:, list(columns)], turn)) for columns in motion.markers]
    grid = np.arange(0.0, min(settings.reference_s, float(times_s[-1])), REFERENCE_STEP_S)
    zeros = np.stack([marker(grid).mean(axis=0) for marker in curves])
    middle = np.mean([marker.rest_mm for marker in settings.markers], axis=0)
    rests = zeros - zeros.mean(axis=0) + middle
    moving = tuple(less(marker, zero) for marker, zero in zip(curves, zeros, strict=True))
    return moving, tuple(as_triple(rest) for rest in rests)


def less(source: Curve, zero: Floats) -> Curve:
    """Return the curve minus a constant."""
    return lambda times: source(times) - zero


def axis_matrix(axes: tuple[Axis, Axis, Axis]) -> Floats:
    """Return the (3, 3) matrix from recorded to patient axes; axes must be three different ones."""
    if sorted(axis[-1] for axis in axes) != ["x", "y", "z"]:
        raise ValueError(f"room.patient.trace_axes is {list(axes)}; name x, y and z once each")
    matrix = np.zeros((3, 3))
    for row, axis in enumerate(axes):
        matrix[row, "xyz".index(axis[-1])] = -1.0 if axis.startswith("-") else 1.0
    return matrix


def long_gaps(
    recording: Recording, motion: MotionChannels, bridge_s: float
) -> list[tuple[float, float]]:
    """Return spans longer than ``bridge_s`` (and 3 samples) without a sample of what is followed.

    Followed is the target where it was recorded, else the chest it is derived from.
    """
    if motion.has_internal:
        columns = [column for column in motion.internal if column is not None]
    elif motion.scalar is not None:
        columns = [motion.scalar]
    else:
        columns = [column for triple in motion.markers for column in triple]
    times = recording.times_s[np.isfinite(recording.values[:, columns]).all(axis=1)]
    ends = [float(recording.times_s[0]), *times.tolist(), float(recording.times_s[-1])]
    longest = max(bridge_s, 3.0 * float(np.median(np.diff(recording.times_s))))
    return [(a, b) for a, b in pairwise(ends) if b - a > longest]


def as_triple(values: Floats) -> Triple:
    """Return three plain floats."""
    x, y, z = values.tolist()
    return (x, y, z)
