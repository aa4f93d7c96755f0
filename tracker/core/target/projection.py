"""Find what a shot of any kind measures of the target, or say why it cannot be trusted.

A projection measures two coordinates of the target. The fiducials that were found are taken as a
rigid body that the breath shifts: their mean shift is the measurement, and what remains of each is
judged. A pair that located the fiducials in space measures three coordinates.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.messages import FiducialShot, ProjectionShot, Triple
from tracker.core.frames import Orientation, PatientPoint, patient_to_table
from tracker.core.settings import Imager
from tracker.core.target.observation import locate

Array = NDArray[np.float64]

_FEWEST = 2
"""Fiducials that must be found, where so many are planned."""
_NUMBERS = 12
_NEAREST = 0.1
"""A point this close to the source, as a share of its distance from the isocentre, is none."""


class MeasuredTarget(NamedTuple):
    """What a shot measures: coordinates (m,) in mm of (m, 8) rows in the patient frame."""

    rows: Array
    measured_mm: Array
    variance_mm2: Array
    position_mm: Triple
    """The target nearest to where it was expected, among those that the shot allows."""


def measure_pair(
    shot: FiducialShot, couch_mm: Triple, imager: Imager, orientation: Orientation
) -> MeasuredTarget | str:
    """Return the three coordinates that a located pair measures, or why it cannot be trusted."""
    located = locate(
        shot,
        couch_mm,
        imager.fiducials_mm,
        orientation,
        imager.rigid_residual_mm,
        imager.rotation_deg,
    )
    if isinstance(located, str):
        return located
    rows = np.zeros((3, 8))
    rows[:, :3] = np.eye(3)
    rows[:, 7] = 1.0
    variance = np.full(3, imager.noise_mm**2 / located.fiducials)
    return MeasuredTarget(rows, np.array(located.position_mm), variance, located.position_mm)


def measure_projection(
    shot: ProjectionShot,
    couch_mm: Triple,
    imager: Imager,
    orientation: Orientation,
    expected_mm: Triple,
) -> MeasuredTarget | str:
    """Return the two coordinates that a projection measures, or why it cannot be trusted.

    ``expected_mm``, in the patient frame, is about where the target is; it matters for the
    perspective alone.
    """
    planned = imager.fiducials_mm
    if len(shot.fiducials_mm) != len(planned):
        return f"{len(shot.fiducials_mm)} fiducials reported, {len(planned)} planned"
    rows = rows_of(shot.projection, couch_mm, orientation)
    if isinstance(rows, str):
        return rows
    found = [number for number, seen in enumerate(shot.fiducials_mm) if seen is not None]
    if len(found) < min(_FEWEST, len(planned)):
        return f"{len(found)} of {len(planned)} fiducials found, at least {_FEWEST} needed"
    seen = np.array([shot.fiducials_mm[number] for number in found], dtype=np.float64)
    if not np.isfinite(seen).all():
        return f"a fiducial is at {shot.fiducials_mm[found[0]]}"
    expected = np.array(expected_mm)
    places = expected + np.array([planned[number] for number in found])
    shifts = seen - _projected(rows, places)
    shift = shifts.mean(axis=0)
    left_over = float(np.sqrt(((shifts - shift) ** 2).sum(axis=1)).max())
    if left_over > imager.rigid_residual_mm:
        limit = f"limit {imager.rigid_residual_mm:g} mm"
        return f"fiducials fit the plan to {left_over:.1f} mm in the projection, {limit}"
    measured = _projected(rows, expected[None, :])[0] + shift
    # The target nearest to the expected one that this shot allows: moved square to the view.
    gradient = _gradient(rows, expected)
    x, y, z = (expected + np.linalg.pinv(gradient) @ shift).tolist()
    noise_mm = shot.noise_mm or imager.noise_mm
    if not math.isfinite(noise_mm) or noise_mm <= 0.0:
        return f"a noise of {noise_mm} mm; it must be positive"
    variance = np.full(2, noise_mm**2 / len(found))
    return MeasuredTarget(rows, measured, variance, (x, y, z))


def rows_of(
    projection: tuple[float, ...], couch_mm: Triple, orientation: Orientation
) -> Array | str:
    """Return the rows of a projection, from the patient frame, or what is wrong with its matrix."""
    if len(projection) != _NUMBERS or not all(map(math.isfinite, projection)):
        return f"a projection matrix of {len(projection)} numbers, {_NUMBERS} finite ones needed"
    matrix = np.array(projection).reshape(3, 4)
    signs = np.array(patient_to_table(PatientPoint((1.0, 1.0, 1.0)), orientation))
    matrix[:, 3] += matrix[:, :3] @ np.array(couch_mm)
    matrix[:, :3] *= signs
    if abs(matrix[2, 3]) < 1e-9:
        return "the projection matrix has its source at the isocentre"
    matrix /= matrix[2, 3]
    rows = np.empty((2, 8))
    rows[:, :4], rows[:, 4:] = matrix[:2], matrix[2]
    if np.linalg.matrix_rank(rows[:, :3], tol=_NEAREST) < 2:
        return "the projection matrix does not see two directions"
    return rows


def _projected(rows: Array, places: Array) -> Array:
    """Return the coordinates (n, 2) of places (n, 3)."""
    bottom = np.maximum(places @ rows[:, 4:7].T + rows[:, 7], _NEAREST)
    return (places @ rows[:, :3].T + rows[:, 3]) / bottom


def _gradient(rows: Array, place: Array) -> Array:
    bottom = np.maximum(rows[:, 4:7] @ place + rows[:, 7], _NEAREST)
    seen = (rows[:, :3] @ place + rows[:, 3]) / bottom
    return (rows[:, :3] - seen[:, None] * rows[:, 4:7]) / bottom[:, None]
