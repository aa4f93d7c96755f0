"""What befalls the controller and what the room announces to it."""

from __future__ import annotations

from hal.events import Identity, RecordingState
from sim.announcements import RoomAnnouncements
from sim.patient import SimulatedPatient
from sim.room import SimulatedRoom
from sim.sampling import NEVER_NS
from sim.scenario import Mishap
from sim.scenario import RoomScenario as RoomSettings
from tests.sim.mishap_parts import AT_S, END_S, SECOND, mishap
from tracker.build.virtual_time import TickEvents, tick_events
from tracker.core.settings import Controller


def test_ids_and_the_recorder_are_announced():
    announcements = RoomAnnouncements(
        "P", "Q", [mishap("wrong_patient", "plan"), mishap("no_disk", "recorder")]
    )
    assert announcements.collect(0) == [Identity(0, "P", "Q")]
    told = announcements.collect(20 * SECOND)
    assert [type(event) for event in told] == [Identity, RecordingState, Identity, RecordingState]
    assert [event.t_ns for event in told] == sorted(event.t_ns for event in told)
    assert told[2] == Identity(round(END_S * SECOND), "P", "Q")
    assert announcements.due_ns == NEVER_NS


def ticks_of(*befall: Mishap) -> list[TickEvents]:
    settings = RoomSettings(duration_s=8.0, mishaps=befall)
    room = SimulatedRoom(settings, SimulatedPatient.generated(settings, 1), 1)
    return list(tick_events(room, Controller()))


def test_a_stalled_controller_has_one_late_tick_with_all_that_waited():
    plain, stalled = ticks_of(), ticks_of(mishap("stalled_loop", "controller"))
    late = [tick for tick in stalled if tick.due_ns != tick.now_ns]
    assert [(tick.due_ns, tick.now_ns) for tick in late] == [
        (round(AT_S * SECOND), round(END_S * SECOND))
    ]
    assert sum(len(tick.events) for tick in plain) == sum(len(tick.events) for tick in stalled)
    assert {event.t_ns for event in late[0].events[1:]} >= {late[0].now_ns}


def test_a_killed_controller_has_no_further_tick():
    ticks_before = ticks_of(mishap("killed", "controller"))
    assert ticks_before[-1].now_ns == round(AT_S * SECOND)
    assert all(tick.now_ns == tick.due_ns for tick in ticks_before)
