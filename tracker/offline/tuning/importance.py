"""What a study tells about itself: which parameters mattered, and what evaluations cost."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from tracker.offline.tuning.study import finished, scores_of

_FEWEST = 10


def importances(study: optuna.Study) -> dict[str, float]:
    """Share of each parameter, the largest first; empty while there are too few trials."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _FEWEST:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of being experimental, and of parameters that do nothing
        found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return {name: share for name, share in found.items() if share == share}


class Cost(NamedTuple):
    """Processor time of evaluations."""

    by_subject: dict[str, float]
    """Seconds, mean over trials."""
    trial_s: float
    """Of one trial on every subject."""
    total_s: float
    """Of the whole study."""


def cost_of(study: optuna.Study) -> Cost:
    """What evaluations cost, from the times kept with the trials."""
    times: dict[str, list[float]] = {}
    for trial in finished(study):
        for subject, score in scores_of(trial).items():
            times.setdefault(subject, []).append(score.seconds)
    by_subject = {name: sum(spent) / len(spent) for name, spent in sorted(times.items())}
    total_s = sum(sum(spent) for spent in times.values())
    return Cost(by_subject, sum(by_subject.values()), total_s)
