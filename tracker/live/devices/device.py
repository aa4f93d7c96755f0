"""A device as the daemon sees it, wherever its conversation runs: in the loop or beside it."""

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
    """Bytes in until everything that follows is done: sample handled, reply sent."""
    command: DurationFigures = DurationFigures()
    """A command given until its bytes are out or wait for the device's turn."""
    hop: DurationFigures = DurationFigures()
    """A demand's moment in the controller until the conversation has it."""
    late_replies: int | None = None
    """Of a device that keeps its own beat: replies it counted as late, of ``cycles``."""
    cycles: int | None = None


class Device(Protocol):
    """One device, kept connected by `run` until that is cancelled."""

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
        """What was counted so far."""
        ...


class TimedLink(Link):
    """A link that knows how long its work takes; ``arrival_cost_ns``: that of the newest bytes."""

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
        """What was counted so far."""
        talk = self.conversation
        version = getattr(talk, "version", "")
        identity = getattr(talk, "identity", "") or (f"version {version}" if version else "")
        has_beat = hasattr(talk, "late_packets")
        if has_beat:
            self._follow_beat()
        return DeviceFigures(
            device=self.device,
            identity=identity,
            counts=self.counts,
            arrival=self._arrival.figures(),
            command=self._command.figures(),
            hop=self._hop.figures(),
            late_replies=self._late_before + self._late_now if has_beat else None,
            cycles=self._cycles_before + self._cycles_now if has_beat else None,
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
            self._follow_beat()
            self._late_before += self._late_now
            self._cycles_before += self._cycles_now
        super()._report_down(detail)

    def _follow_beat(self) -> None:
        """The conversation counts anew with each of its runs."""
        self._late_now = getattr(self.conversation, "late_packets", 0)
        self._cycles_now = getattr(self.conversation, "cycles", 0)
