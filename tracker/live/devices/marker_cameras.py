"""Stereo marker cameras as apparatus of a `PictureLink`: two sources, one thread that looks."""

from __future__ import annotations

from collections.abc import Callable

from hal.events import Command, LinkChanged
from hal.imaging.image import Take
from hal.imaging.marker_camera import MarkerCamera
from hal.imaging.stereo_device import MarkerDevice, StereoCamera
from hal.messages import Sample

MakeCamera = Callable[[Take, Callable[[LinkChanged], None]], StereoCamera]
"""Makes one side's camera, given where its pictures and its link changes go."""


class StereoMarkers:
    """Two cameras, GigE Vision or video, and the thread that finds the markers."""

    def __init__(
        self,
        device: str,
        names: tuple[str, str],
        makes: tuple[MakeCamera, MakeCamera],
        markers: MarkerCamera,
        apart_ms: float,
        clock: Callable[[], int],
    ) -> None:
        self._names = names
        self._makes = makes
        self._take: Callable[[Sample], None] = lambda sample: None
        self._device = MarkerDevice(device, names, markers, apart_ms, self._found, clock)

    @property
    def parts(self) -> tuple[str, ...]:
        """Both cameras."""
        return self._names

    def open(self, take: Callable[[Sample], None], changed: Callable[[LinkChanged], None]) -> None:
        """Open both cameras."""
        self._take = take
        self._device.start(*(make(self._device.take, changed) for make in self._makes))

    def close(self) -> None:
        """Give the cameras back."""
        self._device.stop()

    def obey(self, command: Command, now_ns: int) -> None:
        """A marker camera obeys nothing."""
        self._device.obey(command, now_ns)

    @property
    def wake_ns(self) -> int | None:
        """Pictures come by themselves."""
        return None

    def wake(self, now_ns: int) -> None:
        """Nothing is due, ever."""

    def timed(self, sample: Sample, now_ns: int) -> Sample | None:
        """Stamped when its first picture arrived; the regression of its ticks does the rest."""
        return sample

    def _found(self, sample: Sample) -> None:
        self._take(sample)
