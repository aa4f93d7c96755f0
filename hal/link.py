"""The link to one device: opens the wire, passes bytes and time to the conversation, reconnects.

Bytes are stamped once, in the callback that brings them, decoded there and handed over as
samples. Commands go out in the same call that gives them. An error that the protocol
foresees is reported as `BadSample`. A `DeviceError` closes the wire, `LinkChanged` says so, and the
link opens again after a pause that doubles. Any other exception ends `Link.run`: it is a defect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from hal.errors import DeviceError, LinkError
from hal.events import Command, LinkChanged
from hal.link_counts import LinkCounts
from hal.messages import BadSample, Sample
from hal.ports import Conversation, HandOver
from hal.serial_line import SetsLine
from hal.transports import Address, Wire, open_wire


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Waiting times of a link."""

    open_s: float = 3.0
    ready_s: float = 20.0
    """Longest start-up conversation before the wire is closed and opened again."""
    write_ms: float = 100.0
    """Longest time the system may take to accept what is written."""
    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0


class Link:
    """The task of one device; ``hand_over`` is called in the event loop and must not wait."""

    def __init__(
        self,
        device: str,
        conversation: Conversation,
        address: Address,
        clock: Callable[[], int],
        hand_over: HandOver,
        settings: LinkSettings | None = None,
    ) -> None:
        self.device = device
        self.conversation = conversation
        self.counts = LinkCounts()
        self.up = False
        self._address = address
        self._clock = clock
        self._hand_over = hand_over
        self._set = settings or LinkSettings()
        self._wire: Wire | None = None
        self._ended: asyncio.Future[str] | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._write_check: asyncio.TimerHandle | None = None
        self._told_down = False

    async def run(self) -> None:
        """Keep the device connected until cancelled."""
        pause_s = self._set.first_pause_s
        try:
            while True:
                detail = await self._once()
                if self.up:
                    pause_s = self._set.first_pause_s
                self._report_down(detail)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, self._set.longest_pause_s)
        finally:
            self._close()
            if self.up:
                self._report_down("closed by us")

    def obey(self, command: Command) -> None:
        """Pass a command on at once; while the link is down it is dropped and counted."""
        if self._wire is None or not self.conversation.ready:
            self.counts.refused_commands += 1
            return
        now_ns = self._clock()
        try:
            self.conversation.obey(command, now_ns)
        except DeviceError as error:
            name = type(command).__name__
            self._give([BadSample(self.device, now_ns, str(error), name)])
        self._after(now_ns)

    async def _once(self) -> str:
        """Open, talk until the link ends, close; tell why it ended."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ended = ended
        try:
            self._wire = await open_wire(
                self._address, self._received, self._end, within_s=self._set.open_s
            )
        except LinkError as error:
            return str(error)
        self.counts.openings += 1
        try:
            self._step(self._begin, b"", self._clock())
            done, _ = await asyncio.wait([ended], timeout=self._set.ready_s)
            if not done and not self.conversation.ready:
                return f"start-up not finished in {self._set.ready_s:g} s"
            return await ended
        finally:
            self._close()

    def _begin(self, data: bytes, now_ns: int) -> list[Sample]:
        self.conversation.begin(now_ns)
        return []

    def _received(self, data: bytes) -> None:
        now_ns = self._clock()
        self.counts.bytes_in += len(data)
        self._step(self.conversation.receive, data, now_ns)

    def _woken(self) -> None:
        self._wake = None
        now_ns = self._clock()
        wake_ns = self.conversation.wake_ns
        if wake_ns is not None and wake_ns <= now_ns:
            self._step(self._waking, b"", now_ns)
        else:
            self._schedule(now_ns)

    def _waking(self, data: bytes, now_ns: int) -> list[Sample]:
        return self.conversation.wake(now_ns)

    def _step(self, talk: Callable[[bytes, int], list[Sample]], data: bytes, now_ns: int) -> None:
        if self._ended is None or self._ended.done():
            return
        try:
            self._give(talk(data, now_ns))
        except DeviceError as error:
            self._end(str(error))
        except Exception as error:  # a fault of ours: it ends `run`, not just a callback
            self._ended.set_exception(error)
        else:
            self._after(now_ns)

    def _give(self, samples: list[Sample]) -> None:
        for sample in samples:
            if isinstance(sample, BadSample):
                self.counts.bad_samples += 1
            else:
                self.counts.samples += 1
            self._hand_over(sample)

    def _after(self, now_ns: int) -> None:
        """Do what follows every exchange.

        Set the line, send bytes, tell a state change, set the timer.
        """
        wire = self._wire
        if wire is None:
            return
        if isinstance(self.conversation, SetsLine):
            line = self.conversation.line_to_set()
            if line is not None:
                wire.set_line(line)
        while data := self.conversation.data_to_send():
            self.counts.bytes_out += len(data)
            wire.send(data)
        if wire.unsent and self._write_check is None:
            loop = asyncio.get_running_loop()
            self._write_check = loop.call_later(
                self._set.write_ms / 1000, self._check_written, self.counts.bytes_out - wire.unsent
            )
        if self.conversation.ready != self.up:
            if self.up:
                self._report_down("starting up again")
            else:
                self.up, self._told_down = True, False
                self._hand_over(LinkChanged(self.device, now_ns, True))
        self._schedule(now_ns)

    def _schedule(self, now_ns: int) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        wake_ns = self.conversation.wake_ns
        if wake_ns is not None and self._wire is not None:
            delay_s = max(0, wake_ns - now_ns) / 1e9
            self._wake = asyncio.get_running_loop().call_later(delay_s, self._woken)

    def _check_written(self, taken_before: int) -> None:
        self._write_check = None
        wire = self._wire
        if wire is None or not wire.unsent:
            return
        if self.counts.bytes_out - wire.unsent <= taken_before:
            self._end(f"nothing written in {self._set.write_ms:g} ms")
        else:
            self._write_check = asyncio.get_running_loop().call_later(
                self._set.write_ms / 1000, self._check_written, self.counts.bytes_out - wire.unsent
            )

    def _end(self, detail: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(detail)

    def _close(self) -> None:
        for timer in (self._wake, self._write_check):
            if timer is not None:
                timer.cancel()
        self._wake = self._write_check = None
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _report_down(self, detail: str) -> None:
        if not self._told_down or self.up:
            self._hand_over(LinkChanged(self.device, self._clock(), False, detail))
        self.up, self._told_down = False, True
