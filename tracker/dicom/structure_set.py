"""Take the structures of a structure set, in the patient frame with the isocentre as origin."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.messages import Triple
from tracker.dicom.dicom_error import DicomError
from tracker.dicom.plan_set import PlanFile, items_of

Points = NDArray[np.float64]

FARTHEST_FIDUCIAL_MM = 150.0
MARKER_TYPES = ("MARKER", "FIDUCIAL", "REGISTRATION")


class PlannedStructure(NamedTuple):
    """One structure: its name, its type, its closed outlines and its single points, mm."""

    name: str
    kind: str
    outlines: tuple[Points, ...]
    points: tuple[Triple, ...]

    @property
    def centre_mm(self) -> Triple:
        """The mean of the points, or of the corners of all outlines."""
        rows = np.array(self.points) if self.points else np.concatenate(self.outlines)
        x, y, z = rows.mean(axis=0).tolist()
        return (x, y, z)


def structures_of(file: PlanFile, isocentre_mm: Triple) -> list[PlannedStructure]:
    """Return the structures that are drawn; raises `DicomError` for contours that are damaged."""
    dataset = file.dataset
    kinds = {
        int(each.ReferencedROINumber): str(each.get("RTROIInterpretedType", "") or "")
        for each in items_of(dataset, "RTROIObservationsSequence")
    }
    drawn = {
        int(each.ReferencedROINumber): items_of(each, "ContourSequence")
        for each in items_of(dataset, "ROIContourSequence")
    }
    found: list[PlannedStructure] = []
    for each in items_of(dataset, "StructureSetROISequence"):
        number, name = int(each.ROINumber), str(each.get("ROIName", "") or "").strip()
        outlines: list[Points] = []
        points: list[Triple] = []
        for contour in drawn.get(number, ()):
            rows = _rows(contour, file, name) - np.array(isocentre_mm)
            if str(contour.get("ContourGeometricType", "")) == "POINT":
                points += [(x, y, z) for x, y, z in rows.tolist()]
            else:
                outlines.append(rows)
        if outlines or points:
            found.append(
                PlannedStructure(name, kinds.get(number, ""), tuple(outlines), tuple(points))
            )
    return found


def _rows(contour: Any, file: PlanFile, name: str) -> Points:
    """Return the points of a contour in the patient frame."""
    try:
        flat = np.array([float(value) for value in contour.ContourData], dtype=np.float64)
        left, posterior, superior = flat.reshape(-1, 3).T
    except (AttributeError, TypeError, ValueError):
        raise DicomError(
            f"{file.path}: a contour of {name!r} is damaged; export the structures again"
        ) from None
    rows = np.stack([left, superior, -posterior], axis=1)
    if not len(rows) or not np.isfinite(rows).all():
        raise DicomError(
            f"{file.path}: a contour of {name!r} has no finite points; export it again"
        )
    return rows


def chosen(
    structures: list[PlannedStructure], role: str, name: str, kinds: tuple[str, ...]
) -> PlannedStructure:
    """Return the structure of this name; without a name the only one of the first kind there is.

    Raises `DicomError` where there is none, or more than one.
    """
    closed = [each for each in structures if each.outlines]
    if name:
        found = [each for each in closed if each.name == name]
        if len(found) != 1:
            raise DicomError(
                f"--{role} {name}: {len(found)} drawn structures have this name; there are"
                f" {_names(closed)}"
            )
        return found[0]
    for kind in kinds:
        found = [each for each in closed if each.kind == kind]
        if len(found) == 1:
            return found[0]
        if found:
            raise DicomError(
                f"{len(found)} structures are a {kind} ({_names(found)}); name one with --{role}"
            )
    raise DicomError(
        f"no structure is a {' or '.join(kinds)}; name one with --{role}, of {_names(closed)}"
    )


def fiducials_of(structures: list[PlannedStructure], pattern: str) -> tuple[Triple, ...]:
    """Return the fiducials from the isocentre, mm, in the order of the structure set.

    They are the structures whose whole name fits ``pattern``; without one, the structures of a
    marker's type. Raises `DicomError` where there is none or one lies too far away.
    """
    try:
        fits = re.compile(pattern) if pattern else None
    except re.error as error:
        raise DicomError(f"--fiducials {pattern!r}: is no pattern ({error})") from None
    found = [
        each
        for each in structures
        if (fits.fullmatch(each.name) if fits else each.kind in MARKER_TYPES)
    ]
    if not found:
        how = f"has a name like {pattern!r}" if pattern else f"is a {' or '.join(MARKER_TYPES)}"
        raise DicomError(
            f"no structure {how}; name the fiducials with --fiducials PATTERN, of"
            f" {_names(structures)}"
        )
    centres: list[Triple] = []
    for each in found:
        for point in each.points or (each.centre_mm,):
            far = float(np.linalg.norm(point))
            if far > FARTHEST_FIDUCIAL_MM:
                raise DicomError(
                    f"fiducial {each.name!r} is {far:.0f} mm from the isocentre; the limit is"
                    f" {FARTHEST_FIDUCIAL_MM:g}: check isocentre and structure"
                )
            centres.append(point)
    return tuple(centres)


def _names(structures: list[PlannedStructure]) -> str:
    return ", ".join(repr(each.name) for each in structures[:12]) or "none"
