"""Choosing a trial, and leaving each subject out once."""

from __future__ import annotations

import pytest

from tracker.offline.tuning.folds import choose, leave_one_out, means, merit
from tracker.offline.tuning.objective import Score


def scores(**losses: float) -> dict[str, Score]:
    return {name: Score(loss, loss, 0.0, 0.0) for name, loss in losses.items()}


USUAL = scores(a=1.0, b=1.0, c=1.0)


def test_a_held_out_subject_has_no_say_in_its_own_fold() -> None:
    trials = {0: USUAL, 1: scores(a=0.1, b=1.2, c=1.2), 2: scores(a=0.9, b=0.9, c=0.9)}
    folds = {fold.subject: fold for fold in leave_one_out(trials, 0)}
    assert folds["a"].trial == 2  # trial 1 is best for a alone
    assert folds["a"].tuned.loss == 0.9
    for subject in "abc":  # whatever the held-out score is, the choice stays
        twisted = {
            number: {**kept, subject: Score(9.0 * number, 1.0, 1.0, 0.0)}
            for number, kept in trials.items()
        }
        again = {fold.subject: fold.trial for fold in leave_one_out(twisted, 0)}
        assert again[subject] == folds[subject].trial


def test_to_harm_one_weighs_more_than_to_help_another() -> None:
    harms, helps = scores(a=0.6, b=1.3, c=1.0), scores(a=0.98, b=0.98, c=0.98)
    assert sum(s.loss for s in harms.values()) < sum(s.loss for s in helps.values())
    assert merit(harms, USUAL, "abc") > merit(helps, USUAL, "abc")
    assert choose({0: USUAL, 1: harms, 2: helps}, 0, "abc") == 2


def test_the_default_is_kept_unless_something_is_better() -> None:
    trials = {3: USUAL, 1: scores(a=1.0, b=1.0, c=1.0), 2: scores(a=1.1, b=1.0, c=1.0)}
    assert choose(trials, 3, "abc") == 3


def test_means_count_who_is_worse_off() -> None:
    trials = {0: USUAL, 1: scores(a=0.5, b=0.5, c=1.2)}
    folds = leave_one_out(trials, 0)
    summed = means(folds)
    assert summed.worse == 1
    assert summed.default_loss == pytest.approx(1.0)
