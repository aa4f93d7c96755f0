"""Summarise a campaign: one row for each fault, the limits, and the worst seeds.

The limits are those of the hazard table: beam on with the target further than 5 mm from it lasts at
most 150 ms where sensors or devices show the fault, and at most an imaging interval and a quarter
of a second where only a shot can, as in all of a recorded patient. Clean runs are held to duty,
nuisance and shares of beam time; those of recorded patients to limits of their own.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from tracker.offline.campaign.kinds import CLEAN
from tracker.offline.campaign.record import RunRecord

DETECTABLE_MS = 150.0
IMAGE_ONLY_S = 0.25
"""Beyond the imaging interval."""
CLEAN_RECORDED = "clean, recorded"


class CleanLimits(NamedTuple):
    """What runs without a mishap must keep, all of them together."""

    duty: float
    """At least."""
    nuisance_per_10_min: float
    """At most."""
    share_5mm: float
    """Share of the beam's time with a larger error: less than this."""
    share_3mm: float


CLEAN_LIMITS = {
    CLEAN: CleanLimits(0.95, 1.0, 0.001, 0.02),
    CLEAN_RECORDED: CleanLimits(0.93, 3.0, 0.001, 0.02),
}
"""By row. Recorded patients breathe less evenly than generated ones, some faster than a couch can
follow, and parts of their target's motion show in shots alone."""
TIGHTER_MM = 3.0


class Spread(msgspec.Struct, frozen=True):
    """Median, 95th percentile and largest of some values; all ``None`` where there are none."""

    median: float | None
    p95: float | None
    largest: float | None


class FaultFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One fault over all its seeds; two rows where some of its runs show in shots only."""

    fault: str
    image_only: bool
    runs: int
    hours: float
    detected: int
    """Runs in which a fault was raised after the onset."""
    detected_ms: Spread
    held: int
    held_ms: Spread
    returned: int
    return_s: Spread
    stopped: int
    """Runs in which the session was stopped for good."""
    longest_5mm_ms: int
    longest_3mm_ms: int
    share_5mm: float
    """Of the beam's time."""
    share_3mm: float
    duty: float
    rms_mm: float | None
    nuisance: int
    nuisance_per_10_min: float
    worst: str
    """The run with the longest episode at 5 mm, or at 3 mm where there is none."""


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """A run, or the clean runs together, outside a limit."""

    run: str
    what: str
    value: float
    limit: float


class Held(NamedTuple):
    """One figure of the clean runs, its limit, and whether it keeps the limit."""

    what: str
    value: float
    limit: float
    kept: bool


class Tally(NamedTuple):
    """All figures that a campaign report shows."""

    rows: list[FaultFigures]
    breaches: list[Breach]
    worst: list[RunRecord]
    """The runs with the longest episodes at 5 mm, the longest first."""
    clean: dict[str, tuple[Held, ...]] = {}
    """By row of clean runs: each of its figures and limits."""


def tally(
    records: Iterable[RunRecord], interval_s: float, worst: int = 12, *, window_mm: float = 0.0
) -> Tally:
    """Summarise runs; their order does not matter.

    ``window_mm`` is what a gating window lets the target be off the beam; 0: there is none.
    """
    ordered = sorted(records, key=lambda each: (each.fault, each.seed))
    groups: dict[tuple[str, bool], list[RunRecord]] = {}
    for record in ordered:
        apart = record.fault == CLEAN and record.recorded
        fault = CLEAN_RECORDED if apart else record.fault
        groups.setdefault((fault, record.image_only), []).append(record)
    rows = [_row(fault, image, runs) for (fault, image), runs in groups.items()]
    rows.sort(
        key=lambda row: (
            not row.fault.startswith(CLEAN),
            "+" in row.fault,
            row.fault,
            row.image_only,
        )
    )
    longest = sorted(ordered, key=lambda each: -each.longest_5mm_ms)[:worst]
    return Tally(
        rows,
        _breaches(ordered, rows, interval_s, window_mm),
        [each for each in longest if each.longest_5mm_ms > 0],
        {row.fault: clean_limits(row, window_mm) for row in rows if row.fault in CLEAN_LIMITS},
    )


def limit_ms(image_only: bool, interval_s: float) -> float:
    """Give the longest unsafe episode at 5 mm a fault may have."""
    return (interval_s + IMAGE_ONLY_S) * 1e3 if image_only else DETECTABLE_MS


