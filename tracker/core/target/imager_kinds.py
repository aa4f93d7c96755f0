"""The table of imager kinds: how each of them plans its exposures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tracker.core.settings import Controller
from tracker.core.target.exposure import Imaging
from tracker.core.target.regular_exposure import RegularImaging
from tracker.core.target.target_model import ExposurePlan

IMAGER_KINDS: Mapping[str, Callable[[Controller], ExposurePlan]] = {
    "stereo": Imaging,
    "single": RegularImaging,
}
"""A pair of fixed imagers that locates every fiducial, or one imager on a gantry."""
