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
proves better than the default; taken is the one nearest to the default that has ``ENOUGH`` of
the largest gain. And that is taken only if the choice bears being made without each of its own
subjects in turn: where the one left out would have lost more than ``HARM``, the default is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tracker.offline.tuning.objective import TraceScore
from tracker.offline.tuning.signed_rank import chance

CAUTION = 10.0
MOST_GAIN = 0.2
PROOF = 0.05
"""A trial replaces the default only if its gain is chance with a smaller probability."""
HARM = 0.01
"""A trial replaces the default only if no subject's loss grows by a larger share."""
ENOUGH = 0.75
"""The share of the largest gain that is enough for a trial nearer to the default."""
_NOTHING = 1e-9

Scores = Mapping[str, TraceScore]


class Trial(NamedTuple):
    """The values of a trial on which the choice depends."""

    scores: Scores
    away: float
    """The distance of its parameters from the default ones."""


class Fold(NamedTuple):
    """One held-out subject: the trial chosen by the others, and both scores."""

    subject: str
    trial: int
    tuned: TraceScore
    default: TraceScore


def merit(scores: Scores, default: Scores, subjects: Iterable[str]) -> float:
    """Return the merit that the search minimises, over ``subjects``; the default's is 1."""
    ratios = _ratios(scores, default, subjects)
    harm = sum(max(0.0, ratio - 1.0) for ratio in ratios) / len(ratios)
    return 1.0 - _gain(ratios) + CAUTION * harm


def _ratios(scores: Scores, default: Scores, subjects: Iterable[str]) -> list[float]:
    return [scores[name].loss / max(default[name].loss, 1e-12) for name in subjects]


def _gain(ratios: Sequence[float]) -> float:
    return sum(min(1.0 - ratio, MOST_GAIN) for ratio in ratios) / len(ratios)


class _Table:
    """All trials' losses as shares of the default's: a row for each trial, a column a subject."""

    def __init__(self, trials: Mapping[int, Trial], default: int) -> None:
        usual = trials[default].scores
        self.numbers = list(trials)
        self.subjects = list(usual)
        self.default = self.numbers.index(default)
        rows = [_ratios(trial.scores, usual, self.subjects) for trial in trials.values()]
        self._ratios = np.array(rows, np.float64)
        self._gains = np.minimum(1.0 - self._ratios, MOST_GAIN)
        self.harmed = self._ratios > 1.0 + HARM
        self._sums = self._gains.sum(axis=1)
        self._harms = self.harmed.sum(axis=1)
        away = [(trials[number].away, number) for number in self.numbers]
        self._nearest_first = sorted(range(len(away)), key=away.__getitem__)

    def choose(self, *left: int) -> int:
        """Return the row chosen without the subjects left out, or the default's row."""
        row = self._nearest(left)
        for subject in range(len(self.subjects)):
            if row == self.default:
                break
            if subject not in left and self.harmed[self._nearest((*left, subject)), subject]:
                row = self.default
        return row

    def _nearest(self, left: tuple[int, ...]) -> int:
        out = list(left)
        gains = self._sums - self._gains[:, out].sum(axis=1)
        counts = (gains > _NOTHING) & (self._harms == self.harmed[:, out].sum(axis=1))
        enough = ENOUGH * float(gains[counts].max(initial=0.0))
        for row in self._nearest_first:
            if counts[row] and gains[row] >= enough - _NOTHING and self._is_proved(row, out):
                return row
        return self.default

    def _is_proved(self, row: int, out: list[int]) -> bool:
        gains = 1.0 - np.delete(self._ratios[row], out)
        return chance(gains.tolist()) < PROOF


def choose(trials: Mapping[int, Trial], default: int) -> int:
    """Return the chosen trial: the default unless another is proved better and harmless."""
    table = _Table(trials, default)
    return table.numbers[table.choose()]


def leave_one_out(trials: Mapping[int, Trial], default: int) -> list[Fold]:
    """Return a fold for each subject, in the order of the default's scores."""
    table, usual = _Table(trials, default), trials[default].scores
    folds: list[Fold] = []
    for place, held_out in enumerate(table.subjects):
        number = table.numbers[table.choose(place)]
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
    """Return the means over a table of folds."""
    count = len(folds)
    return Means(
        sum(fold.tuned.loss for fold in folds) / count,
        sum(fold.default.loss for fold in folds) / count,
        sum(fold.tuned.rms for fold in folds) / count,
        sum(fold.default.rms for fold in folds) / count,
        sum(fold.tuned.loss > (1.0 + HARM) * fold.default.loss for fold in folds),
    )
