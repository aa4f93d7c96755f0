"""Build the view of an X-ray imager that turns with the gantry, and its shot's coordinates.

The source turns in the plane across the patient (IEC 61217: 0 degrees above, 90 degrees at +X). The
panel stands opposite. Pixels are counted at the isocentre. The coordinates of a `ProjectionShot`
are millimetres at the isocentre: across, and along the body toward the gantry (+Y).
"""

from __future__ import annotations

from math import cos, radians, sin
from typing import NamedTuple

import numpy as np

from hal.imaging.view import Array, View, pinhole


class GantryImager(NamedTuple):
    """The geometry of an imager on the gantry; the defaults are those of a common kV panel."""

    source_mm: float = 1000.0
    """Source to isocentre."""
    pixel_mm: float = 0.26
    """Size of a pixel at the isocentre."""
    width_px: int = 448
    height_px: int = 448
    across_mm: float = 0.0
    """Where the isocentre is pictured at this angle (flex map), at the isocentre."""
    along_mm: float = 0.0


def gantry_view(angle_deg: float, imager: GantryImager) -> View:
    """Return the calibrated pinhole of the imager with its source at ``angle_deg``."""
    angle = radians(angle_deg)
    right = (cos(angle), 0.0, -sin(angle))
    into = (-sin(angle), 0.0, -cos(angle))
    focal_px = imager.source_mm / imager.pixel_mm
    middle_x = (imager.width_px - 1) / 2.0 + imager.across_mm / imager.pixel_mm
    middle_y = (imager.height_px - 1) / 2.0 - imager.along_mm / imager.pixel_mm
    return pinhole(
        f"{angle_deg:.0f} degrees",
        ((focal_px, 0.0, middle_x), (0.0, focal_px, middle_y), (0.0, 0.0, 1.0)),
        (right, (0.0, -1.0, 0.0), into),
        (0.0, 0.0, imager.source_mm),
        (imager.width_px, imager.height_px),
    )


def shot_coordinates(places_px: Array, imager: GantryImager) -> Array:
    """Return places in the picture (n, 2) as coordinates of a shot (n, 2), in mm."""
    middle = np.array([imager.width_px - 1, imager.height_px - 1]) / 2.0
    return (places_px - middle) * imager.pixel_mm * np.array([1.0, -1.0])


def shot_projection(view: View, imager: GantryImager) -> tuple[float, ...]:
    """Return the 12 numbers of a shot's projection matrix, in the scale of its coordinates."""
    middle_x, middle_y = (imager.width_px - 1) / 2.0, (imager.height_px - 1) / 2.0
    size = imager.pixel_mm
    to_mm = np.array(
        [[size, 0.0, -size * middle_x], [0.0, -size, size * middle_y], [0.0, 0.0, 1.0]]
    )
    matrix = to_mm @ view.matrix
    return tuple((matrix / matrix[2, 3]).ravel().tolist())
