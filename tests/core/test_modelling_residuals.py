"""Shots that are off the model: set aside, taken for a jump or a drift, or a larger variance."""

import math
from collections import deque

import msgspec
import numpy as np
import pytest

from tests.core.modelling_parts import (
    KINDS,
    REST,
    SETTINGS,
    SPAN,
    Placed,
    S,
    add,
    after,
    fiducial_shot,
    first,
    learned,
    model_of,
    off_by,
    only,
    same,
    say,
    state,
)
from tracker.core.settings import Controller, Correlation
from tracker.core.target.correlation import fit
from tracker.core.target.modelling import Modelling, near
from tracker.core.types import Notice, Observation


def test_a_shot_is_doubtful_over_three_millimetres_and_wrong_over_five():
    for off_mm, doubtful, wrong in (
        (2.999, "", ""),
        (3.001, "shot 99 is 3.0 mm off the model, limit 3 mm", ""),
        (4.999, "shot 99 is 5.0 mm off the model, limit 3 mm", ""),
        (5.001, "", "shot 99 is 5.0 mm off the model, limit 5 mm"),
    ):
        modelling = after(first(9))
        share = off_mm / 3.0
        placed = off_by(modelling, Placed(40.0, 0.2), (2.0 * share, -2.0 * share, share))
        result = add(modelling, placed)
        assert (result.model_doubtful, result.model_wrong) == (doubtful, wrong)
        assert result.used == (not wrong)
        assert result.agrees == (off_mm < 3.0)


def test_a_limit_itself_is_not_over_it():
    limit = 4.25
    settings = Controller(
        correlation=Correlation(models=KINDS, residual_rebuild_mm=limit, residual_hold_mm=limit)
    )
    modelling = after(first(9), settings)
    say(modelling, (0.0, limit, 0.0))
    result = add(modelling, Placed(40.0, 0.25))
    assert (result.model_doubtful, result.model_wrong, result.agrees) == ("", "", True)


def test_while_the_first_model_is_made_no_shot_is_judged():
    modelling = after(first(5))
    result = add(modelling, Placed(30.0, 0.2, (0.0, 30.0, 0.0)))
    assert (result.used, result.model_wrong, result.model_doubtful) == (True, "", "")
    assert result.drifts == ""
    assert modelling._surprises == deque()


def test_a_shot_far_off_is_set_aside_and_does_not_change_the_model():
    modelling = after(first(9))
    before = model_of(modelling)
    assert modelling.suspect_phase is None
    placed = Placed(40.0, 0.2, (0.0, 9.0, 0.0))
    result = add(modelling, placed)
    assert modelling.model is before
    assert modelling.suspect_phase == SPAN.phase(
        state(placed).amplitude_mm, state(placed).velocity_mm_s
    )
    seen = only(result.outputs, Observation)
    assert seen.used is False
    assert (result.used, result.agrees, result.left_mm) == (False, False, 0.0)


def test_a_shot_that_fits_from_the_same_part_of_the_breath_drops_the_one_set_aside():
    shots = first(9)
    modelling = after(shots)
    add(modelling, Placed(40.0, 0.2, (0.0, 9.0, 0.0)))
    elsewhere, near_it = Placed(43.0, 0.6), Placed(46.0, 0.22)
    result = add(modelling, elsewhere, 50)
    assert result.model_wrong == "shot 50 fits the model, but elsewhere in the breath"
    assert (result.used, result.agrees) == (True, False)
    assert modelling.suspect_phase is not None
    result = add(modelling, near_it, 51)
    words = "shot 51 fits the model; the one that did not is dropped"
    assert result.outputs[0] == Notice(round(46.3 * S), "info", words)
    assert (result.model_wrong, result.agrees) == ("", True)
    assert modelling.suspect_phase is None
    assert [shot.epoch for shot in modelling._shots] == [0] * 11
    assert same(
        modelling.model,
        [learned(placed) for placed in (*shots, elsewhere, near_it)],
        _inflation_of(modelling),
    )


def test_a_shot_is_compared_with_what_amplitude_velocity_and_markers_say():
    settings = Controller(correlation=Correlation(models=("pls",), phase_coverage=0.0))
    modelling = Modelling(settings)
    for number, placed in enumerate(first(10)):
        at = state(placed)
        own = 3.0 * math.sin(1.7 * number)
        breathing = msgspec.structs.replace(
            at, markers_mm=(at.amplitude_mm + 0.2 * at.velocity_mm_s, own)
        )
        placed = placed._replace(off_mm=(0.0, 0.6 * own, 0.0))
        model = modelling.model
        result = modelling.add_shot(fiducial_shot(number, placed), REST, breathing, SPAN)
    seen = only(result.outputs, Observation)
    assert model is not None
    y, v = seen.amplitude_mm, seen.velocity_mm_s
    apart = model.apart(y, v, breathing.markers_mm)
    assert np.abs(apart).min() > 0.01
    said = model.target_at(seen.exposed_ns, y, v, 0.0, 0.0, 0.0, apart)
    off = np.array(seen.position_mm) - said.position_mm
    assert seen.residual_mm == pytest.approx(off)
    # Its surprise: the mean square of the residual by what the model was unsure of.
    expected = min(9.0, np.mean(off**2 / said.variance_mm2))
    assert modelling._surprises[-1] == pytest.approx(expected)


