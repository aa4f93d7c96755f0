"""Modelling: exceptions are set aside, real jumps are followed, bad shots are refused in words."""

import pytest

from tests.core.modelling_parts import REST, SPAN, S, breathing, model_of, modelled, shot_at
from tracker.core.settings import Controller
from tracker.core.surrogate.breathing import BreathingRange
from tracker.core.target.modelling import Modelling
from tracker.core.types import Observation


def test_shots_make_a_model_that_says_where_the_target_is():
    modelling = modelled()
    assert modelling.model is not None
    state = breathing(41.3)
    said = (
        model_of(modelling)
        .target_at(41 * S, state.amplitude_mm, state.velocity_mm_s, 0.0, 0.0, 0.0)
        .position_mm
    )
    assert said[1] == pytest.approx(-2.0 * state.amplitude_mm, abs=0.3)


def test_couch_motion_is_taken_off_a_shot():
    modelling = Modelling(Controller())
    couch = (3.0, -11.0, 2.0)
    taken = modelling.add_shot(shot_at(1, 10.0, couch=couch), couch, breathing(10.0), SPAN)
    (seen,) = [o for o in taken.outputs if isinstance(o, Observation)]
    assert seen.position_mm == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)


def test_few_shots_or_one_phase_are_not_enough():
    modelling = Modelling(Controller())
    for k in range(6):
        t = 10.0 + 2.3 * k
        modelling.add_shot(shot_at(k, t), REST, breathing(t), SPAN)
    assert not modelling.complete
    alike = Modelling(Controller())
    for k in range(12):
        t = 10.0 + 4.05 * k
        alike.add_shot(shot_at(k, t), REST, breathing(t), SPAN)
    assert not alike.complete


def test_one_exception_is_put_aside_and_dropped():
    modelling = modelled()
    before = model_of(modelling)
    odd = modelling.add_shot(shot_at(20, 40.0, (0.0, 9.0, 0.0)), REST, breathing(40.0), SPAN)
    assert odd.judged
    assert not odd.used
    assert "shot 20" in odd.model_wrong
    assert modelling.model is before
    elsewhere = modelling.add_shot(shot_at(21, 42.0), REST, breathing(42.0), SPAN)
    assert elsewhere.used
    assert "elsewhere in the breath" in elsewhere.model_wrong
    assert not elsewhere.agrees
    fine = modelling.add_shot(shot_at(22, 44.2), REST, breathing(44.2), SPAN)
    assert fine.used
    assert fine.model_wrong == ""
    assert modelling.suspect_phase is None


def test_wider_breaths_do_not_let_a_wrong_shot_pass():
    modelling = modelled()
    wide = BreathingRange(0.0, 20.0, 8.0)
    assert modelling.add_shot(shot_at(19, 37.0), REST, breathing(37.0), wide).used
    assert not modelling.complete  # of the wider breath the shots cover too few parts
    odd = modelling.add_shot(shot_at(20, 40.0, (0.0, 9.0, 0.0)), REST, breathing(40.0), wide)
    assert not odd.used
    assert "shot 20" in odd.model_wrong


def test_a_real_jump_is_taken_when_a_second_shot_agrees():
    modelling = modelled()
    jump = (0.0, 9.0, 0.0)
    for k, t in enumerate((40.0, 43.1)):
        taken = modelling.add_shot(shot_at(20 + k, t, jump), REST, breathing(t), SPAN)
    assert taken.used
    assert taken.model_wrong  # one more must agree
    confirmed = modelling.add_shot(shot_at(22, 45.7, jump), REST, breathing(45.7), SPAN)
    assert confirmed.used
    assert confirmed.model_wrong == ""


def test_a_relation_that_changed_makes_the_model_anew():
    modelling = modelled()
    said = []
    for k in range(16):
        t = 40.0 + 2.3 * k
        # Late by a quarter of a breath: off one way inhaling, the other way exhaling.
        late = -2.0 * (breathing(t - 1.0).amplitude_mm - breathing(t).amplitude_mm)
        taken = modelling.add_shot(shot_at(20 + k, t, (0.0, late, 0.0)), REST, breathing(t), SPAN)
        said.append(taken.model_wrong)
    first = next(k for k, words in enumerate(said) if "made anew" in words)
    assert first <= 4
    assert said[-1] == ""
    assert taken.agrees
    assert modelling.complete


def test_a_doubtful_shot_warns_and_is_used():
    modelling = modelled()
    taken = modelling.add_shot(shot_at(20, 40.0, (0.0, 4.0, 0.0)), REST, breathing(40.0), SPAN)
    assert taken.used
    assert "4.0 mm" in taken.model_doubtful


def test_what_is_not_known_at_exposure_is_said():
    modelling = Modelling(Controller())
    blind = modelling.add_shot(shot_at(1, 9.0), None, breathing(9.0), SPAN)
    assert "couch position" in str(blind.outputs)
    assert "breathing state" in str(modelling.add_shot(shot_at(1, 9.0), REST, None, SPAN).outputs)


def test_two_shots_with_moved_fiducials_are_a_fault():
    modelling = modelled()
    first = modelling.add_shot(shot_at(30, 40.0, moved=1), REST, breathing(40.0), SPAN)
    assert first.fiducials_moved == ""
    assert not first.judged
    second = modelling.add_shot(shot_at(31, 43.1, moved=1), REST, breathing(43.1), SPAN)
    assert "2 shots" in second.fiducials_moved


def test_what_shots_find_too_small_is_made_larger():
    """Shots that keep missing by three standard deviations widen the region; near ones do not."""

    def variance_after(offset_mm):
        modelling = modelled(12)
        for k in range(8):
            t = 40.0 + 2.3 * k
            off = (0.0, offset_mm * (-1) ** k, 0.0)
            modelling.add_shot(shot_at(20 + k, t, off), REST, breathing(t), SPAN)
        state = breathing(60.0)
        assert modelling.model is not None
        return (
            model_of(modelling)
            .target_at(round(60.0 * S), state.amplitude_mm, state.velocity_mm_s, 0.0, 0.0, 0.0)
            .variance_mm2
        )

    left, _, _ = variance_after(0.2)
    wider, _, _ = variance_after(2.0)
    assert wider > 1.5 * left  # the axis that never missed: only the inflation widens it
