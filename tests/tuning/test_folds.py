"""Choosing a trial, and leaving each subject out once."""

from __future__ import annotations

import pytest

from tracker.offline.tuning.folds import Scores, Trial, choose, leave_one_out, means, merit
from tracker.offline.tuning.objective import TraceScore


def scores(**losses: float) -> dict[str, TraceScore]:
    return {name: TraceScore(loss, loss, 0.0, 0.0) for name, loss in losses.items()}


SUBJECTS = "abcdefg"
USUAL = scores(**dict.fromkeys(SUBJECTS, 1.0))


def all_but(loss: float, **others: float) -> dict[str, TraceScore]:
    return scores(**{**dict.fromkeys(SUBJECTS, loss), **others})


def tried(*scored: Scores, away: tuple[float, ...] = ()) -> dict[int, Trial]:
    """Trials by number, the default first; unless said, all others are as far from it."""
    return {
        number: Trial(kept, away[number] if away else float(number > 0))
        for number, kept in enumerate(scored)
    }


def test_a_held_out_subject_has_no_say_in_its_own_fold() -> None:
    trials = tried(USUAL, all_but(1.2, a=0.1), all_but(0.9))
    folds = {fold.subject: fold for fold in leave_one_out(trials, 0)}
    assert folds["a"].trial == 2  # trial 1 is best for a alone
    assert folds["a"].tuned.loss == 0.9
    for subject in SUBJECTS:  # whatever the held-out score is, the choice stays
        twisted = {
            number: Trial({**scores, subject: TraceScore(9.0 * number, 1.0, 1.0, 0.0)}, away)
            for number, (scores, away) in trials.items()
        }
        again = {fold.subject: fold.trial for fold in leave_one_out(twisted, 0)}
        assert again[subject] == folds[subject].trial


def test_to_harm_one_weighs_more_than_to_help_another() -> None:
    harms, helps = all_but(0.9, b=1.1), all_but(0.98)
    assert sum(s.loss for s in harms.values()) < sum(s.loss for s in helps.values())
    assert merit(harms, USUAL, SUBJECTS) > merit(helps, USUAL, SUBJECTS)
    assert choose(tried(USUAL, helps), 0) == 1


def test_one_easy_subject_does_not_outvote_the_others() -> None:
    easy, all_round = all_but(0.99, a=0.1), all_but(0.95)
    assert merit(all_round, USUAL, SUBJECTS) < merit(easy, USUAL, SUBJECTS)


def test_the_default_is_kept_unless_something_is_better() -> None:
    trials = tried(USUAL, all_but(1.0), all_but(1.0, a=1.1))
    assert choose(trials, 0) == 0


@pytest.mark.parametrize(
    ("better", "chosen"),
    [("abcdefg", 1), ("abcdef", 1), ("abcde", 1), ("abcd", 0), ("a", 0)],
)
def test_the_default_is_kept_unless_the_subjects_prove_it(better: str, chosen: int) -> None:
    trials = tried(USUAL, all_but(1.0, **dict.fromkeys(better, 0.9)))
    assert choose(trials, 0) == chosen


@pytest.mark.parametrize(("worst", "chosen"), [(1.0, 1), (1.009, 1), (1.011, 0), (1.3, 0)])
def test_what_costs_one_subject_more_than_a_hundredth_is_not_taken(
    worst: float, chosen: int
) -> None:
    trials = tried(USUAL, all_but(0.8, d=worst))
    assert choose(trials, 0) == chosen


def test_of_nearly_equal_gains_the_one_nearest_to_the_default_is_taken() -> None:
    best, nearer, too_little = all_but(0.9), all_but(0.92), all_but(0.95)
    away = (0.0, 0.5, 0.3, 0.1)
    assert choose(tried(USUAL, best, nearer, too_little, away=away), 0) == 2
    assert choose(tried(USUAL, best, too_little, nearer, away=away), 0) == 3


def test_a_choice_that_harms_whoever_has_no_say_in_it_is_not_taken() -> None:
    for_all, not_for_a = all_but(0.88), all_but(0.85, a=1.1)
    calm = tried(USUAL, for_all, not_for_a, away=(0.0, 0.1, 0.3))
    assert choose(calm, 0) == 1  # with a or without, the nearer one is taken
    trials = tried(USUAL, for_all, not_for_a, away=(0.0, 0.4, 0.3))
    assert choose(trials, 0) == 0  # without a, the others would have taken what harms it
    folds = {fold.subject: fold.trial for fold in leave_one_out(trials, 0)}
    assert folds == {**dict.fromkeys(SUBJECTS, 0), "a": 2}


def test_means_count_who_is_worse_off() -> None:
    trials = tried(USUAL, all_but(0.5, c=1.2))
    folds = leave_one_out(trials, 0)
    summed = means(folds)
    assert summed.worse == 1
    assert summed.default_loss == pytest.approx(1.0)
