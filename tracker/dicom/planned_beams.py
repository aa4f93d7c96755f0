"""Take the beams of an RT Plan: angles, isocentre, monitor units and opening of each segment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from hal.messages import Triple
from tracker.dicom.beam_angles import BeamAngles, from_dicom
from tracker.dicom.dicom_error import DicomError
from tracker.dicom.plan_set import PlanSet, items_of

SAME_MM = 0.1
SAME_DEG = 0.1


class Opening(NamedTuple):
    """A rectangular opening in the isocentre's plane: its sides on the axes X and Y, mm.

    ``is_exact`` is False where it stands for leaves that make another shape.
    """

    low_x: float
    high_x: float
    low_y: float
    high_y: float
    is_exact: bool = True

    @property
    def is_closed(self) -> bool:
        """Whether nothing is open."""
        return self.high_x - self.low_x <= 0.0 or self.high_y - self.low_y <= 0.0


class Segment(NamedTuple):
    """A stretch of a beam: its angles, its share of the beam's monitor units, its opening."""

    angles: BeamAngles
    share: float
    opening: Opening


class PlannedBeam(NamedTuple):
    """One treatment beam. ``cone_mm`` is the diameter of a circular applicator."""

    number: int
    name: str
    isocentre_mm: Triple
    meterset: float
    energy: str
    segments: tuple[Segment, ...]
    cone_mm: float | None = None

    @property
    def angles(self) -> BeamAngles:
        """The angles at which the beam begins."""
        return self.segments[0].angles


