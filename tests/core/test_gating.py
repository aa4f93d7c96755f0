"""Gating: windows on each signal, crossings predicted, dwell; breath holds from begin to rest."""

import math
from typing import Literal

import pytest

from tracker.core.gating.breath_hold import BreathHolding, HoldPhase, holds_needed
from tracker.core.gating.drifting_centre import DriftingCentre
from tracker.core.gating.gating import NO_BREATH_HOLD, OUTSIDE_WINDOW, BeamGating
from tracker.core.gating.guidance import Guidance, range_of_window, range_within
from tracker.core.gating.point_swing import PointSwing
from tracker.core.gating.signals import SIGNALS, GatingView, Moving, Swing, joined
from tracker.core.gating.window import GatingWindow
from tracker.core.settings import BreathHold, Controller, Window
from tracker.core.surrogate.breathing import BreathingRange

MS, S = 1_000_000, 1_000_000_000
LATENCY_S = 0.2
SPAN = BreathingRange(1.0, 4.0, 8.0)


def target(y: float, v: float = 0.0) -> Moving:
    return Moving((0.0, y, 0.0), (0.0, v, 0.0))


def breathing(t_s: float) -> GatingView:
    """A target that breathes by 10 mm with 4 s, 0 at the end of exhale; perfectly predicted."""

    def at(t: float) -> Moving:
        w = math.pi / 2
        return target(-5.0 * (1.0 - math.cos(w * t)), -5.0 * w * math.sin(w * t))

    return GatingView(round(t_s * S), LATENCY_S, at(t_s), at(t_s + LATENCY_S))


def crossings(window: Window) -> list[float]:
    """The times at which the gate of a breathing target switches, in one breath from inhale on."""
    gate, found, was = GatingWindow(window), [], True
    for k in range(200, 601):
        closed = bool(gate.closed(breathing(k * 0.01)))
        if closed != was:
            found.append(k * 0.01)
            was = closed
    return found


def depth(far: float) -> float:
    """When the breathing target is so far from the end of exhale, in seconds from it."""
    return math.acos(1.0 - far / 5.0) / (math.pi / 2)


def test_without_prediction_the_gate_switches_where_the_breath_is():
    on, off = crossings(Window(on="target", predict=False, on_ms=200.0, off_ms=200.0))
    assert on == pytest.approx(4.0 - depth(3.0), abs=0.011)
    assert off == pytest.approx(4.0 + depth(4.0), abs=0.011)


@pytest.mark.parametrize(("on_ms", "off_ms"), [(200.0, 200.0), (200.0, 50.0), (5.0, 150.0)])
def test_with_prediction_it_switches_earlier_by_what_the_beam_takes(on_ms, off_ms):
    on, off = crossings(Window(on="target", on_ms=on_ms, off_ms=off_ms))
    # It comes on no earlier than the breath will be inside at the end of both delays.
    assert on == pytest.approx(4.0 - depth(3.0) - on_ms * 1e-3, abs=0.011)
    assert off == pytest.approx(4.0 + depth(4.0) - off_ms * 1e-3, abs=0.011)


def test_a_window_that_would_be_left_at_once_is_not_opened():
    gate = GatingWindow(Window(on="target", on_ms=0.0, off_ms=200.0))
    assert gate.closed(GatingView(0, LATENCY_S, target(2.0, 15.0), target(5.0, 15.0)))
    assert gate.closed(GatingView(1, LATENCY_S, target(2.0), target(2.0))) == ""


def test_between_enter_and_leave_the_gate_stays_as_it_is():
    gate = GatingWindow(Window(on="target", predict=False))
    seen = [
        gate.closed(GatingView(k, LATENCY_S, target(y)))
        for k, y in enumerate((3.5, 3.0, 3.5, 4.0, 4.1, 3.5, 3.0))
    ]
    assert [not why for why in seen] == [False, True, True, True, False, False, True]
    assert seen[0] == "3.5 mm from its middle, limit 3"


