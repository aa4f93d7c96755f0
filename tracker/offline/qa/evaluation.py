"""Compute the figures of each QA test from a journal and the known motion of the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.dose.delivery import ErrorSamples, delivered_dose, planned_dose
from tracker.dose.phantom import liver_phantom
from tracker.dose.shapes import scattered
from tracker.dose.volumes import DoseVolume
from tracker.offline.qa.known_motion import KnownTarget
from tracker.offline.qa.qa_error import QaError
from tracker.offline.qa.twin_runs import RunKind
from tracker.report.errors import length, steps
from tracker.report.physicist.gathered import GatheredSession
from tracker.report.physicist.latency_figures import latencies_of
from tracker.report.physicist.track import track_against
from tracker.report.records import Table
from tracker.report.sheet.values import ChartSeries, SheetChart
from tracker.tolerance_settings import QaTest

Vector = NDArray[np.float64]

BEYOND_MM = 5.0
_OFF_WITHIN_S = 3.0
_BACK_WITHIN_S = 20.0
_D99_POINTS_MM = 1.0
_LEAST_IMAGES = 5


class QaRun(NamedTuple):
    """What a test is computed from: journal, known target, moments of interruptions in s."""

    session: GatheredSession
    known: KnownTarget
    interrupted_s: Sequence[float] = ()


class QaFigures(NamedTuple):
    """The figures of a test by name (``None``: could not be measured), and its charts."""

    figures: dict[str, float | None]
    charts: tuple[SheetChart, ...] = ()


class QaTestKind(NamedTuple):
    """One test: what it does, which run of the twin room serves it, and its computation."""

    does: str
    run: RunKind
    evaluate: Callable[[QaRun], QaFigures]


class _Tracked(NamedTuple):
    t_s: Vector
    step_s: Vector
    error: Table
    target: Table
    on: NDArray[np.bool_]


def _tracked(run: QaRun) -> _Tracked:
    """Return the beam against the known target while tracking; raises `QaError` without beam."""
    records = run.session.records
    start_ns = records.tracking_ns
    if start_ns is None or len(records.estimate) < 2:
        raise QaError(f"{run.session.path}: tracking was never started; read its report")
    t_ns = records.estimate[:, 0]
    t_ns = t_ns[(t_ns >= start_ns) & (t_ns <= records.stopped_ns)]
    target = run.known.at(t_ns)
    track = track_against(run.session, t_ns, target)
    on = track.beam_on & np.isfinite(track.total).all(axis=1)
    if int(on.sum()) < 100:
        raise QaError(
            f"{run.session.path}: the beam was on for less than a second; read its report"
        )
    return _Tracked(t_ns / 1e9, steps(t_ns / 1e9), track.total, target, on)


def static(run: QaRun) -> QaFigures:
    """Compare the target in each image with where the phantom stood."""
    shots = run.session.records.observations
    if len(shots) < _LEAST_IMAGES:
        return QaFigures({"static_mean_mm": None, "static_most_mm": None})
    t_ns = np.array([shot.exposed_ns for shot in shots], dtype=np.float64)
    off = np.array([shot.position_mm for shot in shots]) - run.known.at(t_ns)
    chart = SheetChart(
        "Image less known position",
        "time in s",
        "mm",
        tuple(
            ChartSeries(name, tuple((t_ns / 1e9).tolist()), tuple(off[:, k].tolist()), "both")
            for k, name in enumerate(("left", "superior", "anterior"))
        ),
    )
    return QaFigures(
        {
            "static_mean_mm": float(np.linalg.norm(off.mean(axis=0))),
            "static_most_mm": float(length(off).max()),
        },
        (chart,),
    )


def dynamic(run: QaRun) -> QaFigures:
    """Compare the beam with the moving phantom while the beam was on."""
    tracked = _tracked(run)
    error = tracked.error[tracked.on]
    untracked = _rms(tracked.target[tracked.on])
    return QaFigures(
        {
            "dynamic_mean_mm": float(np.linalg.norm(error.mean(axis=0))),
            "dynamic_p95_mm": float(np.percentile(length(error), 95)),
            "dynamic_gain": _rms(error) / untracked if untracked > 0.0 else None,
        },
        (_error_chart(tracked),),
    )


def interruption(run: QaRun) -> QaFigures:
    """Measure how soon the beam went off when a device failed, and whether it came back.

    An interruption while the beam is off tests nothing and counts as missed. A session that was
    stopped by the interruption waits for a person, so no beam has to come back.
    """
    tracked = _tracked(run)
    beam = run.session.records.beam
    if not run.interrupted_s:
        raise QaError("the moments of the interruptions are not known; give --at SECONDS,SECONDS")
    off_ms: list[float] = []
    missed = lost = 0
    for at_s in run.interrupted_s:
        off_s = _first(beam, at_s, on=False)
        if off_s is None or off_s - at_s > _OFF_WITHIN_S or not _is_on(beam, at_s):
            missed += 1
            continue
        off_ms.append((off_s - at_s) * 1e3)
        back_s = _first(beam, off_s, on=True)
        is_back = back_s is not None and back_s - off_s <= _BACK_WITHIN_S
        lost += not is_back and run.session.records.stopped_ns / 1e9 > off_s + _BACK_WITHIN_S
    return QaFigures(
        {
            "beam_off_ms": max(off_ms, default=None),
            "missed_interruptions": float(missed),
            "beyond_5_mm_s": _longest_beyond(tracked),
            "not_resumed": float(lost),
        },
        (_error_chart(tracked),),
    )


def latency(run: QaRun) -> QaFigures:
    """Measure the latencies of motion and gate, and compare that of motion with the configured."""
    found = {each.name: each for each in latencies_of(run.session)}
    motion_ms = found["demand to motion"].median_ms
    configured_ms = run.session.number("timing", "latency_ms", 150.0)
    return QaFigures(
        {
            "motion_latency_error_ms": (
                None
                if motion_ms is None or configured_ms is None
                else abs(motion_ms - configured_ms)
            ),
            "hold_latency_ms": found["hold to beam off"].most_ms,
            "permit_latency_ms": found["permit to beam on"].most_ms,
        }
    )


def end_to_end(run: QaRun) -> QaFigures:
    """Compute where the dose went: the shift of its centre, and the loss of target D99.

    The dose is that of the built-in liver plan, delivered with the errors of this run.
    """
    tracked = _tracked(run)
    error, step_s = tracked.error[tracked.on], tracked.step_s[tracked.on]
    plan = liver_phantom("cones")
    points = scattered(plan.target.shape, _D99_POINTS_MM)
    planned = DoseVolume.of(planned_dose(plan, points), 1.0).dose_at(99)
    given = delivered_dose(plan, ErrorSamples(np.ascontiguousarray(error), step_s), points)
    return QaFigures(
        {
            "targeting_mm": float(np.linalg.norm(np.average(error, axis=0, weights=step_s))),
            "target_d99_loss": max(0.0, 1.0 - DoseVolume.of(given, 1.0).dose_at(99) / planned),
        }
    )


QA_TESTS: Final[Mapping[QaTest, QaTestKind]] = MappingProxyType(
    {
        "static": QaTestKind("images locate a phantom at rest at known places", "rest", static),
        "dynamic": QaTestKind("the beam follows a phantom of known motion", "motion", dynamic),
        "interruption": QaTestKind(
            "the beam goes off when a device fails, and comes back", "faults", interruption
        ),
        "latency": QaTestKind("motion and gate are as fast as configured", "faults", latency),
        "end-to-end": QaTestKind("the dose goes where it was planned", "motion", end_to_end),
    }
)
"""One row a test, in the order of the morning's set."""


