"""Compute the rotations of the simulated room: camera direction and patient orientation.

Fixed frame after IEC 61217: +X to the right of a person facing the gantry, +Y toward the gantry,
+Z up. Patient frame: +X left, +Y superior, +Z anterior. The simulator keeps its own geometry on
purpose: it must not share a sign error with the controller it tests.
"""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from hal.messages import Triple
from sim.scenario import Orientation

Matrix = NDArray[np.float64]

DIAGONAL: dict[str, tuple[float, float, float]] = {
    # Head toward the gantry (+Y), face up (+Z): left = superior x anterior = Y x Z = +X, to the
    # right of a person who stands at the feet and faces the gantry.
    "HFS": (1.0, 1.0, 1.0),
    # Still head first but face down: a half turn about Y.
    "HFP": (-1.0, 1.0, -1.0),
    # Feet toward the gantry, face up: a half turn about Z.
    "FFS": (-1.0, -1.0, 1.0),
    # Both half turns: together a half turn about X.
    "FFP": (1.0, -1.0, -1.0),
}
"""The fixed-frame directions of left, superior and anterior: X, Y, Z or their opposites."""


def turned_xyz(rotation_deg: Triple) -> Matrix:
    """Return Rz Ry Rx: right-handed rotations about the fixed axes X, then Y, then Z."""
    a, b, c = (radians(angle) for angle in rotation_deg)
    about_x = np.array([[1, 0, 0], [0, cos(a), -sin(a)], [0, sin(a), cos(a)]])
    about_y = np.array([[cos(b), 0, sin(b)], [0, 1, 0], [-sin(b), 0, cos(b)]])
    about_z = np.array([[cos(c), -sin(c), 0], [sin(c), cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def rotated(vectors: Matrix, matrix: Matrix) -> Matrix:
    """Return ``matrix v`` for vectors of shape (..., 3).

    The product is written out, because a matrix product may round differently with the number of
    threads.
    """
    x, y, z = vectors[..., 0, None], vectors[..., 1, None], vectors[..., 2, None]
    return x * matrix[:, 0] + y * matrix[:, 1] + z * matrix[:, 2]


def lying(orientation: Orientation) -> Matrix:
    """Return the rotation from the patient frame to the fixed frame, couch at 0."""
    return np.diag(DIAGONAL[orientation])
