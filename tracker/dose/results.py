"""Turn a course's figures into plain values for JSON."""

from __future__ import annotations

from typing import Any

from tracker.dose.course import Course, LiverFigures, OwnPlan, TechniqueFigures
from tracker.dose.margins import Margins
from tracker.dose.radiobiology import Band, EffectRow

LABEL = "estimate, research"

Values = dict[str, Any]


def as_values(course: Course) -> Values:
    """Return everything the page says, rounded to 1e-4; keys carry the units."""
    plan = course.plan
    return {
        "label": LABEL,
        "plan": {
            "name": plan.name,
            "beams": len(plan.beams),
            "prescription_gy": plan.prescription_gy,
            "fractions": plan.fractions,
            "margin_mm": plan.margin_mm,
        },
        "sessions": list(course.sessions),
        "target_from": "truth of the simulation" if course.from_truth else "controller's estimate",
        "rotation_known": course.rotation_known,
        "techniques": {name: _technique(each) for name, each in course.techniques.items()},
        "impossible": dict(course.impossible),
    }


def _technique(each: TechniqueFigures) -> Values:
    return {
        "remark": each.remark,
        "duty": _r(each.duty),
        "target": {
            "d99_gy": _r(each.d99_gy),
            "d95_gy": _r(each.d95_gy),
            "d50_gy": _r(each.d50_gy),
            "effects_at_d99": _effects(each.effects),
        },
        "structures": {
            name: {"mean_gy": _r(h.mean()), "max_gy": _r(float(h.sorted_gy[-1])),
                   "volume_cc": _r(h.volume_cc)}
            for name, h in each.histograms.items()
        },
        "liver": None if each.liver is None else _liver(each.liver),
        "limits": [
            {
                "structure": f.limit.structure,
                "measure": f.limit.measure,
                "dose_gy": f.limit.dose_gy,
                "value": f.limit.value,
                "found": _r(f.found),
                "kept": f.is_kept,
                "source": f.limit.source,
            }
            for f in each.limits
        ],
        "margins_mm": None if each.needed is None else _margins(each.needed),
        "plan_with_needed_margin": None if each.own_plan is None else _own(each.own_plan),
        "fractions": [
            {
                "session": f.session,
                "d99_gy": _r(f.d99_gy),
                "d95_gy": _r(f.d95_gy),
                "d50_gy": _r(f.d50_gy),
                "duty": _r(f.duty),
                "margins_mm": None if f.margins is None else _margins(f.margins),
            }
            for f in each.fractions
        ],
    }  # fmt: skip


def _own(own: OwnPlan) -> Values:
    return {
        "margin_mm": _r(own.margin_mm),
        "field_mm": _r(own.field_mm),
        "liver": None if own.liver is None else _liver(own.liver),
    }


def _liver(liver: LiverFigures) -> Values:
    return {
        "mean_gy": _r(liver.mean_gy),
        "below_15_gy_cc": _r(liver.below_15_gy_cc),
        "below_5_gy_a_fraction_cc": _r(liver.below_5_gy_a_fraction_cc),
        "volume_cc": _r(liver.volume_cc),
        "effects_at_mean": _effects(liver.effects),
        "ntcp_primary": _band(liver.primary),
        "ntcp_metastases": _band(liver.metastases),
    }


def _margins(margins: Margins) -> Values:
    return {
        name: [_r(float(v)) for v in values]
        for name, values in (
            ("mean", margins.mean_mm), ("sd", margins.sd_mm), ("linear", margins.linear_mm),
            ("full", margins.full_mm), ("own_distribution", margins.own_mm),
        )
    }  # fmt: skip


def _effects(rows: list[EffectRow]) -> list[Values]:
    return [{"model": r.model, "bed_gy": _r(r.bed_gy), "eqd2_gy": _r(r.eqd2_gy)} for r in rows]


def _band(band: Band) -> list[float]:
    return [float(f"{band.low:.3g}"), float(f"{band.high:.3g}")]


def _r(value: float) -> float:
    return round(float(value), 4)
