"""The driver row of a marker camera on two video sources."""

from __future__ import annotations

from hal.driver import MARKERS, Clock, DriverContext, DriverRow, WithThreads
from hal.video.settings import VideoMarkersWire


def build(settings: VideoMarkersWire, context: DriverContext, clock: Clock) -> WithThreads:
    """Make the marker camera; raises `DeviceError` for a wrong file or arrangement."""
    from hal.video.stereo import marker_cameras

    return WithThreads(marker_cameras(settings, context, clock))


VIDEO_MARKERS = DriverRow(
    does="stereo marker camera of two sources that OpenCV opens",
    roles=(MARKERS,),
    settings=VideoMarkersWire,
    wires=("video",),
    build=build,
    own_process=True,
    calibrated_as="camera",
)
