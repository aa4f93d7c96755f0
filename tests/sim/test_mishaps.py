"""Every row of the table of mishaps: it does what it says, to its twin, and not before its time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from hal.messages import (
    ActuatorStatus,
    BadSample,
    BeamStatus,
    BeltSample,
    FiducialShot,
    MarkerFrame,
)
from sim.mishaps import EFFECTS, SEEN_BY_SHOTS
from sim.patient import SimulatedPatient
from sim.room import SimulatedRoom
from sim.scenario import Mishap, MishapKind, RoomGate
from sim.scenario import RoomScenario as RoomSettings
from tests.sim.mishap_parts import AT_S, END_S, SECOND, mishap

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