def test_with_a_dwell_time_only_a_breath_that_stays_outside_counts():
    gate = GatingWindow(Window(on="target", predict=False, enter=0.1, leave=0.1, dwell_ms=200.0))
    out = []
    for k in range(100):
        outside = 10 <= k < 25 or k >= 60  # 150 ms, then for good
        view = GatingView(k * 10 * MS, LATENCY_S, target(0.15 if outside else 0.05))
        out.append(bool(gate.closed(view)))
    assert out == [False] * 80 + [True] * 20


def test_a_target_that_is_not_known_closes_the_window():
    gate = GatingWindow(Window(on="target"))
    assert gate.closed(GatingView(0, LATENCY_S, target(0.0), target(0.0))) == ""
    assert gate.closed(GatingView(1, LATENCY_S)) == "inf mm from its middle, limit 3"


@pytest.mark.parametrize(
    ("on", "at", "level", "swing", "far"),
    [
        ("amplitude", "exhale", -2.0, Swing(1.0, 0.0), 3.0),
        ("amplitude", "inhale", 4.0, Swing(1.0, 0.0), 3.0),
        ("percent", "exhale", 0.0, Swing(-3.0, 0.0), 0.0),
        ("percent", "exhale", 0.0, Swing(2.0, 0.0), 62.5),
        ("percent", "inhale", 0.0, Swing(2.0, 0.0), 37.5),
        ("phase", "exhale", 0.0, Swing(-3.0, 0.0), 0.0),
        ("phase", "exhale", 0.0, Swing(1.0, 8.0), 25.0),
        ("phase", "exhale", 0.0, Swing(1.0, -8.0), 25.0),
        ("phase", "inhale", 0.0, Swing(5.0, 0.0), 0.0),
        ("phase", "inhale", 0.0, Swing(-3.0, 0.0), 50.0),
    ],
)
def test_how_far_a_breath_is_from_the_middle(on, at, level, swing, far):
    window = Window(on=on, at=at, level_mm=level)
    view = GatingView(0, LATENCY_S, swing=swing, span=SPAN, level_mm=level)
    assert SIGNALS[on].far(view, window, 0.0) == pytest.approx(far)
    unknown = GatingView(0, LATENCY_S)
    assert SIGNALS[on].far(unknown, window, 0.0) is None


def test_the_surrogate_is_carried_on_by_its_prediction_or_else_by_its_velocity():
    now, later = Swing(1.0, 10.0), Swing(2.5, 4.0)
    view = GatingView(0, LATENCY_S, swing=now, swing_later=later)
    assert view.swing_at(0.0) == now
    assert view.swing_at(LATENCY_S) == pytest.approx(later)
    assert view._replace(swing_later=None).swing_at(0.1) == Swing(2.0, 10.0)


def test_the_way_between_now_and_later_is_smooth_and_meets_both():
    assert joined(1.0, 2.0, 5.0, -3.0, 0.2, 0.0) == 1.0
    assert joined(1.0, 2.0, 5.0, -3.0, 0.2, 0.2) == pytest.approx(5.0)
    assert joined(1.0, 2.0, 5.0, -3.0, 0.2, 0.9) == pytest.approx(5.0)
    slope = (joined(1.0, 2.0, 5.0, -3.0, 0.2, 1e-6) - 1.0) / 1e-6
    assert slope == pytest.approx(2.0, abs=0.01)
    # A motion of constant speed is met exactly.
    assert joined(1.0, 20.0, 5.0, 20.0, 0.2, 0.05) == pytest.approx(2.0)


# Breath holds ------------------------------------------------------------------------------------

HOLD = BreathHold(enabled=True, settle_s=2.0, longest_s=10.0, rest_s=5.0, beam_s=20.0)


def phases(place, seconds: float, settings: BreathHold = HOLD) -> list[tuple[float, HoldPhase]]:
    """The phases of a target that is at ``place(t)``, with the time at which each began."""
    holding, found = BreathHolding(settings), []
    for k in range(round(seconds * 100)):
        t_s = k * 0.01
        y = place(t_s)
        holding.closed(GatingView(k * 10 * MS, LATENCY_S, None if y is None else target(y)))
        if not found or found[-1][1] is not holding.phase:
            found.append((round(t_s, 2), holding.phase))
    return found


