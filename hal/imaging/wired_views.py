"""The views of a stereo pair as its settings give them: calibrated, or as drawn."""

from __future__ import annotations

from typing import Literal

from hal.driver import DriverContext
from hal.errors import DeviceError
from hal.imaging.calibration_file import read_calibration
from hal.imaging.fiducials import FiducialFinder, FiducialSettings
from hal.imaging.phantom import CalibrationError
from hal.imaging.stereo_wires import StereoXrayWire
from hal.imaging.view import View
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair


def calibrated_views(
    context: DriverContext, name: str, kind: Literal["camera", "xray"]
) -> tuple[View, View] | None:
    """Return the views of a calibration file; ``None`` where the settings name none.

    Raises `DeviceError` for a file that is damaged, or that another device's.
    """
    if not name:
        return None
    try:
        return read_calibration(context.file(name), kind, context.device).views
    except CalibrationError as error:
        raise DeviceError(f"{context.device}: {error}") from None


def xray_geometry(settings: StereoXrayWire) -> XrayGeometry:
    """Return the X-ray pair as drawn."""
    return XrayGeometry(
        source_isocentre_mm=settings.source_isocentre_mm,
        source_panel_mm=settings.source_panel_mm,
        pixel_mm=settings.pixel_mm,
        width_px=settings.width_px,
        height_px=settings.height_px,
        left_deg=settings.left_deg,
        right_deg=settings.right_deg,
    )


def fiducial_finder(settings: StereoXrayWire, context: DriverContext) -> FiducialFinder:
    """Make the finder for the planned fiducials in the pictures of this pair."""
    views = calibrated_views(context, settings.calibration, "xray")
    seeds = FiducialSettings(
        diameter_mm=settings.seed_diameter_mm, length_mm=settings.seed_length_mm
    )
    return FiducialFinder(views or nominal_pair(xray_geometry(settings)), context.planned_mm, seeds)
