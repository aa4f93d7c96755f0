"""Pairs of GigE Vision devices: marker cameras, and X-ray panels with a software trigger."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hal.addresses import host_and_port
from hal.driver import Clock, DriverContext
from hal.events import Command, LinkChanged, SendExpose
from hal.gige.camera import GigeCamera
from hal.gige.imager_clock import ImagerClock
from hal.gige.session import GigeSettings
from hal.gige.settings import Features, GigeMarkersWire, GigeXrayWire
from hal.imaging.stereo_device import XrayDevice
from hal.imaging.stereo_markers import SIDES, MakeCamera, StereoMarkers, stereo_markers
from hal.imaging.view import View
from hal.imaging.wired_views import fiducial_finder
from hal.imaging.xray_reader import XrayReader
from hal.messages import FiducialShot, Sample


def marker_cameras(
    settings: GigeMarkersWire, context: DriverContext, clock: Clock
) -> StereoMarkers:
    """Make a marker camera of two GigE Vision cameras."""
    features: Features = {"PixelFormat": "Mono8", **settings.features}

    def camera(name: str, place: int | str, view: View) -> MakeCamera:
        gige = camera_settings(name, str(place), settings.packet_bytes, features)
        return lambda take, changed: GigeCamera(gige, take, changed, clock)

    return stereo_markers(settings, (settings.left, settings.right), camera, context, clock)


def triggered_pair(settings: GigeXrayWire, context: DriverContext, clock: Clock) -> TriggeredPair:
    """Make an X-ray pair of two panels with a software trigger."""
    features: Features = {"PixelFormat": "Mono16", "TriggerMode": "On"}
    panels = [
        camera_settings(f"{context.device}-{side}", place, settings.packet_bytes, features)
        for side, place in zip(SIDES, (settings.left, settings.right), strict=True)
    ]
    return TriggeredPair(
        (panels[0], panels[1]),
        XrayReader(context.device, fiducial_finder(settings, context)),
        round(settings.trigger_ms * 1e6),
        settings.skew_ms,
        context.answer_ms,
        clock,
    )


def camera_settings(name: str, place: str, packet_bytes: int, features: Features) -> GigeSettings:
    """Return the settings of one camera; raises `DeviceError` for a wrong address."""
    host, port = host_and_port(place)
    return GigeSettings(
        device=name, host=host, port=port, packet_bytes=packet_bytes, features=features
    )


class TriggeredPair:
    """Two GigE Vision panels and the thread that finds the fiducials; see `hal.ports.Apparatus`."""

    def __init__(
        self,
        panels: tuple[GigeSettings, GigeSettings],
        reader: XrayReader,
        trigger_ns: int,
        skew_ms: float,
        answer_ms: float,
        clock: Clock,
    ) -> None:
        self._panels = panels
        self._clock = clock
        self._imager_clock = ImagerClock(trigger_ns)
        self._deliver: Callable[[Sample], None] = lambda sample: None
        names = (panels[0].device, panels[1].device)
        self._xray = XrayDevice(
            reader.device, names, reader, self._found, clock, answer_ms, skew_ms
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of both panels."""
        return tuple(panel.device for panel in self._panels)

    def open(
        self, deliver: Callable[[Sample], None], changed: Callable[[LinkChanged], None]
    ) -> None:
        """Open both panels."""
        self._deliver = deliver
        cameras = [GigeCamera(p, self._xray.on_image, changed, self._clock) for p in self._panels]
        self._xray.start(*cameras)

    def close(self) -> None:
        """Close both panels."""
        self._xray.stop()

    def obey(self, command: Command, now_ns: int) -> None:
        """Expose both sides; raises `DeviceError` where a side cannot."""
        if isinstance(command, SendExpose):
            self._imager_clock.pulled(command.shot_id, now_ns)
        self._xray.obey(command, now_ns)

    @property
    def wake_ns(self) -> int | None:
        """When an open shot is given up."""
        return self._xray.wake_ns

    def wake(self, now_ns: int) -> None:
        """Give up a shot that was not answered in time."""
        self._xray.wake(now_ns)

    def timed(self, sample: Sample, now_ns: int) -> Sample | None:
        """Return the shot at its exposure time; ``None`` for one that nobody asked for."""
        if not isinstance(sample, FiducialShot):
            return sample
        exposed_ns = self._imager_clock.exposed_ns(sample.shot_id, sample.ticks)
        if exposed_ns is None:
            return None
        return msgspec.structs.replace(sample, ticks=exposed_ns, t_ns=now_ns)

    def _found(self, sample: Sample) -> None:
        self._deliver(sample)
