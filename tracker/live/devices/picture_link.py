"""A device that works with pictures, as a device of the loop: its threads behind one link.

Cameras are read and pictures looked at in threads of the apparatus; what comes from them is
handed over in the loop, in the order it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from hal.errors import DeviceError
from hal.events import Command, LinkChanged
from hal.link import LinkCounts
from hal.messages import BadSample, Sample
from tracker.live.devices.device import DeviceFigures, HandOver
from tracker.live.durations import Durations

OPEN_AGAIN_S = 5.0
"""How long after an apparatus could not be opened it is tried again."""


class Apparatus(Protocol):
    """Cameras, panels or a receiver with the thread that looks at their pictures."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The names in the `LinkChanged` of its parts; all must be there for it to be up."""
        ...

    def open(self, take: Callable[[Sample], None], changed: Callable[[LinkChanged], None]) -> None:
        """Start the threads; raises `DeviceError` where it cannot be. Both are called in them."""
        ...

    def close(self) -> None:
        """End the threads and wait until they have."""
        ...

    def obey(self, command: Command, now_ns: int) -> None:
        """Do what it can; raises `DeviceError` for what it cannot."""
        ...

    @property
    def wake_ns(self) -> int | None:
        """When `wake` wants to be called."""
        ...

    def wake(self, now_ns: int) -> None:
        """Give up what was not answered."""
        ...

    def timed(self, sample: Sample, now_ns: int) -> Sample | None:
        """The sample with its times in those of the run; ``None`` for one that has none."""
        ...


class PictureLink:
    """Keeps an apparatus going until `run` is cancelled; a `Device` of the daemon."""

    def __init__(
        self, device: str, apparatus: Apparatus, clock: Callable[[], int], hand_over: HandOver
    ) -> None:
        self.device = device
        self.counts = LinkCounts()
        self._apparatus = apparatus
        self._clock = clock
        self._hand_over = hand_over
        self._up = dict.fromkeys(apparatus.parts, False)
        self._who = dict.fromkeys(apparatus.parts, "")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._answer = Durations()

    @property
    def up(self) -> bool:
        """Whether every part is there."""
        return all(self._up.values())

    async def run(self) -> None:
        """Open the apparatus and keep it until cancelled."""
        self._loop = asyncio.get_running_loop()
        while (why := self._opened()) is not None:
            self._hand_over(LinkChanged(self.device, self._clock(), False, why))
            await asyncio.sleep(OPEN_AGAIN_S)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if self._wake is not None:
                self._wake.cancel()
            self._loop = None
            await asyncio.to_thread(self._apparatus.close)

    def obey(self, command: Command) -> None:
        """Pass a command on; what the apparatus cannot do comes back as a `BadSample`."""
        now_ns = self._clock()
        if not self.up:
            self.counts.refused_commands += 1
            return
        try:
            self._apparatus.obey(command, now_ns)
        except DeviceError as error:
            self._arrived(BadSample(self.device, now_ns, str(error), type(command).__name__))
        self._schedule()

    def figures(self) -> DeviceFigures:
        """What was counted so far; ``arrival`` is from the pictures to the sample."""
        who = dict.fromkeys(filter(None, (*self._who.values(), self._identity)))
        return DeviceFigures(
            device=self.device,
            identity="; ".join(who),
            counts=self.counts,
            arrival=self._answer.figures(),
        )

    @property
    def _identity(self) -> str:
        """Of an apparatus that learns late who it works with."""
        return getattr(self._apparatus, "identity", "")

    def _opened(self) -> str | None:
        """Open; tells why that could not be."""
        try:
            self._apparatus.open(self._from_thread, self._changed)
        except DeviceError as error:
            return str(error)
        return None

    def _from_thread(self, sample: Sample) -> None:
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._arrived, sample)

    def _changed(self, change: LinkChanged) -> None:
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._link_changed, change)

    def _link_changed(self, change: LinkChanged) -> None:
        before = self.up
        self._up[change.device] = change.up
        if change.up:
            self._who[change.device] = change.detail
            self.counts.openings += 1
        if self.up != before:
            detail = "; ".join(self._who.values()) if self.up else change.detail
            self._hand_over(
                LinkChanged(self.device, change.t_ns, self.up, f"{change.device}: {detail}")
            )

    def _arrived(self, sample: Sample) -> None:
        if isinstance(sample, BadSample):
            self.counts.bad_samples += 1
            self._hand_over(sample)
        else:
            now_ns = self._clock()
            self.counts.samples += 1
            self._answer.add(now_ns - sample.t_ns)
            timed = self._apparatus.timed(sample, now_ns)
            if timed is not None:
                self._hand_over(timed)
        self._schedule()

    def _schedule(self) -> None:
        """Have what stays unanswered given up when it is time."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        wake_ns = self._apparatus.wake_ns
        if wake_ns is not None and self._loop is not None:
            delay_s = max(0, wake_ns - self._clock()) / 1e9
            self._wake = self._loop.call_later(delay_s, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self._apparatus.wake(self._clock())
        self._schedule()
