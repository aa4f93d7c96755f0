"""Compute the dose figures of a patient's sessions, technique by technique.

Every session is one fraction. The course's dose is the sum over fractions; if fewer sessions are
given than the plan has fractions, the given ones stand for all. The liver is counted without the
target.

What tracking spares in the liver is the margin, not the blur. So each technique is also planned
with the margin its own errors needed, and those plans are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.dose import radiobiology
from tracker.dose.delivery import delivered_dose, planned_dose, scale_to_prescription
from tracker.dose.dose_error import DoseError
from tracker.dose.limits import (
    LIVER_LIMIT_GY,
    LIVER_LIMIT_PER_FRACTION_GY,
    LimitFinding,
    compare,
)
from tracker.dose.margins import Margins, margins_of, margins_of_sessions
from tracker.dose.motion import TargetMotion
from tracker.dose.plan import Circle, Plan, Structure
from tracker.dose.radiobiology import Band, EffectRow
from tracker.dose.shapes import Points, scattered
from tracker.dose.techniques import (
    TECHNIQUES,
    Technique,
    Treatment,
    treatments,
)
from tracker.dose.volumes import DoseVolume

Vector = NDArray[np.float64]

PTV_CELLS = 60_000
"""Cells of points in the box around the target with its margin, for scaling the plan."""


class SampledStructure(NamedTuple):
    """A structure with its points; ``points`` is the slice of all points that belong to it."""

    structure: Structure
    points: slice
    volume_cc: float


class SampledPatient(NamedTuple):
    """All points at which the dose is computed, the target's first."""

    points: Points
    structures: tuple[SampledStructure, ...]

    @property
    def target(self) -> SampledStructure:
        """The target's points."""
        return self.structures[0]

    @property
    def liver(self) -> SampledStructure | None:
        """The liver's points, without those in the target."""
        return next((s for s in self.structures if s.structure.role == "liver"), None)


class Fraction(NamedTuple):
    """One session and technique: the dose figures of the whole course if all were like this one."""

    session: str
    d99_gy: float
    d95_gy: float
    d50_gy: float
    duty: float
    margins: Margins | None


class LiverFigures(NamedTuple):
    """What the normal liver got in the course."""

    mean_gy: float
    below_15_gy_cc: float
    below_5_gy_a_fraction_cc: float
    volume_cc: float
    effects: list[EffectRow]
    primary: Band
    metastases: Band


class TechniqueFigures(NamedTuple):
    """All figures of one technique over the given sessions.

    ``histograms`` are of the course, by structure. ``needed`` is the margin that this technique's
    errors needed; ``own_plan`` has the liver's figures of a plan with just that margin.
    """

    technique: Technique
    remark: str
    duty: float
    d99_gy: float
    d95_gy: float
    d50_gy: float
    histograms: dict[str, DoseVolume]
    effects: list[EffectRow]
    liver: LiverFigures | None
    limits: list[LimitFinding]
    fractions: list[Fraction]
    needed: Margins | None
    own_plan: OwnPlan | None


class OwnPlan(NamedTuple):
    """The plan with the margin a technique needs: its margin and what it does to the liver."""

    margin_mm: float
    field_mm: float
    liver: LiverFigures | None


class Course(NamedTuple):
    """The result: the plan, and each technique that could treat."""

    plan: Plan
    gray_per_unit: float
    sessions: tuple[str, ...]
    from_truth: bool
    rotation_known: bool
    techniques: dict[Technique, TechniqueFigures]
    impossible: dict[Technique, str]
    treatments: dict[Technique, list[Treatment]]


def sampled(plan: Plan) -> SampledPatient:
    """Scatter points in all structures of a plan."""
    target = plan.target
    others = [each for each in plan.structures if each is not target]
    found: list[SampledStructure] = []
    points: list[Points] = []
    start = 0
    for each in (target, *others):
        inside = scattered(each.shape, each.spacing_mm)
        if each.role == "liver":
            inside = inside[~target.shape.contains(inside)]
        if not len(inside):
            raise DoseError(
                f"structure {each.name} holds no point at a spacing of {each.spacing_mm:g} mm;"
                " give it a smaller spacing_mm"
            )
        points.append(inside)
        volume_cc = len(inside) * each.spacing_mm**3 / 1000.0
        found.append(SampledStructure(each, slice(start, start + len(inside)), volume_cc))
        start += len(inside)
    return SampledPatient(np.concatenate(points), tuple(found))


def course_of(plan: Plan, motions: Sequence[TargetMotion]) -> Course:
    """Compute the figures of all techniques over the sessions. Raises `DoseError`."""
    if len(motions) > plan.fractions:
        raise DoseError(
            f"{len(motions)} sessions for {plan.fractions} fractions; give --fractions"
            f" {len(motions)} or fewer sessions"
        )
    patient = sampled(plan)
    by_session = [treatments(plan, motion) for motion in motions]
    rows: dict[Technique, list[Treatment]] = {
        technique: [next(t for t in each if t.technique == technique) for each in by_session]
        for technique in TECHNIQUES
    }
    found: dict[Technique, TechniqueFigures] = {}
    impossible: dict[Technique, str] = {}
    for technique, each in rows.items():
        failed = [t.remark for t in each if not t.is_possible]
        if failed:
            impossible[technique] = failed[0]
        else:
            names = [motion.name for motion in motions]
            found[technique] = _figures(plan, patient, technique, each, names)
    return Course(
        plan=plan,
        gray_per_unit=gray_per_unit(plan),
        sessions=tuple(motion.name for motion in motions),
        from_truth=all(motion.from_truth for motion in motions),
        rotation_known=all(motion.rotation_deg is not None for motion in motions),
        techniques=found,
        impossible=impossible,
        treatments=rows,
    )


