"""Compute a study's parameter importances and the cost of its evaluations."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from tracker.offline.tuning.study import finished, scores_of

_FEWEST = 10


def importances(study: optuna.Study) -> dict[str, float]:
    """Return each parameter's share, the largest first; empty with too few trials."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _FEWEST:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of being experimental, and of parameters that do nothing
        found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return {name: share for name, share in found.items() if share == share}


class Cost(NamedTuple):
    """The processor time of evaluations, in seconds."""

    by_subject: dict[str, float]
    """Seconds, mean over trials."""
    trial_s: float
    """The time of one trial on every subject."""
    total_s: float
    """The time of the whole study."""


def cost_of(study: optuna.Study) -> Cost:
    """Return the cost of evaluations, from the times kept with the trials."""
    times: dict[str, list[float]] = {}
    for trial in finished(study):
        for subject, score in scores_of(trial).items():
            times.setdefault(subject, []).append(score.seconds)
    by_subject = {name: sum(spent) / len(spent) for name, spent in sorted(times.items())}
    total_s = sum(sum(spent) for spent in times.values())
    return Cost(by_subject, sum(by_subject.values()), total_s)
