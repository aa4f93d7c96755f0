"""Every kind of mishap in a closed loop: fault in time, no unsafe beam, and tracking returns."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from hal.events import SendHold, SendPermit
from sim.mishaps import EFFECTS, SEEN_BY_SHOTS
from tracker.build.scripted_operator import PATIENCE_NS
from tracker.config import SHIPPED, load_configuration
from tracker.core.safety.fault_table import FAULTS, Ends, Reaction
from tracker.core.types import FaultChanged, SessionChanged, WindowChanged
from tracker.report.errors import errors_of

from .conftest import session

AT_S = 38.0
MOST_MS = 150.0
"""Longest unsafe episode at 5 mm of what sensors or read-backs show."""
INTERVAL_S = load_configuration(SHIPPED / "couch.toml").controller.imager.interval_s
IMAGE_MS = 1e3 * INTERVAL_S + 250.0
"""The same of what only a shot shows."""


def mishap(kind, on, duration_s=2.0, size=1.0, which=0, at_s=AT_S):
    return {
        "kind": kind,
        "on": on,
        "at_s": at_s,
        "duration_s": duration_s,
        "size": size,
        "which": which,
    }


class Case(NamedTuple):
    """What goes wrong, which fault says so, how soon at most, and whether tracking returns."""

    mishaps: list[dict[str, Any]]
    fault: str
    within_s: float
    returns: bool = True
    end_s: float = 30.0
    """Length of the run after the onset."""
    changes: dict[str, Any] = {}


BLIND = [mishap("loss", "camera"), mishap("loss", "belt")]
SHOT_S = INTERVAL_S + 0.5
"""Until the next shot has come."""

CASES = {
    "all outside lost": Case(BLIND, "surrogate lost", 0.13),
    "couch silent": Case([mishap("loss", "actuator", 1.0)], "actuator silent", 0.25),
    "gate silent": Case([mishap("loss", "gate", 1.0)], "gate silent", 0.25),
    "camera frozen": Case([mishap("freeze", "camera")], "sensor frozen", 0.4),
    "belt frozen": Case([mishap("freeze", "belt")], "sensor frozen", 0.4),
    "couch's reports frozen": Case(
        [mishap("freeze", "actuator")], "actuator off demand", 1.5, returns=False
    ),
    "camera late": Case([mishap("delay", "camera", size=80.0)], "clock jump", 0.4),
    "camera later and later": Case([mishap("skew", "camera", 10.0, 60.0)], "clock jump", 5.0),
    "camera clock steps": Case([mishap("clock_step", "camera", size=60.0)], "clock jump", 0.4),
    "camera clock drifts": Case([mishap("clock_drift", "camera", 10.0, 5.0)], "clock jump", 5.0),
    "camera shuffled": Case([mishap("reorder", "camera", size=30.0)], "bad samples", 0.2),
    "camera twice": Case([mishap("duplicate", "camera")], "bad samples", 0.2),
    "camera garbage": Case([mishap("garbage", "camera")], "bad samples", 0.1),
    "camera in cm": Case([mishap("unit_error", "camera", size=0.1)], "bad samples", 0.1),
    "markers swapped": Case([mishap("marker_swap", "camera")], "bad samples", 0.1),
    "axes swapped": Case([mishap("frame_error", "camera")], "bad samples", 0.1),
    "camera noisy": Case([mishap("noise", "camera", size=1.5)], "irregular breathing", 0.2),
    "camera bumped": Case([mishap("bias", "camera", 5.0, 6.0)], "irregular breathing", 0.1),
    "cough": Case([mishap("cough", "patient", 2.0, 6.0)], "irregular breathing", 0.5),
    "very deep sigh": Case([mishap("sigh", "patient", 6.0, 3.0)], "extrapolating", 2.5),
    "three times as fast": Case(
        [mishap("period_jump", "patient", 8.0, 3.0)], "not in position", 8.0
    ),
    "belt in other units": Case([mishap("unit_error", "belt", size=10.0)], "belt lost", 0.4),
    "belt slips": Case([mishap("slip", "belt", size=400.0)], "belt lost", 0.4),
    "couch stalls": Case(
        [mishap("stall", "actuator", 4.0)], "actuator off demand", 1.5, returns=False
    ),
    "couch runs away": Case(
        # 3 mm apart at 15 mm/s against a target that may move the same way at 10 mm/s.
        [mishap("runaway", "actuator", size=15.0)],
        "actuator runaway",
        0.8,
        returns=False,
        end_s=5.0,
    ),
    "couch complains": Case(
        [mishap("complaint", "actuator")], "actuator fault", 0.1, returns=False, end_s=5.0
    ),
    "couch slow": Case([mishap("lag", "actuator", 5.0, 150.0)], "actuator off demand", 3.0),
    "gate stays open": Case(
        [mishap("stuck_on", "gate", 3.0), *BLIND], "gate disagrees", 0.45, returns=False, end_s=5.0
    ),
    "gate stays shut": Case([mishap("stuck_off", "gate", 1.0)], "gate stays shut", 0.3),
    "loop stalls a little": Case([mishap("stalled_loop", "controller", 0.06)], "loop late", 0.1),
    "loop stalls": Case([mishap("stalled_loop", "controller", 0.5)], "loop overrun", 0.52),
    "disk full": Case([mishap("no_disk", "recorder")], "not recording", 1.0),
    "another patient": Case([mishap("wrong_patient", "plan")], "wrong patient or plan", 0.02),
    "into a keep-out volume": Case(
        [mishap("shift", "patient", 2.0, 6.0)],
        "keep-out",
        12.0,
        returns=False,
        changes={
            "keepout__boxes_mm": [
                {"low_mm": [-200.0, 14.5, -200.0], "high_mm": [200.0, 90.0, 200.0]}
            ],
            "keepout__margin_mm": 2.0,
        },
    ),
    # What only shots show.
    "tumour alone shifts": Case(
        [mishap("target_shift", "patient", 1.0, 8.0)], "model wrong", SHOT_S, end_s=40.0
    ),
    "tumour drifts": Case(
        [mishap("target_drift", "patient", 60.0, 12.0)], "baseline drifts", 45.0, end_s=60.0
    ),
    "chest drifts": Case(
        [mishap("chest_drift", "patient", 60.0, 12.0)], "baseline drifts", 45.0, end_s=60.0
    ),
    "hold sags": Case([mishap("sag", "patient", 25.0, 6.0)], "baseline drifts", 25.0, end_s=45.0),
    "tumour comes to lag": Case(
        [mishap("phase_shift", "patient", 2.0, 170.0)], "model doubtful", 2 * SHOT_S, end_s=45.0
    ),
    "fiducial migrates": Case(
        [mishap("migration", "imager", size=6.0)], "fiducials moved", 2 * SHOT_S, returns=False
    ),
    "fiducials swapped": Case(
        [mishap("fiducial_swap", "imager", 20.0)], "fiducials moved", 2 * SHOT_S, end_s=45.0
    ),
    "shots out of time": Case(
        [mishap("clock_step", "imager", size=500.0)], "shots out of time", 2 * SHOT_S, returns=False
    ),
    "no shot any more": Case(
        [mishap("no_shot", "imager", 65.0)], "imaging overdue", 60.1, end_s=75.0
    ),
    "belt in bursts": Case([mishap("bursts", "belt", 5.0, 12.0)], "sensor rate off", 2.0),
    "belt's clock set": Case(
        [mishap("clock_step", "belt", size=3_600_000.0)], "clock set anew", 0.1
    ),
}

RUNS_ON = {
    "killed": "there is nobody left to say so; the lease ends by itself",
    "occlusion": "two markers and a belt carry the estimate",
    "fiducial_lost": "two fiducials fit",
    "hold": "a breath may be held",
    "apnoea": "a target that stands is seen to stand",
}
"""Kinds that need no fault, and why."""


SEEDS = (4, 1, 8, 5, 11, 2, 10)
"""Simulated patients whose beam is on before `AT_S`; the cases take them in turn."""


def seed_of(name):
    if name == "tumour comes to lag":
        # With patient 1 the error region stays at the tolerance for longer than this run lasts.
        return 4
    if name == "three times as fast":
        return 8  # a breath so deep that the couch is out of reach for most of the time
    return SEEDS[list(CASES).index(name) % len(SEEDS)]


@cache
def run_of(name):
    case = CASES[name]
    end_s = AT_S + max(m["duration_s"] for m in case.mishaps) + case.end_s
    if case.end_s > 30.0:
        end_s = AT_S + case.end_s
    return session(end_s, mishaps=case.mishaps, seed=seed_of(name), **case.changes)


def longest_unsafe_ms(records, unsafe_mm=5.0):
    errors = errors_of(records, "HFS")
    assert errors is not None
    unsafe = errors.beam_on & (np.linalg.norm(errors.tracked, axis=1) > unsafe_mm)
    unsafe &= errors.t_s >= AT_S
    longest = run = 0
    for each in unsafe:
        run = run + 1 if each else 0
        longest = max(longest, run)
    return 10.0 * longest


def moments_of(run, fault, *, active):
    """When a fault came up, or went, since the onset; seconds after it."""
    return [
        c.t_ns / 1e9 - AT_S
        for c in run.outputs(FaultChanged)
        if c.active is active and c.fault == fault and c.t_ns >= AT_S * 1e9
    ]


@pytest.mark.parametrize("name", CASES)
def test_a_mishap_is_found_in_time_and_the_beam_misses_nothing(name):
    case, run = CASES[name], run_of(name)
    raised = moments_of(run, case.fault, active=True)
    assert raised, f"{case.fault} was not raised"
    assert raised[0] <= case.within_s
    by_shots = any((m["kind"], m["on"]) in SEEN_BY_SHOTS for m in case.mishaps)
    if case.fault != "gate disagrees":  # no controller takes the beam from a gate that is stuck
        assert longest_unsafe_ms(run.records) <= (IMAGE_MS if by_shots else MOST_MS)
    if FAULTS[case.fault].reaction >= Reaction.HOLD:
        at_ns = round((raised[0] + AT_S) * 1e9)
        held = [h.t_ns for h in run.outputs(SendHold) if h.t_ns >= AT_S * 1e9]
        permits = [p.t_ns for p in run.outputs(SendPermit) if p.t_ns == at_ns]
        assert min(held) <= at_ns
        assert permits == []


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.returns])
def test_tracking_returns_within_the_time_stated(name):
    """From the end of mishap and condition to the last return, the operator's time not counted."""
    case, run = CASES[name], run_of(name)
    states = [c for c in run.outputs(SessionChanged) if c.after != "STOPPED"]
    assert states[-1].after == "TRACKING"
    back_s = states[-1].t_ns / 1e9 - AT_S
    if back_s < 0.0:  # nothing held the beam
        assert FAULTS[case.fault].reaction is Reaction.WARN
        return
    over_s = max(m["duration_s"] for m in case.mishaps)
    if case.fault in ("model wrong", "model doubtful", "extrapolating"):
        over_s = max(over_s, moments_of(run, case.fault, active=True)[-1])
    row = FAULTS[case.fault]
    asked = row.ends in (Ends.BY_OPERATOR, Ends.BY_CYCLES) or row.recheck
    patience_s = PATIENCE_NS * 1e-9 if asked else 0.0
    assert back_s - over_s <= row.returns_s + patience_s


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.returns])
def test_what_only_a_person_can_end_stays_held(name):
    assert run_of(name).outputs(SessionChanged)[-1].after in ("STOPPED", "HOLDING")


