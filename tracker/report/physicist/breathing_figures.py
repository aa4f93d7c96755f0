"""Measure the breathing: period, amplitude, their change, drift, hysteresis, and the surrogates.

Breaths are found in the fused surrogate while tracking. A breath goes from one end of exhale to the
next; the end of exhale is the side where the signal stays longer. Which side that is, and the least
depth of a breath, are taken from the same session: this describes, it does not predict.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from tracker.core.frames import CameraPoint, CameraPose
from tracker.report.errors import interpolated
from tracker.report.physicist.gathered import GatheredSession
from tracker.report.records import Table

Vector = NDArray[np.float64]

_GRID_S = 0.04
_LEAST_BREATHS = 4
_LEAST_IMAGES = 5
_LEAST_DEPTH = 0.25
"""A breath is at least this share of the signal's range from the 5th to the 95th percentile."""


class BreathingFigures(NamedTuple):
    """Breathing while tracking; ``None`` where there are too few breaths or images.

    The changes are from the first to the last third of the session. ``drift`` is that of the
    target's position at the end of exhale, in mm/min, in 3-D; ``hysteresis`` the largest distance
    of the last model's paths for inhaling and exhaling.
    """

    breaths: int
    period_s: float | None = None
    period_sd_s: float | None = None
    period_change_s: float | None = None
    amplitude_mm: float | None = None
    amplitude_sd_mm: float | None = None
    amplitude_change_mm: float | None = None
    target_amplitude_mm: float | None = None
    drift_mm_min: float | None = None
    hysteresis_mm: float | None = None


class SurrogateRelation(NamedTuple):
    """How one surrogate goes with the target in the images: correlation, and from how many."""

    name: str
    correlation: float | None
    images: int


def breathing_of(session: GatheredSession) -> BreathingFigures:
    """Return the breathing's figures from the start of tracking to its end."""
    records = session.records
    hysteresis = _hysteresis(session)
    start_ns = records.tracking_ns
    if start_ns is None:
        return BreathingFigures(0, hysteresis_mm=hysteresis)
    t_s = np.arange(start_ns / 1e9, records.stopped_ns / 1e9, _GRID_S)
    signal = _smooth(_on_grid(records.surrogate[:, :2], t_s))
    ends = _ends_of_exhale(signal)
    if len(ends) < _LEAST_BREATHS + 1:
        return BreathingFigures(max(0, len(ends) - 1), hysteresis_mm=hysteresis)
    period = np.diff(ends) * _GRID_S
    depth = np.array([np.ptp(signal[a : b + 1]) for a, b in pairwise(ends.tolist())])
    target = np.stack(
        [
            _smooth(_on_grid(records.estimate[:, [0, k]], t_s))
            if len(records.estimate) > 1
            else np.full(len(t_s), np.nan)
            for k in (1, 2, 3)
        ],
        axis=1,
    )
    return BreathingFigures(
        breaths=len(period),
        period_s=float(np.median(period)),
        period_sd_s=float(period.std(ddof=1)),
        period_change_s=_change(period),
        amplitude_mm=float(np.median(depth)),
        amplitude_sd_mm=float(depth.std(ddof=1)),
        amplitude_change_mm=_change(depth),
        target_amplitude_mm=_target_amplitude(target, ends),
        drift_mm_min=_drift(target[ends], t_s[ends]),
        hysteresis_mm=hysteresis,
    )


def _on_grid(rows: Table, t_s: Vector) -> Vector:
    return np.asarray(np.interp(t_s * 1e9, rows[:, 0], rows[:, 1]), dtype=np.float64)


