"""What a configuration says of a marker camera on two video sources."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hal.driver import Text
from hal.imaging.stereo_wires import StereoMarkersWire


class VideoMarkersWire(StereoMarkersWire, frozen=True, kw_only=True, tag="video-markers"):
    """Two sources OpenCV's VideoCapture opens: local cameras by number, files, URLs."""

    left: int | Text
    right: int | Text
    silence_s: Annotated[float, Meta(gt=0, le=60)] = 2.0
    """A source without a picture for so long counts as lost."""
