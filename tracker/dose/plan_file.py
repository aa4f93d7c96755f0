"""Read a plan from a TOML file: beams, body, and structures of simple shapes or outlines.

name = "two beams"
prescription_gy = 45.0
fractions = 3
margin_mm = 3.0

[body]
radius_x_mm = 165.0
radius_z_mm = 125.0

[[beams]]
direction = [0.0, 0.0, -1.0]           # from the source to the isocentre, patient frame
isocentre_mm = [0.0, 0.0, 0.0]
aperture = { type = "circle", diameter_mm = 36.0 }
weight = 1.0

[[structures]]
name = "target"
role = "target"
shape = { type = "ellipsoid", centre_mm = [0.0, 0.0, 0.0], radii_mm = [15.0, 15.0, 15.0] }
spacing_mm = 0.5
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hal.messages import Triple
from tracker.dose.contours import Contours
from tracker.dose.dose_error import DoseError
from tracker.dose.plan import Aperture, Body, Plan, PlanBeam, Role, Structure, checked
from tracker.dose.shapes import Cylinder, Ellipsoid

LARGEST_FILE = 10_000_000


class _BeamRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    direction: Triple
    isocentre_mm: Triple
    aperture: Aperture
    weight: float = 1.0
    across: Triple | None = None


class _InsertRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shape: Ellipsoid
    density_above_water: float


class _BodyRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    radius_x_mm: float
    radius_z_mm: float
    centre_x_mm: float = 0.0
    centre_z_mm: float = 0.0
    inserts: tuple[_InsertRow, ...] = ()


class _StructureRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    role: Role
    shape: Ellipsoid | Cylinder | Contours
    spacing_mm: float = 4.0


class _PlanRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    body: _BodyRow
    beams: tuple[_BeamRow, ...]
    structures: tuple[_StructureRow, ...]
    prescription_gy: float = 45.0
    fractions: int = 3
    margin_mm: float = 3.0
    coverage: float = 0.95


def read_plan(path: Path) -> Plan:
    """Return the plan in a file; raises `DoseError` that names what is wrong."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DoseError(f"{path}: larger than {LARGEST_FILE} bytes; give a plan in TOML")
        data = path.read_bytes()
    except OSError as error:
        raise DoseError(f"{path}: {error.strerror}; give a plan file or liver-phantom") from None
    try:
        row = msgspec.toml.decode(data, type=_PlanRow)
        return _plan(row)
    except (msgspec.DecodeError, UnicodeDecodeError, DoseError) as error:
        raise DoseError(f"{path}: {error}") from None


def _plan(row: _PlanRow) -> Plan:
    body = row.body
    return checked(
        Plan(
            name=row.name,
            beams=tuple(
                PlanBeam(b.direction, b.isocentre_mm, b.aperture, b.weight, b.across)
                for b in row.beams
            ),
            body=Body(
                body.radius_x_mm,
                body.radius_z_mm,
                body.centre_x_mm,
                body.centre_z_mm,
                tuple((each.shape, each.density_above_water) for each in body.inserts),
            ),
            structures=tuple(
                Structure(s.name, s.role, s.shape, s.spacing_mm) for s in row.structures
            ),
            prescription_gy=row.prescription_gy,
            fractions=row.fractions,
            margin_mm=row.margin_mm,
            coverage=row.coverage,
        )
    )
