"""Compute the physicist's report of one fraction from its journal: figures and verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tracker.core.machine.kinds.table import judges_in_beams_eye
from tracker.report.errors import Errors, errors_of
from tracker.report.never_tracked import why_never_tracked
from tracker.report.physicist.beam_figures import BeamFigures, HoldRow, beam_of, hold_rows
from tracker.report.physicist.breathing_figures import (
    BreathingFigures,
    SurrogateRelation,
    breathing_of,
    relations_of,
)
from tracker.report.physicist.causes import (
    CauseSpread,
    Localisation,
    causes_at_images,
    causes_by_estimate,
    causes_by_truth,
    localisation_of,
    root_sum_of_squares,
)
from tracker.report.physicist.gathered import GatheredSession, gather
from tracker.report.physicist.image_figures import (
    ImageFigures,
    ModelEvent,
    images_of,
    model_events,
)
from tracker.report.physicist.latency_figures import LatencyFigure, latencies_of
from tracker.report.physicist.track import BeamTrack, track_at_images, track_by_estimate
from tracker.report.physicist.verdict import FigureLimit, JudgedFigure, judge
from tracker.tolerance_settings import REPORT_FIGURES, ReportRules

LEAST_IMAGES = 3
"""Fewer images with beam on say nothing about the total error."""


class FractionReport(NamedTuple):
    """All that the report says of one fraction."""

    name: str
    session: GatheredSession
    errors: Errors | None
    at_images: BeamTrack
    by_estimate: BeamTrack
    causes: list[CauseSpread]
    """At images, then over all beam time, then against the truth where it is known."""
    localisation: Localisation | None
    rss: tuple[float, float] | None
    """Root sum of squares of the causes, and the total, both at images; mm."""
    beam: BeamFigures
    breathing: BreathingFigures
    relations: list[SurrogateRelation]
    images: ImageFigures
    model_events: list[ModelEvent]
    holds: list[HoldRow]
    latencies: list[LatencyFigure]
    figures: dict[str, float | None]
    judged: list[JudgedFigure]
    never_tracked: str | None
    remarks: list[str]


def rules_of(session: GatheredSession) -> tuple[ReportRules, str]:
    """Return the [report] section of the session's own configuration, and what is wrong with it."""
    section = session.configured.get("report", {})
    try:
        return msgspec.convert(section, ReportRules), ""
    except msgspec.ValidationError as error:
        return ReportRules(), f"[report] of the journal cannot be used ({error}): defaults are"


def read_fraction(path: Path, rules: ReportRules | None = None) -> FractionReport:
    """Read a journal and compute its report; raises `JournalError`.

    ``rules`` replace the tolerances that the session's own configuration states.
    """
    return fraction_of(gather(path), rules)


def fraction_of(session: GatheredSession, rules: ReportRules | None = None) -> FractionReport:
    """Compute the report of gathered records."""
    own, wrong = rules_of(session)
    rules = own if rules is None else rules
    errors = errors_of(
        session.records,
        session.setting.orientation,
        in_beams_eye=judges_in_beams_eye(session.setting.actuator),
    )
    at_images, by_estimate = track_at_images(session), track_by_estimate(session)
    image_causes = causes_at_images(at_images)
    if image_causes and image_causes[0].moments < LEAST_IMAGES:
        image_causes = []
    causes = [*image_causes, *causes_by_estimate(by_estimate), *causes_by_truth(errors)]
    found = FractionReport(
        name=session.path.stem,
        session=session,
        errors=errors,
        at_images=at_images,
        by_estimate=by_estimate,
        causes=causes,
        localisation=localisation_of(session),
        rss=root_sum_of_squares(image_causes),
        beam=beam_of(session, errors, by_estimate),
        breathing=breathing_of(session),
        relations=relations_of(session),
        images=images_of(session, rules.mgy_per_image),
        model_events=model_events(session),
        holds=hold_rows(session),
        latencies=latencies_of(session),
        figures={},
        judged=[],
        never_tracked=why_never_tracked(session.records),
        remarks=[wrong] if wrong else [],
    )
    figures = figures_of(found)
    limits = [FigureLimit(t.figure, t.limit, t.remedy, t.source) for t in rules.tolerances]
    judged = [] if found.never_tracked else judge(figures, limits, REPORT_FIGURES)
    return found._replace(figures=figures, judged=judged)