def test_a_killed_controller_needs_no_message_to_hold_the_beam():
    run = session(AT_S + 5.0, mishaps=[mishap("killed", "controller")], seed=11)
    lease_s = run.configuration.controller.gate.lease_ms * 1e-3
    truth = run.records.truth
    on = truth[:, 14] > 0.5
    seconds = truth[:, 0] / 1e9
    assert on[(seconds > AT_S - 1.0) & (seconds < AT_S)].all()
    assert not on[seconds > AT_S + lease_s + 0.02].any()


def test_what_needs_no_hold_causes_none():
    """A hidden marker, a missing fiducial, a breath held or missing: tracking goes on."""
    quiet = [
        mishap("occlusion", "camera", 3.0),
        mishap("fiducial_lost", "imager", 25.0),
        mishap("hold", "patient", 4.0),
        mishap("apnoea", "patient", 6.0, at_s=AT_S + 12.0),
    ]
    run = session(AT_S + 30.0, mishaps=quiet, seed=8)
    assert run.summary["beam"]["duty"] > 0.93
    assert longest_unsafe_ms(run.records) <= MOST_MS


def test_a_couch_that_is_too_slow_follows_what_it_can():
    """Breath twice as fast: the beam is off while the couch is too far, and returns each time."""
    run = session(AT_S + 12.0, mishaps=[mishap("period_jump", "patient", 8.0, 2.0)], seed=8)
    windows = [w for w in run.outputs(WindowChanged) if w.t_ns >= AT_S * 1e9]
    assert len(windows) >= 6
    assert {w.why for w in windows if not w.open} == {"machine too far"}
    assert [w.open for w in windows] == [k % 2 == 1 for k in range(len(windows))]
    assert moments_of(run, "not in position", active=True) == []
    permits = [p.t_ns for p in run.outputs(SendPermit)]
    for shut, opened in itertools.pairwise(windows):
        if not shut.open:
            assert not any(shut.t_ns <= t_ns < opened.t_ns for t_ns in permits)
    assert longest_unsafe_ms(run.records) == 0.0


