"""The driver row of a marker camera on two video sources."""

from __future__ import annotations

from hal.driver import MARKERS, Clock, DriverContext, DriverRow, WithThreads
from hal.errors import DeviceError
from hal.video.files import is_video_file, video_file_problem
from hal.video.settings import VideoMarkersWire


def read_files(settings: VideoMarkersWire, context: DriverContext) -> None:
    """Open each source that is a file and read its first picture; raises `DeviceError`.

    Local cameras and addresses of the network are left to the run.
    """
    for key, source in (("left", settings.left), ("right", settings.right)):
        if isinstance(source, str) and is_video_file(source):
            problem = video_file_problem(source)
            if problem:
                raise DeviceError(f"{key}: {problem}")


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
    read_files=read_files,
    own_process=True,
    calibrated_as="camera",
)
