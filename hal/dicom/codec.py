"""Read from a stored DICOM image what localisation needs: side, exposure time, counts.

Pixels come out linear and bright where much radiation arrived, whatever the object's photometric
conventions. An object of several frames is a series of exposures, each with its own time. An
object without what is needed raises `ProtocolError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hal.dicom.frame_times import frame_times_ns
from hal.dicom.pixels import counts
from hal.errors import ProtocolError
from hal.imaging.image import Pixels


class DicomSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may send images to whom, and which attribute tells the two sides apart.

    ``side_keyword`` is the attribute whose value is ``left`` or ``right`` (configure both to
    what the imager writes). ``skew_ms`` is how far apart the two exposures may be.
    """

    device: str
    port: Annotated[int, Meta(ge=0, le=65_535)] = 11_112
    address: str = "127.0.0.1"
    ae_title: str = "TIDETRACK"
    callers: tuple[str, ...] = ()
    """Titles that may send; empty: any."""
    side_keyword: str = "DetectorID"
    left: str = "LEFT"
    right: str = "RIGHT"
    skew_ms: Annotated[float, Meta(gt=0, le=1000)] = 20.0
    answer_ms: Annotated[float, Meta(gt=0, le=60_000)] = 5000.0


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """One exposure of one side; ``exposed_ns`` is nanoseconds since 1970 by the imager's clock.

    ``frame`` counts the frames of its object from 1.
    """

    side: str
    exposed_ns: int
    instance: str
    pixels: Pixels
    frame: int = 1


def decode(dataset: Any, settings: DicomSettings) -> list[Radiograph]:
    """Read one stored object (a pydicom ``Dataset``): one radiograph a frame, all or none."""
    said = str(dataset.get(settings.side_keyword, "") or "").strip()
    sides = {settings.left: "left", settings.right: "right"}
    if said not in sides:
        raise ProtocolError(
            f"{settings.side_keyword} is {said!r}; {settings.left!r} or {settings.right!r} expected"
        )
    instance = str(dataset.get("SOPInstanceUID", ""))
    return [
        Radiograph(sides[said], exposed_ns, instance, counts(dataset, frame), frame + 1)
        for frame, exposed_ns in enumerate(frame_times_ns(dataset))
    ]
