"""The learning phase: find directions and scales of every source from a few quiet breaths.

A source of points is learned by principal directions: each point's direction is that of its
largest variance. The points of all sources share one common amplitude, by least squares. A source
of a value is learned by regression on that amplitude.

Without a source of points there is no direction and no millimetre. The first value that moves is
then the reference: the amplitude is its value, less its mean, in units of its standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.messages import Triple
from tracker.core.surrogate.fusion import MotionModel, Points, Value
from tracker.core.surrogate.sources.source import Direction, Reading
from tracker.core.surrogate.sources.traits import Form, SourceTraits

_PATIENCE = 2.0
"""Times the learning phase after which sources that could not be learned are left out."""
_FEWEST_VALUES = 20
"""Samples of a value that a regression needs."""
Floats = NDArray[np.float64]


class Learned(NamedTuple):
    """What was found: the model, and of each source its directions and what it gave.

    ``directions`` is ``None`` for a source that is left out, and empty for a value.
    """

    model: MotionModel
    directions: tuple[tuple[Direction, ...] | None, ...]
    used: tuple[list[Reading], ...]
    """The readings of each source that were learned from, in order of time."""
    begun_ns: int
    """Time of the first reading that was learned from."""


class _PointsFound(NamedTuple):
    """The points of one source: where they rest, how they move."""

    readings: list[Reading]
    times: Floats
    rests: Floats
    directions: Floats
    signals: Floats
    """Displacement along each direction, (frames, points)."""

    def turned(self) -> _PointsFound:
        return self._replace(directions=-self.directions, signals=-self.signals)


class Learning:
    """Gathers the readings of all sources while the patient breathes quietly."""

    def __init__(self, since_ns: int, sources: Sequence[SourceTraits]) -> None:
        """Begin at ``since_ns``."""
        self._since_ns = since_ns
        self._sources = sources
        self._readings: tuple[list[Reading], ...] = tuple([] for _ in sources)

    def add(self, source: int, reading: Reading) -> None:
        """Keep the reading of the source with this number."""
        self._readings[source].append(reading)

    def conclude(self, now_ns: int, learning_s: float) -> Learned | str:
        """Return what was learned, or a sentence that says what is still missing."""
        waited_s = (now_ns - self._since_ns) * 1e-9
        if learning_s - waited_s > 0:
            return f"{learning_s - waited_s:.0f} s of quiet breathing are still missing"
        if all(traits.form is Form.VALUE for traits in self._sources):
            return self._from_values(learning_s)
        patient = waited_s < _PATIENCE * learning_s
        whole, missing = self._whole_frames(learning_s)
        if missing and (patient or not whole):
            return "; ".join(missing)
        found: dict[int, _PointsFound] = {}
        for number, frames in whole.items():
            points = _points(frames)
            largest, least = float(points.signals.std(axis=0).max()), _least(self._sources[number])
            if largest < least:
                what = f"points move only {largest:.2f} mm; no breathing seen"
                missing.append(f"{self._sources[number].device}: {what}")
            else:
                found[number] = points
        if missing and (patient or not found):
            return "; ".join(missing)
        return self._from_points(found)

    def _whole_frames(self, learning_s: float) -> tuple[dict[int, list[Reading]], list[str]]:
        """Return the whole frames of each source that has enough, and what the others lack."""
        whole: dict[int, list[Reading]] = {}
        missing: list[str] = []
        for number, traits in enumerate(self._sources):
            if traits.form is Form.VALUE:
                continue
            frames = _whole(self._readings[number])
            needed = round(0.5 * learning_s * traits.rate_hz)
            if frames and len(frames) >= needed:
                whole[number] = frames
            else:
                what = f"{len(frames)} frames with every point seen, {needed} needed"
                missing.append(f"{traits.device}: {what}")
        return whole, missing

    def _from_points(self, found: dict[int, _PointsFound]) -> Learned:
        numbers = list(found)
        reference = found[numbers[0]]
        for number in numbers[1:]:
            if _opposed(found[number], reference):
                found[number] = found[number].turned()
        spreads = np.concatenate([points.signals.std(axis=0) for points in found.values()])
        amplitudes = spreads / spreads.mean()
        weights = amplitudes / float(np.sum(amplitudes**2))
        own = amplitudes[: reference.signals.shape[1]]
        y = reference.signals @ (own / float(np.sum(own**2)))
        filtered: list[Points | Value] = []
        directions: list[tuple[Direction, ...] | None] = []
        used: list[list[Reading]] = []
        for number, traits in enumerate(self._sources):
            readings = self._readings[number]
            points = found.get(number)
            if traits.form is Form.VALUE:
                filtered.append(_value(traits, readings, reference.times, y))
                directions.append(())
            elif points is None:
                filtered.append(Points(0, traits.noise, traits.rate_hz))
                directions.append(None)
                readings = []
            else:
                filtered.append(Points(len(points.rests), traits.noise, traits.rate_hz))
                directions.append(_as_directions(points))
                readings = points.readings
            used.append(readings)
        model = MotionModel(
            tuple(amplitudes.tolist()), tuple(weights.tolist()), float(y.std()), tuple(filtered)
        )
        begun_ns = min(points.readings[0][0] for points in found.values())
        return Learned(model, tuple(directions), tuple(used), begun_ns)

    def _from_values(self, learning_s: float) -> Learned | str:
        """Learn without points: the first value that moves is the amplitude's measure."""
        missing: list[str] = []
        for number, traits in enumerate(self._sources):
            scale = _own_scale(self._readings[number], traits, learning_s)
            if not isinstance(scale, str):
                return self._from_reference(number, *scale)
            missing.append(f"{traits.device}: {scale}")
        return "; ".join(missing)

    def _from_reference(self, reference: int, mean: float, deviation: float) -> Learned:
        readings = self._readings[reference]
        times = np.array([t for t, _ in readings], dtype=np.float64)
        y = (np.array([values[0] for _, values in readings]) - mean) / deviation
        sources = tuple(
            # The amplitude is defined by the reference, so that its gain and offset cannot wander.
            Value(traits.noise, deviation, mean, 0.0, 0.0, 0.0, 0.0)
            if number == reference
            else _value(traits, self._readings[number], times, y)
            for number, traits in enumerate(self._sources)
        )
        directions: tuple[tuple[Direction, ...] | None, ...] = tuple(() for _ in self._sources)
        model = MotionModel((1.0,), (1.0,), 1.0, sources)
        return Learned(model, directions, self._readings, readings[0][0])


