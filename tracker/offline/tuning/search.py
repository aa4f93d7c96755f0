"""Coordinate a search: ask for parameters, have them evaluated, and report the results.

A trial is evaluated subject by subject, in an order of its own, so that a bad one is given up
(Wilcoxon's signed-rank test against the best trial so far) before all subjects are evaluated.
Several trials are evaluated at once, as many as keep the workers busy. When few trials are left, or
there are many workers, several subjects of one trial are evaluated at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from tracker.offline.farm import AT_HAND, Farm, Outcome, Task
from tracker.offline.signals import stop_signals
from tracker.offline.tuning import study as studies
from tracker.offline.tuning.errors import TuningError
from tracker.offline.tuning.folds import merit
from tracker.offline.tuning.objective import TraceScore
from tracker.offline.tuning.problem import TuningProblem
from tracker.offline.tuning.signed_rank import chance
from tracker.offline.tuning.space import between, rounded

MOST_UNDER_WAY = 32
"""The most trials at once; with more, the search could not learn from its trials."""
MOST_FAILED = 10
GIVE_UP = 0.1
"""A trial is given up when it is worse than the best with a smaller probability of chance."""
FEWEST_SEEN = 4
SHRUNKEN = 0.15
"""Share of the trials, the last ones, spent on points between the default and the best."""
_SHARES = (0.5, 0.75, 0.25, 0.9)


class Progress(NamedTuple):
    """The progress of a search."""

    finished: int
    wanted: int
    best: float | None
    """Merit of the best trial; the default's is 1."""
    workers: int


class _UnderWay:
    """A trial that is being evaluated."""

    def __init__(self, trial: optuna.Trial, parameters: dict[str, float], order: list[str]) -> None:
        self.trial = trial
        self.parameters = parameters
        self.to_come = order
        self.out: set[str] = set()
        self.scores: dict[str, TraceScore] = {}