def held_from(at_s: float, until_s: float, sags: float = 0.0):
    """A target that breathes, but is held from one time to another; it may sag by mm/s."""

    def place(t_s: float) -> float:
        if at_s <= t_s < until_s:
            return sags * (t_s - at_s)
        return 10.0 + 5.0 * math.sin(t_s)

    return place


def test_a_hold_settles_and_the_beam_is_on_until_it_is_left():
    found = phases(held_from(3.0, 8.0), 15.0)
    assert [phase for _, phase in found] == [
        HoldPhase.BREATHING,
        HoldPhase.SETTLING,
        HoldPhase.HELD,
        HoldPhase.RESTING,
        HoldPhase.BREATHING,
    ]
    begins = [t_s for t_s, _ in found]
    assert begins[1] - 3.0 <= 0.5
    assert begins[2] - begins[1] == pytest.approx(2.0, abs=0.011)
    assert begins[2] - 3.0 <= 2.55
    assert begins[3] == 8.0
    assert begins[4] == pytest.approx(13.0, abs=0.011)


def test_the_longest_hold_ends_the_beam_counted_from_where_it_began():
    found = phases(held_from(3.0, 30.0), 16.0)
    begins = {phase: t_s for t_s, phase in reversed(found)}
    assert begins[HoldPhase.RESTING] - begins[HoldPhase.SETTLING] == pytest.approx(10.0, abs=0.02)


def test_a_hold_that_sags_slowly_goes_on_and_ends_at_the_window():
    found = phases(held_from(3.0, 30.0, sags=2.0 / 15.0), 12.0)
    assert found[-1][1] is HoldPhase.HELD
    found = phases(held_from(3.0, 30.0, sags=0.5), 9.0)
    assert found[-1] == (pytest.approx(3.0 + 2.5 / 0.5, abs=0.02), HoldPhase.RESTING)


def test_breathing_through_the_window_is_no_hold():
    through = phases(lambda t_s: 5.0 * math.sin(1.6 * t_s), 20.0)
    assert HoldPhase.HELD not in {phase for _, phase in through}


def test_a_target_that_is_not_known_is_not_held():
    found = phases(lambda t_s: 0.0 if t_s < 4.0 else None, 5.0)
    assert found[-2:] == [(2.0, HoldPhase.HELD), (4.0, HoldPhase.RESTING)]


@pytest.mark.parametrize(("beam_s", "holds"), [(8.0, 1), (8.1, 2), (60.0, 8)])
def test_how_many_holds_the_planned_beam_takes(beam_s, holds):
    settings = BreathHold(longest_s=10.0, settle_s=2.0, beam_s=beam_s)
    assert holds_needed(settings) == BreathHolding(settings).needed == holds


def test_what_is_not_asked_for_never_closes():
    view = GatingView(0, LATENCY_S)
    assert not BeamGating(Controller()).used
    assert BeamGating(Controller()).closed(view) == ("", "")
    assert BreathHolding(BreathHold()).closed(view) == ""


def test_a_breath_hold_comes_before_the_window():
    both = BeamGating(Controller(window=Window(on="target", predict=False), breath_hold=HOLD))
    assert both.used
    outside = GatingView(0, LATENCY_S, target(9.0))
    assert both.closed(outside) == (NO_BREATH_HOLD, "waits for a breath hold; hold 1 of 3")
    window = BeamGating(Controller(window=Window(on="target", predict=False)))
    assert window.closed(outside) == (OUTSIDE_WINDOW, "9.0 mm from its middle, limit 3")


# What the patient is asked ----------------------------------------------------------------------


def moved_by(share: float):
    """A target that is 0 at an amplitude of -3 and moves by ``share`` mm for each mm."""
    return lambda amplitude: (0.0, -share * (amplitude + 3.0), 0.0)


