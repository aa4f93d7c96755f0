"""What a configuration says of a GigE Vision pair: marker cameras or X-ray panels."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hal.driver import Text
from hal.imaging.stereo_wires import StereoMarkersWire, StereoXrayWire

Features = dict[str, int | float | str | bool]


class GigeMarkersWire(StereoMarkersWire, frozen=True, kw_only=True, tag="gige-markers"):
    """Two free-running or cable-triggered GigE Vision cameras."""

    left: Text
    """Address of the left camera's control port, ``host:port``."""
    right: Text
    """The same of the right camera."""
    packet_bytes: Annotated[int, Meta(ge=576, le=16_000)] = 1400
    features: Features = {}
    """GenICam features set before the stream starts, in this order, after PixelFormat Mono8."""


class GigeXrayWire(StereoXrayWire, frozen=True, kw_only=True, tag="gige-xray"):
    """Two software-triggered GigE Vision panels."""

    left: Text
    """Address of the left panel's control port, ``host:port``."""
    right: Text
    """The same of the right panel."""
    packet_bytes: Annotated[int, Meta(ge=576, le=16_000)] = 1400
    trigger_ms: Annotated[float, Meta(ge=0, le=5000)] = 10.0
    """Time from the trigger to the middle of the exposure, by the panel's data sheet."""
