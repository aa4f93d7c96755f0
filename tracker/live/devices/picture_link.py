"""A device with threads of its own (cameras, panels, a receiver), as a device of the loop.

The apparatus reads cameras and analyses pictures in its threads. What it delivers is handed over
in the loop, in the order it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hal.errors import DeviceError
from hal.events import Command, LinkChanged
from hal.link_counts import LinkCounts
from hal.messages import BadSample, Sample
from hal.ports import Apparatus
from tracker.live.devices.device import DeviceFigures, HandOver
from tracker.live.durations import Durations

OPEN_AGAIN_S = 5.0
"""Pause before an apparatus that could not be opened is opened again."""


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
        """Pass a command on; one that cannot be carried out is reported as a `BadSample`."""
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
        """Return what was counted; ``arrival`` is the time from the pictures to the sample."""
        who = dict.fromkeys(filter(None, (*self._who.values(), self._identity)))
        return DeviceFigures(
            device=self.device,
            identity="; ".join(who),
            counts=self.counts,
            arrival=self._answer.figures(),
        )

    @property
    def _identity(self) -> str:
        """Return the identity that an apparatus knows only after it has connected."""
        return getattr(self._apparatus, "identity", "")

    def _opened(self) -> str | None:
        """Open the apparatus; returns why that failed, or ``None``."""
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
        """Set the timer by which unanswered requests are given up."""
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
