"""A daemon's twin for the page server: what a real closed loop came to, said at 20 Hz."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from hal.events import Event
from sim.room import RoomTruth
from tests.live.processes import SOON
from tracker.api import roles
from tracker.api.schema import Answer, Health, Model, Published, Role, Said, State
from tracker.build.room import furnish
from tracker.config import SHIPPED, altered, load_configuration
from tracker.core.session import SessionState
from tracker.core.types import Output
from tracker.live.service.published_state import PublishedState
from tracker.live.web.feed import Receive
from tracker.offline.closed_loop import ClosedLoop

PERIOD_NS = 50_000_000
HEALTHY = Health(
    tick_hz=100.0,
    late_p50_ms=0.1,
    late_p99_ms=0.5,
    late_max_ms=1.0,
    skipped_ticks=0,
    recording=True,
)
RUN_ID = "feeder"


class _Watched:
    """Takes the place of a journal; draws the picture as the daemon's service does."""

    digest = ""

    def __init__(self, picture: PublishedState) -> None:
        self.picture = picture
        self.published: list[Published] = []
        self._event: Event | None = None

    def event(self, event: Event) -> None:
        self._event = event
        self.picture.observe(event, ())
        if event.t_ns % PERIOD_NS == 0:
            state = self.picture.state(event.t_ns, lambda trigger: (), HEALTHY)
            if not self.published or self.published[-1] != state:
                self.published.append(state)

    def outputs(self, outputs: Sequence[Output]) -> None:
        assert self._event is not None
        self.picture.observe(self._event, outputs)
        while self.picture.said:
            self.published.append(self.picture.said.popleft())

    def truth(self, record: RoomTruth) -> None:
        pass


@cache
def published() -> tuple[Published, ...]:
    """Thirty seconds of a session: modelling, ready, tracking."""
    changes = {**SOON, "room": {"duration_s": 30.0}}
    configuration = altered(load_configuration(SHIPPED / "couch.toml"), changes)
    names = ("camera", "belt", "imager", "actuator", "gate")
    roles_of = {name: getattr(configuration.controller, name).device for name in names}
    watched = _Watched(PublishedState(configuration, RUN_ID, roles_of))
    ClosedLoop(configuration, furnish(configuration, None, 1), watched).run()
    model = watched.picture.model(0)
    assert model is not None
    return (model, *watched.published)


class FeederTwin:
    """A `Feed`: says everything over and over, obeys by the table of roles, remembers who asked."""

    def __init__(self, period_s: float = 0.05) -> None:
        self.asked: list[tuple[str, Role, str, str]] = []
        self.said = 0
        self.silent = False
        self.changes: dict[str, Any] = {}
        """Fields of the state that differ from what the closed loop came to."""
        self._period_s = period_s

    async def listen(self, receive: Receive) -> None:
        records = published()
        start = next(
            i for i, r in enumerate(records) if isinstance(r, State) and r.session == "TRACKING"
        )
        loop = asyncio.get_running_loop()
        due_s, sequence = loop.time(), 0
        for each in (r for r in records if isinstance(r, Model | Said)):
            receive(each)
        while True:
            for record in records[start:]:
                if not isinstance(record, State):
                    continue
                due_s += self._period_s
                await asyncio.sleep(due_s - loop.time())
                sequence += 1
                if not self.silent:
                    receive(msgspec.structs.replace(record, sequence=sequence, **self.changes))
                    self.said = sequence

    async def ask(self, name: str, role: Role, who: str, run_id: str) -> Answer:
        self.asked.append((name, role, who, run_id))
        accepted = roles.may(role, SessionState.TRACKING, name)
        return Answer(request_id="", accepted=accepted, reason="" if accepted else "not now")