def _inflation_of(modelling):
    surprises = modelling._surprises
    return 1.0 if len(surprises) < 4 else max(1.0, sum(surprises) / len(surprises))


def test_two_shots_off_the_same_way_are_a_new_epoch_of_the_baseline():
    shots = first(9)
    modelling = after(shots)
    one, two = Placed(40.0, 0.2, (1.0, 9.0, 0.0)), Placed(43.0, 0.7, (-1.0, 9.0, 0.5))
    add(modelling, one)
    result = add(modelling, two)
    assert result.used
    assert "limit 5 mm" in result.model_wrong
    assert modelling.suspect_phase is None
    counted = [*(learned(placed) for placed in shots), learned(one, 1), learned(two, 1)]
    assert same(modelling.model, counted)  # how far off they were says nothing of the variances
    third = Placed(46.0, 0.4, (0.0, 9.0, 0.0))
    assert add(modelling, third).model_wrong == ""
    latest = modelling._shots[-1].epoch
    for k in range(2):
        add(modelling, off_by(modelling, Placed(50.0 + 3 * k, 0.1 + 0.3 * k), (0.0, 9.0, 0.0)))
    assert [shot.epoch for shot in modelling._shots[-2:]] == [latest + 1] * 2


@pytest.mark.parametrize("second", [(0.0, -9.0, 0.0), (9.0, 0.0, 0.0)])
def test_two_shots_off_in_opposite_directions_make_the_model_anew(second):
    """Or at a right angle: the two share no shift of the baseline."""
    modelling = after(first(9))
    before = model_of(modelling)
    say(modelling, (0.0, 8.0, 0.0))
    add(modelling, Placed(40.0, 0.2))
    say(modelling, second)
    result = add(modelling, Placed(43.0, 0.7))
    del modelling._expected
    assert "limit 5 mm" in result.model_wrong
    assert len(modelling._shots) == 2
    assert modelling.model is before
    for k in range(8):
        placed = Placed(46.0 + 2.5 * k, 0.06 + 0.375 * k % 1.0)
        result = add(modelling, placed, k)
        expected = "" if k == 7 else f"the model is made anew, of {k + 2} shots so far"
        if k < 7:
            assert result.model_wrong == expected
            assert (result.used, result.agrees) == (True, False)
            assert result.drifts == ""
    assert modelling.complete


def test_shots_at_a_slant_do_share_a_shift():
    modelling = after(first(9))
    add(modelling, off_by(modelling, Placed(40.0, 0.2), (0.0, 8.0, 0.0)))
    add(modelling, off_by(modelling, Placed(43.0, 0.7), (8.0, 0.1, 0.0)))
    assert len(modelling._shots) == 11


def test_a_drift_rebuilds_the_baseline_from_its_last_two_shots():
    shots = first(9)
    modelling = after(shots)
    one = off_by(modelling, Placed(40.0, 0.2), (0.0, 2.2, 0.0))
    assert add(modelling, one).drifts == ""
    two = off_by(modelling, Placed(43.0, 0.6), (0.0, 2.2, 0.0))
    result = add(modelling, two)
    assert result.drifts == (
        "2 shots in a row off toward +superior, the last by 2.2 mm; limit 2 mm on two"
    )
    assert [shot.epoch for shot in modelling._shots] == [0] * 9 + [1, 1]
    counted = [*(learned(placed) for placed in shots), learned(one, 1), learned(two, 1)]
    assert same(modelling.model, counted)
    again = add(modelling, off_by(modelling, Placed(46.0, 0.4), (0.0, 0.0, 0.0)))
    assert again.drifts == result.drifts
    assert modelling._shots[-1].epoch == 1
    for k in range(2):
        add(modelling, off_by(modelling, Placed(50.0 + 3 * k, 0.1 + 0.3 * k), (0.0, 2.2, 0.0)))
    assert [shot.epoch for shot in modelling._shots[-2:]] == [2, 2]


def test_a_confirmed_jump_ends_what_was_taken_for_a_drift():
    modelling = after(first(9))
    add(modelling, off_by(modelling, Placed(40.0, 0.2), (0.0, 2.2, 0.0)))
    add(modelling, off_by(modelling, Placed(43.0, 0.6), (0.0, 2.2, 0.0)))
    add(modelling, off_by(modelling, Placed(46.0, 0.1), (0.0, 9.0, 0.0)))
    modelling._drift.found = "something"
    result = add(modelling, off_by(modelling, Placed(49.0, 0.5), (0.0, 9.0, 0.0)))
    assert result.drifts == ""


# Variances that prove too small ------------------------------------------------------------------


