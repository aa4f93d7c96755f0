"""Every row of the table of mishaps: it does what it says, to its twin, and not before its time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from hal.events import Identity, RecordingState
from hal.messages import (
    ActuatorStatus,
    BadSample,
    BeamStatus,
    BeltSample,
    FiducialShot,
    MarkerFrame,
)
from sim.announcements import RoomAnnouncements
from sim.mishaps import EFFECTS, SEEN_BY_SHOTS
from sim.patient import SimulatedPatient
from sim.room import SimulatedRoom
from sim.sampling import NEVER_NS
from sim.scenario import Breathing, Mishap, MishapKind, RoomGate
from sim.scenario import RoomPatient as PatientSettings
from sim.scenario import RoomScenario as RoomSettings
from tracker.build.virtual_time import TickEvents, tick_events
from tracker.core.settings import Controller

SECOND = 1_000_000_000
AT_S, END_S = 4.5, 6.5

SIZES = {"delay": 50.0, "reorder": 30.0, "clock_step": 500.0, "unit_error": 10.0, "lag": 100.0,
         "runaway": 15.0, "skew": 50.0, "clock_drift": 50.0, "phase_shift": 200.0}  # fmt: skip

TOUCHED = {
    "camera": {"camera"},
    "belt": {"belt"},
    "imager": {"imager"},
    "actuator": {"couch", "camera", "imager"},
    "gate": {"gate"},
    "patient": {"camera", "belt", "imager"},
}
"""Whose messages a mishap on a twin may change: a couch carries the patient."""

CELLS = [(kind, on) for kind, (twins, _) in EFFECTS.items() for on in twins if on in TOUCHED]
"""What befalls the controller itself, its recorder or the plan changes nothing in the room."""


def mishap(kind: str, on: str, **changes) -> Mishap:
    size = SIZES.get(kind, 3.0)
    fields = {"at_s": AT_S, "duration_s": END_S - AT_S, "size": size, **changes}
    return Mishap(kind=kind, on=on, **fields)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def run(drive):
    """Run the script with mishaps; the gate is read often enough to see short things."""

    @cache
    def go(*befall: Mishap):
        settings = RoomSettings(duration_s=8.0, gate=RoomGate(status_hz=200.0), mishaps=befall)
        return drive(settings)[0]

    return go


def of(samples, device, first_s: float = AT_S, last_s: float = END_S):
    """Messages of samples taken in the mishap: those that arrive within, less the delays."""
    return [s for s in samples if s.device == device and first_s + 0.1 <= s.t_ns / SECOND < last_s]


@pytest.mark.parametrize(("kind", "on"), CELLS)
def test_a_mishap_changes_its_twin_alone_and_not_before_its_time(run, kind, on):
    at_s = 1.5 if on == "gate" else AT_S  # the script lets the lease lapse at 2.1 s
    plain, spoiled = run(), run(mishap(kind, on, at_s=at_s))
    assert plain != spoiled
    before = at_s * SECOND - (0.31 * SECOND if kind == "cough" else 0)
    assert [s for s in plain if s.t_ns < before] == [s for s in spoiled if s.t_ns < before]
    changed = {
        device
        for device in ("camera", "belt", "imager", "couch", "gate")
        if [s for s in plain if s.device == device] != [s for s in spoiled if s.device == device]
    }
    assert changed
    assert changed <= TOUCHED[on]


@pytest.mark.parametrize("on", ["camera", "belt", "actuator", "gate"])
def test_loss_freeze_duplicate_and_garbage(run, on):
    device = "couch" if on == "actuator" else on
    plain = of(run(), device)
    assert of(run(mishap("loss", on)), device) == []
    twice = of(run(mishap("duplicate", on)), device)
    assert twice == [s for sample in plain for s in (sample, sample)]
    garbage = of(run(mishap("garbage", on)), device)
    assert [s.t_ns for s in garbage] == [s.t_ns for s in plain]
    assert all(isinstance(s, BadSample) for s in garbage)
    frozen = of(run(mishap("freeze", on)), device)
    assert [s.t_ns for s in frozen] == [s.t_ns for s in plain]
    contents = {content(sample) for sample in frozen}
    assert len(contents) == 1
    if on in ("camera", "belt"):
        assert [s.ticks for s in frozen] == [s.ticks for s in plain]


def content(sample):
    match sample:
        case MarkerFrame():
            return sample.markers_mm
        case BeltSample():
            return sample.value_au
        case ActuatorStatus():
            return sample.position_mm
        case BeamStatus():
            return (sample.on, sample.lapsed)
        case _:
            return None


def test_freeze_holds_the_last_sample_before(run):
    samples = [s for s in run(mishap("freeze", "belt")) if isinstance(s, BeltSample)]
    last = [s for s in samples if s.t_ns / SECOND < AT_S + 0.004][-1]
    assert of(samples, "belt")[0].value_au == last.value_au


def test_delay_keeps_the_order_and_reorder_does_not(run):
    plain = of(run(), "camera")
    late = of(run(mishap("delay", "camera")), "camera")
    ticks = [s.ticks for s in late]
    assert ticks == sorted(ticks)
    arrival = {s.ticks: s.t_ns for s in plain}
    assert {s.t_ns - arrival[s.ticks] for s in late if s.ticks in arrival} == {50_000_000}
    shuffled = [s.ticks for s in of(run(mishap("reorder", "camera")), "camera")]
    assert shuffled != sorted(shuffled)
    assert len(set(shuffled)) == len(shuffled)


def test_clock_step_is_for_good(run):
    plain, stepped = run(), run(mishap("clock_step", "camera"))
    jumps = [
        b.ticks - a.ticks
        for a, b in zip(plain, stepped, strict=True)
        if isinstance(a, MarkerFrame) and isinstance(b, MarkerFrame)
    ]
    assert set(jumps) == {0, 30}
    assert jumps == sorted(jumps)


def test_noise_has_the_size_asked_for(run):
    plain, noisy = of(run(), "belt"), of(run(mishap("noise", "belt", size=20.0)), "belt")
    added = [b.value_au - a.value_au for a, b in zip(plain, noisy, strict=True)]
    assert np.std(added) == pytest.approx(20.0, rel=0.2)


@pytest.mark.parametrize("factor", [0.1, 10.0, 25.4, -1.0])
def test_unit_error_scales_what_the_camera_says(run, factor):
    plain = of(run(), "camera")
    wrong = of(run(mishap("unit_error", "camera", size=factor)), "camera")
    for a, b in zip(plain, wrong, strict=True):
        assert b.markers_mm[1] == pytest.approx([factor * v for v in a.markers_mm[1]])


def test_occlusion_hides_one_marker(run):
    frames = of(run(mishap("occlusion", "camera", which=2)), "camera")
    assert all(f.markers_mm[2] is None and None not in f.markers_mm[:2] for f in frames)


def test_a_stalled_couch_stands_and_a_runaway_drives(run):
    y = [s.position_mm[1] for s in of(run(mishap("stall", "actuator")), "couch", AT_S, 5.5)]
    assert np.ptp(y) < 0.1
    away = of(run(mishap("runaway", "actuator")), "couch", AT_S, 5.5)
    speed = (away[-1].position_mm[1] - away[0].position_mm[1]) / (
        (away[-1].t_ns - away[0].t_ns) / SECOND
    )
    assert speed == pytest.approx(15.0, rel=0.02)


def test_a_complaint_comes_with_the_status_and_changes_nothing_else(run):
    plain = of(run(), "couch")
    told = of(run(mishap("complaint", "actuator")), "couch")
    assert [s.position_mm for s in told] == [s.position_mm for s in plain]
    assert {s.fault for s in told} == {"drive temperature too high"}
    assert {s.fault for s in plain} == {""}


@pytest.mark.parametrize(("kind", "on"), [("stuck_on", True), ("stuck_off", False)])
def test_a_stuck_gate_takes_no_notice(run, kind, on):
    early = run(mishap(kind, "gate", at_s=1.5))
    assert {s.on for s in of(early, "gate", 1.5, 3.4)} == {on}
    assert {s.on for s in of(run(), "gate", 1.5, 3.4)} == {True, False}


def test_a_shot_that_never_answers(run):
    def shots(samples):
        return {s.shot_id for s in samples if isinstance(s, FiducialShot)}

    missing = shots(run()) - shots(run(mishap("no_shot", "imager")))
    assert missing == {230, 305}


def test_migration_moves_one_fiducial_by_its_size(run):
    def last(samples):
        found = [s for s in samples if isinstance(s, FiducialShot)][-1].fiducials_mm
        return [fiducial or (0.0, 0.0, 0.0) for fiducial in found]

    plain, moved = last(run()), last(run(mishap("migration", "imager", which=1)))
    assert np.linalg.norm(np.subtract(moved[1], plain[1])) == pytest.approx(3.0)
    assert (moved[0], moved[2]) == (plain[0], plain[2])


def test_a_lost_fiducial_is_none(run):
    shots = of(run(mishap("fiducial_lost", "imager", which=1)), "imager", AT_S, END_S)
    assert [s.fiducials_mm[1] for s in shots] == [None] * len(shots)
    assert shots
    assert all(s.fiducials_mm[0] for s in shots)


def patient_with(*befall: Mishap) -> SimulatedPatient:
    return SimulatedPatient.generated(RoomSettings(duration_s=20.0, mishaps=befall), 1)


TIMES = np.arange(0.0, 20.0, 0.01)


def test_hold_stops_the_patients_time():
    held, free = patient_with(mishap("hold", "patient")), patient_with()
    assert np.ptp(held.belt(np.arange(AT_S, END_S, 0.01))) == 0.0
    later = np.arange(END_S, 18.0, 0.1)
    assert held.internal(later) == pytest.approx(free.internal(later - 2.0))


def test_target_shift_is_hidden_from_the_chest():
    shifted, free = patient_with(mishap("target_shift", "patient")), patient_with()
    assert np.array_equal(shifted.belt(TIMES), free.belt(TIMES))
    moved = shifted.internal(TIMES) - free.internal(TIMES)
    assert moved[-1] == pytest.approx([0.0, -3.0, 0.0])


def test_shift_moves_chest_and_target_together():
    shifted, free = patient_with(mishap("shift", "patient")), patient_with()
    assert (shifted.belt(TIMES) - free.belt(TIMES))[-1] == pytest.approx(3.0)
    moved = (shifted.internal(TIMES) - free.internal(TIMES))[-1]
    assert moved == pytest.approx([0.3, -3.0, 0.9])


def test_mishaps_compose(run):
    both = run(mishap("loss", "camera"), mishap("unit_error", "belt"))
    assert of(both, "camera") == []
    assert of(both, "belt") == of(run(mishap("unit_error", "belt")), "belt")


def test_same_mishaps_same_room(run):
    befall = [mishap(kind, on) for kind, on in CELLS if kind != "loss"]
    assert run(*befall) == run.__wrapped__(*befall)


def test_every_kind_of_the_settings_is_in_the_table():
    assert set(EFFECTS) == set(get_args(MishapKind))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            mishap("stall", "camera"),
            r"mishaps\[1\]: stall cannot happen to the camera; set on to a",
        ),
        (mishap("occlusion", "camera", which=3), r"occlusion of marker 3; there are 3, from 0"),
        (mishap("migration", "imager", which=7), r"migration of fiducial 7; there are 3, from 0"),
    ],
)
def test_a_mishap_that_cannot_happen_is_refused(wrong, message):
    settings = RoomSettings(duration_s=1.0, mishaps=(wrong,))
    with pytest.raises(ValueError, match=message):
        SimulatedRoom(settings, SimulatedPatient.generated(settings, 1), 1)


def test_the_reference_describes_every_kind():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "mishaps.md").read_text()
    for kind, (twins, does) in EFFECTS.items():
        assert f"| `{kind}` | {', '.join(twins)} | {does} |" in page
    for kind, on in SEEN_BY_SHOTS:
        assert on in EFFECTS[kind][0]
        assert f"`{kind}` on {on}" in page


# --- the later kinds, one by one ----------------------------------------------------------------


def test_apnoea_and_sigh_change_the_depth_of_chest_and_target():
    free = patient_with()
    inside = (TIMES > AT_S + 1.0) & (TIMES < END_S - 1.0)
    still = patient_with(mishap("apnoea", "patient", duration_s=6.0))
    at_rest = still.belt(np.arange(AT_S + 1.0, AT_S + 5.0, 0.01))
    assert np.ptp(at_rest) < 1e-9
    deep = patient_with(mishap("sigh", "patient", size=2.5))
    exhaled = at_rest[0]
    assert exhaled == pytest.approx(free.belt(TIMES).min(), abs=0.05 * np.ptp(free.belt(TIMES)))
    from_exhale = free.belt(TIMES)[inside] - exhaled
    assert deep.belt(TIMES)[inside] == pytest.approx(exhaled + 2.5 * from_exhale)
    ends = still.internal(np.array([AT_S + 3.0]))[0]
    assert ends == pytest.approx(free.internal(TIMES)[free.internal(TIMES)[:, 1].argmax()], abs=0.5)
    beyond = free.internal(TIMES)[inside] - ends
    assert deep.internal(TIMES)[inside] == pytest.approx(ends + 2.5 * beyond)


@pytest.mark.parametrize(("kind", "size"), [("apnoea", 1.0), ("sigh", 2.5)])
def test_a_deeper_breath_leaves_the_drift_of_the_baseline_alone(kind, size):
    drifting = PatientSettings(
        breathing=Breathing(chest_drift_mm_min=1.5, target_drift_mm_min=(0.0, -1.5, 0.0))
    )
    befallen = mishap(kind, "patient", at_s=100.0, duration_s=20.0, size=size)
    room = RoomSettings(duration_s=130.0, mishaps=(befallen,), patient=drifting)
    patient = SimulatedPatient.generated(room, 1)
    before, within = np.arange(94.0, 100.0, 0.01), np.arange(101.0, 107.0, 0.01)
    low, high = patient.belt(before).min(), patient.internal(before)[:, 1].max()
    # Both have drifted by 2.5 mm.
    assert patient.belt(within).min() == pytest.approx(low, abs=1.2)
    assert patient.internal(within)[:, 1].max() == pytest.approx(high, abs=1.2)


def test_a_target_that_lags_the_chest_lags_it_when_breath_becomes_deeper_too():
    lag_s = 0.4
    late = Breathing(target_lag_s=(lag_s, lag_s, lag_s), wander_mm=0.0)
    for kind in ("apnoea", "sigh"):
        room = RoomSettings(
            duration_s=20.0,
            mishaps=(mishap(kind, "patient", duration_s=6.0, size=2.5),),
            patient=PatientSettings(breathing=late),
        )
        patient = SimulatedPatient.generated(room, 1)
        chest, target = patient.belt(TIMES - lag_s), patient.internal(TIMES)[:, 1]
        line = np.polynomial.Polynomial.fit(chest[TIMES > 1.0], target[TIMES > 1.0], 1)
        assert target[TIMES > 1.0] == pytest.approx(line(chest[TIMES > 1.0]), abs=0.5), kind


def test_a_period_jump_runs_the_breath_faster_and_goes_on_from_there():
    fast, free = patient_with(mishap("period_jump", "patient", size=2.0)), patient_with()
    during = np.arange(AT_S, END_S, 0.01)
    assert fast.belt(during) == pytest.approx(free.belt(AT_S + 2.0 * (during - AT_S)))
    later = np.arange(END_S, 17.0, 0.1)
    assert fast.internal(later) == pytest.approx(free.internal(later + END_S - AT_S))


def test_phase_shift_and_target_drift_are_hidden_from_the_chest():
    free = patient_with()
    lagging = patient_with(mishap("phase_shift", "patient", size=200.0))
    drifting = patient_with(mishap("target_drift", "patient", size=30.0))
    later = np.arange(END_S, 19.0, 0.1)
    for patient in (lagging, drifting):
        assert np.array_equal(patient.belt(TIMES), free.belt(TIMES))
    assert lagging.internal(later) == pytest.approx(free.internal(later - 0.2))
    moved = drifting.internal(later) - free.internal(later)
    assert moved == pytest.approx(np.tile([0.0, -1.0, 0.0], (len(later), 1)))


def test_bias_and_slip_move_what_is_read(run):
    plain = run()
    for before, after in zip(
        of(plain, "camera"), of(run(mishap("bias", "camera")), "camera"), strict=True
    ):
        assert np.subtract(after.markers_mm, before.markers_mm) == pytest.approx(
            np.tile([0.0, 0.0, 3.0], (3, 1))
        )
    for kind, until_s in (("bias", END_S), ("slip", 7.9)):
        values = of(run(mishap(kind, "belt")), "belt", last_s=until_s)
        changed = [
            b.value_au - a.value_au
            for a, b in zip(of(plain, "belt", last_s=until_s), values, strict=True)
        ]
        assert changed == pytest.approx([3.0] * len(changed))
    reads = of(run(mishap("bias", "actuator")), "couch")
    shown = [
        b.position_mm[1] - a.position_mm[1] for a, b in zip(of(plain, "couch"), reads, strict=True)
    ]
    assert shown == pytest.approx([3.0] * len(shown))


def test_skew_grows_and_ends_and_a_drifting_clock_keeps_its_gain(run):
    arrivals = {s.ticks: s.t_ns for s in run() if isinstance(s, MarkerFrame)}
    late = [
        (s.t_ns - arrivals[s.ticks]) / 1e6
        for s in run(mishap("skew", "camera"))
        if isinstance(s, MarkerFrame)
    ]
    assert max(late) == pytest.approx(50.0, abs=1.0)
    assert late[-1] == 0.0
    ticks = [
        b.ticks - a.ticks
        for a, b in zip(run(), run(mishap("clock_drift", "camera")), strict=True)
        if isinstance(a, MarkerFrame) and isinstance(b, MarkerFrame)
    ]
    assert ticks == sorted(ticks)
    assert ticks[-1] == 6  # 50 ms a second for two seconds, at 60 Hz


def test_swaps_and_wrong_frames_exchange_what_they_say(run):
    plain = of(run(), "camera")
    swapped = of(run(mishap("marker_swap", "camera", which=2)), "camera")
    turned = of(run(mishap("frame_error", "camera")), "camera")
    for a, b, c in zip(plain, swapped, turned, strict=True):
        assert (b.markers_mm[0], b.markers_mm[2]) == (a.markers_mm[2], a.markers_mm[0])
        assert b.markers_mm[1] == a.markers_mm[1]
        assert c.markers_mm[0] == pytest.approx([a.markers_mm[0][k] for k in (1, 0, 2)])
    shots = of(run(), "imager")
    for a, b, c in zip(
        shots,
        of(run(mishap("fiducial_swap", "imager")), "imager"),
        of(run(mishap("frame_error", "imager")), "imager"),
        strict=True,
    ):
        assert b.fiducials_mm[:2] == (a.fiducials_mm[1], a.fiducials_mm[0])
        assert c.fiducials_mm[0] == pytest.approx([a.fiducials_mm[0][k] for k in (1, 0, 2)])
    assert shots


def test_the_desk_announces_ids_and_the_recorder():
    announcements = RoomAnnouncements(
        "P", "Q", [mishap("wrong_patient", "plan"), mishap("no_disk", "recorder")]
    )
    assert announcements.collect(0) == [Identity(0, "P", "Q")]
    told = announcements.collect(20 * SECOND)
    assert [type(event) for event in told] == [Identity, RecordingState, Identity, RecordingState]
    assert [event.t_ns for event in told] == sorted(event.t_ns for event in told)
    assert told[2] == Identity(round(END_S * SECOND), "P", "Q")
    assert announcements.due_ns == NEVER_NS


def turns_of(*befall: Mishap) -> list[TickEvents]:
    settings = RoomSettings(duration_s=8.0, mishaps=befall)
    room = SimulatedRoom(settings, SimulatedPatient.generated(settings, 1), 1)
    return list(tick_events(room, Controller()))


def test_a_stalled_controller_has_one_late_turn_with_all_that_waited():
    plain, stalled = turns_of(), turns_of(mishap("stalled_loop", "controller"))
    late = [turn for turn in stalled if turn.due_ns != turn.now_ns]
    assert [(turn.due_ns, turn.now_ns) for turn in late] == [
        (round(AT_S * SECOND), round(END_S * SECOND))
    ]
    assert sum(len(turn.events) for turn in plain) == sum(len(turn.events) for turn in stalled)
    assert {event.t_ns for event in late[0].events[1:]} >= {late[0].now_ns}


def test_a_killed_controller_has_no_further_turn():
    turns_before = turns_of(mishap("killed", "controller"))
    assert turns_before[-1].now_ns == round(AT_S * SECOND)
    assert all(turn.now_ns == turn.due_ns for turn in turns_before)
