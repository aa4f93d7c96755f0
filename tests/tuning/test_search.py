"""The coordinator: every trial once, whatever stops it, and never more than asked for."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from tests.tuning.breaths import write_archive
from tracker.offline.farm import Outcome, Task
from tracker.offline.tuning import study as studies
from tracker.offline.tuning.archive import Archive, load_archive
from tracker.offline.tuning.errors import TuningError
from tracker.offline.tuning.objective import TraceScore
from tracker.offline.tuning.problem import TuningProblem
from tracker.offline.tuning.result import artefact_of, in_words, result_of
from tracker.offline.tuning.search import Progress, Search
from tracker.offline.tuning.space import ranges_of
from tracker.offline.tuning.storage import open_storage


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    folder = tmp_path_factory.mktemp("archive")
    return load_archive([write_archive(folder, subjects=7, length_s=20.0)], 10.0)


@pytest.fixture
def problem(archive: Archive) -> TuningProblem:
    return TuningProblem("rls", 300.0, 10.0, archive, ranges_of("rls"))


class PaperFarm:
    """Workers that compute a known bowl at once, its bottom away from the defaults."""

    def __init__(self, count: int = 1, *, fails: str = "", last_first: bool = False) -> None:
        self._count = count
        self._fails = fails
        self._last_first = last_first
        self._tasks: deque[Task] = deque()
        self.done: list[tuple[int, str]] = []
        self.most_out = 0

    def workers(self) -> int:
        return self._count

    def submit(self, task: Task) -> None:
        self._tasks.append(task)
        self.most_out = max(self.most_out, len(self._tasks))

    def wait_for_outcomes(self, timeout_s: float) -> list[Outcome]:
        if not self._tasks:
            return []
        task = self._tasks.pop() if self._last_first else self._tasks.popleft()
        self.done.append((task.trial, task.subject))
        if task.subject == self._fails and task.trial > 0:
            return [Outcome(task.trial, task.subject, None, "on purpose")]
        number = int(task.subject[-1])
        loss = 1.0 + 0.01 * number
        loss += abs(task.parameters["history_s"] - 2.0) * (1.0 + 0.1 * number)
        loss += 1e-4 * abs(task.parameters["memory_s"] - 400.0)
        return [Outcome(task.trial, task.subject, TraceScore(loss, loss, loss, 0.5))]

    def close(self) -> None:
        self._tasks.clear()


class Stop:
    """Ctrl-C once so many trials are finished."""

    def __init__(self, at: int) -> None:
        self._at = at

    def __call__(self, progress: Progress) -> None:
        if progress.finished >= self._at:
            raise KeyboardInterrupt


def nothing(progress: Progress) -> None:
    """Tell nobody."""


def states(study: optuna.Study) -> dict[str, int]:
    counts: dict[str, int] = {}
    for trial in study.trials:
        counts[trial.state.name] = counts.get(trial.state.name, 0) + 1
    return counts


@pytest.mark.parametrize("workers", [1, 2, 50])
def test_it_ends_with_the_wanted_number_and_finds_what_is_better(
    problem: TuningProblem, workers: int
) -> None:
    study = studies.open_study(InMemoryStorage(), problem, 1)
    farm = PaperFarm(workers, last_first=workers > 1)
    Search(problem, study, farm, 60).run(nothing)
    assert len(studies.finished(study)) == 60
    assert set(states(study)) <= {"COMPLETE", "PRUNED"}
    assert states(study)["PRUNED"] > 5, "no bad trial was given up early"
    assert len(set(farm.done)) == len(farm.done), "a subject was evaluated twice"
    result = result_of(problem, study)
    assert result.default == 0
    # The default, 4, is far up the bowl; taken is what has most of the gain and is near to it.
    assert 1.4 < result.parameters["history_s"] < 3.6
    assert result.means.tuned_loss < 0.9 * result.means.default_loss
    assert result.means.worse == 0
    artefact = artefact_of(result)
    assert artefact.prediction.parameters == result.parameters
    assert artefact.scores.trials == 60
    assert "mean" in in_words(result)


def test_workers_always_have_their_next_task_and_no_more(problem: TuningProblem) -> None:
    study = studies.open_study(InMemoryStorage(), problem, 1)
    farm = PaperFarm(3)
    Search(problem, study, farm, 20).run(nothing)
    assert farm.most_out == 9


def test_few_trials_are_spread_over_many_workers(problem: TuningProblem) -> None:
    study = studies.open_study(InMemoryStorage(), problem, 1)
    farm = PaperFarm(50)
    Search(problem, study, farm, 3).run(nothing)  # the default alone, then two at once
    assert farm.most_out == 2 * len(problem.archive.subjects)


def test_the_default_is_tried_first_and_never_given_up(problem: TuningProblem) -> None:
    study = studies.open_study(InMemoryStorage(), problem, 1)
    Search(problem, study, PaperFarm(2), 30).run(nothing)
    first = study.trials[0]
    assert first.params == problem.defaults
    assert first.state is TrialState.COMPLETE


def test_interrupted_and_resumed_it_completes_what_was_asked_for(
    problem: TuningProblem, tmp_path: Path
) -> None:
    where = str(tmp_path / "kept.study.jsonl")
    for stop in (1, 9, 17):
        study = studies.open_study(open_storage(where, tmp_path), problem, 1)
        assert studies.take_over(study) == 0
        with pytest.raises(KeyboardInterrupt):
            Search(problem, study, PaperFarm(2), 25).run(Stop(stop))
        studies.let_go(study)
        assert len(studies.finished(study)) == stop
        assert "RUNNING" not in states(study)
    study = studies.open_study(open_storage(where, tmp_path), problem, 1)
    Search(problem, study, PaperFarm(2), 25).run(nothing)
    assert len(studies.finished(study)) == 25
    assert sum(trial.params == problem.defaults for trial in studies.finished(study)) == 1
    given_back = [trial for trial in study.trials if trial.state is TrialState.FAIL]
    assert given_back
    again = {trial.user_attrs.get("again") for trial in study.trials}
    assert {trial.number for trial in given_back} <= again
    # asked for no more, it does no more
    farm = PaperFarm(2)
    Search(problem, study, farm, 25).run(nothing)
    assert farm.done == []


def test_a_killed_coordinator_leaves_nothing_running(
    problem: TuningProblem, tmp_path: Path
) -> None:
    where = str(tmp_path / "kept.study.jsonl")
    study = studies.open_study(open_storage(where, tmp_path), problem, 1)
    Search(problem, study, PaperFarm(1), 3).run(nothing)
    for _ in range(2):  # as after SIGKILL: asked, and never told
        trial = study.ask()
        drawn = {
            name: trial.suggest_float(name, place.low, place.high, log=place.logarithmic)
            for name, place in problem.ranges.items()
        }
    later = studies.open_study(open_storage(where, tmp_path), problem, 1)
    assert studies.take_over(later) == 2
    assert states(later)["FAIL"] == 2
    Search(problem, later, PaperFarm(1), 6).run(nothing)
    assert states(later)["COMPLETE"] + states(later).get("PRUNED", 0) == 6
    assert drawn in [trial.params for trial in studies.finished(later)]


def test_a_second_coordinator_is_refused_while_the_first_lives(problem: TuningProblem) -> None:
    study = studies.open_study(InMemoryStorage(), problem, 1)
    study.set_user_attr(studies.COORDINATOR, {"host": "elsewhere", "process": 7, "at_s": 1e12})
    with pytest.raises(TuningError, match="process 7 on elsewhere is at work on it"):
        studies.take_over(study)
    study.set_user_attr(studies.COORDINATOR, {"host": "elsewhere", "process": 7, "at_s": 0.0})
    assert studies.take_over(study) == 0
    holder = study.user_attrs[studies.COORDINATOR]
    assert holder["process"] == os.getpid()
    dead = {**holder, "process": 2**22 + 1}  # of this machine, and no longer there
    study.set_user_attr(studies.COORDINATOR, dead)
    assert studies.take_over(study) == 0


def test_a_study_of_another_problem_is_refused(problem: TuningProblem) -> None:
    storage = InMemoryStorage()
    studies.open_study(storage, problem, 1, "mine")
    with pytest.raises(TuningError, match="--study mine: was begun with other recordings"):
        studies.open_study(storage, problem._replace(latency_ms=200.0), 1, "mine")
    assert problem.name != problem._replace(latency_ms=200.0).name


def test_failing_evaluations_stop_it_before_they_go_on_for_ever(problem: TuningProblem) -> None:
    study = studies.open_study(InMemoryStorage(), problem, 1)
    with pytest.raises(TuningError, match="trial 1, patient3: on purpose") as refused:
        Search(problem, study, PaperFarm(1, fails="patient3"), 50).run(nothing)
    assert len(refused.value.problems) == 10
    assert "RUNNING" not in states(study)


def test_a_resumed_search_does_not_draw_the_same_again(
    problem: TuningProblem, tmp_path: Path
) -> None:
    where = str(tmp_path / "kept.study.jsonl")
    for wanted in (8, 16):
        study = studies.open_study(open_storage(where, tmp_path), problem, 1)
        Search(problem, study, PaperFarm(1), wanted).run(nothing)
    drawn = [tuple(trial.params.values()) for trial in studies.finished(study)]
    assert len(set(drawn)) == 16


def test_the_last_trials_lie_between_the_default_and_the_best(problem: TuningProblem) -> None:
    study = studies.open_study(InMemoryStorage(), problem, 1)
    Search(problem, study, PaperFarm(1), 40).run(nothing)
    scale = np.log(list(problem.defaults.values()))
    whole = [trial for trial in study.trials if trial.value is not None]
    between = 0
    for trial in study.trials[-6:]:
        way = np.log(list(trial.params.values())) - scale
        earlier = [
            np.log(list(o.params.values())) - scale for o in whole if o.number < trial.number
        ]
        between += any(
            np.allclose(way, share * other, atol=1e-3)
            for share in (0.25, 0.5, 0.75, 0.9)
            for other in earlier
            if other.any()
        )
    assert between >= 3
