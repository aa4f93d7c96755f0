"""Read when each frame of a multi-frame object was exposed, by what the object says of it.

``FrameReferenceDateTime`` or ``FrameAcquisitionDateTime`` of the frame itself come first.
Otherwise ``FrameIncrementPointer`` names the attribute that tells the frames apart: ``FrameTime``
(one step for all) or ``FrameTimeVector`` (the step before each frame). The first frame is exposed
at the object's acquisition time; with a ``FrameDelay``, that long after its content time. An object
whose frames differ in anything but time is refused by name. Sources: DICOM PS3.3, C.7.6.5.1,
C.7.6.6.1, C.7.6.16.2.2.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

from hal.dicom.exposure_time import content_ns, exposure_ns, first_moment_ns
from hal.dicom.frames import FrameAttributes, frame_count
from hal.errors import ProtocolError

FRAME_TIME, FRAME_TIME_VECTOR = 0x0018_1063, 0x0018_1065
MOST_STEP_MS = 60_000.0
_OWN = ("FrameReferenceDateTime", "FrameAcquisitionDateTime")


def frame_times_ns(dataset: Any) -> list[int]:
    """Return the exposure time of every frame (ns since 1970), in the object's sequence.

    Raises `ProtocolError` where the object does not tell one of them, or where one is earlier than
    the frame before.
    """
    frames = frame_count(dataset)
    own = _own_times_ns(dataset, frames)
    if own is not None:
        times_ns = own
    elif frames == 1:
        return [exposure_ns(dataset)]
    else:
        begin_ns = _begin_ns(dataset)
        times_ns = [begin_ns + round(ms * 1e6) for ms in accumulate(_steps_ms(dataset, frames))]
    for number in range(1, frames):
        if times_ns[number] <= times_ns[number - 1]:
            raise ProtocolError(f"frame {number + 1} is not later than frame {number}")
    return times_ns


def _own_times_ns(dataset: Any, frames: int) -> list[int] | None:
    """Return the moments that the frames carry themselves; ``None`` where none carries one."""
    zone = str(dataset.get("TimezoneOffsetFromUTC", "") or "").strip(" \0")
    found: list[int | None] = []
    for frame in range(frames):
        said = FrameAttributes(dataset, frame)
        texts = [(name, str(said.get(name, "") or "").strip(" \0")) for name in _OWN]
        moments = [(name, text) for name, text in texts if text]
        found.append(first_moment_ns(moments, zone) if moments else None)
    times_ns = [moment for moment in found if moment is not None]
    if not times_ns:
        return None
    if len(times_ns) < frames:
        missing = found.index(None) + 1
        raise ProtocolError(f"frame {missing} has no acquisition time, {len(times_ns)} others have")
    return times_ns


def _begin_ns(dataset: Any) -> int:
    """Return when the first frame was exposed."""
    delay_ms = dataset.get("FrameDelay")
    if delay_ms is None or delay_ms == "":
        return exposure_ns(dataset)
    return content_ns(dataset) + round(_milliseconds("FrameDelay", delay_ms, 0.0) * 1e6)


def _steps_ms(dataset: Any, frames: int) -> list[float]:
    """Return the time before each frame (ms), from the frame before or from the beginning."""
    if _pointer(dataset) == FRAME_TIME:
        step = dataset.get("FrameTime")
        return [0.0] + [_milliseconds("FrameTime", step, 0.001)] * (frames - 1)
    said = dataset.get("FrameTimeVector")
    vector = [said] if isinstance(said, (int, float, str)) else list(said or ())
    if len(vector) != frames:
        raise ProtocolError(f"FrameTimeVector has {len(vector)} values for {frames} frames")
    return [_milliseconds("FrameTimeVector", step, 0.0) for step in vector]


def _pointer(dataset: Any) -> int:
    """Return the tag of the attribute that tells the frames apart."""
    said = dataset.get("FrameIncrementPointer")
    if said is None or said == "":
        given = [tag for tag in (FRAME_TIME, FRAME_TIME_VECTOR) if dataset.get(tag) is not None]
        if len(given) == 1:
            return given[0]
        what = "both FrameTime and FrameTimeVector" if given else "no time of the frames"
        raise ProtocolError(
            f"{frame_count(dataset)} frames, {what}, and no FrameIncrementPointer: store FrameTime "
            "or FrameTimeVector, or each exposure as an object of its own"
        )
    tags = [said] if isinstance(said, int) else list(said)
    named = [tag for tag in (FRAME_TIME, FRAME_TIME_VECTOR) if tag in tags]
    if len(tags) != 1 or not named:
        names = ", ".join(_name(tag) for tag in tags)
        raise ProtocolError(
            f"the frames differ by {names}; only FrameTime or FrameTimeVector is read"
        )
    return named[0]


def _name(tag: Any) -> str:
    """Return the keyword of an attribute, or its number where it has none."""
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag) or f"({int(tag) >> 16:04x},{int(tag) & 0xFFFF:04x})"


def _milliseconds(name: str, value: Any, least: float) -> float:
    """Return a time in milliseconds, which must lie between a least and one minute."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise ProtocolError(f"{name} is {value!r}, one number expected") from None
    if not (math.isfinite(found) and least <= found <= MOST_STEP_MS):
        raise ProtocolError(f"{name} is {found:g} ms: {least:g} to {MOST_STEP_MS:g} are read")
    return found