def beams_of(plan: PlanSet) -> tuple[PlannedBeam, ...]:
    """Return the treatment beams; raises `DicomError` for what cannot be read or is missing."""
    dataset, path = plan.plan.dataset, plan.plan.path
    metersets = {
        int(each.ReferencedBeamNumber): each.get("BeamMeterset")
        for group in items_of(dataset, "FractionGroupSequence")
        for each in items_of(group, "ReferencedBeamSequence")
    }
    found: list[PlannedBeam] = []
    for beam in items_of(dataset, "BeamSequence"):
        if str(beam.get("TreatmentDeliveryType", "TREATMENT") or "TREATMENT") != "TREATMENT":
            continue
        where = f"{path}: beam {beam.get('BeamNumber', '?')}"
        try:
            found.append(_beam(beam, metersets.get(int(beam.BeamNumber)), where))
        except (AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
            why = " ".join(str(error).split())[:120]
            raise DicomError(f"{where}: is incomplete ({why}); export the plan again") from None
    if not found:
        raise DicomError(f"{path}: has no treatment beam; give a plan with beams")
    return tuple(found)


def isocentre_of(beams: Sequence[PlannedBeam]) -> Triple:
    """Return the isocentre of all beams, patient frame; raises `DicomError` if they differ."""
    first = beams[0]
    for each in beams[1:]:
        if math.dist(each.isocentre_mm, first.isocentre_mm) > SAME_MM:
            raise DicomError(
                f"beams {first.number} ({first.name}) and {each.number} ({each.name}) have"
                f" isocentres {math.dist(each.isocentre_mm, first.isocentre_mm):.1f} mm apart;"
                " give a plan with one isocentre"
            )
    return first.isocentre_mm


def _beam(beam: Any, meterset: Any, where: str) -> PlannedBeam:
    radiation = str(beam.get("RadiationType", ""))
    if radiation != "PHOTON":
        raise DicomError(f"{where}: radiation is {radiation or 'not given'}; photons are needed")
    points = items_of(beam, "ControlPointSequence")
    isocentre = points[0].get("IsocenterPosition")
    if not isocentre:
        raise DicomError(f"{where}: has no isocentre; export the plan with it")
    if meterset is None or not float(meterset) > 0.0:
        raise DicomError(f"{where}: has no monitor units; export the plan with its dose computed")
    x, y, z = (float(value) for value in isocentre)
    if not all(math.isfinite(value) for value in (x, y, z, float(meterset))):
        raise DicomError(f"{where}: isocentre or monitor units are no finite numbers")
    return PlannedBeam(
        int(beam.BeamNumber),
        str(beam.get("BeamName", "") or "").strip(),
        from_dicom((x, y, z)),
        float(meterset),
        str(points[0].get("NominalBeamEnergy", "") or ""),
        tuple(_segments(beam, points, where)),
        _cone(beam),
    )


def _cone(beam: Any) -> float | None:
    for applicator in items_of(beam, "ApplicatorSequence"):
        for shape in items_of(applicator, "ApplicatorGeometrySequence"):
            if str(shape.get("ApplicatorApertureShape", "")) == "SYM_CIRCULAR":
                return float(shape.ApplicatorOpening)
    return None


class _Place(NamedTuple):
    """The machine at a control point; what a control point does not say stays as it was."""

    gantry: float
    collimator: float
    table: float
    devices: dict[str, list[float]]
    weight: float


def _places(points: Sequence[Any]) -> list[_Place]:
    found: list[_Place] = []
    now = _Place(0.0, 0.0, 0.0, {}, 0.0)
    for point in points:
        devices = dict(now.devices)
        for each in items_of(point, "BeamLimitingDevicePositionSequence"):
            devices[str(each.RTBeamLimitingDeviceType)] = [float(v) for v in each.LeafJawPositions]
        now = _Place(
            _kept(point, "GantryAngle", now.gantry),
            _kept(point, "BeamLimitingDeviceAngle", now.collimator),
            _kept(point, "PatientSupportAngle", now.table),
            devices,
            _kept(point, "CumulativeMetersetWeight", now.weight),
        )
        found.append(now)
    return found


def _kept(point: Any, keyword: str, before: float) -> float:
    value = point.get(keyword)
    return before if value is None or value == "" else float(value)


def _segments(beam: Any, points: Sequence[Any], where: str) -> list[Segment]:
    """Return the stretches between control points that have monitor units."""
    bounds = {
        str(each.RTBeamLimitingDeviceType): [float(v) for v in each.LeafPositionBoundaries]
        for each in items_of(beam, "BeamLimitingDeviceSequence")
        if each.get("LeafPositionBoundaries")
    }
    places = _places(points)
    total = places[-1].weight
    if len(places) < 2 or not total > 0.0:
        raise DicomError(f"{where}: its control points have no monitor units; export it again")
    found: list[Segment] = []
    for before, after in pairwise(places):
        share = (after.weight - before.weight) / total
        if share <= 0.0:
            continue
        turn = (after.gantry - before.gantry + 180.0) % 360.0 - 180.0
        angles = BeamAngles((before.gantry + turn / 2.0) % 360.0, before.collimator, before.table)
        first, last = (_opening(each.devices, bounds) for each in (before, after))
        found.append(Segment(angles, share, _envelope(first, last)))
    if not found:
        raise DicomError(f"{where}: its control points have no monitor units; export it again")
    return _joined(found)


def _joined(segments: list[Segment]) -> list[Segment]:
    """Join segments at the same angles."""
    joined: list[Segment] = []
    for each in segments:
        before = joined[-1] if joined else None
        if before is None or any(
            abs(a - b) > SAME_DEG for a, b in zip(before.angles, each.angles, strict=True)
        ):
            joined.append(each)
            continue
        joined[-1] = Segment(
            before.angles, before.share + each.share, _envelope(before.opening, each.opening)
        )
    return joined


def _envelope(one: Opening, other: Opening) -> Opening:
    """Return the smallest rectangle around two openings; exact only where they are the same."""
    for closed, rest in ((one, other), (other, one)):
        if closed.is_closed:
            return rest._replace(is_exact=rest.is_exact and rest.is_closed)
    moves = max(abs(a - b) for a, b in zip(one[:4], other[:4], strict=True))
    return Opening(
        min(one.low_x, other.low_x),
        max(one.high_x, other.high_x),
        min(one.low_y, other.low_y),
        max(one.high_y, other.high_y),
        one.is_exact and other.is_exact and moves < SAME_MM,
    )


def _opening(devices: dict[str, list[float]], bounds: dict[str, list[float]]) -> Opening:
    """Return what jaws and leaves leave open; leaves as a rectangle of the same area and centre."""
    x, y = _jaws(devices, "X"), _jaws(devices, "Y")
    for name, along_x in (("MLCX", True), ("MLCY", False)):
        if name in devices and name in bounds:
            return _leaves(devices[name], bounds[name], x, y, along_x=along_x)
    if not (x[0] < x[1] and y[0] < y[1]):
        raise ValueError("jaws are closed")
    return Opening(*x, *y)


def _jaws(devices: dict[str, list[float]], axis: str) -> tuple[float, float]:
    for name in (axis, f"ASYM{axis}"):
        if name in devices:
            low, high = devices[name]
            return (low, high)
    return (-200.0, 200.0)


class _OpenPair(NamedTuple):
    """What a pair of leaves leaves open: across the leaves, and along them, mm."""

    low: float
    high: float
    start: float
    end: float

    @property
    def area(self) -> float:
        return (self.high - self.low) * (self.end - self.start)


def _leaves(
    positions: list[float],
    bounds: list[float],
    x: tuple[float, float],
    y: tuple[float, float],
    *,
    along_x: bool,
) -> Opening:
    moving, fixed = (x, y) if along_x else (y, x)
    pairs = len(bounds) - 1
    open_pairs: list[_OpenPair] = []
    for k in range(pairs):
        low, high = max(bounds[k], fixed[0]), min(bounds[k + 1], fixed[1])
        start, end = max(positions[k], moving[0]), min(positions[k + pairs], moving[1])
        if low < high and start < end:
            open_pairs.append(_OpenPair(low, high, start, end))
    if not open_pairs:
        return Opening(0.0, 0.0, 0.0, 0.0, is_exact=False)
    area = sum(p.area for p in open_pairs)
    height = sum(p.high - p.low for p in open_pairs)
    middle = sum(p.area * (p.start + p.end) / 2.0 for p in open_pairs) / area
    centre = sum(p.area * (p.low + p.high) / 2.0 for p in open_pairs) / area
    width = area / height
    starts, ends = [p.start for p in open_pairs], [p.end for p in open_pairs]
    is_exact = max(starts) - min(starts) < SAME_MM and max(ends) - min(ends) < SAME_MM
    wide = (middle - width / 2.0, middle + width / 2.0)
    tall = (centre - height / 2.0, centre + height / 2.0)
    x_sides, y_sides = (wide, tall) if along_x else (tall, wide)
    return Opening(*x_sides, *y_sides, is_exact=is_exact)
