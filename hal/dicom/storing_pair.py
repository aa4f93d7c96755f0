"""An X-ray imager that stores both pictures by DICOM, and its exposure times in the run's time.

The imager is not triggered from here. NTP must keep its clock like ours; an exposure time that
cannot be true is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from hal.addresses import host_and_port
from hal.dicom.codec import DicomSettings
from hal.dicom.receiver import DicomImager
from hal.dicom.settings import DicomXrayWire
from hal.driver import Clock, DriverContext
from hal.events import Command, LinkChanged
from hal.imaging.fiducials import FiducialFinder
from hal.imaging.wired_views import fiducial_finder
from hal.imaging.xray_reader import XrayReader
from hal.messages import BadSample, FiducialShot, Sample

AHEAD_NS = 20_000_000
"""How far two clocks kept by NTP may lie apart."""


def storing_pair(settings: DicomXrayWire, context: DriverContext, clock: Clock) -> StoringPair:
    """Make the receiver of an imager's pictures."""
    host, port = host_and_port(settings.listen)
    receiving = DicomSettings(
        device=context.device,
        port=port,
        address=host,
        ae_title=settings.ae_title,
        callers=settings.callers,
        side_keyword=settings.side_keyword,
        left=settings.left,
        right=settings.right,
        skew_ms=settings.skew_ms,
        answer_ms=context.answer_ms,
    )
    finder = fiducial_finder(settings, context)
    return StoringPair(receiving, finder, settings.clock_ms, settings.oldest_s, clock)


class StoringPair:
    """The receiver of an imager's pictures and the thread that finds the fiducials.

    See `hal.ports.Apparatus`.
    """

    def __init__(
        self,
        settings: DicomSettings,
        finder: FiducialFinder,
        clock_ms: float,
        oldest_s: float,
        clock: Clock,
        unix: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings
        self._clock_ns = round(clock_ms * 1e6)
        self._oldest_ns = round(oldest_s * 1e9)
        self._unix = unix
        self._deliver: Callable[[Sample], None] = lambda sample: None
        self._changed: Callable[[LinkChanged], None] = lambda change: None
        reader = XrayReader(settings.device, finder)
        self._imager = DicomImager(settings, reader, self._found, self._told, clock)

    @property
    def parts(self) -> tuple[str, ...]:
        """The name of the receiver."""
        return (self._settings.device,)

    def open(
        self, deliver: Callable[[Sample], None], changed: Callable[[LinkChanged], None]
    ) -> None:
        """Begin to listen."""
        self._deliver, self._changed = deliver, changed
        self._imager.start()

    def close(self) -> None:
        """Stop listening."""
        self._imager.stop()

    def obey(self, command: Command, now_ns: int) -> None:
        """Note that the next pair answers this command."""
        self._imager.obey(command, now_ns)

    @property
    def wake_ns(self) -> int | None:
        """When a picture without its partner is given up."""
        return self._imager.wake_ns

    def wake(self, now_ns: int) -> None:
        """Give up a picture whose partner did not come."""
        self._imager.wake(now_ns)

    def timed(self, sample: Sample, now_ns: int) -> Sample | None:
        """Return the shot at its exposure time; a `BadSample` where that time cannot be true."""
        if not isinstance(sample, FiducialShot):
            return sample
        age_ns = self._unix() - (sample.ticks - self._clock_ns)
        if not -AHEAD_NS <= age_ns <= self._oldest_ns:
            text = f"{age_ns / 1e9:.2f} s ago by its clock, allowed 0 to {self._oldest_ns / 1e9:g}"
            return BadSample(sample.device, now_ns, "exposure time not believed", text)
        return msgspec.structs.replace(sample, ticks=now_ns - max(0, age_ns), t_ns=now_ns)

    def _found(self, sample: Sample) -> None:
        self._deliver(sample)

    @property
    def identity(self) -> str:
        """Who stored last: its title, maker and model."""
        return self._imager.peer

    def _told(self, change: LinkChanged) -> None:
        self._changed(change)
