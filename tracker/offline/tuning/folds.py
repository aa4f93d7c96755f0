"""Leave one subject out: what the others would have chosen, scored on the one they did not see.

Every trial keeps its score of each subject, so a fold costs nothing: the best trial over the
other subjects is looked up, and its score of the held-out subject read off. What the search
itself has seen of that subject (the sampler learns from means over all) remains; the table is
therefore a little kinder than a new patient will be, and the less so the more subjects there are.

What the search makes small is a trial's merit: the mean over subjects of its loss as a share of
the default's, with what a subject loses counted ``CAUTION`` times more than what it gains, and
gains beyond a fifth not counted at all: parameters that help some by harming others are not what
an archive is tuned for, and neither is one easy patient.

What is taken in the end is more careful still, for the best of many trials looks better than it
is. Only a trial counts by which no subject loses more than ``HARM``, and which a signed-rank test
proves better than the default; of these, the one nearest to the default that has ``ENOUGH`` of
the largest gain. Where there is none, the default is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tracker.offline.tuning.objective import Score
from tracker.offline.tuning.signed_rank import chance

CAUTION = 10.0
MOST_GAIN = 0.2
PROOF = 0.05
"""The default is left only for what has a smaller probability of being chance."""
HARM = 0.01
"""The default is left only for what costs no subject a larger share of its loss."""
ENOUGH = 0.75
"""Share of the largest gain that will do, if it is to be had nearer to the default."""

Scores = Mapping[str, Score]


class Trial(NamedTuple):
    """What the choice knows of a trial."""

    scores: Scores
    away: float
    """How far its parameters are from the default ones."""


class Fold(NamedTuple):
    """One held-out subject: the trial chosen by the others, and both scores."""

    subject: str
    trial: int
    tuned: Score
    default: Score


def merit(scores: Scores, default: Scores, subjects: Iterable[str]) -> float:
    """What the search makes small, over ``subjects``; the default's is 1."""
    ratios = _ratios(scores, default, subjects)
    harm = sum(max(0.0, ratio - 1.0) for ratio in ratios) / len(ratios)
    return 1.0 - _gain(ratios) + CAUTION * harm


def _ratios(scores: Scores, default: Scores, subjects: Iterable[str]) -> list[float]:
    return [scores[name].loss / max(default[name].loss, 1e-12) for name in subjects]


def _gain(ratios: Sequence[float]) -> float:
    return sum(min(1.0 - ratio, MOST_GAIN) for ratio in ratios) / len(ratios)


def choose(trials: Mapping[int, Trial], default: int, subjects: Iterable[str]) -> int:
    """The trial to take, by ``subjects`` alone; the default where none is proved better than it."""
    seen = tuple(subjects)
    usual = trials[default].scores
    gains: dict[int, float] = {}
    for number, trial in trials.items():
        ratios = _ratios(trial.scores, usual, seen)
        gain = _gain(ratios)
        if gain <= 0.0 or max(ratios) > 1.0 + HARM:
            continue
        if chance([1.0 - ratio for ratio in ratios]) < PROOF:
            gains[number] = gain
    enough = ENOUGH * max(gains.values(), default=0.0)
    near = (number for number, gain in gains.items() if gain >= enough)
    return min(near, key=lambda number: (trials[number].away, number), default=default)


def leave_one_out(trials: Mapping[int, Trial], default: int) -> list[Fold]:
    """A fold for each subject, in the order of the default's scores."""
    usual = trials[default].scores
    folds: list[Fold] = []
    for held_out in usual:
        number = choose(trials, default, [name for name in usual if name != held_out])
        folds.append(Fold(held_out, number, trials[number].scores[held_out], usual[held_out]))
    return folds


class Means(NamedTuple):
    """Means over the folds."""

    tuned_loss: float
    default_loss: float
    tuned_rms: float
    default_rms: float
    worse: int
    """Subjects whose held-out loss is more than ``HARM`` above the default's."""


def means(folds: list[Fold]) -> Means:
    """Sum a table of folds up."""
    count = len(folds)
    return Means(
        sum(fold.tuned.loss for fold in folds) / count,
        sum(fold.default.loss for fold in folds) / count,
        sum(fold.tuned.rms for fold in folds) / count,
        sum(fold.default.rms for fold in folds) / count,
        sum(fold.tuned.loss > (1.0 + HARM) * fold.default.loss for fold in folds),
    )
