"""Real worker processes: same scores as here, and a killed one costs nothing but time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.tuning.breaths import write_archive
from tracker.offline.farm import ATTEMPTS, LocalFarm, Outcome, Task
from tracker.offline.tuning.archive import Archive, ArchiveTrace, load_archive
from tracker.offline.tuning.errors import TuningError
from tracker.offline.tuning.objective import ScoreJob, TraceScorer

TASKS = 24


@pytest.fixture
def job(tmp_path: Path) -> ScoreJob:
    archive = load_archive([write_archive(tmp_path, subjects=3, length_s=120.0)], 10.0)
    return ScoreJob("kalman_cv", 300.0, archive)


def tasks(job: ScoreJob) -> list[Task]:
    names = job.archive.subjects
    return [Task(n, names[n % len(names)], {"agility": 10.0 + n}) for n in range(TASKS)]


def all_of(farm: LocalFarm, count: int) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for _ in range(2000):
        outcomes += farm.wait_for_outcomes(0.05)
        if len(outcomes) >= count:
            break
    return outcomes + farm.wait_for_outcomes(0.05)


@pytest.mark.slow
def test_each_task_comes_back_once_although_workers_are_killed(job: ScoreJob) -> None:
    farm = LocalFarm(job, 2)
    try:
        assert farm.workers() == 2
        for task in tasks(job):
            farm.submit(task)
        outcomes = farm.wait_for_outcomes(5.0)
        before = farm.processes()
        os.kill(before[0], signal.SIGKILL)
        outcomes += all_of(farm, TASKS - len(outcomes))
        assert farm.workers() == 2
        assert farm.processes()[1] not in before
        assert sorted((o.trial, o.subject) for o in outcomes) == sorted(
            (task.trial, task.subject) for task in tasks(job)
        )
        scorer = TraceScorer(job)
        for outcome in outcomes:
            here = scorer.score({"agility": 10.0 + outcome.trial}, outcome.subject)
            assert outcome.score is not None
            assert outcome.score[:3] == here[:3]
        # what cannot be evaluated is an outcome too, and the worker lives on
        farm.submit(Task(99, "patient0", {"agility": -1.0}))
        (wrong,) = all_of(farm, 1)
        assert wrong.score is None
        assert "agility = -1.0 is outside" in wrong.problem
    finally:
        farm.close()


def long_job() -> ScoreJob:
    """One that takes a good part of a second."""
    times_ns = np.arange(600_000) * 100_000_000
    positions = np.sin(times_ns * 1e-9)[:, None].copy()
    scored = np.ones(times_ns.size, np.bool_)
    trace = ArchiveTrace("long", "ann", "0" * 64, 10.0, 10.0, times_ns, positions, scored)
    return ScoreJob("kalman_cv", 300.0, Archive((trace,), ("ann",)))


@pytest.mark.slow
def test_a_task_that_kills_its_workers_is_given_up() -> None:
    farm = LocalFarm(long_job(), 1)
    try:
        farm.submit(Task(5, "ann", {"agility": 10.0}))
        outcomes: list[Outcome] = []
        for _ in range(ATTEMPTS):
            assert outcomes == []
            os.kill(farm.processes()[0], signal.SIGKILL)
            outcomes = farm.wait_for_outcomes(5.0)
        (given_up,) = outcomes
        assert given_up[:3] == (5, "ann", None)
        assert given_up.problem == "took 3 workers with it, the last with exit code -9"
    finally:
        farm.close()


def test_a_worker_that_cannot_start_is_said_so(
    job: ScoreJob, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TuningError, match="a worker process ended at its start, exit code 1"):
        LocalFarm(job._replace(predictor="none such"), 1)
    capfd.readouterr()  # the worker's own traceback