@pytest.mark.parametrize(
    ("on", "at", "level", "enter", "expected"),
    [
        ("amplitude", "exhale", -2.0, 1.0, (-4.0, -1.0)),
        ("amplitude", "exhale", -9.0, 1.0, (-9.0, -8.0)),
        ("amplitude", "inhale", 4.0, 1.0, (3.0, 6.0)),
        ("percent", "exhale", 0.0, 25.0, (-4.0, -1.0)),
        ("percent", "inhale", 0.0, 25.0, (3.0, 6.0)),
        ("phase", "exhale", 0.0, 25.0, (-4.0, 1.0)),
        ("phase", "inhale", 0.0, 12.5, (1.0 + 4.0 * math.sqrt(0.5), 6.0)),
    ],
)
def test_a_window_on_the_surrogate_asks_for_its_amplitudes(on, at, level, enter, expected):
    window = Window(on=on, at=at, level_mm=level, enter=enter, leave=enter + 1.0)
    assert range_of_window(window, SPAN) == pytest.approx(expected)
    # The signal itself agrees: inside the range the breath is inside the window, beyond it not.
    low, high = expected
    edge, inward = (high, -1.0) if at == "exhale" else (low, 1.0)
    for step, inside in ((0.05 * inward, True), (-0.05 * inward, False)):
        u = (edge + step - SPAN.middle_mm) / SPAN.half_range_mm
        speed = SPAN.speed_mm_s * math.sqrt(max(0.0, 1.0 - u * u))
        view = GatingView(0, LATENCY_S, swing=Swing(edge + step, speed), span=SPAN, level_mm=level)
        far = SIGNALS[on].far(view, window, 0.0)
        assert far is not None
        assert (far <= enter) == inside


def test_a_window_on_the_target_asks_for_the_amplitudes_at_which_it_is_inside():
    assert range_within(3.0, SPAN, moved_by(2.0)) == pytest.approx((-4.5, -1.5))
    far_off = lambda amplitude: (5.0, 0.0, 0.0)  # noqa: E731
    assert range_within(3.0, SPAN, far_off) is None
    everywhere = range_within(3.0, SPAN, lambda amplitude: (0.0, 0.0, 0.0))
    assert everywhere == pytest.approx((1.0 - 1.5 * 4.0, 1.0 + 4.0 * 4.0))


def test_of_two_ranges_the_one_nearest_to_the_beam_is_asked_for():
    folded = lambda amplitude: (min(abs(amplitude + 3.0), 0.5 + abs(amplitude - 5.0)), 0.0, 0.0)  # noqa: E731
    assert range_within(1.0, SPAN, folded) == pytest.approx((-4.0, -2.0))


def test_the_patient_is_asked_again_only_when_something_has_changed_visibly():
    guidance = Guidance(Window(on="percent", enter=25.0, leave=30.0), 2.5)
    first = guidance.ask(0, SPAN, None, None)
    assert first is not None
    assert (first.asks, first.low_mm, first.high_mm, first.until_ns) == ("breathe", -4.0, -1.0, -1)
    deeper = SPAN._replace(half_range_mm=6.0)
    assert guidance.ask(S - 1, deeper, None, None) is None, "only once a second"
    assert guidance.ask(S, SPAN._replace(half_range_mm=4.05), None, None) is None
    second = guidance.ask(2 * S, deeper, None, None)
    assert second is not None
    assert (second.low_mm, second.high_mm) == (-6.5, -2.0)
    guidance.pause()
    again = guidance.ask(2 * S + 1, deeper, None, None)
    assert again is not None
    assert (again.low_mm, again.high_mm) == (-6.5, -2.0)
    guidance.forget()
    anew = guidance.ask(2 * S + 2, None, None, None)
    assert anew is not None
    assert (anew.asks, anew.low_mm, anew.high_mm) == ("nothing", 0.0, 0.0)


def test_a_target_out_of_reach_asks_for_nothing_and_a_moving_machine_neither():
    for reach in (lambda amplitude: (9.0, 0.0, 0.0), None):
        guidance = Guidance(Window(on="target"), 2.5)
        asked = guidance.ask(0, SPAN, reach, None)
        assert asked is not None
        assert asked.asks == "nothing"
    guidance = Guidance(Window(), 2.5)
    asked = guidance.ask(0, SPAN, None, BreathHolding(HOLD))
    assert asked is not None
    assert (asked.asks, asked.low_mm, asked.high_mm) == ("hold", -3.0, 5.0)


