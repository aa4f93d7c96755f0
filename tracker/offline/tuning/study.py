"""Open or resume a study in its storage; one coordinator works on it at a time.

Only the coordinator asks for parameters and tells results; workers know nothing of storages. A
trial counts once it has been told as complete or pruned. What a coordinator leaves running when
it is stopped or killed is marked as failed, and its parameters are queued to be tried again.
"""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.pruners import NopPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from tracker.offline.tuning.errors import TuningError
from tracker.offline.tuning.objective import TraceScore
from tracker.offline.tuning.problem import TuningProblem

SCORES = "scores"
"""Attribute of a trial: subject -> [loss, rms, tail, seconds]."""
COORDINATOR = "coordinator"
"""Attribute of a study: who works on it, and when it last said so."""
SILENT_S = 60.0
"""A coordinator elsewhere that has not said anything for this long is gone."""
BEAT_S = 10.0
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_PROBLEM = "problem"
_RANDOM_TRIALS = 20


def open_study(
    storage: BaseStorage, problem: TuningProblem, seed: int, name: str | None = None
) -> optuna.Study:
    """Open or begin the study of a problem; raises `TuningError` when it is another one's."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            storage=storage,
            study_name=name or problem.name,
            pruner=NopPruner(),  # `search` gives trials up itself
            load_if_exists=True,
        )
        # A resumed search must not draw again what it drew before.
        drawn = len(study.get_trials(deepcopy=False))
        study.sampler = TPESampler(
            seed=seed + 1000 * drawn,
            n_startup_trials=_RANDOM_TRIALS,
            multivariate=True,
            constant_liar=True,
        )
    kept = study.user_attrs.get(_PROBLEM)
    if kept is None:
        study.set_user_attr(_PROBLEM, problem.sha256)
    elif kept != problem.sha256:
        raise TuningError(
            f"--study {study.study_name}: was begun with other recordings, latency, rate, ranges "
            "or another version of the predictors; choose another name"
        )
    return study


def take_over(study: optuna.Study) -> int:
    """Become the coordinator, queue the unfinished trials again, and return their number."""
    holder: dict[str, Any] | None = study.user_attrs.get(COORDINATOR)
    if holder is not None and _alive(holder):
        raise TuningError(
            f"study {study.study_name}: process {holder['process']} on {holder['host']} is at work "
            "on it; give it more workers, or wait until it is done"
        )
    beat(study)
    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in left:
        give_back(study, trial.number, trial.params)
    return len(left)


def beat(study: optuna.Study) -> None:
    """Record that this process is working on the study."""
    me = {"host": socket.gethostname(), "process": os.getpid(), "at_s": time.time()}
    study.set_user_attr(COORDINATOR, me)


def let_go(study: optuna.Study) -> None:
    """Record that no process works on the study any more."""
    study.set_user_attr(COORDINATOR, None)


def _alive(holder: dict[str, Any]) -> bool:
    if holder["host"] == socket.gethostname():
        if holder["process"] == os.getpid():
            return False
        try:
            os.kill(holder["process"], 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
    return time.time() - holder["at_s"] < SILENT_S


def give_back(study: optuna.Study, number: int, parameters: dict[str, Any]) -> None:
    """Mark a trial that was not finished, and queue its parameters to be tried again."""
    if parameters:
        study.enqueue_trial(parameters, user_attrs={"again": number}, skip_if_exists=False)
    study.tell(number, state=TrialState.FAIL)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count, oldest first."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def scores_of(trial: FrozenTrial) -> dict[str, TraceScore]:
    """Return the scores kept with a trial, by subject."""
    return {name: TraceScore(*numbers) for name, numbers in trial.user_attrs[SCORES].items()}


def whole(study: optuna.Study, subjects: Sequence[str]) -> dict[int, dict[str, TraceScore]]:
    """Return the scores of all trials that were evaluated on every subject, by trial."""
    kept = {
        trial.number: scores_of(trial)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if SCORES in trial.user_attrs
    }
    return {number: scores for number, scores in kept.items() if set(scores) == set(subjects)}
