"""Compute the controller's ticks in virtual time, and the events that arrive before each one.

Usually a tick comes every period, on time, with the events since the last one. A controller that
stalls gets no tick for that time, and then a late one with all events that waited; the driver
stamps them when it reads them. A controller that is killed gets no more ticks: when it is started
again, that is another run with its own journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from hal.events import Event
from sim import mishaps
from sim.announcements import RoomAnnouncements
from sim.room import SimulatedRoom
from tracker.core.settings import Controller


class TickEvents(NamedTuple):
    """One tick of the controller, and the events before it."""

    now_ns: int
    due_ns: int
    """When it should have come."""
    events: list[Event]
    """What arrived since the last, in order."""


def tick_events(room: SimulatedRoom, controller: Controller) -> Iterator[TickEvents]:
    """Yield the ticks to the end of the run; the room must obey commands between two of them."""
    tick_ns = round(1e9 / controller.timing.tick_hz)
    befall = room.settings.mishaps
    announcements = RoomAnnouncements(
        controller.session.patient_id, controller.session.plan_id, befall
    )
    stalls = mishaps.of(befall, "controller", "stalled_loop")
    deaths_s = [death.at_s for death in mishaps.of(befall, "controller", "killed")]
    end_ns = min(room.duration_ns, *(round(at_s * 1e9) for at_s in deaths_s), 1 << 62)
    due_ns = -1
    for now_ns in range(tick_ns, end_ns + 1, tick_ns):
        if stalls and any(mishaps.is_active(stall, now_ns) for stall in stalls):
            due_ns = now_ns if due_ns < 0 else due_ns
            continue
        events: list[Event] = [*room.advance(now_ns)]
        if due_ns >= 0:
            events = [
                msgspec.structs.replace(event, t_ns=now_ns) if event.t_ns > due_ns else event
                for event in events
            ]
        if announcements.due_ns <= now_ns:
            events = [*announcements.collect(now_ns), *events]
        yield TickEvents(now_ns, now_ns if due_ns < 0 else due_ns, events)
        due_ns = -1
