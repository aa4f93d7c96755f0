"""When the controller's turns come in virtual time, and what it finds each time.

Usually every tick, punctual, with what arrived since. A controller that stalls has no turn at all,
then one, late, with everything that waited; the driver stamps it as it is read. One that is killed
has no turn any more: what comes up again is another run, with a journal of its own.
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


class Turn(NamedTuple):
    """One turn of the controller."""

    now_ns: int
    due_ns: int
    """When it should have come."""
    events: list[Event]
    """What arrived since the last, in order."""


def turns(room: SimulatedRoom, controller: Controller) -> Iterator[Turn]:
    """Give turn after turn to the end of the room; commands are to be obeyed in between."""
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
        yield Turn(now_ns, now_ns if due_ns < 0 else due_ns, events)
        due_ns = -1
