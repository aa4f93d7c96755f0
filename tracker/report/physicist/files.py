"""Write the physicist's report as files: HTML, PDF, JSON and CSV beside each other."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tracker.report.physicist.fraction import FractionReport, FractionSummary, identity_of
from tracker.report.physicist.outliers import Outlier
from tracker.report.physicist.verdict import JudgedFigure, answer_of, overall, to_do_of
from tracker.report.report_error import ReportError
from tracker.report.sheet.html import html_of
from tracker.report.sheet.pdf import pdf_of
from tracker.report.sheet.values import Sheet

Values = dict[str, Any]


def write_sheet(
    sheet: Sheet, values: Values, table: str | None, directory: Path, name: str, *, pdf: bool = True
) -> list[Path]:
    """Write the files of a sheet into a directory; all are made before the first is written.

    Raises `ReportError` where nothing can be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(directory, error) from None
    texts: dict[str, bytes] = {
        f"{name}.html": html_of(sheet).encode(),
        f"{name}.json": json.dumps(values, indent=2, ensure_ascii=False).encode() + b"\n",
    }
    if table is not None:
        texts[f"{name}.csv"] = table.encode()
    if pdf:
        texts[f"{name}.pdf"] = pdf_of(sheet)
    paths: list[Path] = []
    for file, data in texts.items():
        path = directory / file
        try:
            path.write_bytes(data)
        except OSError as error:
            raise _not_writable(path, error) from None
        paths.append(path)
    return paths


def _not_writable(path: Path, error: OSError) -> ReportError:
    return ReportError(f"{path}: {error.strerror}; name a place that can be written")


def fraction_values(report: FractionReport) -> Values:
    """Return all of a fraction's report as values for JSON; ``None``: not recorded."""
    beam = report.beam
    return {
        "identity": dict(identity_of(report)),
        "verdict": overall(report.judged),
        "answer": report.never_tracked or answer_of(report.judged),
        "to_do": list(to_do_of(report.judged)),
        "figures": rounded(report.figures),
        "tolerances": [judged_values(each) for each in report.judged],
        "causes": [rounded(each._asdict()) for each in report.causes],
        "localisation": rounded(report.localisation and report.localisation._asdict()),
        "beam": rounded(beam._asdict() | {
            "within": {f"{mm:g}": share for mm, share in beam.within.items()},
            "by_units": None
            if beam.by_units is None
            else {f"{mm:g}": share for mm, share in beam.by_units.items()},
        }),
        "breathing": rounded(report.breathing._asdict()),
        "surrogates": [rounded(each._asdict()) for each in report.relations],
        "images": rounded(report.images._asdict()),
        "model_events": [rounded(each._asdict()) for each in report.model_events],
        "holds": [rounded(each._asdict()) for each in report.holds],
        "latencies": [rounded(each._asdict()) for each in report.latencies],
    }  # fmt: skip


def trend_values(fractions: Sequence[FractionSummary], outliers: Sequence[Outlier]) -> Values:
    """Return figures over fractions as values for JSON."""
    return {
        "fractions": [
            {
                "session": f.name,
                "patient": f.patient_id,
                "plan": f.plan_id,
                "digest": f.digest,
                "journal_sha256": f.sha256,
                "verdict": overall(f.judged),
                "never_tracked": f.never_tracked,
                "figures": rounded(f.figures),
            }
            for f in fractions
        ],
        "outliers": [rounded(each._asdict()) for each in outliers],
    }


def judged_values(judged: JudgedFigure) -> Values:
    """Return a judged figure as values; a use beyond all limits has no number in JSON."""
    values = judged._asdict()
    if values["use"] == float("inf"):
        values["use"] = None
    return rounded(values)


def figures_csv(fractions: Iterable[FractionSummary]) -> str:
    """Return every figure of every fraction as a row of CSV, with its limit where it has one."""
    into = io.StringIO()
    writer = csv.writer(into, lineterminator="\n")
    writer.writerow(("session", "patient", "figure", "value", "unit", "sense", "limit", "verdict"))
    for fraction in fractions:
        judged = {each.figure: each for each in fraction.judged}
        for name, value in fraction.figures.items():
            row = judged.get(name)
            limit = (
                ("", "", "", "") if row is None else (row.unit, row.sense, row.limit, row.verdict)
            )
            shown = "" if value is None else f"{value:.6g}"
            writer.writerow((fraction.name, fraction.patient_id, name, shown, *limit))
    return into.getvalue()


def rounded(values: Any) -> Any:
    """Return the values with every number rounded to six places, tuples as lists."""
    if isinstance(values, float):
        return round(values, 6)
    if isinstance(values, dict):
        return {str(key): rounded(each) for key, each in values.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(values, list | tuple):
        return [rounded(each) for each in values]  # pyright: ignore[reportUnknownVariableType]
    return values
