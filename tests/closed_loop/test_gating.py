"""Gating in the closed loop: windows, breath holds, and what the patient's screen shows of them."""

from __future__ import annotations

from functools import cache

import numpy as np

from hal.events import SendDemand, SendHold, SendPermit
from tests.hold_figures import holds_of
from tests.machine_figures import gated
from tracker.api.schema import Health
from tracker.core.session import SessionTrigger
from tracker.core.types import FaultChanged, WindowChanged
from tracker.live.service.published_state import PublishedState
from tracker.live.web.patient import PatientState, for_patient

from .conftest import Session, session
from .test_machines import tracked

HEALTHY = Health(
    tick_hz=100.0,
    late_p50_ms=0.1,
    late_p99_ms=0.5,
    late_max_ms=1.0,
    skipped_ticks=0,
    recording=True,
)
ROLES = {"camera": "camera", "belt": "belt", "imager": "imager", "gate": "gate"}
SHOWN_NS = 50_000_000


@cache
def held() -> Session:
    """One breath hold of 15 s at the end of expiration."""
    return session(
        75.0,
        config="machines/breath-hold.toml",
        events=[{"kind": "hold", "at_s": 45.0, "duration_s": 15.0, "size": 0.0}],
    )


def test_predicted_crossings_take_the_beam_away_in_time():
    """Time outside the window with the beam on, per exit, against the same gate unpredicted."""
    predicted, not_predicted = (
        gated(None, predict=True, duration_s=80.0),
        gated(None, predict=False, duration_s=80.0),
    )
    assert predicted.duty > 0.4
    assert predicted.within > 0.95
    assert predicted.outside_s < 0.6 * not_predicted.outside_s
    assert not_predicted.after_exit_ms > 150.0


def test_a_gate_that_is_closed_by_plan_is_no_fault_and_renews_nothing():
    run = tracked("gate")
    windows = run.outputs(WindowChanged)
    assert len(windows) > 15
    assert {change.why for change in windows if not change.open} == {"gating window"}
    permits = np.array([permit.t_ns for permit in run.outputs(SendPermit)])
    holds = [hold.t_ns for hold in run.outputs(SendHold)]
    for shut, opened in zip(windows[0::2], windows[1::2], strict=False):
        assert not shut.open
        assert opened.open
        assert not ((permits >= shut.t_ns) & (permits < opened.t_ns)).any()
        if shut is not windows[0]:
            assert shut.t_ns in holds, "the beam is taken away at once"
    assert not [f for f in run.outputs(FaultChanged) if f.reaction == "STOP"]


def test_the_beam_is_on_in_breath_holds_and_off_when_they_are_left():
    truth = held().records.truth
    t_s, on = truth[:, 0] / 1e9, truth[:, 14] > 0.5
    far = np.hypot(truth[:, 4], truth[:, 5])  # in beam's-eye view at gantry 0
    moving = np.abs(np.gradient(truth[:, 5], t_s)) > 4.0
    begins = t_s[np.flatnonzero(moving & (t_s < 52.0))[-1]]
    came, went = t_s[on][0], t_s[on][-1]
    assert 2.0 <= came - begins <= 2.5
    assert on[(t_s > came) & (t_s < went)].all()
    left = t_s[(far > 2.5) & (t_s > came)][0]
    assert went - left <= 0.15
    assert far[on].max() <= 3.5


def test_a_window_may_stand_on_top_of_a_machine_that_follows():
    run = session(60.0, window__on="percent", window__enter=35.0, window__leave=45.0)
    assert len(run.outputs(SendDemand)) > 1500
    assert len(run.outputs(WindowChanged)) > 8
    assert 0.2 < run.summary["beam"]["duty"] < 0.7
    assert not any(f.reaction == "STOP" for f in run.outputs(FaultChanged))


def sagging_hold() -> Session:
    """A hold in deep inspiration, in which the target alone rises by 2 mm in 15 s."""
    return session(
        78.0,
        config="machines/deep-inspiration.toml",
        events=[
            {"kind": "hold", "at_s": 10.0, "duration_s": 8.0, "size": 1.6},
            {"kind": "hold", "at_s": 22.0, "duration_s": 8.0, "size": 1.6},
            {"kind": "hold", "at_s": 55.0, "duration_s": 10.0, "size": 1.6},
        ],
        mishaps=[
            {"kind": "sag", "on": "patient", "at_s": 62.0, "duration_s": 8.0, "size": 1.1},
        ],
    )


