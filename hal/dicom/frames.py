"""Read what an object says of each of its frames: how many, and which attributes hold for one.

An enhanced multi-frame object keeps attributes that may differ between frames in functional groups:
those of the frame, then those that all frames share. Sources: DICOM PS3.3, C.7.6.6 (multi-frame),
C.7.6.16 (functional groups), C.8.19.6 (X-ray frame pixel data properties).
"""

from __future__ import annotations

from typing import Any

from hal.errors import ProtocolError

MOST_FRAMES = 512
"""More frames are refused before anything is unpacked: a cine run of a minute at 8 frames a s."""

_GROUPS = (
    "FrameContentSequence",
    "FramePixelDataPropertiesSequence",
    "PixelValueTransformationSequence",
    "XRayFramePixelDataPropertiesSequence",
)
"""Functional groups that hold attributes used here."""


class FrameAttributes:
    """The attributes of one frame: its own group, else the shared group, else the object."""

    def __init__(self, dataset: Any, frame: int) -> None:
        self._object = dataset
        own = _items(dataset, "PerFrameFunctionalGroupsSequence")
        if own and frame >= len(own):
            raise ProtocolError(f"functional groups of {len(own)} frames, frame {frame + 1} needed")
        shared = _items(dataset, "SharedFunctionalGroupsSequence")[:1]
        self._parts = [
            item
            for group in (own[frame : frame + 1] + shared)
            for name in _GROUPS
            for item in _items(group, name)[:1]
        ]

    def get(self, keyword: str, otherwise: Any = None) -> Any:
        """Return the value of an attribute, as a pydicom ``Dataset`` does."""
        for part in self._parts:
            value = part.get(keyword)
            if value is not None:
                return value
        return self._object.get(keyword, otherwise)


def frame_count(dataset: Any) -> int:
    """Return how many frames an object holds; raises `ProtocolError` for no or too many."""
    frames = whole_number(dataset, "NumberOfFrames", 1)
    if not 0 < frames <= MOST_FRAMES:
        raise ProtocolError(f"{frames} frames: 1 to {MOST_FRAMES} are read, store shorter series")
    return frames


def whole_number(dataset: Any, keyword: str, otherwise: int) -> int:
    """Return an attribute that is one whole number."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return otherwise
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ProtocolError(f"{keyword} is {value!r}, one whole number expected") from None


def _items(dataset: Any, keyword: str) -> list[Any]:
    """Return the items of a sequence; none where it is missing."""
    return list(dataset.get(keyword) or ())
