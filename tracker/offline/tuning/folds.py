"""Leave one subject out: what the others would have chosen, scored on the one they did not see.

Every trial keeps its score of each subject, so a fold costs nothing: the best trial over the
other subjects is looked up, and its score of the held-out subject read off. What the search
itself has seen of that subject (the sampler learns from means over all) remains; the table is
therefore a little kinder than a new patient will be, and the less so the more subjects there are.

A trial's merit is the mean over subjects of its loss as a share of the default's, with what a
subject loses counted ``CAUTION`` times more than what it gains, and gains beyond a fifth not
counted at all: parameters that help some by harming others are not what an archive is tuned for,
and neither is one easy patient. The best trial is taken only if the subjects it was chosen by
show, by a signed-rank test, that it is better than the default; otherwise the default is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tracker.offline.tuning.objective import Score
from tracker.offline.tuning.signed_rank import chance

CAUTION = 10.0
MOST_GAIN = 0.2
PROOF = 0.05
"""The default is left only for what has a smaller probability of being chance."""

Scores = Mapping[str, Score]


class Fold(NamedTuple):
    """One held-out subject: the trial chosen by the others, and both scores."""

    subject: str
    trial: int
    tuned: Score
    default: Score


def merit(scores: Scores, default: Scores, subjects: Iterable[str]) -> float:
    """What the choice of a trial makes small, over ``subjects``; the default's is 1."""
    ratios = [_ratio(scores[name], default[name]) for name in subjects]
    counted = [max(ratio, 1.0 - MOST_GAIN) + CAUTION * max(0.0, ratio - 1.0) for ratio in ratios]
    return sum(counted) / len(counted)


def _ratio(score: Score, usual: Score) -> float:
    return score.loss / max(usual.loss, 1e-12)


def choose(trials: Mapping[int, Scores], default: int, subjects: Iterable[str]) -> int:
    """The best trial over ``subjects``; the default where nothing is proved better than it."""
    seen = tuple(subjects)
    usual = trials[default]

    def key(number: int) -> tuple[float, bool, int]:
        return (merit(trials[number], usual, seen), number != default, number)

    best = min(trials, key=key)
    gains = [1.0 - _ratio(trials[best][name], usual[name]) for name in seen]
    return best if chance(gains) < PROOF else default


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
