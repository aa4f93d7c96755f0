"""Assign a session's errors to the beams that were on, and compute the dose they gave.

Beams are delivered one after the other; each has a share of the beam-on time in proportion to its
weight (its monitor units). Within a beam, samples in the same cell of 1 mm (and of 1° where the
target's rotation is known) are replaced by their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tracker.dose.dose_error import DoseError
from tracker.dose.engine import BeamPositions, beam_dose, planned_position, width_axis
from tracker.dose.plan import Plan, PlanBeam
from tracker.dose.shapes import Points

Vector = NDArray[np.float64]

BIN_MM = 1.0
BIN_DEG = 1.0


class ErrorSamples(NamedTuple):
    """Target minus beam for samples in the order of delivery, and how long each lasted.

    ``shift_mm`` and ``rotation_deg`` have shape (n, 3); the rotation is a rotation vector about the
    target's centroid, and may be None.
    """

    shift_mm: Points
    step_s: Vector
    rotation_deg: Points | None = None


def planned_dose(plan: Plan, points: Points) -> Vector:
    """Return the dose of the plan at each point, without any error, in the plan's own unit."""
    total = np.zeros(len(points))
    for beam in plan.beams:
        total += beam_dose(beam, planned_position(beam), plan.body, points)
    return total


def delivered_dose(
    plan: Plan, samples: ErrorSamples, points: Points, bin_mm: float | None = BIN_MM
) -> Vector:
    """Return the dose of the plan when it was delivered with these errors.

    With ``bin_mm`` None every sample counts by itself, which takes long. Raises `DoseError` if
    there are no samples.
    """
    total = np.zeros(len(points))
    for beam, part in zip(plan.beams, assigned(samples, plan.beams), strict=True):
        positions = beam_positions(beam, part, plan.target_centre_mm, bin_mm)
        total += beam_dose(beam, positions, plan.body, points)
    return total


def assigned(samples: ErrorSamples, beams: Sequence[PlanBeam]) -> list[ErrorSamples]:
    """Return the samples of each beam, by its share of the beam-on time.

    A beam so short that no sample falls into it gets the sample nearest to its time.
    """
    weight = np.cumsum([beam.weight for beam in beams])
    end = np.cumsum(samples.step_s)
    if not len(end) or not end[-1] > 0.0:
        raise DoseError("no sample has the beam on; give a session with beam-on time")
    middle = (end - samples.step_s / 2.0) / end[-1]
    edges = np.searchsorted(middle, np.concatenate(([0.0], weight / weight[-1])))
    edges[-1] = len(end)
    parts: list[ErrorSamples] = []
    for start, stop in pairwise(edges.tolist()):
        if stop <= start:
            start = min(start, len(end) - 1)
            stop = start + 1
        rotation = samples.rotation_deg
        parts.append(
            ErrorSamples(
                samples.shift_mm[start:stop],
                samples.step_s[start:stop],
                None if rotation is None else rotation[start:stop],
            )
        )
    return parts


def beam_positions(
    beam: PlanBeam, samples: ErrorSamples, centre_mm: Vector, bin_mm: float | None = BIN_MM
) -> BeamPositions:
    """Return where the beam was in the patient's tissue, binned, with the share of each place.

    The tissue moves and turns with the target. For a target that was shifted by s and turned by R
    about its centroid c, the beam is turned back about c after it was shifted back by s.
    """
    shift, rotation, share = _binned(samples, bin_mm)
    axis = np.array(beam.across or width_axis(beam))
    direction = np.array(beam.direction)
    isocentre = np.array(beam.isocentre_mm) - shift
    if rotation is None:
        return BeamPositions(
            np.ascontiguousarray(isocentre),
            np.tile(direction, (len(share), 1)),
            np.tile(axis, (len(share), 1)),
            share,
        )
    back = Rotation.from_rotvec(rotation, degrees=True).inv()
    return BeamPositions(
        np.ascontiguousarray(back.apply(isocentre - centre_mm) + centre_mm),
        np.ascontiguousarray(back.apply(direction)),
        np.ascontiguousarray(back.apply(axis)),
        share,
    )


def _binned(samples: ErrorSamples, bin_mm: float | None) -> tuple[Points, Points | None, Vector]:
    """Return the mean shift and rotation of each cell, and its share of the time."""
    shift, rotation = samples.shift_mm, samples.rotation_deg
    share = samples.step_s / samples.step_s.sum()
    if bin_mm is None:
        return shift, rotation, share
    keys = np.floor(shift / bin_mm + 0.5)
    if rotation is not None:
        keys = np.concatenate([keys, np.floor(rotation / BIN_DEG + 0.5)], axis=1)
    _, cell = np.unique(keys, axis=0, return_inverse=True)
    cell = cell.ravel()
    time = np.bincount(cell, share).astype(np.float64)
    counted = time > 0.0
    mean_shift = _means(shift, share, cell, time)[counted]
    if rotation is None:
        return mean_shift, None, time[counted]
    return mean_shift, _means(rotation, share, cell, time)[counted], time[counted]


def _means(values: Points, share: Vector, cell: NDArray[np.intp], time: Vector) -> Points:
    """Return the mean of each cell's values, by time."""
    over = np.where(time > 0.0, time, 1.0)
    return np.stack([np.bincount(cell, share * values[:, k]) / over for k in range(3)], axis=1)


def scale_to_prescription(plan: Plan, ptv_points: Points) -> float:
    """Return the factor from the plan's own unit to gray of the whole course.

    With it, ``plan.coverage`` of the points receive at least the prescription.
    """
    dose = planned_dose(plan, ptv_points)
    reached = float(np.quantile(dose, 1.0 - plan.coverage))
    if not reached > 0.0:
        raise DoseError(
            f"plan {plan.name}: the beams miss a part of the target with its margin, so"
            f" {plan.coverage:.0%} of it cannot be covered; check isocentres, fields and target"
        )
    return plan.prescription_gy / reached
