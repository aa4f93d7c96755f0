"""Fit the rotation and translation of a rigid arrangement of points (Kabsch).

Source: W. Kabsch, Acta Cryst. A32 (1976) 922; the sign correction keeps mirror images out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hal.imaging.view import Array


@dataclass(frozen=True, slots=True, eq=False)
class RigidPose:
    """``place = rotation @ planned + translation_mm``."""

    rotation: Array
    translation_mm: Array

    def put(self, planned_mm: Array) -> Array:
        """Take planned points (n x 3) to where they are."""
        return planned_mm @ self.rotation.T + self.translation_mm

    @property
    def angle_deg(self) -> float:
        """The angle of the turn, 0 to 180."""
        return float(turn_deg(self.rotation[None])[0])


def turn_deg(rotations: Array) -> Array:
    """Return the angles of turns (n x 3 x 3) in degrees; shape n."""
    trace = np.trace(rotations, axis1=1, axis2=2)
    return np.degrees(np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0)))


def fit_poses(planned_mm: Array, found_mm: Array) -> tuple[Array, Array]:
    """Return the best turns (n x 3 x 3) and shifts (n x 3) of arrangements (n x m x 3 each).

    With one point the turn is the identity, with two the smallest that lays one line on the
    other: the singular vectors along which nothing is known are completed that way.
    """
    planned_middle = planned_mm.mean(axis=1, keepdims=True)
    found_middle = found_mm.mean(axis=1, keepdims=True)
    planned, found = planned_mm - planned_middle, found_mm - found_middle
    count = planned_mm.shape[1]
    if count == 1:
        rotations = np.broadcast_to(np.eye(3), (len(planned_mm), 3, 3)).copy()
    elif count == 2:
        rotations = _smallest_turns(planned[:, 1] - planned[:, 0], found[:, 1] - found[:, 0])
    else:
        left, _, right = np.linalg.svd(np.swapaxes(planned, 1, 2) @ found)
        sign = np.sign(np.linalg.det(left) * np.linalg.det(right))
        right[:, 2, :] *= sign[:, None]
        rotations = np.swapaxes(left @ right, 1, 2)
    shifts = found_middle[:, 0] - np.einsum("nij,nj->ni", rotations, planned_middle[:, 0])
    return rotations, shifts


def fit_pose(planned_mm: Array, found_mm: Array) -> RigidPose:
    """Return the best `RigidPose` of one arrangement (m x 3 each)."""
    rotations, shifts = fit_poses(planned_mm[None], found_mm[None])
    return RigidPose(rotations[0], shifts[0])


def residuals_mm(planned_mm: Array, found_mm: Array) -> Array:
    """Return how far each point is from where the best pose of all would put it; shape m."""
    pose = fit_pose(planned_mm, found_mm)
    return np.linalg.norm(pose.put(planned_mm) - found_mm, axis=1)


def _smallest_turns(before: Array, after: Array) -> Array:
    """Return the smallest turns that lay directions (n x 3) on others, by Rodrigues' formula."""
    before = before / np.maximum(np.linalg.norm(before, axis=1, keepdims=True), 1e-12)
    after = after / np.maximum(np.linalg.norm(after, axis=1, keepdims=True), 1e-12)
    axis = np.cross(before, after)
    cosine = np.einsum("ni,ni->n", before, after)
    skew = np.zeros((len(before), 3, 3))
    skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    skew = skew - np.swapaxes(skew, 1, 2)
    scale = 1.0 / np.maximum(1.0 + cosine, 1e-9)
    return np.eye(3) + skew + skew @ skew * scale[:, None, None]
