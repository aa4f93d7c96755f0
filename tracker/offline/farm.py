"""Define what a farm of workers does, and run one of processes on this machine.

A task is one subject under one set of parameters, or one run of a campaign. It has no side effects
and the same outcome wherever and however often it runs, so a task whose worker died is simply run
again, and nothing can be counted twice.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Generator, Mapping
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, NamedTuple, Protocol, TypeVar

from tracker.offline.tuning.errors import TuningError

Result = TypeVar("Result")
Given_co = TypeVar("Given_co", covariant=True)

ATTEMPTS = 3
"""A task is given up after this many workers have died while working on it."""
AT_HAND = 3
"""How many tasks each worker is given: the one it works on and two that wait."""


class Scorer(Protocol[Given_co]):
    """Does tasks, one after the other, in one process."""

    def warm_up(self) -> None:
        """Compile, or load from the cache, all that tasks will call."""
        ...

    def score(self, parameters: Mapping[str, float], subject: str) -> Given_co:
        """Do one task; ``ValueError`` and ``ArithmeticError`` say why it cannot be done."""
        ...


class Job(Protocol[Given_co]):
    """Holds what a worker needs besides its tasks; it is pickled and sent to each one once."""

    def scorer(self) -> Scorer[Given_co]:
        """Make a scorer."""
        ...


class Task(NamedTuple):
    """Names one subject of one trial, or one run of a campaign and its number."""

    trial: int
    subject: str
    parameters: dict[str, float]


class Outcome(NamedTuple, Generic[Result]):
    """The result of a task: a score, or the reason why there is none."""

    trial: int
    subject: str
    score: Result | None
    problem: str = ""


class Farm(Protocol[Result]):
    """A set of workers on this machine or on others."""

    def workers(self) -> int:
        """Return how many tasks run at once."""
        ...

    def submit(self, task: Task) -> None:
        """Queue a task for a worker."""
        ...

    def wait_for_outcomes(self, timeout_s: float) -> list[Outcome[Result]]:
        """Wait at most ``timeout_s`` for outcomes; every task has exactly one."""
        ...

    def close(self) -> None:
        """Stop the workers and drop the tasks that are not finished."""
        ...


class _Worker:
    """A worker process, the pipe to it, and its tasks, the oldest first."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self.process = process
        self.pipe = pipe
        self.tasks: deque[Task] = deque()


class LocalFarm(Generic[Result]):
    """Runs tasks in processes of this machine, and replaces a process that dies."""

    def __init__(self, job: Job[Result], workers: int) -> None:
        self._job = job
        self._waiting: deque[Task] = deque()
        self._deaths: dict[tuple[int, str], int] = {}
        self._given_up: list[Outcome[Result]] = []
        self._workers: list[_Worker] = []
        try:
            # The first one fills the cache of compiled kernels for the others.
            for count in (1, workers - 1):
                started = [_start(job) for _ in range(count)]
                self._workers.extend(started)
                for worker in started:
                    _await_ready(worker)
        except BaseException:
            self.close()
            raise

    def workers(self) -> int:
        """Return how many tasks run at once."""
        return len(self._workers)

    def submit(self, task: Task) -> None:
        """Queue a task for a worker."""
        self._waiting.append(task)
        self._hand_out()

    def wait_for_outcomes(self, timeout_s: float) -> list[Outcome[Result]]:
        """Wait at most ``timeout_s`` for outcomes; every task has exactly one."""
        outcomes, self._given_up = self._given_up, []
        ready = wait([worker.pipe for worker in self._workers], 0 if outcomes else timeout_s)
        for worker in list(self._workers):
            if worker.pipe in ready:
                try:
                    outcomes.append(self._received(worker))
                except (EOFError, ConnectionError):
                    self._replace(worker)
        self._hand_out()
        return outcomes + self._take_given_up()

    def close(self) -> None:
        """Stop the workers and drop the tasks that are not finished."""
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
            worker.process.close()
        self._workers.clear()

    def processes(self) -> list[int]:
        """Return the process number of every worker."""
        return [worker.process.pid or 0 for worker in self._workers]

    def _take_given_up(self) -> list[Outcome[Result]]:
        given_up, self._given_up = self._given_up, []
        return given_up

    def _received(self, worker: _Worker) -> Outcome[Result]:
        score, problem = worker.pipe.recv()
        task = worker.tasks.popleft()
        return Outcome(task.trial, task.subject, score, problem)

    def _hand_out(self) -> None:
        """Give waiting tasks to workers, first to those with nothing to do."""
        for full in range(AT_HAND):
            for worker in self._workers:
                if self._waiting and len(worker.tasks) <= full:
                    task = self._waiting.popleft()
                    worker.tasks.append(task)
                    # One that has died is found out, and the task with it, in `take`.
                    with contextlib.suppress(ConnectionError):
                        worker.pipe.send((task.parameters, task.subject))

    def _replace(self, worker: _Worker) -> None:
        """Start a new worker for a dead one, and have its tasks done again."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        code = worker.process.exitcode
        worker.process.close()
        for place, task in enumerate(worker.tasks):
            key = (task.trial, task.subject)
            if place == 0:
                self._deaths[key] = self._deaths.get(key, 0) + 1
            if self._deaths.get(key, 0) < ATTEMPTS:
                self._waiting.append(task)
            else:
                problem = f"took {ATTEMPTS} workers with it, the last with exit code {code}"
                self._given_up.append(Outcome(task.trial, task.subject, None, problem))
        started = _start(self._job)
        self._workers.append(started)
        _await_ready(started)


def _start(job: Job[Result]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, job), daemon=True)
    with _interrupts_ignored():
        process.start()
    theirs.close()
    return _Worker(process, ours)


@contextlib.contextmanager
def _interrupts_ignored() -> Generator[None]:
    """Start processes that Ctrl-C does not reach: the tuner ends them itself."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread: no Ctrl-C arrives here anyway
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _await_ready(worker: _Worker) -> None:
    try:
        worker.pipe.recv()
    except (EOFError, ConnectionError):
        worker.process.join()
        code = worker.process.exitcode
        raise TuningError(f"a worker process ended at its start, exit code {code}") from None


def serve(pipe: Connection, job: Job[Result]) -> None:
    """Work in a process of its own until the pipe is closed."""
    scorer = job.scorer()
    scorer.warm_up()
    with contextlib.suppress(EOFError, ConnectionError):
        pipe.send("ready")
        while True:
            parameters, subject = pipe.recv()
            pipe.send(attempt(scorer, parameters, subject))


def attempt(
    scorer: Scorer[Result], parameters: Mapping[str, float], subject: str
) -> tuple[Result | None, str]:
    """Score, or say in one line why it cannot be done."""
    try:
        return scorer.score(parameters, subject), ""
    except (ValueError, ArithmeticError) as error:
        return None, " ".join(str(error).split())
