"""A liver patient made of simple shapes, with 36 non-coplanar cones or two arcs.

An elliptic body of water, a liver of 1.8 litres on the patient's right, a 30 mm target in it, bowel
and spinal cord beside it. The cones come from above and from the sides, as a robot's do; the arcs
are coplanar, in steps of 10°.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from hal.messages import Triple
from tracker.dose.engine import beam_dose, planned_position
from tracker.dose.plan import Body, Circle, Plan, PlanBeam, Structure, checked
from tracker.dose.shapes import Cylinder, Ellipsoid

TARGET_MM: Triple = (-60.0, 0.0, 0.0)
TARGET_RADIUS_MM = 15.0
MARGIN_MM = 3.0
LIVER = Ellipsoid((-65.0, 0.0, 5.0), (80.0, 75.0, 70.0))
LIVER_DENSITY = 0.05
"""Electron density of liver above that of water (ICRU Report 46: 1.05)."""

CONES = 36
ARCS = 2
ARC_STEP_DEG = 10.0

Arrangement = Literal["cones", "arcs"]


def liver_phantom(
    arrangement: Arrangement = "cones", prescription_gy: float = 45.0, fractions: int = 3
) -> Plan:
    """Return the phantom's plan: the target with a margin of 3 mm, fields as wide as both."""
    body = Body(165.0, 125.0, inserts=((LIVER, LIVER_DENSITY),))
    directions = cone_directions(CONES) if arrangement == "cones" else arc_directions(ARCS)
    field = Circle(2.0 * (TARGET_RADIUS_MM + MARGIN_MM))
    beams = [PlanBeam(each, TARGET_MM, field) for each in directions]
    return checked(
        Plan(
            name=f"liver phantom, {len(beams)} cones"
            if arrangement == "cones"
            else f"liver phantom, {ARCS} arcs",
            beams=equally_weighted(beams, body),
            body=body,
            structures=structures(),
            prescription_gy=prescription_gy,
            fractions=fractions,
            margin_mm=MARGIN_MM,
        )
    )


def structures() -> tuple[Structure, ...]:
    """Return target, liver, bowel and spinal cord."""
    radii = (TARGET_RADIUS_MM, TARGET_RADIUS_MM, TARGET_RADIUS_MM)
    return (
        Structure("target", "target", Ellipsoid(TARGET_MM, radii), 0.5),
        Structure("liver", "liver", LIVER, 4.0),
        Structure("bowel", "organ", Ellipsoid((10.0, -75.0, 45.0), (60.0, 40.0, 35.0)), 4.0),
        Structure("spinal cord", "organ", Cylinder((0.0, 0.0, -70.0), 6.0, 5.0, 120.0), 2.0),
    )


def equally_weighted(beams: Sequence[PlanBeam], body: Body) -> tuple[PlanBeam, ...]:
    """Return the beams with weights that give each the same dose at its isocentre."""
    weighted: list[PlanBeam] = []
    for beam in beams:
        at = np.array([beam.isocentre_mm])
        dose = float(beam_dose(beam, planned_position(beam), body, at)[0])
        weighted.append(msgspec.structs.replace(beam, weight=beam.weight / dose / len(beams)))
    return tuple(weighted)


def cone_directions(count: int) -> list[Triple]:
    """Return directions on a golden spiral; none from below the table or along the body."""
    total = 4 * count
    while True:
        k = np.arange(total)
        height = 0.97 - 1.32 * (k + 0.5) / total
        turn = k * math.pi * (3.0 - math.sqrt(5.0))
        across = np.sqrt(1.0 - height * height)
        found = -np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=1)
        found = found[np.abs(found[:, 1]) <= 0.6]
        if len(found) <= count + 2 or total <= count:
            chosen = found[np.linspace(0, len(found) - 1, count).round().astype(int)]
            return [(float(x), float(y), float(z)) for x, y, z in chosen]
        total -= 1


def arc_directions(arcs: int) -> list[Triple]:
    """Return full coplanar arcs; every second one turns back over the angles between."""
    steps = round(360.0 / ARC_STEP_DEG)
    found: list[Triple] = []
    for arc in range(arcs):
        start = 180.0 + ARC_STEP_DEG * (0.5 + 0.5 * arc)
        sign = 1.0 if arc % 2 == 0 else -1.0
        for step in range(steps):
            angle = math.radians(start + sign * step * ARC_STEP_DEG)
            found.append((-math.sin(angle), 0.0, -math.cos(angle)))
    return found
