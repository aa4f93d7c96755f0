"""Builds what works with pictures out of its wire: marker cameras and X-ray pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hal.dicom.codec import DicomSettings
from hal.errors import DeviceError
from hal.gige.camera import GigeCamera
from hal.gige.session import GigeSettings
from hal.imaging.calibration_file import read_calibration
from hal.imaging.fiducials import FiducialFinder, FiducialSettings
from hal.imaging.marker_camera import MarkerCamera
from hal.imaging.phantom import CalibrationError
from hal.imaging.stereo_geometry import stereo_views
from hal.imaging.view import View
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from hal.video.capture import VideoCamera, VideoSettings
from tracker.live.devices.device import HandOver
from tracker.live.devices.marker_cameras import MakeCamera, StereoMarkers
from tracker.live.devices.picture_link import Apparatus, PictureLink
from tracker.live.devices.xray import StoringPair, TriggeredPair
from tracker.wires import DicomXray, GigeMarkers, StereoXray, VideoMarkers, XrayPair

if TYPE_CHECKING:
    from tracker.live.devices.device_plan import DevicePlan

PictureWire = GigeMarkers | VideoMarkers | XrayPair | DicomXray
Features = dict[str, int | float | str | bool]
SIDES = ("left", "right")


def picture_link(
    order: DevicePlan, wire: PictureWire, clock: Callable[[], int], hand_over: HandOver
) -> PictureLink:
    """The device; raises `DeviceError` for an address, a file or a setting that is wrong."""
    apparatus: Apparatus
    match wire:
        case XrayPair():
            apparatus = _triggered(order, wire, clock)
        case DicomXray():
            apparatus = _storing(order, wire, clock)
        case GigeMarkers() | VideoMarkers():
            apparatus = _markers(order, wire, clock)
    return PictureLink(order.device, apparatus, clock, hand_over)


def host_and_port(text: str) -> tuple[str, int]:
    """Split ``host:port``; raises `DeviceError`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise DeviceError(f"address {text!r}: write host:port")
    return host, int(port)


def geometry_of(wire: StereoXray) -> XrayGeometry:
    """The pair as drawn."""
    return XrayGeometry(
        source_isocentre_mm=wire.source_isocentre_mm,
        source_panel_mm=wire.source_panel_mm,
        pixel_mm=wire.pixel_mm,
        width_px=wire.width_px,
        height_px=wire.height_px,
        left_deg=wire.left_deg,
        right_deg=wire.right_deg,
    )


def _triggered(order: DevicePlan, wire: XrayPair, clock: Callable[[], int]) -> TriggeredPair:
    features: Features = {"PixelFormat": "Mono16", "TriggerMode": "On"}
    panels = [
        _gige(f"{order.device}-{side}", place, wire.packet_bytes, features)
        for side, place in zip(SIDES, (wire.left, wire.right), strict=True)
    ]
    return TriggeredPair(
        order.device,
        (panels[0], panels[1]),
        _finder(order, wire),
        round(wire.trigger_ms * 1e6),
        wire.skew_ms,
        order.answer_ms,
        clock,
    )


def _storing(order: DevicePlan, wire: DicomXray, clock: Callable[[], int]) -> StoringPair:
    host, port = host_and_port(wire.listen)
    settings = DicomSettings(
        device=order.device,
        port=port,
        address=host,
        ae_title=wire.ae_title,
        callers=wire.callers,
        side_keyword=wire.side_keyword,
        left=wire.left,
        right=wire.right,
        skew_ms=wire.skew_ms,
        answer_ms=order.answer_ms,
    )
    return StoringPair(settings, _finder(order, wire), wire.clock_ms, wire.oldest_s, clock)


def _markers(
    order: DevicePlan, wire: GigeMarkers | VideoMarkers, clock: Callable[[], int]
) -> StereoMarkers:
    views = _stored(order, wire.calibration, "camera") or stereo_views(wire.geometry)
    try:
        markers = MarkerCamera(views, wire.markers)
    except ValueError as error:
        raise DeviceError(f"{order.device}: {error}") from None
    names = tuple(f"{order.device}-{side}" for side in SIDES)
    makes = [
        _made(name, place, wire, views, clock)
        for name, place in zip(names, (wire.left, wire.right), strict=True)
    ]
    apart_ms = wire.apart_ms or 500.0 / order.rate_hz
    return StereoMarkers(
        order.device, (names[0], names[1]), (makes[0], makes[1]), markers, apart_ms, clock
    )


def _made(
    name: str,
    place: int | str,
    wire: GigeMarkers | VideoMarkers,
    views: tuple[View, View],
    clock: Callable[[], int],
) -> MakeCamera:
    """How one side's camera is made."""
    if isinstance(wire, GigeMarkers):
        features: Features = {"PixelFormat": "Mono8", **wire.features}
        gige = _gige(name, str(place), wire.packet_bytes, features)
        return lambda take, changed: GigeCamera(gige, take, changed, clock)
    video = VideoSettings(
        device=name,
        source=place,
        width_px=views[0].width_px,
        height_px=views[0].height_px,
        silence_s=wire.silence_s,
    )
    return lambda take, changed: VideoCamera(video, take, changed, clock)


def _gige(name: str, place: str, packet_bytes: int, features: Features) -> GigeSettings:
    host, port = host_and_port(place)
    return GigeSettings(
        device=name, host=host, port=port, packet_bytes=packet_bytes, features=features
    )


def _finder(order: DevicePlan, wire: StereoXray) -> FiducialFinder:
    views = _stored(order, wire.calibration, "xray") or nominal_pair(geometry_of(wire))
    seeds = FiducialSettings(diameter_mm=wire.seed_diameter_mm, length_mm=wire.seed_length_mm)
    return FiducialFinder(views, order.planned_mm, seeds)


def _stored(order: DevicePlan, name: str, kind: str) -> tuple[View, View] | None:
    """The views of a calibration file, where one is named."""
    if not name:
        return None
    path = Path(order.folder) / name
    try:
        found = read_calibration(path, "xray" if kind == "xray" else "camera", order.device)
    except CalibrationError as error:
        raise DeviceError(f"{order.device}: {error}") from None
    return found.views