def test_a_hold_in_deep_inspiration_has_beam_and_a_sag_ends_where_the_window_does():
    run = sagging_hold()
    (hold,) = holds_of(run.records, run.configuration)
    assert hold.lasts_s > 15.0
    assert hold.on_after_s is not None
    assert 2.0 <= hold.on_after_s <= 2.5
    assert hold.off_after_ms is None or hold.off_after_ms <= 150.0
    assert hold.furthest_mm <= run.configuration.controller.breath_hold.window_mm + 0.5
    assert hold.estimate_off_mm <= 2.5


# The patient's screen ----------------------------------------------------------------------------


def none_blocks(trigger: SessionTrigger) -> tuple[str, ...]:
    return ()


def screen(run: Session) -> list[PatientState]:
    """What the patient's screen is sent in the course of a run, 20 times a second."""
    picture = PublishedState(run.configuration, "run", ROLES)
    shown: list[PatientState] = []
    for event, outputs in run.steps:
        picture.observe(event, outputs)
        if not shown or event.t_ns >= shown[-1].t_ns + SHOWN_NS:
            shown.append(for_patient(picture.state(event.t_ns, none_blocks, HEALTHY)))
    return shown


def test_the_patient_sees_the_window_that_the_gate_waits_for():
    run = tracked("gate")
    shown = [state for state in screen(run) if state.session == "TRACKING"]
    assert len(shown) > 500
    guided = [state for state in shown if state.guide is not None]
    assert len(guided) >= len(shown) - 1
    inside, permitted = [], []
    for state in guided:
        assert state.guide is not None
        assert (state.guide.asks, state.guide.remaining_s) == ("breathe", None)
        assert state.amplitude_mm is not None
        inside.append(state.guide.low_mm <= state.amplitude_mm <= state.guide.high_mm)
        permitted.append(state.permitted)
    # The gate switches ahead of the crossings by what the beam takes, and the window has two edges.
    assert np.mean(np.array(inside) == np.array(permitted)) > 0.75
    assert 0.3 < np.mean(inside) < 0.7


def test_the_patient_is_asked_to_hold_with_a_countdown_and_then_to_rest():
    shown = [state for state in screen(held()) if state.session == "TRACKING"]
    asked: list[tuple[str, bool]] = []
    for state in shown:
        if state.guide is None:
            continue
        step = (state.guide.asks, state.guide.remaining_s is not None)
        if not asked or asked[-1] != step:
            asked.append(step)
    assert asked == [("hold", False), ("hold", True), ("rest", True)]
    beam = [state for state in shown if state.permitted]
    for state in beam:
        assert state.guide is not None
        assert state.guide.asks == "hold"
        assert state.guide.remaining_s is not None
    for state in beam[:-3]:  # the last are those of leaving the hold
        assert state.guide is not None
        assert state.amplitude_mm is not None
        assert state.guide.low_mm <= state.amplitude_mm <= state.guide.high_mm
    settings = held().configuration.controller.breath_hold
    assert beam[0].guide is not None
    left_s = beam[0].guide.remaining_s
    assert left_s is not None
    assert abs(left_s - (settings.longest_s - settings.settle_s)) <= 0.1
    gone_s = (beam[-1].t_ns - beam[0].t_ns) / 1e9
    assert beam[-1].guide is not None
    assert beam[-1].guide.remaining_s is not None
    assert abs(left_s - beam[-1].guide.remaining_s - gone_s) < 0.01


def test_a_pause_of_tracking_ends_what_the_patient_was_asked():
    states = screen(held())
    assert {state.session for state in states} >= {"MODELLING", "TRACKING", "HOLDING"}
    assert all(state.guide is None for state in states if state.session != "TRACKING")


def test_the_published_state_says_what_keeps_the_beam_off_by_plan():
    run = held()
    picture = PublishedState(run.configuration, "run", ROLES)
    seen: dict[str, int] = {}
    for event, outputs in run.steps:
        picture.observe(event, outputs)
        if any(isinstance(output, WindowChanged) for output in outputs):
            window = picture.state(event.t_ns, none_blocks, HEALTHY).window
            assert window is not None
            assert window.open == (window.why == "")
            assert window.since_ns == event.t_ns
            step = window.detail.partition(";")[0]
            seen[step] = seen.get(step, 0) + 1
    assert set(seen) == {
        "waits for a breath hold",
        "breath hold settles",
        "patient rests",
        "",
    }