@lru_cache(maxsize=32)
def gray_per_unit(plan: Plan) -> float:
    """Return the factor that gives the target with its margin the prescription."""
    ptv = plan.target.shape.grown(plan.margin_mm)
    low, high = (np.array(corner) for corner in ptv.bounds())
    spacing_mm = float((np.prod(high - low) / PTV_CELLS) ** (1.0 / 3.0))
    return scale_to_prescription(plan, scattered(ptv, spacing_mm))


def course_dose(treatment: Treatment, points: Points, scale: float) -> Vector:
    """Return the dose of a course in which every fraction goes like this one, in Gy."""
    if treatment.samples is None:
        return planned_dose(treatment.plan, points) * scale
    return delivered_dose(treatment.plan, treatment.samples, points) * scale


def _figures(
    plan: Plan,
    patient: SampledPatient,
    technique: Technique,
    each: Sequence[Treatment],
    names: Sequence[str],
) -> TechniqueFigures:
    """Return the figures of one technique from its treatment in each session."""
    courses = [course_dose(t, patient.points, gray_per_unit(t.plan)) for t in each]
    fractions = np.stack(courses) / plan.fractions
    repeats = plan.fractions / len(each)
    mean = np.mean(courses, axis=0)
    histograms = {
        s.structure.name: DoseVolume.of(mean[s.points], s.volume_cc) for s in patient.structures
    }
    target = histograms[plan.target.name]
    at_d99 = int(np.argsort(mean[patient.target.points])[int(0.01 * len(target.sorted_gy))])
    errors = [(t.samples.shift_mm, t.samples.step_s) for t in each if t.samples is not None]
    needed = margins_of_sessions(errors) if errors else None
    return TechniqueFigures(
        technique=technique,
        remark="; ".join(dict.fromkeys(t.remark for t in each if t.remark)),
        duty=float(np.mean([t.duty for t in each])),
        d99_gy=target.dose_at(99),
        d95_gy=target.dose_at(95),
        d50_gy=target.dose_at(50),
        histograms=histograms,
        effects=radiobiology.tumour_effects(fractions[:, at_d99], repeats),
        liver=_liver(patient, fractions, repeats),
        limits=[
            finding
            for s in patient.structures
            for finding in compare(
                s.structure.name, s.structure.role, plan.fractions, histograms[s.structure.name]
            )
        ],
        fractions=[
            _fraction(patient, name, course, t)
            for name, course, t in zip(names, courses, each, strict=True)
        ],
        needed=needed,
        own_plan=_own_plan(plan, patient, each[0], needed),
    )


def _fraction(patient: SampledPatient, name: str, course: Vector, treatment: Treatment) -> Fraction:
    target = DoseVolume.of(course[patient.target.points], patient.target.volume_cc)
    samples = treatment.samples
    return Fraction(
        name,
        target.dose_at(99),
        target.dose_at(95),
        target.dose_at(50),
        treatment.duty,
        None if samples is None else margins_of(samples.shift_mm, samples.step_s),
    )


def _own_plan(
    plan: Plan, patient: SampledPatient, treatment: Treatment, needed: Margins | None
) -> OwnPlan | None:
    """Return the plan with the margin needed; an ITV is no narrower than the motion it covers."""
    if needed is None:
        margin = plan.margin_mm
    else:
        margin = max(needed.needed_mm, treatment.plan.margin_mm - plan.margin_mm)
    own = plan.with_margin(margin)
    aperture = own.beams[0].aperture
    field = aperture.diameter_mm if isinstance(aperture, Circle) else aperture.width_mm
    liver = patient.liver
    if liver is None:
        return OwnPlan(margin, field, None)
    dose = planned_dose(own, patient.points[liver.points]) * gray_per_unit(own)
    fractions = dose[None, :] / plan.fractions
    return OwnPlan(margin, field, _liver_figures(liver, fractions, float(plan.fractions)))


def _liver(patient: SampledPatient, fractions: Vector, repeats: float) -> LiverFigures | None:
    liver = patient.liver
    if liver is None:
        return None
    return _liver_figures(liver, fractions[:, liver.points], repeats)


def _liver_figures(liver: SampledStructure, fractions: Vector, repeats: float) -> LiverFigures:
    """Return the liver's figures from its dose in each fraction, shape (fractions, points)."""
    course = DoseVolume.of(fractions.sum(axis=0) * repeats, liver.volume_cc)
    hottest = DoseVolume.of(fractions.max(axis=0), liver.volume_cc)
    bands = [
        radiobiology.complication_band(model, fractions, repeats)
        for model in (radiobiology.LIVER_PRIMARY, radiobiology.LIVER_METASTASES)
    ]
    return LiverFigures(
        mean_gy=course.mean(),
        below_15_gy_cc=course.cc_below(LIVER_LIMIT_GY),
        below_5_gy_a_fraction_cc=hottest.cc_below(LIVER_LIMIT_PER_FRACTION_GY),
        volume_cc=liver.volume_cc,
        effects=radiobiology.liver_effects(fractions.mean(axis=1), repeats),
        primary=bands[0],
        metastases=bands[1],
    )
