"""A stereo marker camera: two cameras and one thread that finds the markers in their pictures."""

from __future__ import annotations

from collections.abc import Callable

from hal.driver import Clock, DriverContext
from hal.errors import DeviceError
from hal.events import Command, LinkChanged
from hal.imaging.image import Take
from hal.imaging.marker_camera import MarkerCamera
from hal.imaging.stereo_device import MarkerDevice, StereoCamera
from hal.imaging.stereo_geometry import stereo_views
from hal.imaging.stereo_wires import StereoMarkersWire
from hal.imaging.view import View
from hal.imaging.wired_views import calibrated_views
from hal.messages import Sample

SIDES = ("left", "right")

MakeCamera = Callable[[Take, Callable[[LinkChanged], None]], StereoCamera]
"""Makes one side's camera, given who takes its pictures and its link changes."""
CameraOfSide = Callable[[str, int | str, View], MakeCamera]
"""Says how a camera is made, from its name, its place and the view it has when calibrated."""


def stereo_markers(
    settings: StereoMarkersWire,
    places: tuple[int | str, int | str],
    camera: CameraOfSide,
    context: DriverContext,
    clock: Clock,
) -> StereoMarkers:
    """Make the apparatus; raises `DeviceError` for an arrangement that cannot be recognised."""
    views = calibrated_views(context, settings.calibration, "camera") or stereo_views(
        settings.geometry
    )
    try:
        markers = MarkerCamera(views, settings.markers)
    except ValueError as error:
        raise DeviceError(f"{context.device}: {error}") from None
    left, right = (f"{context.device}-{side}" for side in SIDES)
    makes = (camera(left, places[0], views[0]), camera(right, places[1], views[0]))
    apart_ms = settings.apart_ms or 500.0 / context.rate_hz
    return StereoMarkers(context.device, (left, right), makes, markers, apart_ms, clock)


class StereoMarkers:
    """Two cameras and the thread that finds the markers; see `hal.ports.Apparatus`."""

    def __init__(
        self,
        device: str,
        names: tuple[str, str],
        makes: tuple[MakeCamera, MakeCamera],
        markers: MarkerCamera,
        apart_ms: float,
        clock: Clock,
    ) -> None:
        self._names = names
        self._makes = makes
        self._deliver: Callable[[Sample], None] = lambda sample: None
        self._device = MarkerDevice(device, names, markers, apart_ms, self._found, clock)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of both cameras."""
        return self._names

    def open(
        self, deliver: Callable[[Sample], None], changed: Callable[[LinkChanged], None]
    ) -> None:
        """Open both cameras."""
        self._deliver = deliver
        self._device.start(*(make(self._device.on_image, changed) for make in self._makes))

    def close(self) -> None:
        """Close the cameras."""
        self._device.stop()

    def obey(self, command: Command, now_ns: int) -> None:
        """Refuse: a marker camera obeys nothing."""
        self._device.obey(command, now_ns)

    @property
    def wake_ns(self) -> int | None:
        """``None``: pictures come by themselves."""
        return None

    def wake(self, now_ns: int) -> None:
        """Do nothing: nothing is ever due."""

    def timed(self, sample: Sample, now_ns: int) -> Sample | None:
        """Return the sample as it is: the time base maps its ticks to the run's time."""
        return sample

    def _found(self, sample: Sample) -> None:
        self._deliver(sample)
