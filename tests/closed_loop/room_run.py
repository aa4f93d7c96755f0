"""A simulated room that a test runs step by step, with events of its own among the room's."""

from __future__ import annotations

from hal.events import Command, Event, Request, Tick
from sim.room import SimulatedRoom
from tracker.build.engine import build_engine
from tracker.build.room import furnish
from tracker.build.scripted_operator import Operator
from tracker.build.virtual_time import tick_events
from tracker.config import SHIPPED, Configuration, altered, load_configuration
from tracker.core.engine import Engine
from tracker.core.session import SessionState
from tracker.core.types import FaultChanged, Output

S = 1_000_000_000


class RoomRun:
    """Engine and room in virtual time. Outputs are kept with the time at which they came."""

    def __init__(
        self,
        configuration: Configuration | None = None,
        *,
        seed: int = 1,
        engine: Engine | None = None,
    ) -> None:
        if configuration is None:
            shipped = load_configuration(SHIPPED / "couch.toml")
            configuration = altered(shipped, {"room": {"duration_s": 90.0}})
        self.configuration = configuration
        self.engine = engine or build_engine(configuration.controller)
        self.outputs: list[Output] = []
        self.now_ns = 0
        self._room = furnish(configuration, None, seed)
        self._operator = Operator()
        self._ticks = tick_events(self._room, configuration.controller)

    @property
    def room(self) -> SimulatedRoom:
        """The simulated room."""
        return self._room

    def step(self, *further: Event) -> list[Output]:
        """Run one tick, with further events before it; give what came of it."""
        now_ns, due_ns, events = next(self._ticks)
        self.now_ns = now_ns
        wish = self._operator.wish(now_ns, self.engine.state)
        if wish is not None:
            events.append(Request(now_ns, wish))
        out: list[Output] = []
        for event in (*events, *further, Tick(now_ns, due_ns)):
            out += self.engine.handle(event)
        for output in out:
            if isinstance(output, Command):
                self._room.obey(output)
        self.outputs += out
        return out

    def run_until(self, state: SessionState) -> None:
        """Run until the session is in a state."""
        while self.engine.state is not state:
            self.step()

    def run_s(self, seconds: float) -> list[Output]:
        """Run so many seconds; give what came of them."""
        end_ns = self.now_ns + round(seconds * S)
        out: list[Output] = []
        while self.now_ns < end_ns:
            out += self.step()
        return out


def raised(outputs: list[Output]) -> list[str]:
    """The faults that appeared, in order."""
    return [o.fault for o in outputs if isinstance(o, FaultChanged) and o.active]
