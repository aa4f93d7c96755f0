"""Leave one subject out: what the others would have chosen, scored on the one they did not see.

Every trial keeps its score of each subject, so a fold costs nothing: the best trial over the
other subjects is looked up, and its score of the held-out subject read off. What the search
itself has seen of that subject (the sampler learns from means over all) remains; the table is
therefore a little kinder than a new patient will be, and the less so the more subjects there are.

The best trial is the one with the smallest mean loss plus ``CAUTION`` times the mean of what
subjects lose against the default: parameters that help most patients by harming some are not
what an archive is tuned for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tracker.offline.tuning.objective import Score

CAUTION = 2.0

Scores = Mapping[str, Score]


class Fold(NamedTuple):
    """One held-out subject: the trial chosen by the others, and both scores."""

    subject: str
    trial: int
    tuned: Score
    default: Score


def merit(scores: Scores, default: Scores, subjects: Iterable[str]) -> float:
    """What the choice of a trial makes small, over ``subjects``."""
    losses = [(scores[name].loss, default[name].loss) for name in subjects]
    mean = sum(loss for loss, _ in losses) / len(losses)
    worse = sum(max(0.0, loss - usual) for loss, usual in losses) / len(losses)
    return mean + CAUTION * worse


def choose(trials: Mapping[int, Scores], default: int, subjects: Iterable[str]) -> int:
    """The best trial over ``subjects``; the default where nothing is better than it."""
    seen = tuple(subjects)
    usual = trials[default]

    def key(number: int) -> tuple[float, bool, int]:
        return (merit(trials[number], usual, seen), number != default, number)

    return min(trials, key=key)


def leave_one_out(trials: Mapping[int, Scores], default: int) -> list[Fold]:
    """A fold for each subject, in the order of the default's scores."""
    subjects = list(trials[default])
    folds: list[Fold] = []
    for held_out in subjects:
        others = [name for name in subjects if name != held_out]
        number = choose(trials, default, others)
        folds.append(Fold(held_out, number, trials[number][held_out], trials[default][held_out]))
    return folds


class Means(NamedTuple):
    """Means over the folds."""

    tuned_loss: float
    default_loss: float
    tuned_rms: float
    default_rms: float
    worse: int
    """Subjects whose held-out loss is more than 1 % above the default's."""


def means(folds: list[Fold]) -> Means:
    """Sum a table of folds up."""
    count = len(folds)
    return Means(
        sum(fold.tuned.loss for fold in folds) / count,
        sum(fold.default.loss for fold in folds) / count,
        sum(fold.tuned.rms for fold in folds) / count,
        sum(fold.default.rms for fold in folds) / count,
        sum(fold.tuned.loss > 1.01 * fold.default.loss for fold in folds),
    )