def test_the_range_of_a_hold_stays_while_the_breath_is_held():
    guidance, holding = Guidance(Window(), 1.0), BreathHolding(HOLD)
    asked = guidance.ask(0, SPAN, moved_by(1.0), holding)
    assert asked is not None
    assert (asked.low_mm, asked.high_mm) == pytest.approx((-4.0, -2.0))
    for k in range(1, 301):
        holding.closed(GatingView(k * 10 * MS, LATENCY_S, target(0.0)))
        narrow = BreathingRange(-3.0, 0.1, 1.0)
        told = guidance.ask(k * 10 * MS, narrow, moved_by(3.0), holding)
        if told is not None:
            asked = told
    assert holding.phase is HoldPhase.HELD
    assert (asked.low_mm, asked.high_mm) == pytest.approx((-4.0, -2.0))
    assert asked.until_ns == 10 * MS + 10 * S


# Two windows, points, and a middle that follows the drift -------------------------------------


def two_points(t_s: float, belly: float = 8.0, chest: float = 3.0) -> GatingView:
    """Two points that breathe against each other with 4 s: the belly from -4 to 4, the chest."""
    w = math.sin(math.pi / 2 * t_s)
    points = (0.5 * belly * w, -0.5 * chest * w)
    return GatingView(
        round(t_s * S), LATENCY_S, target(0.0), swing=Swing(99.0, 99.0), points_mm=points
    )


def test_a_point_has_a_swing_and_a_range_of_its_own():
    follows = PointSwing(1)
    for k in range(1201):
        view = follows.seen(two_points(k * 0.01))
        if k == 380:
            assert view.span is None, "one breath is not known yet"
    assert view.swing is not None
    assert view.swing.amplitude_mm == pytest.approx(0.0, abs=0.01)
    # At the end of four seconds the belly rises and the chest sinks, as fast as it ever does.
    assert view.swing.velocity_mm_s == pytest.approx(-1.5 * math.pi / 2, rel=0.02)
    assert view.span is not None
    assert view.span.middle_mm == pytest.approx(0.0, abs=0.01)
    assert view.span.half_range_mm == pytest.approx(1.5, abs=0.01)
    assert view.span.speed_mm_s == pytest.approx(1.5 * math.pi / 2, rel=0.05)
    assert view.swing_later is None, "only the common amplitude is predicted"


def test_a_point_that_is_not_there_is_not_known_and_a_gap_begins_anew():
    view = PointSwing(2).seen(two_points(0.0))
    assert (view.swing, view.span) == (None, None)
    follows = PointSwing(0)
    for k in range(600):
        before = follows.seen(two_points(k * 0.01))
    assert before.span is not None
    after = follows.seen(two_points(7.0))
    assert after.swing == Swing(two_points(7.0).points_mm[0], 0.0)
    assert after.span is None


def test_the_beam_is_on_while_both_windows_are_open():
    """The belly's window is about one end of the breath, the chest's about the other half of it."""

    def both(chest_enter: float) -> list[tuple[float, bool]]:
        belly = Window(on="percent", point=0, enter=60.0, leave=60.0, predict=False)
        chest = Window(
            on="percent", at="inhale", point=1, enter=chest_enter, leave=chest_enter, predict=False
        )
        gating = BeamGating(Controller(window=belly, second_window=chest))
        return [(k * 0.01, gating.closed(two_points(k * 0.01))[0] == "") for k in range(1600)][800:]

    def share(chest_enter: float) -> float:
        found = both(chest_enter)
        return sum(on for _, on in found) / len(found)

    # The share of a sine below 60 % of its range, and below 20 %: the tighter window decides.
    assert share(60.0) == pytest.approx(0.5 + math.asin(0.2) / math.pi, abs=0.02)
    assert share(20.0) == pytest.approx(0.5 + math.asin(-0.6) / math.pi, abs=0.02)
    assert {on for t, on in both(20.0) if t % 4.0 < 2.0} == {False}, "the belly is out there"


