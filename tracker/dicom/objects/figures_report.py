"""Structured report after TID 1500: the session's figures as coded measurements.

Errors are those of the session's summary. Dose figures are of the target, for the whole course, as
`tidetrack dose` gives them. Codes of the scheme 99TIDETRACK are this program's own.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from tracker.dicom import dataset_parts as parts
from tracker.dicom.dataset_parts import SCHEME, Coded
from tracker.dicom.export_job import Built, ExportJob, Objects
from tracker.dose.course import course_dose, gray_per_unit
from tracker.dose.shapes import scattered
from tracker.dose.techniques import treatments
from tracker.report import about_of, summary_of

KIND = parts.SeriesKind("1.2.840.10008.5.1.4.1.1.88.34", "SR", 30, "figures of the session")

MM = Coded("mm", "UCUM", "millimeter")
GY = Coded("Gy", "UCUM", "Gray")
MS = Coded("ms", "UCUM", "millisecond")
PERCENT = Coded("%", "UCUM", "percent")
SECONDS = Coded("s", "UCUM", "second")
COUNT = Coded("1", "UCUM", "no units")

LONGEST_NUMBER = 16


class CodedFigure(NamedTuple):
    """One figure: its code, its value, and its unit."""

    name: Coded
    value: float
    unit: Coded


class Figure(NamedTuple):
    """Where a figure of the summary is found, and what it is called."""

    path: tuple[str, ...]
    name: Coded
    unit: Coded
    factor: float = 1.0


FIGURES = (
    Figure(("tracked", "rms_mm"), Coded("T-RMS", SCHEME, "Tracked error, RMS"), MM),
    Figure(("tracked", "p95_mm"), Coded("T-P95", SCHEME, "Tracked error, 95th percentile"), MM),
    Figure(("tracked", "max_mm"), Coded("T-MAX", SCHEME, "Tracked error, largest"), MM),
    Figure(("untracked", "rms_mm"), Coded("U-RMS", SCHEME, "Untracked error, RMS"), MM),
    Figure(("untracked", "p95_mm"), Coded("U-P95", SCHEME, "Untracked error, 95th percentile"), MM),
    Figure(("errors", "correlation_rms_mm"), Coded("C-RMS", SCHEME, "Correlation error, RMS"), MM),
    Figure(("errors", "prediction_rms_mm"), Coded("P-RMS", SCHEME, "Prediction error, RMS"), MM),
    Figure(("errors", "actuator_rms_mm"), Coded("A-RMS", SCHEME, "Machine error, RMS"), MM),
    Figure(("beam", "duty"), Coded("DUTY", SCHEME, "Share of time with beam"), PERCENT, 100.0),
    Figure(("beam", "unsafe_ms_longest"), Coded("UNSAFE", SCHEME, "Longest beam off target"), MS),
    Figure(("duration_s",), Coded("DURATION", SCHEME, "Duration of the session"), SECONDS),
)
"""The figures of the summary that are exported; those that are not known are left out."""


def figures_report(job: ExportJob) -> Objects:
    """Return the report; without a known error it holds what is known."""
    session = job.session
    summary = summary_of(session.records, about_of(session.journal, session.digest))
    groups = [_group(job, "session", _session_figures(job, summary))]
    doses = _dose_figures(job)
    if doses:
        groups.append(_group(job, "target", doses))
    dataset = job.start(KIND, "figures")
    at = job.moment(session.records.end_ns)
    dataset.ContentDate, dataset.ContentTime = parts.date_of(at), parts.time_of(at)
    dataset.ReferencedPerformedProcedureStepSequence = parts.sequence()
    dataset.PerformedProcedureCodeSequence = parts.sequence()
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.ValueType = "CONTAINER"
    dataset.ContinuityOfContent = "SEPARATE"
    dataset.ConceptNameCodeSequence = parts.sequence(
        Coded("126000", "DCM", "Imaging Measurement Report").item()
    )
    dataset.ContentTemplateSequence = parts.sequence(_template("1500"))
    measurements = _container("CONTAINS", Coded("126010", "DCM", "Imaging Measurements"), groups)
    dataset.ContentSequence = parts.sequence(
        _language(), *_observer(job), _procedure(), measurements
    )
    return (Built("figures", dataset),)


def _session_figures(job: ExportJob, summary: dict[str, Any]) -> list[CodedFigure]:
    found: list[CodedFigure] = []
    for figure in FIGURES:
        value: Any = summary
        for key in figure.path:
            value = value[key]
        if isinstance(value, int | float) and math.isfinite(value):
            found.append(CodedFigure(figure.name, float(value) * figure.factor, figure.unit))
    holds = len(job.session.records.holds.all())
    found.append(CodedFigure(Coded("HOLDS", SCHEME, "Number of beam holds"), holds, COUNT))
    return found


def _dose_figures(job: ExportJob) -> list[CodedFigure]:
    """Return D99, D95 and D50 of the target, planned, tracked and untracked."""
    motion = job.session.motion
    if motion is None:
        return []
    target = job.plan.target
    points = scattered(target.shape, target.spacing_mm)
    found: list[CodedFigure] = []
    for treatment in treatments(job.plan, motion):
        if treatment.technique not in ("planned", "tracked", "untracked"):
            continue
        dose = course_dose(treatment, points, gray_per_unit(treatment.plan))
        for percent in (99, 95, 50):
            found.append(
                CodedFigure(
                    Coded(
                        f"D{percent}-{treatment.technique.upper()}"[:16], SCHEME,
                        f"Estimated target D{percent}, {treatment.technique}",
                    ),
                    float(np.quantile(dose, 1.0 - percent / 100.0)),
                    GY,
                )
            )  # fmt: skip
    return found


def _group(job: ExportJob, name: str, figures: list[CodedFigure]) -> Dataset:
    """Return one measurement group (TID 1501)."""
    tracking = [
        _text("HAS OBS CONTEXT", Coded("112039", "DCM", "Tracking Identifier"), name),
        _uid(
            "HAS OBS CONTEXT",
            Coded("112040", "DCM", "Tracking Unique Identifier"),
            job.uid("tracking", name),
        ),
    ]
    group = _container(
        "CONTAINS",
        Coded("125007", "DCM", "Measurement Group"),
        [*tracking, *(_number(each) for each in figures)],
    )
    group.ContentTemplateSequence = parts.sequence(_template("1501"))
    return group


def _observer(job: ExportJob) -> list[Dataset]:
    """Return who measured: this program, as a device (TID 1002 and 1004)."""
    kind = Coded("121005", "DCM", "Observer Type")
    device = Coded("121007", "DCM", "Device")
    context = "HAS OBS CONTEXT"
    return [
        _coded_item(context, kind, device),
        _uid(context, Coded("121012", "DCM", "Device Observer UID"), job.uid("observer")),
        _text(context, Coded("121013", "DCM", "Device Observer Name"), "tidetrack"),
        _text(context, Coded("121015", "DCM", "Device Observer Model Name"), job.version),
    ]


def _language() -> Dataset:
    return _coded_item(
        "HAS CONCEPT MOD",
        Coded("121049", "DCM", "Language of Content Item and Descendants"),
        Coded("en", "RFC5646", "English"),
    )


def _procedure() -> Dataset:
    return _coded_item(
        "HAS CONCEPT MOD",
        Coded("121058", "DCM", "Procedure reported"),
        Coded("TRACKING", SCHEME, "Respiratory tumour tracking session"),
    )


def _content(kind: str, relation: str, name: Coded) -> Dataset:
    return parts.item(
        RelationshipType=relation,
        ValueType=kind,
        ConceptNameCodeSequence=parts.sequence(name.item()),
    )


def _container(relation: str, name: Coded, content: list[Dataset]) -> Dataset:
    found = _content("CONTAINER", relation, name)
    found.ContinuityOfContent = "SEPARATE"
    found.ContentSequence = parts.sequence(*content)
    return found


def _text(relation: str, name: Coded, text: str) -> Dataset:
    found = _content("TEXT", relation, name)
    found.TextValue = text
    return found


def _uid(relation: str, name: Coded, uid: str) -> Dataset:
    found = _content("UIDREF", relation, name)
    found.UID = uid
    return found


def _coded_item(relation: str, name: Coded, value: Coded) -> Dataset:
    found = _content("CODE", relation, name)
    found.ConceptCodeSequence = parts.sequence(value.item())
    return found


def _number(figure: CodedFigure) -> Dataset:
    found = _content("NUM", "CONTAINS", figure.name)
    found.MeasuredValueSequence = parts.sequence(
        parts.item(
            NumericValue=parts.decimal(round(figure.value, 6)),
            MeasurementUnitsCodeSequence=parts.sequence(figure.unit.item()),
        )
    )
    return found


def _template(number: str) -> Dataset:
    return parts.item(MappingResource="DCMR", TemplateIdentifier=number)
