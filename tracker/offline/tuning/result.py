"""Compute the result of a finished study: chosen trial, folds, artefact and table."""

from __future__ import annotations

import importlib.metadata
import platform
from datetime import UTC, datetime
from typing import NamedTuple

import optuna

from tracker.artefact import FORMAT, Artefact, Dataset, HeldOut, Tuned, Versions
from tracker.artefact import Scores as MeanScores
from tracker.offline.tuning.errors import TuningError
from tracker.offline.tuning.folds import Fold, Means, Trial, choose, leave_one_out, means
from tracker.offline.tuning.objective import TraceScore, steps_ahead
from tracker.offline.tuning.problem import KERNELS_SHA256, TuningProblem
from tracker.offline.tuning.search import is_default
from tracker.offline.tuning.space import away, rounded
from tracker.offline.tuning.study import finished, whole


class Result(NamedTuple):
    """The outcome of a study on a problem."""

    problem: TuningProblem
    study: optuna.Study
    default: int
    """Number of the trial of the default parameters."""
    chosen: int
    """Number of the trial whose parameters are taken."""
    parameters: dict[str, float]
    trials: dict[int, dict[str, TraceScore]]
    """The number of trials evaluated on every subject."""
    folds: list[Fold]
    means: Means


def result_of(problem: TuningProblem, study: optuna.Study) -> Result:
    """Choose from a study; raises `TuningError` while it has no trial of the defaults."""
    done = finished(study)
    default = next((trial.number for trial in done if is_default(trial, problem)), None)
    if default is None:
        raise TuningError(f"study {study.study_name}: the default has not been tried; run it again")
    trials = whole(study, problem.archive.subjects)
    tried = {trial.number: rounded(trial.params, problem.ranges) for trial in done}
    known = {
        number: Trial(scores, away(tried[number], problem.ranges))
        for number, scores in trials.items()
    }
    chosen = choose(known, default)
    folds = leave_one_out(known, default)
    return Result(problem, study, default, chosen, tried[chosen], trials, folds, means(folds))


def artefact_of(result: Result) -> Artefact:
    """Return the artefact of a result."""
    problem = result.problem
    return Artefact(
        format=FORMAT,
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        prediction=Tuned(
            predictor=problem.predictor,
            latency_ms=problem.latency_ms,
            rate_hz=problem.rate_hz,
            parameters=result.parameters,
        ),
        scores=MeanScores(
            rms=_short(result.means.tuned_rms),
            default_rms=_short(result.means.default_rms),
            loss=_short(result.means.tuned_loss),
            default_loss=_short(result.means.default_loss),
            trials=len(finished(result.study)),
            study=result.study.study_name,
        ),
        held_out=tuple(
            HeldOut(
                subject=fold.subject,
                rms=_short(fold.tuned.rms),
                default_rms=_short(fold.default.rms),
                loss=_short(fold.tuned.loss),
                default_loss=_short(fold.default.loss),
            )
            for fold in result.folds
        ),
        datasets=tuple(
            Dataset(
                trace=trace.name,
                subject=trace.subject,
                sha256=trace.sha256,
                rate_hz=_short(trace.rate_hz),
                ahead_ms=_short(steps_ahead(trace, problem.latency_ms) / trace.rate_hz * 1e3),
            )
            for trace in problem.archive.traces
        ),
        versions=Versions(
            tidetrack=_version("tidetrack"),
            python=platform.python_version(),
            numpy=_version("numpy"),
            numba=_version("numba"),
            optuna=_version("optuna"),
            kernels_sha256=KERNELS_SHA256,
        ),
    )


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def in_words(result: Result) -> str:
    """Return the leave-subject-out table and the changed parameters, for a terminal."""
    width = max(len("held-out subject"), *(len(fold.subject) for fold in result.folds))
    head = f"{'held-out subject':<{width}}  relative RMS: default   tuned     loss: default   tuned"
    lines = [head]
    for fold in result.folds:
        lines.append(
            f"{fold.subject:<{width}}  {fold.default.rms:21.3f}  {fold.tuned.rms:6.3f}"
            f"  {fold.default.loss:14.3f}  {fold.tuned.loss:6.3f}"
        )
    mean = result.means
    lines.append(
        f"{'mean':<{width}}  {mean.default_rms:21.3f}  {mean.tuned_rms:6.3f}"
        f"  {mean.default_loss:14.3f}  {mean.tuned_loss:6.3f}"
    )
    if result.chosen == result.default:
        lines.append("no trial was proved better than the default, and harmless: it is kept")
    else:
        changed = ", ".join(
            f"{name} {place.default:g} → {result.parameters[name]:g}"
            for name, place in result.problem.ranges.items()
        )
        lines.append(f"chosen: trial {result.chosen}: {changed}")
    return "\n".join(lines)