class Search:
    """One run of a search; ``run`` ends when the study holds the wanted number of trials."""

    def __init__(
        self, problem: TuningProblem, study: optuna.Study, farm: Farm[TraceScore], wanted: int
    ) -> None:
        self._problem = problem
        self._study = study
        self._farm = farm
        self._wanted = wanted
        self._under_way: dict[int, _UnderWay] = {}
        self._finished = len(studies.finished(study))
        self._out = 0
        self._failed: list[str] = []
        self._default: dict[str, TraceScore] | None = None
        self._best: tuple[float, dict[str, TraceScore], dict[str, float]] | None = None
        self._shrunk = 0
        self._beat_s = time.monotonic()

    def run(self, tell: Callable[[Progress], None]) -> None:
        """Search; when it ends early, return the unfinished trials to the study."""
        self._queue_default()
        self._recall()
        tell(self._progress())
        try:
            with stop_signals() as stopped:
                while self._finished < self._wanted or self._under_way:
                    self._submit_tasks()
                    for outcome in self._farm.wait_for_outcomes(0.5):
                        if self._record(outcome):
                            tell(self._progress())
                    self._stay()
                    if stopped:
                        raise KeyboardInterrupt
        finally:
            for number, under_way in self._under_way.items():
                studies.give_back(self._study, number, under_way.trial.params)

    def _queue_default(self) -> None:
        """Queue the default parameters unless the study has tried them."""
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        queued = [trial.system_attrs.get("fixed_params") for trial in waiting]
        there = any(is_default(trial, self._problem) for trial in studies.finished(self._study))
        if not there and self._problem.defaults not in queued:
            self._study.enqueue_trial(self._problem.defaults)

    def _recall(self) -> None:
        """Read the default trial and the best trial of a study that is continued."""
        for trial in studies.finished(self._study):
            if is_default(trial, self._problem):
                self._default = studies.scores_of(trial)
        for trial in studies.finished(self._study):
            if trial.state is TrialState.COMPLETE:
                self._compare(studies.scores_of(trial), rounded(trial.params, self._problem.ranges))

    def _submit_tasks(self) -> None:
        room = AT_HAND * self._farm.workers() - self._out
        while room > 0:
            place = self._next_trial()
            if place is None:
                return
            subject = place.to_come.pop(0)
            place.out.add(subject)
            self._farm.submit(Task(place.trial.number, subject, place.parameters))
            self._out += 1
            room -= 1

    def _next_trial(self) -> _UnderWay | None:
        """Return the trial whose next subject is evaluated: a new one while more are wanted.

        The default comes first and alone, for every other one is compared with it.
        """
        idle = [item for item in self._under_way.values() if item.to_come and not item.out]
        if idle:
            return idle[0]
        most = min(MOST_UNDER_WAY, AT_HAND * self._farm.workers(), self._wanted - self._finished)
        most = most if self._default is not None else 1
        if len(self._under_way) < most:
            return self._ask()
        waiting = [item for item in self._under_way.values() if item.to_come]
        return min(waiting, key=lambda item: len(item.out), default=None)

    def _ask(self) -> _UnderWay:
        self._queue_shrunken()
        trial = self._study.ask()
        drawn = {
            name: trial.suggest_float(name, item.low, item.high, log=item.logarithmic)
            for name, item in self._problem.ranges.items()
        }
        order = list(self._problem.archive.subjects)
        random.Random(trial.number).shuffle(order)
        parameters = rounded(drawn, self._problem.ranges)
        under_way = _UnderWay(trial, parameters, order)
        self._under_way[trial.number] = under_way
        return under_way

    def _record(self, outcome: Outcome[TraceScore]) -> bool:
        """Record an outcome; return whether its trial is now complete."""
        self._out -= 1
        item = self._under_way.get(outcome.trial)
        if item is None or outcome.subject not in item.out:
            return False  # of a trial that has been given up meanwhile
        item.out.remove(outcome.subject)
        if outcome.score is None:
            return self._fail(item, outcome)
        item.scores[outcome.subject] = outcome.score
        if not item.to_come and not item.out:
            self._finish(item, TrialState.COMPLETE)
            return True
        if self._is_hopeless(item):
            self._finish(item, TrialState.PRUNED)
            return True
        return False

    def _is_hopeless(self, item: _UnderWay) -> bool:
        """Tell whether a trial is worse than the best on its subjects so far; never of the default.

        The rule of Optuna's ``WilcoxonPruner``: a signed-rank test, and the mean must be worse too.
        """
        seen = item.scores
        if self._best is None or len(seen) < FEWEST_SEEN:
            return False
        _, best, _ = self._best
        mean = sum(score.loss for score in best.values()) / len(best)
        if sum(score.loss for score in seen.values()) / len(seen) <= mean:
            return False
        return chance([score.loss - best[name].loss for name, score in seen.items()]) < GIVE_UP

    def _finish(self, item: _UnderWay, state: TrialState) -> None:
        kept = {name: list(score) for name, score in sorted(item.scores.items())}
        item.trial.set_user_attr(studies.SCORES, kept)
        if item.parameters == self._problem.defaults:
            self._default = item.scores
        value = None
        if state is TrialState.COMPLETE:
            value = self._compare(item.scores, item.parameters)
        self._study.tell(item.trial, value, state)
        del self._under_way[item.trial.number]
        self._finished += 1

    def _compare(self, scores: dict[str, TraceScore], parameters: dict[str, float]) -> float:
        """Compare a complete trial with the best one, and return its merit."""
        assert self._default is not None  # it is the first to finish
        value = merit(scores, self._default, self._problem.archive.subjects)
        if self._best is None or value < self._best[0]:
            self._best = (value, scores, parameters)
        return value

    def _queue_shrunken(self) -> None:
        """Near the end, queue points between default and best: a smaller change may harm nobody."""
        started = self._finished + len(self._under_way)
        if self._best is None or started < (1.0 - SHRUNKEN) * self._wanted:
            return
        _, _, best = self._best
        if best == self._problem.defaults:
            return
        share = _SHARES[self._shrunk % len(_SHARES)]
        self._shrunk += 1
        point = between(self._problem.defaults, best, share, self._problem.ranges)
        self._study.enqueue_trial(point, skip_if_exists=True)

    def _fail(self, item: _UnderWay, outcome: Outcome[TraceScore]) -> bool:
        self._study.tell(item.trial, state=TrialState.FAIL)
        del self._under_way[item.trial.number]
        self._failed.append(f"trial {outcome.trial}, {outcome.subject}: {outcome.problem}")
        if item.parameters == self._problem.defaults or len(self._failed) >= MOST_FAILED:
            raise TuningError(self._failed)
        return False

    def _stay(self) -> None:
        if time.monotonic() - self._beat_s > studies.BEAT_S:
            self._beat_s = time.monotonic()
            studies.beat(self._study)

    def _progress(self) -> Progress:
        best = None if self._best is None else self._best[0]
        return Progress(self._finished, self._wanted, best, self._farm.workers())


def is_default(trial: optuna.trial.FrozenTrial, problem: TuningProblem) -> bool:
    """Return whether a finished trial is the one of the default parameters."""
    whole = trial.state is TrialState.COMPLETE
    return whole and rounded(trial.params, problem.ranges) == problem.defaults
