"""The nominal geometry of the stereo X-ray pair, used until a phantom calibration replaces it.

Two fixed sources above the couch look through the isocentre at two panels below, both in the
plane across the couch (X and Z of the fixed frame). Rows of the picture run along -Y (the
feet are up), columns across. No public text gives the distances of any vendor's room: the
defaults are a plausible room (unverified) and the calibration replaces them.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from hal.imaging.view import View, pinhole


class XrayGeometry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Distances and angles of the pair; an angle is the source's lean from +Z towards +X."""

    source_isocentre_mm: Annotated[float, Meta(gt=100, le=10_000)] = 2650.0
    source_panel_mm: Annotated[float, Meta(gt=100, le=20_000)] = 3680.0
    pixel_mm: Annotated[float, Meta(gt=0.01, le=5)] = 0.388
    width_px: Annotated[int, Meta(ge=64, le=8192)] = 1024
    height_px: Annotated[int, Meta(ge=64, le=8192)] = 1024
    left_deg: float = 45.0
    right_deg: float = -45.0

    @property
    def magnification(self) -> float:
        """Return the magnification of an object at the isocentre on the panel."""
        return self.source_panel_mm / self.source_isocentre_mm


def nominal_view(name: str, geometry: XrayGeometry, angle_deg: float) -> View:
    """Return the view of a source leaning ``angle_deg`` from +Z to +X, panel square to its axis."""
    lean = math.radians(angle_deg)
    toward = -np.array([math.sin(lean), 0.0, math.cos(lean)])
    down = np.array([0.0, -1.0, 0.0])
    across = np.cross(down, toward)
    focal = geometry.source_panel_mm / geometry.pixel_mm
    centre_x = (geometry.width_px - 1) / 2.0
    centre_y = (geometry.height_px - 1) / 2.0
    return pinhole(
        name,
        [[focal, 0.0, centre_x], [0.0, focal, centre_y], [0.0, 0.0, 1.0]],
        np.vstack([across, down, toward]),
        [0.0, 0.0, geometry.source_isocentre_mm],
        (geometry.width_px, geometry.height_px),
    )


def nominal_pair(geometry: XrayGeometry) -> tuple[View, View]:
    """Return both views as drawn: left leans by ``left_deg``, right by ``right_deg``."""
    return (
        nominal_view("left", geometry, geometry.left_deg),
        nominal_view("right", geometry, geometry.right_deg),
    )
