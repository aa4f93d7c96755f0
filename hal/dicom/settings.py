"""What a configuration says of an X-ray imager that stores its pictures by DICOM."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hal.driver import Text
from hal.imaging.stereo_wires import StereoXrayWire


class DicomXrayWire(StereoXrayWire, frozen=True, kw_only=True, tag="dicom-xray"):
    """An imager that stores its radiographs here by DICOM; its own console exposes."""

    listen: Text = "127.0.0.1:11112"
    """Where it stores to, ``host:port`` of this machine."""
    ae_title: Annotated[str, Meta(min_length=1, max_length=16)] = "TIDETRACK"
    callers: tuple[Text, ...] = ()
    """Application entities that may store; empty: any."""
    side_keyword: Text = "DetectorID"
    """The attribute that tells the sides apart; it holds one of the next two values."""
    left: Text = "LEFT"
    right: Text = "RIGHT"
    clock_ms: Annotated[float, Meta(ge=-50_400_000, le=50_400_000)] = 0.0
    """The imager's clock less this machine's (both kept by NTP: its zone's offset, or 0)."""
    oldest_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """An exposure longer ago than this on arrival is refused: a wrong clock, or an old picture."""
