"""The driver rows of GigE Vision pairs: marker cameras, and software-triggered X-ray panels."""

from __future__ import annotations

from hal.driver import (
    IMAGER,
    MARKERS,
    Clock,
    DriverContext,
    DriverRow,
    Scheduling,
    WithThreads,
)
from hal.gige.settings import GigeMarkersWire, GigeXrayWire


def build_markers(settings: GigeMarkersWire, context: DriverContext, clock: Clock) -> WithThreads:
    """Make the marker camera; raises `DeviceError` for a wrong address, file or arrangement."""
    from hal.gige.stereo import marker_cameras

    return WithThreads(marker_cameras(settings, context, clock))


def build_xray(settings: GigeXrayWire, context: DriverContext, clock: Clock) -> WithThreads:
    """Make the X-ray pair; raises `DeviceError` for a wrong address or calibration file."""
    from hal.gige.stereo import triggered_pair

    return WithThreads(triggered_pair(settings, context, clock))


def xray_scheduling(settings: GigeXrayWire) -> Scheduling:
    """Let every other process run first: a shot may take a moment longer."""
    return Scheduling(gives_way=True)


GIGE_MARKERS = DriverRow(
    does="stereo marker camera of two GigE Vision cameras",
    roles=(MARKERS,),
    settings=GigeMarkersWire,
    wires=("gige",),
    build=build_markers,
    own_process=True,
    calibrated_as="camera",
)

GIGE_XRAY = DriverRow(
    does="stereo X-ray pair of two software-triggered GigE Vision panels",
    roles=(IMAGER,),
    settings=GigeXrayWire,
    wires=("gige",),
    build=build_xray,
    own_process=True,
    scheduling=xray_scheduling,
    calibrated_as="xray",
    exposes_on_command=True,
)
