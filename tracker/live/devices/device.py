"""A device as the daemon sees it, whether it runs in the loop or in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from hal.events import Command
from hal.link import Link
from hal.link_counts import LinkCounts
from hal.ports import Conversation, HandOver
from hal.transports import Address
from tracker.live.durations import DurationFigures, Durations


class DeviceFigures(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a device's link counted, and how long its work took."""

    device: str
    identity: str = ""
    counts: LinkCounts = msgspec.field(default_factory=LinkCounts)
    arrival: DurationFigures = DurationFigures()
    """From the arrival of bytes until the sample is handled and the reply is sent."""
    command: DurationFigures = DurationFigures()
    """From a command until its bytes are sent, or wait for the device's turn."""
    hop: DurationFigures = DurationFigures()
    """From the moment of a demand in the controller until the conversation has it."""
    late_replies: int | None = None
    """The replies that a device with cycles of its own counted as late, out of ``cycles``."""
    cycles: int | None = None


class Device(Protocol):
    """One device; `run` keeps it connected until it is cancelled."""

    @property
    def device(self) -> str:
        """The name its messages carry."""
        ...

    @property
    def up(self) -> bool:
        """Whether it is connected and ready."""
        ...

    async def run(self) -> None:
        """Keep it connected."""
        ...

    def obey(self, command: Command) -> None:
        """Pass a command on at once."""
        ...

    def figures(self) -> DeviceFigures:
        """Return what was counted so far."""
        ...


class TimedLink(Link):
    """A link that measures how long its work takes.

    ``arrival_cost_ns`` is how long the newest bytes took.
    """

    def __init__(
        self,
        device: str,
        conversation: Conversation,
        address: Address,
        clock: Callable[[], int],
        hand_over: HandOver,
    ) -> None:
        super().__init__(device, conversation, address, clock, hand_over)
        self._now = clock
        self.arrival_cost_ns = 0
        self._arrival = Durations()
        self._command = Durations()
        self._hop = Durations()
        self._late_before = self._late_now = 0
        self._cycles_before = self._cycles_now = 0

    def figures(self) -> DeviceFigures:
        """Return what was counted so far."""
        talk = self.conversation
        version = getattr(talk, "version", "")
        identity = getattr(talk, "identity", "") or (f"version {version}" if version else "")
        has_cycles = hasattr(talk, "late_packets")
        if has_cycles:
            self._note_cycles()
        return DeviceFigures(
            device=self.device,
            identity=identity,
            counts=self.counts,
            arrival=self._arrival.figures(),
            command=self._command.figures(),
            hop=self._hop.figures(),
            late_replies=self._late_before + self._late_now if has_cycles else None,
            cycles=self._cycles_before + self._cycles_now if has_cycles else None,
        )

    def obey(self, command: Command) -> None:
        """Pass a command on at once."""
        began = time.perf_counter_ns()
        self._hop.add(self._now() - command.t_ns)
        super().obey(command)
        self._command.add(time.perf_counter_ns() - began)

    def _received(self, data: bytes) -> None:
        began = time.perf_counter_ns()
        super()._received(data)
        self.arrival_cost_ns = time.perf_counter_ns() - began
        self._arrival.add(self.arrival_cost_ns)

    def _report_down(self, detail: str) -> None:
        if self.up and hasattr(self.conversation, "late_packets"):
            self._note_cycles()
            self._late_before += self._late_now
            self._cycles_before += self._cycles_now
        super()._report_down(detail)

    def _note_cycles(self) -> None:
        """Note the counts of this run; the conversation counts from 0 in each run."""
        self._late_now = getattr(self.conversation, "late_packets", 0)
        self._cycles_now = getattr(self.conversation, "cycles", 0)
