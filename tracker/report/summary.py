"""Compute the summary of a session, equally after a simulation and from its journal."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tracker.core.frames import Orientation
from tracker.core.machine.kinds.table import followed_in_view, judges_in_beams_eye
from tracker.journal import Journal
from tracker.report.errors import Errors, Vector, errors_of, length, longest_unsafe_ms, rms
from tracker.report.records import Records, collect
from tracker.report.setting import setting_of


class About(NamedTuple):
    """The facts of a summary that are not in the records."""

    trace: str
    config: str
    seed: int | None
    realtime_factor: float | None
    digest: str
    orientation: Orientation = "HFS"
    machine: str = "couch"
    """Name of the kind of treatment machine."""


def summarise(journal: Journal) -> dict[str, Any]:
    """Return the summary of a journal, up to the end of its readable part."""
    records, digest = collect(journal)
    return summary_of(records, about_of(journal, digest))


def summary_of(records: Records, about: About) -> dict[str, Any]:
    """Return the summary of records; millimetres, and ``None`` for what was not or cannot be known.

    ``untracked`` and ``tracked`` are taken over the same moments: beam on, after tracking was first
    started. Untracked is how far the target then was from where it was planned, tracked how far
    from the beam. What ``errors`` are is said in `tracker.report.errors`.
    """
    errors = errors_of(records, about.orientation, in_beams_eye=judges_in_beams_eye(about.machine))
    split = errors.split if errors else None
    return {
        "trace": about.trace,
        "config": about.config,
        "seed": about.seed,
        "duration_s": round(records.end_ns / 1e9, 6),
        "untracked": _spread(errors.untracked[errors.counted] if errors else None),
        "tracked": _spread(errors.tracked[errors.counted] if errors else None),
        "errors": {
            f"{name}_rms_mm": _rounded(rms(length(getattr(errors, name)[split])))
            if errors
            else None
            for name in ("correlation", "prediction", "actuator")
        }
        | _beams_eye_errors(errors, about.machine),
        "beam": {
            "duty": _rounded(_duty(records, errors)),
            "unsafe_ms_longest": _rounded(longest_unsafe_ms(errors)) if errors else None,
            "holds": records.holds.counts(),
        },
        "realtime_factor": about.realtime_factor,
        "digest": about.digest,
    }


def about_of(journal: Journal, digest: str) -> About:
    """Return the facts about a journal itself; a truncated one has no closing record."""
    factor = journal.closing.get("realtime_factor")
    setting = setting_of(journal.header.configuration)
    return About(
        trace=journal.header.further.get("trace", ""),
        config=journal.header.further.get("config", ""),
        seed=journal.header.seed,
        realtime_factor=float(factor) if factor else None,
        digest=digest,
        orientation=setting.orientation,
        machine=setting.actuator,
    )


def _beams_eye_errors(errors: Errors | None, machine: str) -> dict[str, float | None]:
    """Return how far beam and target were apart in beam's-eye view and along the beam.

    What is seen in beam's-eye view is split into what the machine follows and what it does not.
    """
    names = ("bev", "bev_followed", "bev_not_followed", "along_beam")
    values: list[float | None] = [None] * len(names)
    if errors is not None:
        counted = errors.counted
        seen = errors.in_beams_eye[counted]
        follows = np.array(followed_in_view(machine))
        values = [
            rms(length(seen)),
            rms(length(seen * follows)),
            rms(length(seen * ~follows)),
            rms(np.abs(errors.along_beam[counted])),
        ]
    return {f"{name}_rms_mm": _rounded(each) for name, each in zip(names, values, strict=True)}


def _spread(vectors: Vector | None) -> dict[str, float | None]:
    if vectors is None or not len(vectors):
        return {"rms_mm": None, "p95_mm": None, "max_mm": None}
    lengths = length(vectors)
    return {
        "rms_mm": _rounded(rms(lengths)),
        "p95_mm": _rounded(float(np.percentile(lengths, 95))),
        "max_mm": _rounded(float(lengths.max())),
    }


def _duty(records: Records, errors: Errors | None) -> float | None:
    """Return the share of time with beam on, from the start of tracking to the stop or end."""
    start_ns = records.tracking_ns
    if start_ns is None:
        return None
    if errors is None:
        return _duty_by_status(records, start_ns)
    within = (errors.t_s >= start_ns / 1e9) & (errors.t_s <= records.stopped_ns / 1e9)
    total = errors.step_s[within].sum()
    return float(errors.step_s[within & errors.beam_on].sum() / total) if total else None


def _duty_by_status(records: Records, start_ns: int) -> float | None:
    """Return the share of time with beam on from the gate's read-back; no truth is known."""
    stop_ns = records.stopped_ns
    if not len(records.beam) or stop_ns <= start_ns:
        return None
    times = np.clip(np.append(records.beam[:, 0], stop_ns), start_ns, stop_ns)
    return float(np.diff(times)[records.beam[:, 1] > 0.5].sum() / (stop_ns - start_ns))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