def figures_of(report: FractionReport) -> dict[str, float | None]:
    """Return every single figure by its name; ``None``: not recorded."""
    session, beam, images, breath = report.session, report.beam, report.images, report.breathing
    by_cause = {each.cause: each for each in report.causes}
    total = by_cause.get("total, measured at images")
    residual = by_cause.get("image against model")
    prediction = by_cause.get("prediction, all beam time")
    machine = by_cause.get("machine, all beam time")
    truth = by_cause.get("total, against the truth")
    correlations = [r.correlation for r in report.relations if r.correlation is not None]
    motion_ms = report.latencies[0].median_ms
    configured_ms = session.number("timing", "latency_ms", 150.0)
    held_s = sum(hold.length_s for hold in report.holds)
    return {
        "total_rms_mm": None if total is None else total.rms_3d,
        "total_p95_mm": None if total is None else total.p95_3d,
        "total_mean_mm": None if total is None else total.mean_length,
        "rss_against_total": (
            None if report.rss is None else abs(report.rss[0] - report.rss[1]) / report.rss[1]
        ),
        "localisation_sd_mm": None if report.localisation is None else report.localisation.sd_3d,
        "correlation_rms_mm": None if residual is None else residual.rms_3d,
        "correlation_p95_mm": None if residual is None else residual.p95_3d,
        "prediction_rms_mm": None if prediction is None else prediction.rms_3d,
        "prediction_p95_mm": None if prediction is None else prediction.p95_3d,
        "machine_rms_mm": None if machine is None else machine.rms_3d,
        "machine_p95_mm": None if machine is None else machine.p95_3d,
        "truth_total_rms_mm": None if truth is None else truth.rms_3d,
        "truth_total_p95_mm": None if truth is None else truth.p95_3d,
        "within_2_mm": beam.within.get(2.0),
        "within_3_mm": beam.within.get(3.0),
        "within_5_mm": beam.within.get(5.0),
        "largest_mm": beam.largest_mm,
        "beyond_5_mm_s": beam.beyond_s,
        "beam_on_s": beam.beam_on_s,
        "treatment_s": beam.treatment_s,
        "duty": beam.duty,
        "monitor_units": beam.monitor_units,
        "holds": float(len(report.holds)),
        "held_share": held_s / beam.treatment_s if beam.treatment_s > 0.0 else None,
        "breaths": float(breath.breaths),
        "period_s": breath.period_s,
        "period_sd_s": breath.period_sd_s,
        "amplitude_mm": breath.amplitude_mm,
        "target_amplitude_mm": breath.target_amplitude_mm,
        "drift_mm_min": breath.drift_mm_min,
        "hysteresis_mm": breath.hysteresis_mm,
        "marker_correlation": max(correlations, default=None),
        "images": float(images.received),
        "images_used": float(images.used),
        "images_refused": images.refused_share,
        "image_age_s": images.age_most_s,
        "imaging_dose_mgy": images.dose_mgy,
        "motion_latency_ms": motion_ms,
        "latency_error_ms": (
            None if motion_ms is None or configured_ms is None else abs(motion_ms - configured_ms)
        ),
    }


def identity_of(report: FractionReport) -> tuple[tuple[str, str], ...]:
    """Return who and what the report is of, with every hash."""
    session = report.session
    header, setting = session.journal.header, session.setting
    people = sorted({request.who for request in session.requests})
    further: dict[str, Any] = dict(sorted(header.further.items()))
    rows = [
        ("patient", setting.patient_id),
        ("plan", setting.plan_id),
        ("orientation, machine", f"{setting.orientation}, {setting.actuator}"),
        ("journal", session.path.name),
        ("SHA-256 of the journal", session.sha256),
        ("digest of all outputs", session.digest),
        ("SHA-256 of the configuration", header.configuration_sha256),
        ("made with", ", ".join(f"{k} {v}" for k, v in sorted(header.versions.items()))),
        ("seed of the simulated room", "none" if header.seed is None else str(header.seed)),
        ("requests by", ", ".join(people) or "nobody"),
    ]
    rows += [(str(name), str(value)) for name, value in further.items() if value]
    return tuple(rows)


class FractionSummary(NamedTuple):
    """One fraction as trends and a patient's report need it: no records, only figures."""

    name: str
    patient_id: str
    plan_id: str
    digest: str
    sha256: str
    figures: dict[str, float | None]
    judged: list[JudgedFigure]
    never_tracked: str | None


def summary_of_fraction(report: FractionReport) -> FractionSummary:
    """Return the fraction without its records, which may be large."""
    session = report.session
    return FractionSummary(
        report.name, session.setting.patient_id, session.setting.plan_id, session.digest,
        session.sha256, report.figures, report.judged, report.never_tracked,
    )  # fmt: skip
