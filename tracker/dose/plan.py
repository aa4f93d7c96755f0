"""A treatment plan: beams, structures and the patient's body, as values.

A plan can be built from values (`Plan(...)`), read from a TOML file (`plan_file`), or taken from
the phantom (`phantom`). Everything is in the patient frame, mm: +X left, +Y superior, +Z anterior.
The planned position of the target is where the session's journal has its zero.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hal.messages import Triple
from tracker.dose.dose_error import DoseError
from tracker.dose.shapes import Ellipsoid, Shape, require_finite, require_positive

Role = Literal["target", "liver", "organ"]
"""What a structure is to the dose: the liver is counted without the target."""

UNIT_TOLERANCE = 1e-6


class Circle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="circle"):
    """A circular field; its diameter is that of the 50 % line in the isocentre's plane."""

    diameter_mm: float

    def __post_init__(self) -> None:
        require_positive("diameter_mm", (self.diameter_mm,))

    def grown(self, margin_mm: float) -> Circle:
        """Return the field with ``margin_mm`` more on every side."""
        return Circle(self.diameter_mm + 2.0 * margin_mm)


class Rectangle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="rectangle"):
    """A rectangular field, centred on the axis; its sizes are in the isocentre's plane."""

    width_mm: float
    height_mm: float

    def __post_init__(self) -> None:
        require_positive("width_mm and height_mm", (self.width_mm, self.height_mm))

    def grown(self, margin_mm: float) -> Rectangle:
        """Return the field with ``margin_mm`` more on every side."""
        return Rectangle(self.width_mm + 2.0 * margin_mm, self.height_mm + 2.0 * margin_mm)


Aperture = Circle | Rectangle


class PlanBeam(msgspec.Struct, frozen=True):
    """One static beam, or one step of an arc.

    ``direction`` is the unit vector from the source to the isocentre. ``across`` is the direction
    of a rectangle's width, at a right angle to it. ``weight`` is the fluence, in proportion to
    monitor units: it decides the dose and the share of the beam-on time.
    """

    direction: Triple
    isocentre_mm: Triple
    aperture: Aperture
    weight: float = 1.0
    across: Triple | None = None

    def __post_init__(self) -> None:
        require_finite("isocentre_mm", self.isocentre_mm)
        _require_unit("direction", self.direction)
        if not (math.isfinite(self.weight) and self.weight >= 0.0):
            raise DoseError(f"weight of a beam is {self.weight:g}; it must be 0 or more")
        if self.across is not None:
            _require_unit("across", self.across)
            if abs(np.dot(self.across, self.direction)) > 1e-3:
                raise DoseError("across of a beam is not at a right angle to its direction")


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The patient's outside and the relative electron density inside.

    The outside is an elliptic cylinder of water along the inferior-superior axis, centred at
    ``centre_x_mm``, ``centre_z_mm``. ``inserts`` are ellipsoids with their density above water.
    """

    radius_x_mm: float
    radius_z_mm: float
    centre_x_mm: float = 0.0
    centre_z_mm: float = 0.0
    inserts: tuple[tuple[Ellipsoid, float], ...] = ()

    def __post_init__(self) -> None:
        require_positive("radii of the body", (self.radius_x_mm, self.radius_z_mm))
        require_finite("centre of the body", (self.centre_x_mm, self.centre_z_mm))
        for _, density in self.inserts:
            if not (math.isfinite(density) and density >= -1.0):
                raise DoseError(
                    f"density of an insert is {density:g} above water; it must be -1 or more"
                )


class Structure(NamedTuple):
    """A named region, and how densely points are scattered in it."""

    name: str
    role: Role
    shape: Shape
    spacing_mm: float = 4.0


class Plan(NamedTuple):
    """Beams on a patient, and what is prescribed: the course's dose in ``fractions`` equal parts.

    The beams are scaled so that ``coverage`` of the target grown by ``margin_mm`` receives at least
    the prescription.
    """

    name: str
    beams: tuple[PlanBeam, ...]
    body: Body
    structures: tuple[Structure, ...]
    prescription_gy: float = 45.0
    fractions: int = 3
    margin_mm: float = 3.0
    coverage: float = 0.95

    @property
    def target(self) -> Structure:
        """The structure that is to be treated."""
        return next(each for each in self.structures if each.role == "target")

    @property
    def target_centre_mm(self) -> NDArray[np.float64]:
        """The middle of the target, about which it is said to turn."""
        low, high = self.target.shape.bounds()
        return (np.array(low) + np.array(high)) / 2.0

    def with_margin(self, margin_mm: float) -> Plan:
        """Return the plan for another margin: every field grows or shrinks with it."""
        more = margin_mm - self.margin_mm
        beams = tuple(
            msgspec.structs.replace(beam, aperture=beam.aperture.grown(more)) for beam in self.beams
        )
        return self._replace(beams=beams, margin_mm=margin_mm)


def checked(plan: Plan) -> Plan:
    """Return the plan; raises `DoseError` for one that no dose can be computed from."""
    roles = [each.role for each in plan.structures]
    targets, livers = roles.count("target"), roles.count("liver")
    if targets != 1:
        raise DoseError(f"plan {plan.name}: {targets} structures are a target; give one")
    if livers > 1:
        raise DoseError(f"plan {plan.name}: {livers} structures are the liver; give one")
    if not plan.beams or not sum(beam.weight for beam in plan.beams) > 0.0:
        raise DoseError(f"plan {plan.name}: no beam has a weight above 0; give at least one")
    names = [each.name for each in plan.structures]
    if len(set(names)) < len(names):
        raise DoseError(f"plan {plan.name}: two structures have one name; names must differ")
    if not 1 <= plan.fractions <= 60:
        raise DoseError(f"fractions is {plan.fractions}; it must be 1 to 60")
    if not (math.isfinite(plan.prescription_gy) and 0.0 < plan.prescription_gy <= 200.0):
        raise DoseError(
            f"prescription_gy is {plan.prescription_gy:g}; it must be above 0, at most 200"
        )
    if not 0.0 <= plan.margin_mm <= 50.0:
        raise DoseError(f"margin_mm is {plan.margin_mm:g}; it must be 0 to 50")
    if not 0.0 < plan.coverage < 1.0:
        raise DoseError(f"coverage is {plan.coverage:g}; it must be between 0 and 1")
    for each in plan.structures:
        if not 0.1 <= each.spacing_mm <= 20.0:
            raise DoseError(
                f"spacing_mm of {each.name} is {each.spacing_mm:g}; it must be 0.1 to 20"
            )
    return plan


def _require_unit(name: str, vector: Triple) -> None:
    length = float(np.linalg.norm(vector))
    if not abs(length - 1.0) <= UNIT_TOLERANCE:
        raise DoseError(f"{name} of a beam has the length {length:g}; it must be a unit vector")
