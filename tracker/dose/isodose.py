"""Draw isodose lines in three planes through the target's centre."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray

from tracker.dose.course import Course, course_dose, gray_per_unit
from tracker.dose.plan import Structure
from tracker.dose.techniques import Technique
from tracker.report import svg

Vector = NDArray[np.float64]

HALF_WIDTH_MM = 50.0
STEP_MM = 2.0
LEVELS = (20, 50, 80, 100)
"""Percent of the prescription."""


class PlaneKind(NamedTuple):
    """A plane through the patient: its name, its axes to the right and up, and their names."""

    name: str
    right: int
    up: int
    right_name: str
    up_name: str


PLANES = (
    PlaneKind("transversal", 0, 2, "left in mm", "anterior in mm"),
    PlaneKind("coronal", 0, 1, "left in mm", "superior in mm"),
    PlaneKind("sagittal", 1, 2, "superior in mm", "anterior in mm"),
)


def isodoses(course: Course, technique: Technique) -> list[str]:
    """Return three figures: the dose of the first session's treatment by this technique."""
    treatment = course.treatments[technique][0]
    scale = gray_per_unit(treatment.plan)
    axis = np.arange(-HALF_WIDTH_MM, HALF_WIDTH_MM + STEP_MM / 2, STEP_MM)
    right, up = np.meshgrid(axis, axis)
    centre = course.plan.target_centre_mm
    figures: list[str] = []
    for plane in PLANES:
        points = np.tile(centre, (right.size, 1))
        points[:, plane.right] += right.ravel()
        points[:, plane.up] += up.ravel()
        dose = course_dose(treatment, points, scale).reshape(right.shape)
        figures.append(_figure(course, plane, technique, dose, axis))
    return figures


def _figure(
    course: Course, plane: PlaneKind, technique: Technique, dose: Vector, axis: Vector
) -> str:
    span = (-HALF_WIDTH_MM, HALF_WIDTH_MM)
    frame = svg.PlotFrame(span, span, width=350, height=340)
    parts = [svg.axes(frame, plane.right_name, plane.up_name, y_grid=False)]
    for structure in course.plan.structures:
        parts += _outline(frame, course, plane, structure)
    relative = dose / course.plan.prescription_gy * 100.0
    generator = contour_generator(axis, axis, relative)
    for level in LEVELS:
        for line in generator.lines(level):
            points = np.asarray(line)
            parts.append(
                svg.line(frame, points[:, 0].tolist(), points[:, 1].tolist(), f"iso iso{level}")
            )
    return svg.figure(
        frame,
        f"Isodose lines, {technique}, {plane.name} plane: {', '.join(map(str, LEVELS))} percent"
        f" of the prescription; the target and other structures as filled outlines",
        parts,
    )


def _outline(
    frame: svg.PlotFrame, course: Course, plane: PlaneKind, structure: Structure
) -> list[str]:
    """Return a structure's outline in the plane."""
    fine = np.linspace(-HALF_WIDTH_MM, HALF_WIDTH_MM, 201)
    right, up = np.meshgrid(fine, fine)
    points = np.tile(course.plan.target_centre_mm, (right.size, 1))
    points[:, plane.right] += right.ravel()
    points[:, plane.up] += up.ravel()
    inside = structure.shape.contains(points).reshape(right.shape).astype(np.float64)
    style = "of-target" if structure.role == "target" else "of-organ"
    return [
        svg.line(frame, np.asarray(line)[:, 0].tolist(), np.asarray(line)[:, 1].tolist(), style)
        for line in contour_generator(fine, fine, inside).lines(0.5)
    ]
