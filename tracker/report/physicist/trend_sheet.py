"""Lay out figures over fractions as a sheet: of one patient, or of all patients of a folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from tracker.report.physicist.fraction import FractionSummary
from tracker.report.physicist.outliers import Outlier, outliers_of
from tracker.report.physicist.verdict import answer_of, in_words, overall, worst_first
from tracker.report.sheet.html import VERDICT_WORDS
from tracker.report.sheet.values import (
    NOT_RECORDED,
    ChartSeries,
    Sheet,
    SheetChart,
    SheetSection,
    SheetTable,
    Verdict,
)


class TrendFigure(NamedTuple):
    """A figure that is followed over fractions."""

    name: str
    words: str
    unit: str


TREND_FIGURES = (
    TrendFigure("total_p95_mm", "total error at images, p95", "mm"),
    TrendFigure("total_mean_mm", "total error at images, mean", "mm"),
    TrendFigure("correlation_p95_mm", "image against model, p95", "mm"),
    TrendFigure("prediction_p95_mm", "prediction error, p95", "mm"),
    TrendFigure("machine_p95_mm", "machine error, p95", "mm"),
    TrendFigure("within_3_mm", "beam time within 3 mm", "share"),
    TrendFigure("largest_mm", "largest distance, beam on", "mm"),
    TrendFigure("duty", "beam on, of the treatment", "share"),
    TrendFigure("holds", "holds", ""),
    TrendFigure("period_s", "breathing period", "s"),
    TrendFigure("target_amplitude_mm", "amplitude of the target", "mm"),
    TrendFigure("drift_mm_min", "drift of the target", "mm/min"),
    TrendFigure("hysteresis_mm", "hysteresis", "mm"),
    TrendFigure("marker_correlation", "best correlation of a surrogate", ""),
    TrendFigure("images", "images", ""),
    TrendFigure("motion_latency_ms", "latency, demand to motion", "ms"),
)
_CHARTED = (
    "total_p95_mm", "within_3_mm", "prediction_p95_mm", "target_amplitude_mm", "drift_mm_min",
    "motion_latency_ms",
)  # fmt: skip
_MOST_SERIES = 5
_LIMITED = frozenset({"total_p95_mm", "within_3_mm", "prediction_p95_mm", "drift_mm_min"})


def outliers_in(fractions: Sequence[FractionSummary]) -> list[Outlier]:
    """Return the outliers among the figures that are followed."""
    return outliers_of(fractions, [each.name for each in TREND_FIGURES])


def trend_sheet(fractions: Sequence[FractionSummary], title: str, subtitle: str) -> Sheet:
    """Return the sheet of figures over fractions, in the given order."""
    judged = [each for fraction in fractions for each in fraction.judged]
    outliers = outliers_in(fractions)
    failed = [f for f in fractions if overall(f.judged) == "fail"]
    untracked = [f.name for f in fractions if f.never_tracked]
    notice = f"Never tracked, not counted: {', '.join(untracked)}." if untracked else ""
    return Sheet(
        title=title,
        subtitle=subtitle,
        verdict=overall(judged),
        answer=f"{len(fractions)} fraction(s), {len(failed)} with a figure beyond its limit."
        f" Over all: {answer_of(judged)}",
        to_do=(*_to_do(failed), *_to_look_at(outliers)),
        identity=tuple(
            (f"{f.patient_id} · {f.plan_id} · {f.name}", f"journal SHA-256 {f.sha256}")
            for f in fractions
        ),
        sections=(
            SheetSection("Fractions", tables=(_verdict_table(fractions),)),
            SheetSection("Trends", charts=tuple(_chart(fractions, name) for name in _CHARTED)),
            _outlier_section(outliers, len(fractions)),
            SheetSection("Figures by fraction", tables=_figure_tables(fractions)),
        ),
        notice=notice,
    )


def _to_do(failed: Sequence[FractionSummary]) -> tuple[str, ...]:
    found: list[str] = []
    for fraction in failed:
        worst = worst_first(fraction.judged)[0]
        found.append(f"{fraction.name}: {in_words(worst)}: {worst.remedy}.")
    return tuple(found[:8])


def _to_look_at(outliers: Sequence[Outlier]) -> tuple[str, ...]:
    by_session = dict.fromkeys(each.session for each in outliers)
    return tuple(
        f"{name}: look at {', '.join(_words(o.figure) for o in outliers if o.session == name)},"
        " far from the other fractions."
        for name in list(by_session)[:5]
    )


def _words(figure: str) -> str:
    return next((each.words for each in TREND_FIGURES if each.name == figure), figure)


def _verdict_table(fractions: Sequence[FractionSummary]) -> SheetTable:
    verdicts: list[Verdict] = [overall(f.judged) for f in fractions]
    rows: list[tuple[str, ...]] = []
    for fraction, verdict in zip(fractions, verdicts, strict=True):
        worst = worst_first(fraction.judged)
        said = fraction.never_tracked or (in_words(worst[0]) if worst else "nothing was judged")
        rows.append((fraction.name, fraction.patient_id, VERDICT_WORDS[verdict], said))
    return SheetTable(
        "", ("session", "patient", "verdict", "nearest to or beyond its limit"), tuple(rows),
        verdicts=tuple(verdicts), most_on_paper=24,
    )  # fmt: skip


def _chart(fractions: Sequence[FractionSummary], name: str) -> SheetChart:
    figure = next(each for each in TREND_FIGURES if each.name == name)
    patients = list(dict.fromkeys(f.patient_id for f in fractions))
    groups = patients if len(patients) <= _MOST_SERIES else []
    series = [_series(fractions, name, patient) for patient in (groups or [None])]
    limits = next(
        (
            ((each.limit, "limit"),)
            for fraction in fractions
            for each in fraction.judged
            if each.figure == name and name in _LIMITED
        ),
        (),
    )
    few = len(fractions) <= 8
    return SheetChart(
        figure.words,
        "" if few else "fraction, in order",
        figure.unit,
        tuple(series),
        limits=limits,
        names=tuple(f.name[-12:] for f in fractions) if few else (),
        y_from_zero=name != "within_3_mm",
    )


def _series(fractions: Sequence[FractionSummary], name: str, patient: str | None) -> ChartSeries:
    points = [
        (float(place), value)
        for place, fraction in enumerate(fractions)
        if patient in (None, fraction.patient_id)
        and (value := fraction.figures.get(name)) is not None
    ]
    label = "all patients" if patient is None else patient
    style = "points" if patient is None else "both"
    return ChartSeries(label, tuple(x for x, _ in points), tuple(y for _, y in points), style)


def _outlier_section(outliers: Sequence[Outlier], count: int) -> SheetSection:
    rows = tuple(
        (
            o.session, o.patient_id, _words(o.figure), f"{o.value:.3g}", f"{o.median:.3g}",
            f"{o.score:+.1f}",
        )
        for o in outliers
    )  # fmt: skip
    lead = (
        "A figure is named when its modified z score is beyond 3.5 (Iglewicz and Hoaglin 1993)."
        if count >= 5
        else "At least five fractions are needed to name an outlier."
    )
    tables = (
        (SheetTable("", ("session", "patient", "figure", "value", "median", "score"), rows),)
        if rows
        else ()
    )
    return SheetSection("Outliers", lead + ("" if rows or count < 5 else " None."), tables)


def _figure_tables(fractions: Sequence[FractionSummary]) -> tuple[SheetTable, ...]:
    """Return tables of a few fractions each, so that a page's width holds them."""
    together = 5
    tables: list[SheetTable] = []
    for part in range(math.ceil(len(fractions) / together)):
        shown = fractions[part * together : (part + 1) * together]
        rows = tuple(
            (
                each.words + (f", {each.unit}" if each.unit else ""),
                *(_cell(f.figures.get(each.name)) for f in shown),
            )
            for each in TREND_FIGURES
        )
        names = tuple(f.name[-18:] for f in shown)
        tables.append(SheetTable("", ("figure", *names), rows, most_on_paper=20))
    return tuple(tables)


def _cell(value: float | None) -> str:
    return NOT_RECORDED if value is None else f"{value:.3g}"
