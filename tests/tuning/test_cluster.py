"""A study on a real cluster: a scheduler, workers over TCP, a PostgreSQL, and a worker killed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tuning.breaths import write_archive
from tracker.artefact import load_artefact
from tracker.offline.tuning.archive import load_archive
from tracker.offline.tuning.objective import ScoreJob, TraceScore, TraceScorer
from tracker.offline.tuning.space import ranges_of, rounded

pytest.importorskip("optuna")
pytest.importorskip("distributed")
psycopg = pytest.importorskip("psycopg")

REPOSITORY = Path(__file__).parent.parent.parent
SERVICE = REPOSITORY / "tests" / "services" / "postgres.sh"
PROGRAMS = Path(sys.executable).parent
TRIALS = 30
COUNT = "select count(*) from trials where state in ('COMPLETE', 'PRUNED')"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def database() -> Iterator[str]:
    """The address of a PostgreSQL of our own."""
    port = free_port()
    started = subprocess.run(
        ["sh", str(SERVICE), "start", str(port)], capture_output=True, text=True, check=False
    )
    if started.returncode == 3:
        pytest.skip(started.stdout.strip().splitlines()[-1])
    assert started.returncode == 0, started.stderr
    folder = started.stdout.strip().splitlines()[-1]
    yield f"postgresql://tidetrack@127.0.0.1:{port}/studies"
    subprocess.run(["sh", str(SERVICE), "stop", folder], check=True)


class Cluster:
    """A dask scheduler and its workers, each a process that talks TCP."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", port, "--dashboard-address", ":0"
        )

    def add_worker(self) -> None:
        self.workers.append(
            self._start(
                "worker", self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny",
                "--no-dashboard",
            )
        )  # fmt: skip

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [str(PROGRAMS / "dask"), *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )

    def stop(self) -> None:
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    try:
        made.add_worker()
        made.add_worker()
        yield made
    finally:
        made.stop()


def tune(archive: Path, cluster: Cluster, database: str, trials: int) -> list[str]:
    return [
        str(PROGRAMS / "tidetrack"), "tune", str(archive), "--latency-ms", "300",
        "--rate-hz", "10", "--predictor", "kalman_ca", "--trials", str(trials), "--dask",
        cluster.address, "--storage", database, "--out", str(archive.parent / "tuned.toml"),
    ]  # fmt: skip


def count(database: str) -> int:
    with psycopg.connect(database) as connection:
        try:
            row = connection.execute(COUNT).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
    return 0 if row is None else int(row[0])


def kept_trials(database: str) -> list[Any]:
    """Number, state, parameters and scores of every trial, straight from the tables."""
    query = """
        select t.number, t.state::text,
            (select json_object_agg(p.param_name, p.param_value) from trial_params p
                where p.trial_id = t.trial_id),
            (select a.value_json from trial_user_attributes a
                where a.trial_id = t.trial_id and a.key = 'scores')
        from trials t order by t.number"""
    with psycopg.connect(database) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.slow
def test_a_worker_killed_in_mid_study_loses_no_trial_and_doubles_none(
    tmp_path: Path, cluster: Cluster, database: str
) -> None:
    archive = write_archive(tmp_path / "archive", subjects=6, length_s=200.0)
    command = tune(archive, cluster, database, TRIALS)
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path
    )
    try:
        until = time.monotonic() + 60.0
        while count(database) < 5 and running.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        at_death = count(database)
        cluster.workers[0].send_signal(signal.SIGKILL)
        said, _ = running.communicate(timeout=60.0)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 0, said
    assert 5 <= at_death < TRIALS - 5, "the worker was not killed in mid-study"
    assert "Remove worker" in (tmp_path / "scheduler.log").read_text()

    trials = kept_trials(database)
    assert [number for number, *_ in trials] == list(range(TRIALS))
    assert {state for _, state, *_ in trials} <= {"COMPLETE", "PRUNED"}
    assert f"0 of {TRIALS} trials done" in said
    assert len(load_artefact(tmp_path / "tuned.toml").held_out) == 6
    same_scores_here(archive, trials)

    again = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert f"{TRIALS} of {TRIALS} trials done" in again.stdout
    assert kept_trials(database) == trials, "a study that is done was worked on again"


def same_scores_here(archive: Path, trials: list[Any]) -> None:
    """What came over the wire, from whichever worker, is what this process computes, to the bit."""
    ranges = ranges_of("kalman_ca")
    job = ScoreJob("kalman_ca", 300.0, load_archive([archive], 10.0))
    scorer = TraceScorer(job)
    for _, state, drawn, kept in trials[::6]:
        scores = {name: TraceScore(*numbers) for name, numbers in json.loads(kept).items()}
        assert state == "PRUNED" or set(scores) == set(job.archive.subjects)
        for subject, score in scores.items():
            here = scorer.score(rounded(drawn, ranges), subject)
            assert here[:3] == score[:3]


@pytest.mark.slow
def test_what_is_wrong_with_a_cluster_is_said_in_one_line(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", subjects=2)
    command = [
        str(PROGRAMS / "tidetrack"), "tune", str(archive), "--latency-ms", "300",
        "--rate-hz", "10", "--predictor", "kalman_ca", "--out", str(tmp_path / "tuned.toml"),
    ]  # fmt: skip
    nobody = f"127.0.0.1:{free_port()}"
    for extra, line in (
        (["--dask", "bogus://x"], r"--dask bogus://x: not an address; write it like tcp://.*"),
        (["--dask", f"tcp://{nobody}"], r"--dask tcp://.*: Connection refused; start one there .*"),
        (["--storage", f"postgresql://x@{nobody}/x"], r"--storage postgresql://.*: cannot be .*"),
        (["--storage", "mysql://x/y"], r"--storage mysql://x/y: unknown kind mysql; give a file.*"),
    ):
        refused = subprocess.run(
            [*command, *extra], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert refused.returncode == 2
        assert re.fullmatch(line, refused.stderr.strip()), refused.stderr
