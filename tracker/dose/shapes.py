"""Shapes of structures in the patient frame, and points scattered inside them.

Axes: +X left, +Y superior, +Z anterior; millimetres. A shape answers two questions: which points
are inside, and what the shape is when it grows by a margin. Whatever answers both can be a
structure of a plan.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from hal.messages import Triple
from tracker.dose.dose_error import DoseError

Points = NDArray[np.float64]
"""Points in the patient frame, mm, shape (n, 3)."""

Mask = NDArray[np.bool_]

LARGEST_NUMBER_OF_POINTS = 2_000_000


class Shape(Protocol):
    """A region of the patient."""

    def bounds(self) -> tuple[Triple, Triple]:
        """Return the lowest and the highest corner of a box around the shape, mm."""
        ...

    def contains(self, points: Points) -> Mask:
        """Return for each point whether it is inside."""
        ...

    def grown(self, margin_mm: float) -> Shape:
        """Return the shape with ``margin_mm`` added on every side."""
        ...


class Ellipsoid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ellipsoid"):
    """An ellipsoid whose axes are those of the patient; a sphere has three equal radii."""

    centre_mm: Triple
    radii_mm: Triple

    def __post_init__(self) -> None:
        require_finite("centre_mm", self.centre_mm)
        require_positive("radii_mm", self.radii_mm)

    def bounds(self) -> tuple[Triple, Triple]:
        """Return the lowest and the highest corner of a box around the shape, mm."""
        return _box(self.centre_mm, self.radii_mm)

    def contains(self, points: Points) -> Mask:
        """Return for each point whether it is inside."""
        scaled = (points - np.array(self.centre_mm)) / np.array(self.radii_mm)
        return np.einsum("ij,ij->i", scaled, scaled) <= 1.0

    def grown(self, margin_mm: float) -> Ellipsoid:
        """Return the ellipsoid with ``margin_mm`` added to each radius."""
        x, y, z = self.radii_mm
        return Ellipsoid(self.centre_mm, (x + margin_mm, y + margin_mm, z + margin_mm))


class Cylinder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="cylinder"):
    """A cylinder with elliptic cross-section, along the inferior-superior axis."""

    centre_mm: Triple
    radius_x_mm: float
    radius_z_mm: float
    half_length_mm: float

    def __post_init__(self) -> None:
        require_finite("centre_mm", self.centre_mm)
        radii = (self.radius_x_mm, self.half_length_mm, self.radius_z_mm)
        require_positive("radii and half length", radii)

    def bounds(self) -> tuple[Triple, Triple]:
        """Return the lowest and the highest corner of a box around the shape, mm."""
        return _box(self.centre_mm, (self.radius_x_mm, self.half_length_mm, self.radius_z_mm))

    def contains(self, points: Points) -> Mask:
        """Return for each point whether it is inside."""
        x, y, z = (points - np.array(self.centre_mm)).T
        across = (x / self.radius_x_mm) ** 2 + (z / self.radius_z_mm) ** 2
        return (across <= 1.0) & (np.abs(y) <= self.half_length_mm)

    def grown(self, margin_mm: float) -> Cylinder:
        """Return the cylinder with ``margin_mm`` added on every side."""
        return Cylinder(
            self.centre_mm,
            self.radius_x_mm + margin_mm,
            self.radius_z_mm + margin_mm,
            self.half_length_mm + margin_mm,
        )


def scattered(shape: Shape, spacing_mm: float, seed: int = 1) -> Points:
    """Return points inside a shape, one at a random place in each cell of a grid.

    A regular grid puts whole planes of points onto one dose and makes a histogram jump. One random
    point a cell has no such planes, and its error falls faster than that of purely random points.
    The same seed gives the same points. Raises `DoseError` when the shape would need too many.
    """
    low, high = (np.array(corner) for corner in shape.bounds())
    cells = [max(1, math.ceil(extent / spacing_mm)) for extent in high - low]
    if math.prod(cells) > LARGEST_NUMBER_OF_POINTS * 2:
        raise DoseError(
            f"a structure of {math.prod(cells)} cells of {spacing_mm:g} mm is too large; the limit"
            f" is {LARGEST_NUMBER_OF_POINTS * 2}: give it a larger spacing_mm"
        )
    corners = np.stack(np.meshgrid(*(np.arange(n) for n in cells), indexing="ij"), axis=-1)
    random = np.random.default_rng(seed)
    points = low + (corners.reshape(-1, 3) + random.random((math.prod(cells), 3))) * spacing_mm
    return np.ascontiguousarray(points[shape.contains(points)])


def require_finite(name: str, values: tuple[float, ...]) -> None:
    """Raise `DoseError` unless all values are finite numbers."""
    if not all(math.isfinite(value) for value in values):
        raise DoseError(f"{name} is {_shown(values)}; every value must be a finite number")


def require_positive(name: str, values: tuple[float, ...]) -> None:
    """Raise `DoseError` unless all values are finite and above zero."""
    if not all(math.isfinite(value) and value > 0.0 for value in values):
        raise DoseError(f"{name} is {_shown(values)}; every value must be above 0")


def _shown(values: tuple[Any, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _box(centre: Triple, half: Triple) -> tuple[Triple, Triple]:
    (x, y, z), (a, b, c) = centre, half
    return (x - a, y - b, z - c), (x + a, y + b, z + c)
