"""Lay out one fraction's report as a sheet: verdict, errors, beam, breathing, model, holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.report.errors import length
from tracker.report.figures import envelope
from tracker.report.physicist.causes import CauseSpread
from tracker.report.physicist.fraction import FractionReport, identity_of
from tracker.report.physicist.verdict import (
    answer_of,
    overall,
    to_do_of,
    tolerance_table,
    value_text,
)
from tracker.report.sheet.values import (
    NOT_RECORDED,
    ChartSeries,
    Sheet,
    SheetChart,
    SheetSection,
    SheetTable,
    number,
)

Vector = NDArray[np.float64]

_POINTS = 500
_NAN = float("nan")


def sheet_of(report: FractionReport) -> Sheet:
    """Return the sheet of one fraction."""
    setting = report.session.setting
    never = report.never_tracked
    torn = report.session.journal.torn
    notices = [f"The journal is not whole: {torn.describe()}."] if torn else []
    notices += [f"{remark}." for remark in report.remarks]
    return Sheet(
        title="Physicist's report of a fraction",
        subtitle=f"patient {setting.patient_id} · {report.name}",
        verdict=overall(report.judged),
        answer=f"Tracking was never started: {never}." if never else answer_of(report.judged),
        to_do=to_do_of(report.judged),
        identity=identity_of(report),
        sections=(
            SheetSection("Verdict by figure", tables=(tolerance_table(report.judged),)),
            _errors(report),
            _beam(report),
            _breathing(report),
            _model(report),
            _holds(report),
            _latencies(report),
        ),
        notice=" ".join(notices),
    )


# --- errors --------------------------------------------------------------------------------------


def _errors(report: FractionReport) -> SheetSection:
    localisation = report.localisation
    if localisation is None:
        located = "Localisation: not recorded (it needs three fiducials in a pair of images)."
    else:
        x, y, z = localisation.sd
        located = (
            f"Localisation, from the fiducials' fit in {localisation.images} images: SD"
            f" {x:.2f} / {y:.2f} / {z:.2f} mm, {localisation.sd_3d:.2f} mm in 3-D. It is part of"
            " 'image against model'."
        )
    view = report.at_images.view
    where = "Beam's-eye view: not recorded." if view is None else f"Beam's-eye view: {view.source}."
    return SheetSection(
        "Error by cause",
        f"Patient axes: left, superior, anterior; mm. {located} {_rss(report)} {where}",
        tables=_causes_tables(report.causes),
        charts=(_cause_chart(report.causes), _image_chart(report)),
    )


def _rss(report: FractionReport) -> str:
    if report.rss is None:
        return "Too few images with beam on to compare the causes with the total."
    rss, total = report.rss
    off = abs(rss - total) / total
    flag = " FLAG: they differ by more than 20 %." if off > 0.2 else ""
    return (
        f"Root sum of squares of the causes {rss:.2f} mm, total {total:.2f} mm, both RMS at"
        f" images: {off * 100:.0f} % apart.{flag}"
    )


def _causes_tables(causes: list[CauseSpread]) -> tuple[SheetTable, ...]:
    by_axis = SheetTable(
        "",
        ("cause", "n", "mean L / S / A", "SD L / S / A", "p95 L / S / A", "RMS 3-D", "p95 3-D"),
        tuple(
            (
                each.cause, str(each.moments), _together(each.mean), _together(each.sd),
                _together(each.p95), number(each.rms_3d), number(each.p95_3d),
            )
            for each in causes
        ),
        note=(
            "'All beam time' compares with the controller's own estimate. Only a simulated session"
            " has rows against the truth."
        ),
    )  # fmt: skip
    in_view = SheetTable(
        "The same in beam's-eye view: across / along",
        ("cause", "mean", "SD", "p95"),
        tuple(
            (
                each.cause,
                _together(each.view_mean),
                _together(each.view_sd),
                _together(each.view_p95),
            )
            for each in causes
            if each.view_mean and each.view_sd and each.view_p95
        ),
    )
    return (by_axis, in_view) if in_view.rows else (by_axis,)


def _together(values: tuple[float, ...] | None) -> str:
    return NOT_RECORDED if values is None else " / ".join(number(v) for v in values)


def _cause_chart(causes: list[CauseSpread]) -> SheetChart:
    words = {
        "image against model": "model",
        "prediction, at images": "prediction",
        "machine, at images": "machine",
        "total, measured at images": "total",
    }
    shown = [each for each in causes if each.cause in words]
    places = tuple(float(k) for k in range(len(shown)))
    return SheetChart(
        "RMS by cause, at images",
        "",
        "mm, 3-D",
        (ChartSeries("RMS", places, tuple(each.rms_3d for each in shown), "bars"),),
        names=tuple(words[each.cause] for each in shown),
        y_from_zero=True,
    )


def _image_chart(report: FractionReport) -> SheetChart:
    track = report.at_images
    known = np.isfinite(track.total).all(axis=1)
    t_s = (track.t_ns[known] / 1e9).tolist()
    return SheetChart(
        "Total error at each image while tracking",
        "time in s",
        "mm, 3-D",
        (
            ChartSeries("target to beam", tuple(t_s), _floats(length(track.total[known])), "both"),
            ChartSeries(
                "image to model", tuple(t_s), _floats(length(track.correlation[known])), "points"
            ),
        ),
        y_from_zero=True,
    )


# --- beam ----------------------------------------------------------------------------------------


def _beam(report: FractionReport) -> SheetSection:
    beam = report.beam
    rows = [
        ("treatment, from start of tracking to stop", number(beam.treatment_s, 1, "s")),
        ("beam on", f"{beam.beam_on_s:.1f} s ({_share(beam.duty)})"),
        ("monitor units", number(beam.monitor_units, 1, "MU")),
    ]
    for mm in (2.0, 3.0, 5.0):
        by_units = None if beam.by_units is None else beam.by_units.get(mm)
        rows.append(
            (
                f"within {mm:g} mm",
                f"{_share(beam.within.get(mm))} of beam time; {_share(by_units)} of monitor units",
            )
        )
    at = "" if beam.largest_at_s is None else f" at {beam.largest_at_s:.1f} s"
    rows.append(("largest distance with beam on", f"{number(beam.largest_mm, 2, 'mm')}{at}"))
    since = "" if not beam.beyond_at_s else f", from {beam.beyond_at_s:.1f} s"
    rows.append(("longest excursion beyond 5 mm", f"{number(beam.beyond_s, 2, 's')}{since}"))
    basis = (
        "By the true target, which only a simulation knows."
        if beam.from_truth
        else "By the controller's own estimate of the target: the model's error is not in it."
    )
    return SheetSection(
        "Beam and target",
        basis,
        tables=(SheetTable("", ("figure", "value"), tuple(rows)),),
        charts=(_distance_chart(report), _surrogate_chart(report)),
    )


def _distance_chart(report: FractionReport) -> SheetChart:
    if report.errors is not None:
        t_s, size = report.errors.t_s, report.errors.judged.copy()
        size[~report.errors.counted] = np.nan
    else:
        track = report.by_estimate
        t_s, size = track.t_ns / 1e9, length(track.total)
        size[~track.beam_on] = np.nan
    return SheetChart(
        "Distance of target and beam, beam on",
        "time in s",
        "mm",
        (_highest("distance", t_s, size),),
        limits=((3.0, "3 mm"), (5.0, "5 mm")),
        y_from_zero=True,
    )


def _highest(label: str, t_s: Vector, values: Vector) -> ChartSeries:
    """Return the highest value in each of a few hundred columns, so that no peak is lost."""
    if not len(t_s):
        return ChartSeries(label, (), ())
    times, _, high = envelope(t_s, np.where(np.isfinite(values), values, -1.0), _POINTS)
    return ChartSeries(label, _floats(times), _floats(np.where(high < 0.0, np.nan, high)))


def _surrogate_chart(report: FractionReport) -> SheetChart:
    rows = report.session.records.surrogate
    thin = rows[:: max(1, len(rows) // (3 * _POINTS))]
    return SheetChart(
        "Breathing signal, fused",
        "time in s",
        "mm",
        (ChartSeries("amplitude", _floats(thin[:, 0] / 1e9), _floats(thin[:, 1])),),
    )


# --- breathing, model, holds, latencies ----------------------------------------------------------


def _breathing(report: FractionReport) -> SheetSection:
    breath = report.breathing
    rows = (
        ("breaths while tracking", str(breath.breaths)),
        ("period, median and SD",
         f"{number(breath.period_s, 2, 's')}; SD {number(breath.period_sd_s, 2, 's')}"),
        ("period, last third less first third", number(breath.period_change_s, 2, "s")),
        ("amplitude of the surrogate, median and SD",
         f"{number(breath.amplitude_mm, 2, 'mm')}; SD {number(breath.amplitude_sd_mm, 2, 'mm')}"),
        ("amplitude, last third less first third", number(breath.amplitude_change_mm, 2, "mm")),
        ("amplitude of the target, estimated", number(breath.target_amplitude_mm, 2, "mm")),
        ("drift of the target at end of exhale", number(breath.drift_mm_min, 2, "mm/min")),
        ("hysteresis of the last model", number(breath.hysteresis_mm, 2, "mm")),
    )  # fmt: skip
    relations = tuple(
        (each.name, number(each.correlation, 3), str(each.images)) for each in report.relations
    )
    return SheetSection(
        "Breathing",
        tables=(
            SheetTable("", ("figure", "value"), rows),
            SheetTable(
                "Correlation of each surrogate with the target in the images",
                ("surrogate", "correlation", "images"),
                relations,
            ),
        ),
    )


def _model(report: FractionReport) -> SheetSection:
    images = report.images
    asked = f"{images.asked} asked, {images.received} received, {images.located} located,"
    rows = (
        ("images", f"{asked} {images.used} used, {images.while_tracking} of them while tracking"),
        ("age of the last image with beam on",
         f"median {number(images.age_median_s, 1, 's')}, most {number(images.age_most_s, 1, 's')}"),
        ("last model (L / S / A)", images.model_kinds),
        ("leave-one-out error of the last model", number(images.loo_rms_mm, 2, "mm")),
        ("model fitted", f"{images.refits} times"),
        ("imaging dose",
         number(images.dose_mgy, 2, "mGy") if images.dose_mgy is not None
         else "not recorded (set report.mgy_per_image to the locally measured dose)"),
    )  # fmt: skip
    events = tuple((f"{e.t_s:.1f}", e.what, e.why) for e in report.model_events)
    return SheetSection(
        "Model and images",
        tables=(
            SheetTable("", ("figure", "value"), rows),
            SheetTable(
                "When the model was made, doubted or taught anew", ("s", "what", "why"), events
            ),
        ),
    )


def _holds(report: FractionReport) -> SheetSection:
    rows = tuple(
        (f"{h.start_s:.2f}", f"{h.length_s:.2f}", h.cause, h.detail, h.who) for h in report.holds
    )
    windows = sum(not each.open for each in report.session.windows)
    lead = "" if rows else "The beam was never held by a fault or a person while tracking."
    if windows:
        lead += f" The gating window closed {windows} times by plan; that is no hold."
    return SheetSection(
        "Holds",
        lead.strip(),
        tables=(SheetTable("", ("began, s", "lasted, s", "cause", "detail", "who"), rows),)
        if rows
        else (),
    )


def _latencies(report: FractionReport) -> SheetSection:
    configured = report.session.number("timing", "latency_ms", None)
    rows = tuple(
        (
            each.name,
            number(each.median_ms, 1, "ms"),
            number(each.most_ms, 1, "ms") if each.number > 1 else "",
            str(each.number) if each.number else "",
        )
        for each in report.latencies
    )
    return SheetSection(
        "Latencies",
        f"Configured latency from demand to motion: {number(configured, 0, 'ms')}.",
        tables=(SheetTable("", ("from … to …", "median", "most", "n"), rows),),
    )


def _share(value: float | None) -> str:
    return NOT_RECORDED if value is None else value_text(value, "share")


def _floats(values: Vector) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=np.float64).tolist())