def breach_of(record: RunRecord, interval_s: float) -> Breach | None:
    """Say by how much a run's longest unsafe episode is too long, if it is."""
    clean_recorded = record.fault == CLEAN and record.recorded
    limit = limit_ms(record.image_only or clean_recorded, interval_s)
    if record.longest_5mm_ms <= limit:
        return None
    what = "longest unsafe episode at 5 mm, ms"
    return Breach(run=record.name, what=what, value=record.longest_5mm_ms, limit=limit)


def _breaches(
    records: Sequence[RunRecord],
    rows: Sequence[FaultFigures],
    interval_s: float,
    window_mm: float,
) -> list[Breach]:
    found = [breach for each in records if (breach := breach_of(each, interval_s)) is not None]
    found.sort(key=lambda breach: -breach.value / breach.limit)
    for row in rows:
        if row.fault in CLEAN_LIMITS:
            found += [
                Breach(run=row.fault, what=each.what, value=each.value, limit=each.limit)
                for each in clean_limits(row, window_mm)
                if not each.kept
            ]
    return found


def clean_limits(row: FaultFigures, window_mm: float = 0.0) -> tuple[Held, ...]:
    """Compare clean runs with their limits: duty, nuisance holds, beam share at 5 and 3 mm.

    A window on the target that is wider than 3 mm allows more, so 3 mm is no limit there.
    """
    least, most, at_5mm, at_3mm = CLEAN_LIMITS[row.fault]
    duty, holds = row.duty, row.nuisance_per_10_min
    five, three = row.share_5mm, row.share_3mm
    held = (
        Held("duty", duty, least, duty >= least),
        Held("nuisance holds per 10 min", holds, most, holds <= most),
        Held("unsafe share of beam at 5 mm", five, at_5mm, five < at_5mm),
        Held("unsafe share of beam at 3 mm", three, at_3mm, three < at_3mm),
    )
    return held if window_mm <= TIGHTER_MM else held[:-1]


def _row(fault: str, image_only: bool, runs: Sequence[RunRecord]) -> FaultFigures:
    beam_s = sum(each.beam_s for each in runs)
    tracked_s = sum(each.tracked_s for each in runs)
    wanted_s = tracked_s - sum(each.planned_off_s for each in runs)
    nuisance = sum(len(each.nuisance) for each in runs)
    squares = sum(each.beam_s * each.rms_mm**2 for each in runs if each.rms_mm is not None)
    detected = [each.detected_ms for each in runs if each.detected_ms is not None]
    held = [each.held_ms for each in runs if each.held_ms is not None]
    returned = [each.return_s for each in runs if each.return_s is not None]
    worst = max(runs, key=lambda each: (each.longest_5mm_ms, each.longest_3mm_ms))
    return FaultFigures(
        fault=fault,
        image_only=image_only,
        runs=len(runs),
        hours=round(sum(each.seconds for each in runs) / 3600.0, 3),
        detected=len(detected),
        detected_ms=spread(detected),
        held=len(held),
        held_ms=spread(held),
        returned=len(returned),
        return_s=spread(returned),
        stopped=sum(bool(each.stopped_by) for each in runs),
        longest_5mm_ms=max(each.longest_5mm_ms for each in runs),
        longest_3mm_ms=max(each.longest_3mm_ms for each in runs),
        share_5mm=_share(sum(each.unsafe_5mm_s for each in runs), beam_s),
        share_3mm=_share(sum(each.unsafe_3mm_s for each in runs), beam_s),
        duty=_share(beam_s, wanted_s),
        rms_mm=round((squares / beam_s) ** 0.5, 4) if beam_s else None,
        nuisance=nuisance,
        nuisance_per_10_min=round(nuisance / tracked_s * 600.0, 3) if tracked_s else 0.0,
        worst=worst.name,
    )


def spread(values: Sequence[float]) -> Spread:
    """Return median, 95th percentile (nearest rank) and largest."""
    if not values:
        return Spread(None, None, None)
    ordered = sorted(values)
    rank = -(-95 * len(ordered) // 100)
    return Spread(round(statistics.median(ordered), 3), ordered[rank - 1], ordered[-1])


def _share(part: float, whole: float) -> float:
    return round(part / whole, 6) if whole else 0.0


def digest_of(records: Iterable[RunRecord]) -> str:
    """Return a digest over all runs: the same seeds and the same code give the same digest."""
    import hashlib

    digest = hashlib.sha256()
    for record in sorted(records, key=lambda each: (each.fault, each.seed)):
        digest.update(msgspec.json.encode(record))
    return digest.hexdigest()
