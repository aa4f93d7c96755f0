"""The room as a whole: the same numbers every time, in order, however it is asked."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from hal.events import Event, SendDemand, SendExpose
from hal.messages import ActuatorStatus, BeltSample, FiducialShot, MarkerFrame
from sim.actuator import STEP_NS
from sim.patient import SimulatedPatient
from sim.room import Devices, SimulatedRoom
from sim.sampling import NEVER_NS
from sim.scenario import ROBOT, RoomBelt, RoomCamera
from sim.scenario import RoomPatient as PatientSettings
from sim.scenario import RoomScenario as RoomSettings

MS = 1_000_000
SECOND = 1_000_000_000


def test_same_seed_same_room(drive):
    assert drive() == drive()


def test_other_seed_other_room(drive):
    assert drive(seed=5)[0] != drive(seed=6)[0]


@pytest.mark.parametrize("cut_ns", [333_333, 1 * MS, 7_000_001, 2 * SECOND])
def test_result_does_not_depend_on_how_the_run_is_cut(drive, cut_ns):
    assert drive(cut_ns=cut_ns) == drive()


def test_messages_arrive_in_order_and_after_they_were_asked_for(drive):
    samples, _ = drive(cut_ns=100 * MS)
    arrivals = [sample.t_ns for sample in samples]
    assert arrivals == sorted(arrivals)
    assert {type(sample).__name__ for sample in samples} == {
        "MarkerFrame", "BeltSample", "FiducialShot", "ActuatorStatus", "BeamStatus",
    }  # fmt: skip


def test_advance_returns_what_is_due_and_no_more():
    settings = RoomSettings(duration_s=2.0)
    room = SimulatedRoom(settings, SimulatedPatient.generated(settings, 1), 1)
    while (due_ns := room.next_due_ns()) < NEVER_NS:
        assert room.advance(due_ns - 1) == []
        samples = room.advance(due_ns)
        assert samples
        assert all(sample.t_ns == due_ns for sample in samples)
    assert room.advance(10 * SECOND) == []


def test_ties_are_told_in_the_order_of_the_devices():
    settings = RoomSettings(
        duration_s=1.0,
        camera=RoomCamera(rate_hz=100, delay_ms=0, jitter_ms=0, clock_ppm=0),
        belt=RoomBelt(rate_hz=100, delay_ms=7.6, jitter_ms=0, clock_ppm=0),
    )
    # Camera at 3.7 ms of its period, belt at 6.1 + 7.6 = 13.7 ms: always together.
    room = SimulatedRoom(settings, SimulatedPatient.generated(settings, 1), 1)
    samples = [s for s in room.advance(SECOND) if s.device in ("camera", "belt")]
    together = [b for a, b in pairwise(samples) if a.t_ns == b.t_ns]
    assert len(together) > 90
    assert {sample.device for sample in together} == {"belt"}


def test_a_room_cannot_go_back():
    settings = RoomSettings(duration_s=1.0)
    room = SimulatedRoom(settings, SimulatedPatient.generated(settings, 1), 1)
    room.advance(10 * MS)
    with pytest.raises(ValueError, match="cannot go back"):
        room.advance(9 * MS)


def test_a_command_for_nobody_is_refused():
    settings = RoomSettings(duration_s=1.0)
    devices = Devices(actuator="robot", imager="exactrac")
    room = SimulatedRoom(settings, SimulatedPatient.generated(settings, 1), 1, devices=devices)
    with pytest.raises(ValueError, match="'couch', but here that is 'robot'"):
        room.obey(SendDemand(0, "couch", (0.0, 0.0, 0.0)))
    with pytest.raises(ValueError, match="'imager', but here that is 'exactrac'"):
        room.obey(SendExpose(0, "imager", 1))


def test_messages_are_plain_numbers_that_json_knows(drive):
    samples, truths = drive()
    decoder = msgspec.json.Decoder(Event)
    for sample in samples:
        assert decoder.decode(msgspec.json.encode(sample)) == sample
    for truth in truths:
        again = msgspec.json.decode(msgspec.json.encode(truth), type=type(truth))
        assert again == truth
        assert type(truth.beam_on) is bool
        assert type(truth.surrogate_mm) is float


def test_truth_lies_on_its_grid_without_gaps_or_doubles(drive):
    _, truths = drive(cut_ns=3_456_789)
    assert [truth.t_ns for truth in truths] == list(range(0, 8 * SECOND, 10 * MS))


def test_couch_moves_the_target_and_not_the_beam(drive):
    _, truths = drive()
    assert max(abs(truth.actuator_mm[1]) for truth in truths) > 3.0
    for truth in truths:
        assert truth.beam_fixed_mm == (0.0, 0.0, 0.0)
        for fixed, target, couch in zip(
            truth.target_fixed_mm, truth.target_mm, truth.actuator_mm, strict=True
        ):
            assert fixed == pytest.approx(target + couch, abs=1e-12)


def test_robot_moves_the_beam_and_not_the_patient(drive):
    settings = RoomSettings(duration_s=8.0, actuator=ROBOT)
    samples, truths = drive(settings)
    resting = SimulatedRoom(settings, SimulatedPatient.generated(settings, 5), 5).advance(
        8 * SECOND
    )
    assert [s for s in samples if isinstance(s, MarkerFrame)] == [
        s for s in resting if isinstance(s, MarkerFrame)
    ]
    assert max(abs(truth.beam_fixed_mm[1]) for truth in truths) > 3.0
    for truth in truths:
        assert truth.beam_fixed_mm == truth.actuator_mm
        assert truth.target_fixed_mm == truth.target_mm


def test_more_draws_of_one_device_do_not_move_another(drive):
    plain, _ = drive()
    settings = RoomSettings(duration_s=8.0, camera=RoomCamera(rate_hz=90.0, noise_mm=0.5))
    other, _ = drive(settings)
    for kind in (BeltSample, FiducialShot, ActuatorStatus):
        assert [s for s in plain if isinstance(s, kind)] == [
            s for s in other if isinstance(s, kind)
        ]


def test_a_longer_run_starts_as_a_shorter_one():
    def run(duration_s: float):
        settings = RoomSettings(duration_s=duration_s, patient=PatientSettings(reference_s=3.0))
        return SimulatedRoom(settings, SimulatedPatient.generated(settings, 3), 3).advance(
            3 * SECOND
        )

    assert run(4.0) == run(40.0)


def test_belt_can_be_left_out():
    settings = RoomSettings(duration_s=1.0, belt=RoomBelt(enabled=False))
    samples = SimulatedRoom(settings, SimulatedPatient.generated(settings, 1), 1).advance(SECOND)
    assert not [s for s in samples if isinstance(s, BeltSample)]


def test_truth_grid_is_whole_steps_of_the_actuator_grid():
    assert 10 * MS % STEP_NS == 0
