"""Serve the simulated room on real wires, in real time, in place of the hardware.

    async with wired_room(room, twins, clock) as wired:
        await wired.run(truth)          # until cancelled, or the patient's time is over

The twin of each driver serves its wire. The twins are shown what the room's devices report. What
drivers ask of the twins moves the room: couch and robot carry the patient or the beam, the gate
lets the beam through. The room's latency of an actuator includes its wire.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import NamedTuple

import msgspec

from hal.driver import DriverSettings
from hal.events import Command
from hal.messages import BadSample, Sample
from sim.room import RoomTruth, SimulatedRoom
from sim.scenario import RoomActuator as ActuatorSettings
from sim.serve import Twin
from sim.twin import AnyTwin, ServedTwin, TwinContext, TwinError

TRUTH_BLOCK_NS = 500_000_000


class RoomTwin(NamedTuple):
    """One twin of a room: its row, the settings of its driver, and what else it must know."""

    row: AnyTwin
    settings: DriverSettings
    context: TwinContext

    @property
    def problem(self) -> str:
        """Return why the room cannot serve these settings; an empty text: it can."""
        return self.row.problem(self.settings, self.context)

    def make(self) -> Twin:
        """Make the twin without its wire; raises `TwinError` for one that needs its wire."""
        if self.row.make is None:
            raise TwinError(f"{self.context.device}: {self.row.driver} is no twin on one wire")
        return self.row.make(self.settings, self.context)


def less_wire(settings: ActuatorSettings, wire_ms: float) -> ActuatorSettings:
    """Return the actuator without its wire's latency, so that both together have the set one."""
    added = min(wire_ms, settings.dead_time_ms)
    return msgspec.structs.replace(
        settings,
        latency_ms=settings.latency_ms - added,
        dead_time_ms=settings.dead_time_ms - added,
    )


class WiredRoom:
    """A room and its twins on their wires; made by `wired_room`."""

    def __init__(self, room: SimulatedRoom, clock: Callable[[], int]) -> None:
        self.room = room
        self.served: dict[str, ServedTwin] = {}
        """The twins by the section of their device."""
        self._clock = clock
        self._shown: dict[str, Callable[[Sample], None]] = {}
        self._truth_ns = 0

    def obey(self, command: Command) -> None:
        """Give the room a command that a driver sent to its twin."""
        self.room.obey(command)

    def summaries(self) -> list[str]:
        """Return one line for each twin that reports something about its wire."""
        return [line for served in self.served.values() if (line := served.summary())]

    async def run(self, truth: Callable[[RoomTruth], None] | None = None) -> None:
        """Run the room to the end of the patient's motion; ``truth`` receives the true values."""
        room, clock = self.room, self._clock
        end_ns = room.duration_ns
        while (now_ns := clock()) < end_ns:
            for sample in room.advance(now_ns):
                self._show(sample)
            if now_ns - self._truth_ns >= TRUTH_BLOCK_NS:
                self._tell(truth, now_ns)
            due_ns = min(room.next_due_ns(), end_ns, self._truth_ns + TRUTH_BLOCK_NS)
            await asyncio.sleep(max(0, due_ns - clock()) / 1e9)
        self._tell(truth, end_ns)

    def tell_rest(self, truth: Callable[[RoomTruth], None] | None) -> None:
        """Report the truth up to now, when the run is ended from outside."""
        self._tell(truth, min(self._clock(), self.room.duration_ns))

    async def serve(self, section: str, twin: RoomTwin, stack: contextlib.AsyncExitStack) -> None:
        """Put the twin of one device on its wire until the stack is left."""
        opened = twin.row.open(twin.settings, twin.context, self._clock, self.obey)
        served = await stack.enter_async_context(opened)
        self.served[section] = served
        self._shown[twin.context.device] = served.show

    def _tell(self, truth: Callable[[RoomTruth], None] | None, to_ns: int) -> None:
        if truth is not None:
            for record in self.room.truth_between(self._truth_ns, to_ns):
                truth(record)
        self._truth_ns = to_ns

    def _show(self, sample: Sample) -> None:
        if isinstance(sample, BadSample):
            return  # the codecs' tests show what garbage is on a real wire
        show = self._shown.get(sample.device)
        if show is not None:
            show(sample)


@contextlib.asynccontextmanager
async def wired_room(
    room: SimulatedRoom, twins: Mapping[str, RoomTwin], clock: Callable[[], int]
) -> AsyncGenerator[WiredRoom]:
    """Put the room's twins on their wires for as long as the context lasts."""
    wired = WiredRoom(room, clock)
    async with contextlib.AsyncExitStack() as stack:
        for section, twin in twins.items():
            await wired.serve(section, twin, stack)
        yield wired