def _whole(readings: list[Reading]) -> list[Reading]:
    """Return the frames in which every point was seen; none when frames hold no points."""
    if not readings:
        return []
    sizes = [len(values) for _, values in readings]
    size = max(set(sizes), key=sizes.count)
    return [
        (t, values)
        for t, values in readings
        if len(values) == size > 0 and not any(map(math.isnan, values))
    ]


def _points(frames: list[Reading]) -> _PointsFound:
    """Find rest, direction and signal of each point."""
    times = np.array([t for t, _ in frames], dtype=np.float64)
    points = np.array([values for _, values in frames]).reshape(len(frames), -1, 3)
    rests = points.mean(axis=0)
    signals, directions = _principal(points - rests)
    return _PointsFound(frames, times, rests, directions, signals)


def _own_scale(
    readings: list[Reading], traits: SourceTraits, learning_s: float
) -> tuple[float, float] | str:
    """Return mean and standard deviation of a value; a sentence when the material is too thin."""
    needed = round(0.5 * learning_s * traits.rate_hz)
    if len(readings) < needed:
        return f"{len(readings)} samples, {needed} needed"
    values = np.array([values[0] for _, values in readings])
    mean, deviation = float(values.mean()), float(values.std())
    if deviation < _least(traits) or deviation == 0.0:
        return f"value moves only {deviation:.2g}; no breathing seen"
    return mean, deviation


def _value(traits: SourceTraits, readings: list[Reading], times: Floats, y: Floats) -> Value:
    """Regress a value on the amplitude; with too few samples its gain is unknown and says so."""
    samples = [(t, values[0]) for t, values in readings if times[0] <= t <= times[-1]]
    if len(samples) < _FEWEST_VALUES:
        gain, offset, gain_sigma, offset_sigma = 1.0, 0.0, 1e3, 1e6
    else:
        gain, offset, gain_sigma, offset_sigma = _regressed(samples, times, y)
    walk = traits.drift_per_s * gain
    return Value(traits.noise, gain, offset, gain_sigma, offset_sigma, walk, walk * 10.0)


def _regressed(
    samples: list[tuple[int, float]], times: Floats, y: Floats
) -> tuple[float, float, float, float]:
    """Return gain and offset of a value against the amplitude, and their standard deviations."""
    t = np.array([s[0] for s in samples], dtype=np.float64)
    values = np.array([s[1] for s in samples])
    design = np.stack([np.interp(t, times, y), np.ones(t.size)], axis=1)
    (gain, offset), *_ = np.linalg.lstsq(design, values, rcond=None)
    residual = values - design @ np.array([gain, offset])
    # Residuals of a belt are correlated over about a second, not independent.
    effective = max(4.0, t.size / 100.0)
    variance = float(np.mean(residual**2))
    spread = float(np.var(design[:, 0])) + 1e-9
    return (
        float(gain),
        float(offset),
        math.sqrt(variance / (spread * effective)) + 0.02 * abs(float(gain)),
        math.sqrt(variance / effective) + 1e-6,
    )


def _principal(centred: Floats) -> tuple[Floats, Floats]:
    """Return each point's signal (frames, points) along its main direction (points, 3).

    Signs: the strongest point's direction points anterior (inhaling is positive); the others move
    with it.
    """
    points = centred.shape[1]
    directions = np.empty((points, 3))
    signals = np.empty(centred.shape[:2])
    for i in range(points):
        _, vectors = np.linalg.eigh(centred[:, i].T @ centred[:, i])
        directions[i] = vectors[:, -1]
        signals[:, i] = centred[:, i] @ directions[i]
    strongest = int(np.argmax(signals.std(axis=0)))
    if directions[strongest, 2] < 0:
        directions[strongest] *= -1
        signals[:, strongest] *= -1
    for i in range(points):
        if signals[:, i] @ signals[:, strongest] < 0:
            directions[i] *= -1
            signals[:, i] *= -1
    return signals, directions


def _opposed(points: _PointsFound, reference: _PointsFound) -> bool:
    """Return whether the points move against those of the reference."""
    own: Floats = points.signals.mean(axis=1)
    shown: Floats = reference.signals.mean(axis=1)
    common = np.asarray(np.interp(points.times, reference.times, shown), np.float64)
    return float(own @ common) < 0.0


def _as_directions(points: _PointsFound) -> tuple[Direction, ...]:
    return tuple(
        (_triple(rest), _triple(direction))
        for rest, direction in zip(points.rests, points.directions, strict=True)
    )


def _triple(vector: Floats) -> Triple:
    x, y, z = vector.tolist()
    return (x, y, z)


def _least(traits: SourceTraits) -> float:
    """Return how far (standard deviation) a sensor must move for breathing to be seen in it."""
    return 3.0 * traits.noise / math.sqrt(10.0)
