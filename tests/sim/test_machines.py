"""The simulator's table of treatment machines: same names as in the controller's table."""

from __future__ import annotations

import msgspec
import pytest

from sim.machines import MACHINES, simulated_machine
from sim.patient import SimulatedPatient
from sim.room import SimulatedRoom
from sim.scenario import RoomScenario
from tracker.core.machine.kinds.table import MACHINE_KINDS


def test_simulator_and_controller_know_the_same_kinds() -> None:
    assert list(MACHINES) == list(MACHINE_KINDS)


@pytest.mark.parametrize("name", MACHINES)
def test_simulator_and_controller_agree_on_who_moves_the_patient(name: str) -> None:
    machine = simulated_machine(name)
    assert machine.moves_patient == MACHINE_KINDS[name].moves_patient
    assert not (machine.moves_beam and machine.moves_patient)
    assert machine.acts == MACHINE_KINDS[name].moves
    assert machine.acts == (machine.moves_beam or machine.moves_patient)
    assert machine.in_beams_eye == MACHINE_KINDS[name].in_beams_eye
    assert bool(machine.turns) == MACHINE_KINDS[name].turns


@pytest.mark.parametrize("name", MACHINES)
def test_a_typical_machine_can_do_what_the_controller_may_ask_of_its_kind(name: str) -> None:
    typical, kind = MACHINES[name].typical, MACHINE_KINDS[name]
    assert typical.kind == name
    assert typical.speed_mm_s >= kind.actuator.speed_mm_s
    assert typical.acceleration_mm_s2 >= kind.actuator.acceleration_mm_s2
    assert typical.stroke_mm >= kind.actuator.limit_mm


def test_a_room_with_an_unknown_machine_is_refused() -> None:
    settings = RoomScenario(duration_s=5.0)
    actuator = msgspec.structs.replace(settings.actuator, kind="sledge")
    settings = msgspec.structs.replace(settings, actuator=actuator)
    patient = SimulatedPatient.generated(settings, 1)
    known = ", ".join(MACHINES)
    words = f'room.actuator.kind: "sledge" is not one of {known}; choose one of them'
    with pytest.raises(ValueError, match=words):
        SimulatedRoom(settings, patient, 1)