def surprised(residuals_mm, variance=(0.09, 0.36, 0.81)):
    """The inflation after shots with these residuals from a model with this variance."""
    modelling = after(first(9))
    modelling._surprises.clear()
    for k, residual in enumerate(residuals_mm):
        say(modelling, residual, variance)
        placed = Placed(40.0 + 2.5 * k, 0.375 * k % 1.0)
        add(modelling, placed)
    at = (model_of(modelling).fitted_ns, 1.0, 3.0, 0.0, 0.0, 0.0)
    plain = fit(modelling._shots, KINDS, SPAN)
    ours, theirs = (each.target_at(*at).variance_mm2 for each in (model_of(modelling), plain))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    assert ratios == pytest.approx([ratios[0]] * 3)
    return ratios[0]


def test_variances_grow_by_the_mean_square_of_residuals_over_their_sigma():
    one = (0.45, -0.9, 0.0)  # 2.25 + 2.25 + 0, a third of it: 1.5
    two = (-0.45, 0.9, 1.35)  # 2.25
    assert surprised([one] * 3) == pytest.approx(1.0)  # too few to tell
    assert surprised([one] * 4) == pytest.approx(1.5)
    assert surprised([one, two, one, two]) == pytest.approx(1.875)
    assert surprised([(0.03, 0.06, 0.09)] * 4) == pytest.approx(1.0)  # never smaller


def test_the_last_eight_shots_tell():
    small, large = (0.0, 0.0, 0.0), (0.45, -0.9, 1.35)
    assert surprised([large, *[small] * 7]) == pytest.approx(1.0)
    assert surprised([small] * 2 + [large] * 8) == pytest.approx(2.25)
    assert surprised([large] * 4 + [small] * 4) == pytest.approx(1.125)


def test_a_confirmed_jump_ends_what_was_learned_of_the_variances():
    modelling = after(first(9))
    for k in range(4):
        say(modelling, (0.0, 2.0 * (-1) ** k, 0.0), (0.5, 0.5, 0.5))
        add(modelling, Placed(40.0 + 2.5 * k, 0.375 * k % 1.0))
    assert _inflation_of(modelling) > 2.0
    say(modelling, (0.0, 9.0, 0.0))
    add(modelling, Placed(52.0, 0.2))
    assert add(modelling, Placed(55.0, 0.7)).used
    assert modelling._surprises == deque()
    plain = fit(modelling._shots, KINDS, SPAN)
    at = (plain.fitted_ns, 1.0, 3.0, 0.0, 0.0, 0.0)
    assert model_of(modelling).target_at(*at).variance_mm2 == plain.target_at(*at).variance_mm2


def test_a_shot_that_no_model_can_judge_is_not_off_by_anything():
    strict = Correlation(models=KINDS, residual_rebuild_mm=0.5, residual_hold_mm=0.8)
    result = add(Modelling(Controller(correlation=strict)), first()[0])
    assert (result.used, result.model_doubtful, result.model_wrong) == (True, "", "")
    assert result.agrees


def test_one_shot_counts_nine_at_most():
    assert surprised([(2.0, 0.0, 0.0)] * 4, (0.1, 1.0, 1.0)) == pytest.approx(9.0)
    assert surprised([(2.0, 0.0, 0.0)] * 4, (0.15, 1.0, 1.0)) == pytest.approx(4.0 / 0.45)


# Starting again, and phases ----------------------------------------------------------------------


def test_forgetting_is_like_a_new_start():
    modelling = after(first(9))
    add(modelling, off_by(modelling, Placed(40.0, 0.2), (0.0, 2.2, 0.0)))
    add(modelling, off_by(modelling, Placed(43.0, 0.6), (0.0, 2.2, 0.0)))
    add(modelling, off_by(modelling, Placed(46.0, 0.1), (0.0, 9.0, 0.0)))
    modelling.forget()
    assert (modelling.model, modelling.suspect_phase, modelling.complete) == (None, None, False)
    new = Modelling(SETTINGS)
    shots = [*first(9), Placed(40.0, 0.2, (0.0, 4.0, 0.0)), Placed(43.0, 0.3, (0.0, -2.0, 0.0))]
    for number, placed in enumerate(shots):
        assert str(add(modelling, placed, number)) == str(add(new, placed, number))
    assert modelling._shots == new._shots
    assert modelling._surprises == new._surprises
    for k, off in enumerate(((0.0, 8.0, 0.0), (0.0, -8.0, 0.0))):
        add(modelling, off_by(modelling, Placed(50.0 + k, 0.2), off))
    modelling.forget()  # while a model is made anew
    for number, placed in enumerate(first(9)):
        assert add(modelling, placed, number).model_wrong == ""


@pytest.mark.parametrize(
    ("phase", "other", "expected"),
    [
        (0.5, 0.5, True),
        (0.5, 0.649, True),
        (0.5, 0.651, False),
        (0.351, 0.5, True),
        (0.349, 0.5, False),
        (0.95, 0.09, True),
        (0.09, 0.95, True),
        (0.95, 0.11, False),
        (0.15, 0.0, True),
        (0.0, 0.5, False),
    ],
)
def test_near_is_fifteen_hundredths_of_the_cycle_around_its_end_too(phase, other, expected):
    assert near(phase, other) is expected