def _smooth(signal: Vector, width: int = 7) -> Vector:
    padded = np.pad(signal, width // 2, mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def _ends_of_exhale(signal: Vector) -> NDArray[np.intp]:
    if len(signal) < 50:
        return np.zeros(0, dtype=np.intp)
    low, middle, high = np.percentile(signal, [5, 50, 95])
    if high - low <= 0.0:
        return np.zeros(0, dtype=np.intp)
    upright = -signal if middle - low < high - middle else signal
    found, _ = find_peaks(
        upright, prominence=_LEAST_DEPTH * (high - low), distance=round(1.0 / _GRID_S)
    )
    return found


def _change(values: Vector) -> float | None:
    third = len(values) // 3
    if third < 2:
        return None
    return float(np.median(values[-third:]) - np.median(values[:third]))


def _target_amplitude(target: Table, ends: NDArray[np.intp]) -> float | None:
    if not np.isfinite(target).all():
        return None
    return float(
        np.median(
            [np.linalg.norm(np.ptp(target[a : b + 1], axis=0)) for a, b in pairwise(ends.tolist())]
        )
    )


def _drift(positions: Table, t_s: Vector) -> float | None:
    if not np.isfinite(positions).all() or np.ptp(t_s) < 30.0:
        return None
    slopes = np.polyfit(t_s / 60.0, positions, 1)[0]
    return float(np.linalg.norm(slopes))


def _hysteresis(session: GatheredSession) -> float | None:
    if not session.records.models:
        return None
    model = session.records.models[-1]
    inhale, exhale = np.array(model.curve_inhale_mm), np.array(model.curve_exhale_mm)
    if inhale.shape != exhale.shape or inhale.size == 0:
        return None
    return float(np.linalg.norm(inhale - exhale, axis=1).max())


def relations_of(session: GatheredSession) -> list[SurrogateRelation]:
    """Return how each marker, each belt and the fused surrogate go with the target in images."""
    shots = session.records.observations
    if not shots:
        return []
    t_ns = np.array([shot.exposed_ns for shot in shots], dtype=np.float64)
    target = _main_component(np.array([shot.position_mm for shot in shots]))
    found: list[SurrogateRelation] = []
    for device, rows in sorted(session.markers.items()):
        found += _markers(session, device, rows, t_ns, target)
    for device, rows in sorted(session.belts.items()):
        values = (
            np.interp(t_ns, rows[:, 0], rows[:, 1]) if len(rows) > 1 else np.full(len(t_ns), np.nan)
        )
        found.append(_relation(device, np.asarray(values, dtype=np.float64), target))
    fused = np.array([shot.amplitude_mm for shot in shots])
    found.append(_relation("fused surrogate", fused, target))
    return found


def _markers(
    session: GatheredSession, device: str, rows: Table, t_ns: Vector, target: Vector
) -> list[SurrogateRelation]:
    """Return the relations of one camera's markers; a couch that moves them is taken away."""
    couch = np.zeros((len(t_ns), 3))
    if session.setting.actuator == "couch" and len(session.records.status) > 1:
        couch = interpolated(session.records.status, t_ns)
    pose = _pose(session, device)
    found: list[SurrogateRelation] = []
    for place in range((rows.shape[1] - 1) // 3):
        own = rows[:, [0, *range(1 + 3 * place, 4 + 3 * place)]]
        own = own[np.isfinite(own).all(axis=1)]
        at = interpolated(own, t_ns)
        fixed = np.array([pose.to_fixed(CameraPoint((x, y, z))) for x, y, z in at.tolist()])
        found.append(
            _relation(f"{device}, marker {place + 1}", _main_component(fixed - couch), target)
        )
    return found


def _pose(session: GatheredSession, device: str) -> CameraPose:
    """Return the pose of the camera that has this device's name; without one, no shift or turn."""
    section: Any = session.configured.get("camera", {})
    sources: Any = session.configured.get("sources", {})
    for name, each in cast(dict[str, Any], sources).items():
        found: dict[str, Any] = cast(dict[str, Any], each) if isinstance(each, dict) else {}
        if found.get("device", name) == device:
            section = found
    table = cast(dict[str, Any], section)
    nothing = (0.0, 0.0, 0.0)
    return CameraPose.of(
        tuple(table.get("position_mm", nothing)), tuple(table.get("rotation_deg", nothing))
    )


def _main_component(positions: Table) -> Vector:
    """Return the positions along the direction in which they vary most; NaN stays NaN."""
    known = np.isfinite(positions).all(axis=1)
    if int(known.sum()) < 2:
        return np.full(len(positions), np.nan)
    centred = positions - positions[known].mean(axis=0)
    _, _, directions = np.linalg.svd(centred[known], full_matrices=False)
    return centred @ directions[0]


def _relation(name: str, values: Vector, target: Vector) -> SurrogateRelation:
    both = np.isfinite(values) & np.isfinite(target)
    count = int(both.sum())
    if count < _LEAST_IMAGES or np.ptp(values[both]) == 0.0 or np.ptp(target[both]) == 0.0:
        return SurrogateRelation(name, None, count)
    return SurrogateRelation(name, abs(float(np.corrcoef(values[both], target[both])[0, 1])), count)
