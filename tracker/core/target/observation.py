"""Find the target in a stereo shot: fit the planned fiducials, as a rigid body, to those seen.

With three or more fiducials, rotation and translation are fitted (Kabsch 1976), and the angle and
the largest distance that remains are judged. With two, only a translation is fitted. The distances
between fiducials, which no rotation changes, are judged in both cases. A single one cannot be
judged and is refused. The reference point of the target is the origin of the plan, moved by the
fit.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from hal.messages import FiducialShot, Triple, is_finite
from tracker.core.frames import FixedPoint, Orientation, fixed_to_table, table_to_patient

_FEWEST = 2
"""Fiducials that must be found."""


class LocatedTarget(NamedTuple):
    """The target in the patient frame (mm), and how well the fiducials fitted the plan."""

    position_mm: Triple
    residual_mm: float
    fiducials: int


def locate(
    shot: FiducialShot,
    couch_mm: Triple,
    plan_mm: tuple[Triple, ...],
    orientation: Orientation,
    residual_limit_mm: float,
    rotation_limit_deg: float,
) -> LocatedTarget | str:
    """Return the target that a shot shows, or a sentence that says why it cannot be trusted.

    ``shot`` is in the fixed frame, ``couch_mm`` the couch's position at its exposure, ``plan_mm``
    the fiducials in the patient frame from the target's reference point.
    """
    if len(shot.fiducials_mm) != len(plan_mm):
        return f"{len(shot.fiducials_mm)} fiducials reported, {len(plan_mm)} planned"
    planned: list[Triple] = []
    seen: list[Triple] = []
    couch = FixedPoint(couch_mm)
    for number, (fiducial, plan) in enumerate(zip(shot.fiducials_mm, plan_mm, strict=True), 1):
        if fiducial is None:
            continue
        if not is_finite(fiducial):
            return f"fiducial {number} is at {fiducial}"
        planned.append(plan)
        seen.append(table_to_patient(fixed_to_table(FixedPoint(fiducial), couch), orientation))
    if len(seen) < min(_FEWEST, len(plan_mm)):
        return f"{len(seen)} of {len(plan_mm)} fiducials found, at least {_FEWEST} needed"
    p, q = np.array(planned), np.array(seen)
    p_mean, q_mean = p.mean(axis=0), q.mean(axis=0)
    turn = _kabsch(p - p_mean, q - q_mean) if len(seen) >= 3 else np.eye(3)
    angle = math.degrees(math.acos(max(-1.0, min(1.0, (float(np.trace(turn)) - 1.0) / 2.0))))
    if angle > rotation_limit_deg:
        return f"fiducials are turned by {angle:.0f} degrees, limit {rotation_limit_deg:g}"
    left_over = (q - q_mean) - (p - p_mean) @ turn.T
    residual = float(np.sqrt((left_over**2).sum(axis=1)).max())
    for i, j in itertools.combinations(range(len(seen)), 2):
        change = abs(math.dist(planned[i], planned[j]) - math.dist(seen[i], seen[j]))
        residual = max(residual, change)
    if residual > residual_limit_mm:
        return f"fiducials fit the plan to {residual:.1f} mm, limit {residual_limit_mm:g} mm"
    x, y, z = (q_mean - turn @ p_mean).tolist()
    return LocatedTarget((x, y, z), residual, len(seen))


def _kabsch(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) that best turns centred points ``p`` onto ``q`` (both (n, 3))."""
    u, _, vt = np.linalg.svd(p.T @ q)
    sign = np.sign(np.linalg.det(vt.T @ u.T))
    return vt.T @ np.diag([1.0, 1.0, sign]) @ u.T
