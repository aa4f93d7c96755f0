"""The settings that drivers of two cameras or two X-ray panels have in common.

Records only: a configuration is read without OpenCV.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hal.driver import CalibratedSettings
from hal.imaging.camera_settings import MarkerSettings, StereoGeometry


class StereoMarkersWire(CalibratedSettings, frozen=True, kw_only=True):
    """How two marker cameras stand and what they look for."""

    geometry: StereoGeometry = StereoGeometry()
    """How the cameras stand, where there is no calibration."""
    markers: MarkerSettings
    apart_ms: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    """How far apart one exposure's pictures may arrive; 0: half a frame."""


class StereoXrayWire(CalibratedSettings, frozen=True, kw_only=True):
    """Where the sources and panels of an X-ray pair stand, and the seeds they show."""

    source_isocentre_mm: Annotated[float, Meta(gt=100, le=10_000)] = 2650.0
    source_panel_mm: Annotated[float, Meta(gt=100, le=20_000)] = 3680.0
    pixel_mm: Annotated[float, Meta(gt=0.01, le=5)] = 0.388
    width_px: Annotated[int, Meta(ge=64, le=8192)] = 1024
    height_px: Annotated[int, Meta(ge=64, le=8192)] = 1024
    left_deg: float = 45.0
    right_deg: float = -45.0
    skew_ms: Annotated[float, Meta(gt=0, le=1000)] = 60.0
    """How far apart both pictures may arrive (DICOM: may have been exposed)."""
    seed_diameter_mm: Annotated[float, Meta(gt=0.1, le=10)] = 1.0
    seed_length_mm: Annotated[float, Meta(ge=0, le=30)] = 3.0