def test_each_window_says_what_closes_it():
    belly = Window(on="amplitude", point=0, enter=1.0, leave=2.0, predict=False)
    chest = Window(on="amplitude", point=1, level_mm=-5.0, enter=1.0, leave=2.0, predict=False)
    gating = BeamGating(Controller(window=belly, second_window=chest))
    assert gating.closed(two_points(1.0)) == (
        OUTSIDE_WINDOW,
        "4.0 mm from its middle, limit 1; second window: 3.5 mm from its middle, limit 1",
    )
    alone = BeamGating(Controller(second_window=chest))
    assert alone.used
    assert alone.closed(two_points(1.0))[1] == "second window: 3.5 mm from its middle, limit 1"


def drifting(t_s: float, mm_min: float) -> GatingView:
    """A breath of 8 mm and 4 s whose end of exhale rises, and the target with it."""
    drift = mm_min * t_s / 60.0
    w = math.pi / 2
    y = 4.0 * (1.0 - math.cos(w * t_s))
    span = BreathingRange(4.0 + drift, 4.0, 4.0 * w)
    swing = Swing(y + drift, 4.0 * w * math.sin(w * t_s))
    return GatingView(round(t_s * S), LATENCY_S, target(drift - y), swing=swing, span=span)


@pytest.mark.parametrize(
    ("centre", "limit_mm", "mm_min", "target_mm", "level_mm"),
    [
        ("planned", 2.0, 1.0, 0.0, 0.0),
        ("drift", 2.0, 0.5, 1.0, 1.0),
        ("drift", 0.6, 1.0, 0.6, 0.6),
        ("drift", 0.6, -1.0, -0.6, -0.6),
    ],
)
def test_the_middle_follows_the_end_of_the_breath_within_its_limit(
    centre, limit_mm, mm_min, target_mm, level_mm
):
    follows = DriftingCentre(Window(on="target", centre=centre, drift_mm=limit_mm))
    for k in range(12001):
        follows.follow(drifting(k * 0.01, mm_min))
    # What it lags behind, and the mean over what counts as the end: 0.4 of 8 mm.
    lag_mm = 0.65 if centre == "drift" and limit_mm > 1.0 else 1e-6
    assert follows.level_mm == pytest.approx(level_mm, abs=lag_mm)
    assert follows.target_mm == pytest.approx((0.0, target_mm, 0.0), abs=max(lag_mm, 1e-6))


def test_the_middle_does_not_follow_a_breath_that_is_not_at_its_end():
    follows = DriftingCentre(Window(on="target", centre="drift"))
    for k in range(1000):
        follows.follow(drifting(2.0 + 1e-6 * k, 5.0))  # at the end of inhale, all the time
    assert (follows.level_mm, follows.target_mm) == (0.0, (0.0, 0.0, 0.0))


def test_a_window_that_follows_the_drift_stays_open_where_the_planned_one_does_not():
    def duty(centre: Literal["planned", "drift"]) -> float:
        window = Window(
            on="amplitude", centre=centre, drift_mm=5.0, enter=1.5, leave=2.0, predict=False
        )
        gate = BeamGating(Controller(window=window))
        on = [gate.closed(drifting(k * 0.02, 1.0))[0] == "" for k in range(15000)]
        return sum(on[-3000:]) / 3000.0

    assert duty("planned") == 0.0
    # 2 of 8 mm for a sine, and what it lags behind.
    assert duty("drift") == pytest.approx(math.acos(0.5) / math.pi, abs=0.06)


def test_the_patient_is_asked_into_the_window_where_it_has_drifted_to():
    window = Window(on="amplitude", centre="drift", drift_mm=5.0, enter=1.5, leave=2.0)
    gate = BeamGating(Controller(window=window))
    asked = None
    for k in range(12001):
        view = drifting(k * 0.01, 1.0)
        gate.closed(view)
        asked = gate.guide(view, None) or asked
    assert asked is not None
    assert asked.high_mm == pytest.approx(2.0 + 1.5, abs=0.6)
    assert range_within(3.0, SPAN, moved_by(2.0), (0.0, -2.0, 0.0)) == pytest.approx((-3.5, -0.5))
