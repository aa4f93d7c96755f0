"""Leave one subject out: score the choice of the others on the subject they did not see.

Every trial keeps its score of each subject, so a fold needs no new evaluation: look up the best
trial over the other subjects and read its score of the held-out subject. The search itself has
seen that subject, because the sampler learns from means over all subjects. The table is therefore
a little better than the result on a new patient, and less so with more subjects.

The search minimises the merit of a trial: the mean over subjects of its loss as a share of the
default's. The loss of a subject that gets worse counts ``CAUTION`` times more than a gain, and
gains beyond a fifth do not count. Parameters that help some subjects and harm others, or that help
one easy patient, are therefore not chosen.

The final choice is more careful, because the best of many trials looks better than it is. A trial
counts only if no subject loses more than ``HARM`` by it and a signed-rank test proves it better
than the default. Of these trials, the choice is the one nearest to the default that has
``ENOUGH`` of the largest gain. The choice is then repeated without each of its own subjects in
turn: if the subject left out would have lost more than ``HARM``, the default is kept.
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
