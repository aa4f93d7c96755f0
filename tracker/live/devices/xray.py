"""X-ray pairs as apparatus of a `PictureLink`, and the exposure in the run's time.

A triggered pair: the trigger was pulled at a known moment, and what lies between that and the
panel's stamp is the trigger's delay plus waiting that is never negative; the shot that waited
least tells how the clocks lie. A storing pair is not triggered from here: its clock must be kept
by NTP like ours, and an exposure that cannot be is refused.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import msgspec

from hal.dicom.codec import DicomSettings
from hal.dicom.receiver import DicomImager
from hal.events import Command, LinkChanged, SendExpose
from hal.gige.camera import GigeCamera
from hal.gige.session import GigeSettings
from hal.imaging.fiducials import FiducialFinder
from hal.imaging.stereo_device import XrayDevice
from hal.imaging.xray_reader import XrayReader
from hal.messages import BadSample, FiducialShot, Sample

REMEMBERED = 12
"""Shots the clocks are compared over: some minutes, in which they drift by microseconds."""
DRIFT = 50e-6
"""How fast the panel's clock may run against ours: an older comparison counts for less."""
AHEAD_NS = 20_000_000
"""How far two clocks kept by NTP may lie apart."""


class ImagerClock:
    """The imager's clock against the run's, from triggers pulled and exposures stamped."""

    def __init__(self, trigger_ns: int) -> None:
        self._trigger_ns = trigger_ns
        self._pulled: dict[int, int] = {}
        self._offsets: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)

    def pulled(self, shot_id: int, now_ns: int) -> None:
        """The trigger of a shot was pulled."""
        self._pulled[shot_id] = now_ns
        while len(self._pulled) > REMEMBERED:
            self._pulled.pop(next(iter(self._pulled)))

    def exposed_ns(self, shot_id: int, ticks: int) -> int | None:
        """The exposure's moment in the run's time; ``None`` for a shot nobody asked for."""
        pulled_ns = self._pulled.pop(shot_id, None)
        if pulled_ns is None:
            return None
        self._offsets.append((pulled_ns, ticks - pulled_ns - self._trigger_ns))
        offset = min(
            offset + round(DRIFT * (pulled_ns - then_ns)) for then_ns, offset in self._offsets
        )
        return ticks - offset


class TriggeredPair:
    """Two GigE Vision panels and the thread that finds the fiducials."""

    def __init__(
        self,
        device: str,
        panels: tuple[GigeSettings, GigeSettings],
        finder: FiducialFinder,
        trigger_ns: int,
        skew_ms: float,
        answer_ms: float,
        clock: Callable[[], int],
    ) -> None:
        self._panels = panels
        self._clock = clock
        self._imager_clock = ImagerClock(trigger_ns)
        self._take: Callable[[Sample], None] = lambda sample: None
        names = (panels[0].device, panels[1].device)
        reader = XrayReader(device, finder)
        self._xray = XrayDevice(device, names, reader, self._found, clock, answer_ms, skew_ms)

    @property
    def parts(self) -> tuple[str, ...]:
        """Both panels."""
        return tuple(panel.device for panel in self._panels)

    def open(self, take: Callable[[Sample], None], changed: Callable[[LinkChanged], None]) -> None:
        """Open both panels."""
        self._take = take
        cameras = [GigeCamera(p, self._xray.take, changed, self._clock) for p in self._panels]
        self._xray.start(*cameras)

    def close(self) -> None:
        """Give the panels back."""
        self._xray.stop()

    def obey(self, command: Command, now_ns: int) -> None:
        """Expose."""
        if isinstance(command, SendExpose):
            self._imager_clock.pulled(command.shot_id, now_ns)
        self._xray.obey(command, now_ns)

    @property
    def wake_ns(self) -> int | None:
        """When an open shot is given up."""
        return self._xray.wake_ns

    def wake(self, now_ns: int) -> None:
        """Give it up."""
        self._xray.wake(now_ns)

    def timed(self, sample: Sample, now_ns: int) -> Sample | None:
        """The shot at its exposure; none for one that nobody asked for."""
        if not isinstance(sample, FiducialShot):
            return sample
        exposed_ns = self._imager_clock.exposed_ns(sample.shot_id, sample.ticks)
        if exposed_ns is None:
            return None
        return msgspec.structs.replace(sample, ticks=exposed_ns, t_ns=now_ns)

    def _found(self, sample: Sample) -> None:
        self._take(sample)


class StoringPair:
    """An imager that stores by DICOM, and the thread that finds the fiducials."""

    def __init__(
        self,
        settings: DicomSettings,
        finder: FiducialFinder,
        clock_ms: float,
        oldest_s: float,
        clock: Callable[[], int],
        unix: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings
        self._clock_ns = round(clock_ms * 1e6)
        self._oldest_ns = round(oldest_s * 1e9)
        self._unix = unix
        self._take: Callable[[Sample], None] = lambda sample: None
        self._changed: Callable[[LinkChanged], None] = lambda change: None
        reader = XrayReader(settings.device, finder)
        self._imager = DicomImager(settings, reader, self._found, self._told, clock)

    @property
    def parts(self) -> tuple[str, ...]:
        """The receiver."""
        return (self._settings.device,)

    def open(self, take: Callable[[Sample], None], changed: Callable[[LinkChanged], None]) -> None:
        """Listen."""
        self._take, self._changed = take, changed
        self._imager.start()

    def close(self) -> None:
        """Listen no more."""
        self._imager.stop()

    def obey(self, command: Command, now_ns: int) -> None:
        """The next pair answers."""
        self._imager.obey(command, now_ns)

    @property
    def wake_ns(self) -> int | None:
        """When a picture without partner is given up."""
        return self._imager.wake_ns

    def wake(self, now_ns: int) -> None:
        """Give it up."""
        self._imager.wake(now_ns)

    def timed(self, sample: Sample, now_ns: int) -> Sample | None:
        """The shot at its exposure; a `BadSample` where that cannot be true."""
        if not isinstance(sample, FiducialShot):
            return sample
        age_ns = self._unix() - (sample.ticks - self._clock_ns)
        if not -AHEAD_NS <= age_ns <= self._oldest_ns:
            text = f"{age_ns / 1e9:.2f} s ago by its clock, allowed 0 to {self._oldest_ns / 1e9:g}"
            return BadSample(sample.device, now_ns, "exposure time not believed", text)
        return msgspec.structs.replace(sample, ticks=now_ns - max(0, age_ns), t_ns=now_ns)

    def _found(self, sample: Sample) -> None:
        self._take(sample)

    @property
    def identity(self) -> str:
        """Who stored last."""
        return self._imager.peer

    def _told(self, change: LinkChanged) -> None:
        self._changed(change)
