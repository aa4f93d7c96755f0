"""The X-ray pair as a device of the loop: camera threads and a looking thread behind one link.

What comes from the threads is handed over in the loop. A shot's exposure time is turned from the
panel's clock into the run's here: the trigger was pulled at a known moment, and what lies between
that and the panel's stamp is the trigger's delay plus waiting that is never negative; the shot
that waited least tells how the clocks lie.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from hal.errors import DeviceError
from hal.events import Command, LinkChanged, SendExpose
from hal.gige.camera import GigeCamera
from hal.gige.session import GigeSettings
from hal.imaging.fiducials import FiducialFinder
from hal.imaging.stereo_device import XrayDevice
from hal.imaging.xray_reader import XrayReader
from hal.link import LinkCounts
from hal.messages import BadSample, FiducialShot, Sample
from tracker.live.device import DeviceFigures, HandOver
from tracker.live.durations import Durations

REMEMBERED = 12
"""Shots the clocks are compared over: some minutes, in which they drift by microseconds."""
DRIFT = 50e-6
"""How fast the panel's clock may run against ours: an older comparison counts for less."""


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


class XrayLink:
    """Keeps both panels and the looking thread going until `run` is cancelled."""

    def __init__(
        self,
        device: str,
        panels: tuple[GigeSettings, GigeSettings],
        finder: FiducialFinder,
        trigger_ns: int,
        skew_ms: float,
        answer_ms: float,
        clock: Callable[[], int],
        hand_over: HandOver,
    ) -> None:
        self.device = device
        self.counts = LinkCounts()
        self.arrival_cost_ns = 0
        self._panels = panels
        self._clock = clock
        self._hand_over = hand_over
        self._imager_clock = ImagerClock(trigger_ns)
        self._up = {panel.device: False for panel in panels}
        self._who = dict.fromkeys(self._up, "")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._answer = Durations()
        names = (panels[0].device, panels[1].device)
        self._xray = XrayDevice(
            device,
            names,
            XrayReader(device, finder),
            self._from_thread,
            clock,
            answer_ms,
            skew_ms,
        )

    @property
    def up(self) -> bool:
        """Whether both panels are there."""
        return all(self._up.values())

    async def run(self) -> None:
        """Open both panels and keep them until cancelled."""
        self._loop = asyncio.get_running_loop()
        cameras = [
            GigeCamera(panel, self._xray.take, self._changed, self._clock) for panel in self._panels
        ]
        self._xray.start(*cameras)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if self._wake is not None:
                self._wake.cancel()
            self._loop = None
            await asyncio.to_thread(self._xray.stop)

    def obey(self, command: Command) -> None:
        """Expose; what the imager cannot do comes back as a `BadSample`."""
        now_ns = self._clock()
        if not self.up:
            self.counts.refused_commands += 1
            return
        if isinstance(command, SendExpose):
            self._imager_clock.pulled(command.shot_id, now_ns)
        try:
            self._xray.obey(command, now_ns)
        except DeviceError as error:
            self._arrived(BadSample(self.device, now_ns, str(error), type(command).__name__))
        self._schedule()

    def figures(self) -> DeviceFigures:
        """What was counted so far; ``arrival`` is from the pictures to the shot."""
        return DeviceFigures(
            device=self.device,
            identity="; ".join(who for who in self._who.values() if who),
            counts=self.counts,
            arrival=self._answer.figures(),
        )

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
        self._who[change.device] = change.detail if change.up else ""
        if change.up:
            self.counts.openings += 1
        if self.up != before:
            detail = "; ".join(self._who.values()) if self.up else change.detail
            self._hand_over(
                LinkChanged(self.device, change.t_ns, self.up, f"{change.device}: {detail}")
            )

    def _arrived(self, sample: Sample) -> None:
        if isinstance(sample, BadSample):
            self.counts.bad_samples += 1
        elif isinstance(sample, FiducialShot):
            self.counts.samples += 1
            self._answer.add(self._clock() - sample.t_ns)
            exposed_ns = self._imager_clock.exposed_ns(sample.shot_id, sample.ticks)
            if exposed_ns is None:
                return
            sample = msgspec.structs.replace(sample, ticks=exposed_ns, t_ns=self._clock())
        self._hand_over(sample)
        self._schedule()

    def _schedule(self) -> None:
        """Have an unanswered shot given up when it is time."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        wake_ns = self._xray.wake_ns
        if wake_ns is not None and self._loop is not None:
            delay_s = max(0, wake_ns - self._clock()) / 1e9
            self._wake = self._loop.call_later(delay_s, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self._xray.wake(self._clock())
        self._schedule()
