"""The simulated torso: where its skin is, how it moves with the breath, and how a camera sees it.

The patient's markers drive it, so that what a surface camera sees fits what a marker camera of the
same run sees, recorded markers included.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.messages import Triple
from sim import torso_kernel as kernel
from sim.geometry import lying, rotated, turned_xyz
from sim.patient import SimulatedPatient
from sim.scenario import Orientation

Floats = NDArray[np.float64]


class TorsoShape(NamedTuple):
    """The resting skin, in millimetres, patient frame; see `sim.torso_kernel`."""

    half_width: float = 175.0
    crown: float = 128.0
    base: float = -8.0
    hollow: float = 6.0
    half_length: float = 330.0
    couch: float = -110.0

    @property
    def numbers(self) -> Floats:
        """The numbers in the order of the kernel."""
        return np.array(self)


ADULT = TorsoShape()


class Torso:
    """The skin of a simulated patient."""

    def __init__(self, patient: SimulatedPatient, shape: TorsoShape = ADULT) -> None:
        """Let the patient's markers drive the skin, in their order along the body."""
        along = np.array([y for _, y, _ in patient.marker_rest_mm])
        self._order = np.argsort(along)
        self.along_mm: Floats = along[self._order]
        self.shape = shape.numbers
        self._patient = patient

    def driven(self, times_s: Floats) -> Floats:
        """Return the displacement of the driving points, (times, points, 3)."""
        return np.ascontiguousarray(self._patient.external(times_s)[:, self._order])

    def on_skin(self, x_mm: float, y_mm: float) -> tuple[Triple, Triple]:
        """Return the resting skin at (x, y), and its unit normal, patient frame."""
        normal = np.zeros(3)
        kernel.normal_at(x_mm, y_mm, self.shape, normal)
        nx, ny, nz = normal.tolist()
        return (x_mm, y_mm, float(kernel.height(x_mm, y_mm, self.shape))), (nx, ny, nz)

    def displaced(self, point_mm: Triple, driven_mm: Floats) -> Floats:
        """Return how the skin at a point moves, (times, 3), for driving points (times, k, 3)."""
        found = np.zeros((len(driven_mm), 3))
        for row, moved in zip(found, driven_mm, strict=True):
            kernel.motion(point_mm[0], point_mm[1], self.shape, self.along_mm, moved, row)
        return found


class DepthView:
    """A depth camera over the torso: the true depth of every pixel, without noise."""

    def __init__(
        self,
        torso: Torso,
        rays: Floats,
        position_mm: Triple,
        rotation_deg: Triple,
        orientation: Orientation = "HFS",
    ) -> None:
        """Hang the camera; ``rays`` (rows, columns, 2) are (a, b) of each pixel's (a, b, 1)."""
        self._torso = torso
        self._lying = lying(orientation)
        ones = np.ones((*rays.shape[:2], 1))
        in_camera = np.concatenate([rays, ones], axis=2)
        fixed = rotated(in_camera, turned_xyz(rotation_deg))
        self._rays = np.ascontiguousarray(rotated(fixed, self._lying.T))
        self._position = np.array(position_mm)
        self.depth_mm: Floats = np.zeros(rays.shape[:2])
        self.cosine: Floats = np.zeros(rays.shape[:2])

    def see(self, driven_mm: Floats, couch_mm: Triple = (0.0, 0.0, 0.0)) -> Floats:
        """Return the depth of every pixel (mm) for driving points (k, 3); the array is used again.

        ``couch_mm`` (fixed frame) is how far the patient was carried.
        """
        origin = rotated(self._position - np.array(couch_mm), self._lying.T)
        torso = self._torso
        kernel.trace(
            origin, self._rays, torso.shape, torso.along_mm, driven_mm, self.depth_mm, self.cosine
        )
        return self.depth_mm