def _rms(vectors: Table) -> float:
    return float(np.sqrt(np.mean(length(vectors) ** 2)))


def _is_on(beam: Table, at_s: float) -> bool:
    """Tell whether the gate's last report before a moment said that the beam was on."""
    before = beam[beam[:, 0] / 1e9 <= at_s]
    return len(before) > 0 and bool(before[-1, 1] > 0.5)


def _first(beam: Table, after_s: float, *, on: bool) -> float | None:
    """Return when the gate first reported the beam on (or off) from a moment on."""
    later = beam[beam[:, 0] / 1e9 >= after_s]
    found = later[(later[:, 1] > 0.5) == on]
    return float(found[0, 0]) / 1e9 if len(found) else None


def _longest_beyond(tracked: _Tracked) -> float:
    beyond = tracked.on & (length(tracked.error) > BEYOND_MM)
    longest = running = 0.0
    for is_beyond, step in zip(beyond.tolist(), tracked.step_s.tolist(), strict=True):
        running = running + step if is_beyond else 0.0
        longest = max(longest, running)
    return longest


def _error_chart(tracked: _Tracked) -> SheetChart:
    size = np.where(tracked.on, length(tracked.error), np.nan)
    thin = slice(None, None, max(1, len(size) // 1500))
    return SheetChart(
        "Distance of beam and known target, beam on",
        "time in s",
        "mm",
        (ChartSeries("distance", tuple(tracked.t_s[thin].tolist()), tuple(size[thin].tolist())),),
        limits=((BEYOND_MM, "5 mm"),),
        y_from_zero=True,
    )
