"""A stereo marker camera of two video sources."""

from __future__ import annotations

from hal.driver import Clock, DriverContext
from hal.imaging.stereo_markers import MakeCamera, StereoMarkers, stereo_markers
from hal.imaging.view import View
from hal.video.capture import VideoCamera, VideoSettings
from hal.video.settings import VideoMarkersWire


def marker_cameras(
    settings: VideoMarkersWire, context: DriverContext, clock: Clock
) -> StereoMarkers:
    """Make the apparatus; a live camera is asked for the size of its calibrated pictures."""

    def camera(name: str, place: int | str, view: View) -> MakeCamera:
        video = VideoSettings(
            device=name,
            source=place,
            width_px=view.width_px,
            height_px=view.height_px,
            silence_s=settings.silence_s,
        )
        return lambda take, changed: VideoCamera(video, take, changed, clock)

    return stereo_markers(settings, (settings.left, settings.right), camera, context, clock)