def test_every_kind_is_met():
    met = {m["kind"] for case in CASES.values() for m in case.mishaps} | RUNS_ON.keys()
    assert met == set(EFFECTS)
    assert len(EFFECTS) >= 28


def test_a_shot_that_cannot_be_judged_ends_no_hold():
    """The tumour shifts, a shot sees it, and no later one finds the fiducials: still doubted."""
    shift = mishap("target_shift", "patient", 0.5, 9.0)

    def doubts(mishaps):
        run = session(85.0, mishaps=mishaps, seed=4)
        return [c for c in run.outputs(FaultChanged) if c.fault == "model wrong"]

    seen_s = doubts([shift])[0].t_ns * 1e-9
    blind = [
        mishap("fiducial_lost", "imager", 45.0, which=which, at_s=seen_s + 0.2) for which in (0, 1)
    ]
    assert [c.active for c in doubts([shift, *blind])] == [True]


def test_after_a_bump_the_beam_waits_for_a_shot():
    """The markers are elsewhere from one frame to the next: only a shot tells what that means."""
    bump = mishap("bias", "camera", 60.0, 6.0)
    run = session(AT_S + 30.0, mishaps=[bump], seed=5)
    faults = [c for c in run.outputs(FaultChanged) if c.fault == "irregular breathing"]
    assert faults[0].active
    assert longest_unsafe_ms(run.records) <= MOST_MS


FROM_THE_START = [
    (mishap("frame_error", "camera", 60.0, at_s=0.0), "markers misplaced"),
    (mishap("wrong_patient", "plan", 60.0, at_s=0.0), "wrong patient or plan"),
    (mishap("fiducial_swap", "imager", 60.0, at_s=0.0), "fiducials moved"),
]


@pytest.mark.parametrize(("from_the_start", "fault"), FROM_THE_START)
def test_what_is_wrong_from_the_start_refuses_the_start(from_the_start, fault):
    run = session(45.0, mishaps=[from_the_start], seed=2)
    assert fault in {c.fault for c in run.outputs(FaultChanged) if c.active}
    assert "TRACKING" not in [c.after for c in run.outputs(SessionChanged)]
    assert run.outputs(SendPermit) == []
