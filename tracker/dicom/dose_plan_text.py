"""Write the dose plan of `tidetrack dose --plan` from an RT Plan and its structures.

Positions are in the patient frame from the isocentre. What the dose estimate cannot hold exactly
(leaves that make no rectangle) is refused unless it may be simplified, and then said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tomli_w

from hal.messages import Triple
from tracker.core.frames import Orientation
from tracker.dicom.beam_angles import axes_of
from tracker.dicom.dicom_error import DicomError
from tracker.dicom.plan_set import PlanSet, items_of
from tracker.dicom.planned_beams import Opening, PlannedBeam
from tracker.dicom.structure_set import PlannedStructure

LEAST_OPENING_MM = 1.0
KERNEL_MV = 6.0
FINE_MM = 0.5
COARSE_MM = 4.0


class DosePlanText(NamedTuple):
    """The plan as TOML, and what a person should know of it."""

    text: str
    remarks: tuple[str, ...]


class DosePlanChoices(NamedTuple):
    """The structures of the dose plan, the margin, and whether leaves may be simplified."""

    target: PlannedStructure
    body: PlannedStructure
    liver: PlannedStructure | None
    prescription_gy: float
    fractions: int
    margin_mm: float
    simplify: bool


def dose_plan(
    plan: PlanSet, beams: Sequence[PlannedBeam], choices: DosePlanChoices
) -> DosePlanText:
    """Return the dose plan; raises `DicomError` for what it cannot hold."""
    remarks: list[str] = []
    rows: list[dict[str, Any]] = []
    for beam in beams:
        rows += _beam_rows(beam, plan.orientation, choices.simplify, remarks)
    structures = [_structure(choices.target, "target", FINE_MM)]
    if choices.liver is not None:
        structures.append(_structure(choices.liver, "liver", COARSE_MM))
    table = {
        "name": f"imported plan {plan.label or plan.plan_uid}"[:200],
        "prescription_gy": choices.prescription_gy,
        "fractions": choices.fractions,
        "margin_mm": choices.margin_mm,
        "body": _body(choices.body),
        "beams": rows,
        "structures": structures,
    }
    remarks.append("the body is an elliptic cylinder of water as wide as the body at the isocentre")
    return DosePlanText(tomli_w.dumps(table), tuple(remarks))


def prescription_of(plan: PlanSet, given_gy: float | None) -> float:
    """Return the prescribed dose of the course; raises `DicomError` where it is not one value."""
    if given_gy is not None:
        return given_gy
    doses = sorted(
        {
            float(each.TargetPrescriptionDose)
            for each in items_of(plan.plan.dataset, "DoseReferenceSequence")
            if each.get("DoseReferenceType") == "TARGET" and each.get("TargetPrescriptionDose")
        }
    )
    if len(doses) != 1:
        found = ", ".join(f"{each:g}" for each in doses) or "none"
        raise DicomError(
            f"{plan.plan.path}: prescribed doses are {found} Gy; say one with --prescription-gy"
        )
    return doses[0]


def fractions_of(plan: PlanSet) -> int:
    """Return the number of fractions; raises `DicomError` where it is not one value."""
    counts = [
        int(each.NumberOfFractionsPlanned)
        for each in items_of(plan.plan.dataset, "FractionGroupSequence")
        if each.get("NumberOfFractionsPlanned")
    ]
    if len(counts) != 1:
        raise DicomError(
            f"{plan.plan.path}: has {len(counts)} fraction groups with a number of fractions;"
            " give a plan with one"
        )
    return counts[0]


def _beam_rows(
    beam: PlannedBeam, orientation: Orientation, simplify: bool, remarks: list[str]
) -> list[dict[str, Any]]:
    name = f"beam {beam.number} ({beam.name})"
    segments = [s for s in beam.segments if beam.cone_mm or _is_open(s.opening)]
    if beam.cone_mm is None and not all(s.opening.is_exact for s in segments):
        if not simplify:
            raise DicomError(
                f"{name}: its leaves make no constant rectangle, which is all the dose estimate"
                " holds; say --simplify to take rectangles instead"
            )
        remarks.append(
            f"{name}: leaves replaced by rectangles, moving leaves by what holds all openings"
        )
    if not segments:
        raise DicomError(f"{name}: is closed by its leaves; give a plan with open beams")
    try:
        energy = float(beam.energy)
    except ValueError:
        energy = 0.0
    if energy != KERNEL_MV:
        said = beam.energy or "unknown"
        remarks.append(f"{name}: energy {said} MV; the dose estimate's kernel is of 6 MV")
    rows: list[dict[str, Any]] = []
    for segment in segments:
        across, up, direction = axes_of(segment.angles, orientation)
        row: dict[str, Any] = {
            "direction": _unit(direction),
            "weight": round(beam.meterset * segment.share, 6),
        }
        if beam.cone_mm is not None:
            row |= {"isocentre_mm": [0.0, 0.0, 0.0]}
            row |= {"aperture": {"type": "circle", "diameter_mm": beam.cone_mm}}
        else:
            opening = segment.opening
            x = (opening.low_x + opening.high_x) / 2.0
            y = (opening.low_y + opening.high_y) / 2.0
            # An opening beside the axis is a beam whose axis lies beside the isocentre.
            row["isocentre_mm"] = [round(a * x + b * y, 3) for a, b in zip(across, up, strict=True)]
            row["across"] = _unit(across)
            row["aperture"] = {
                "type": "rectangle",
                "width_mm": round(opening.high_x - opening.low_x, 3),
                "height_mm": round(opening.high_y - opening.low_y, 3),
            }
        rows.append(row)
    return rows


def _is_open(opening: Opening) -> bool:
    wide, tall = opening.high_x - opening.low_x, opening.high_y - opening.low_y
    return wide >= LEAST_OPENING_MM and tall >= LEAST_OPENING_MM


def _unit(vector: Triple) -> list[float]:
    """Return the vector with length 1 to full precision, and no negative zeros."""
    rows = np.array(vector) / np.linalg.norm(vector)
    return [float(value) + 0.0 for value in rows.tolist()]


def _body(body: PlannedStructure) -> dict[str, float]:
    """Return the ellipse of the body's outline in the slice nearest to the isocentre."""
    nearest = min(body.outlines, key=lambda rows: abs(float(rows[0, 1])))
    level = float(nearest[0, 1])
    rows = np.concatenate([r for r in body.outlines if abs(float(r[0, 1]) - level) < 0.01])
    low, high = rows.min(axis=0).tolist(), rows.max(axis=0).tolist()
    return {
        "radius_x_mm": round((high[0] - low[0]) / 2.0, 2),
        "radius_z_mm": round((high[2] - low[2]) / 2.0, 2),
        "centre_x_mm": round((high[0] + low[0]) / 2.0, 2),
        "centre_z_mm": round((high[2] + low[2]) / 2.0, 2),
    }


def _structure(structure: PlannedStructure, role: str, spacing_mm: float) -> dict[str, Any]:
    slices: list[dict[str, Any]] = []
    for rows in structure.outlines:
        if len(rows) < 3:
            continue
        corners = [[round(x, 2), round(z, 2)] for x, _, z in rows.tolist()]
        slices.append({"at_mm": round(float(rows[0, 1]), 2), "outline_mm": corners})
    low = np.concatenate(structure.outlines).min(axis=0)
    high = np.concatenate(structure.outlines).max(axis=0)
    # A large target needs fewer points a volume: about forty across.
    spacing = max(spacing_mm, round(float((high - low).max()) / 60.0, 1))
    return {
        "name": structure.name or role,
        "role": role,
        "spacing_mm": spacing,
        "shape": {"type": "contours", "slices": slices},
    }
