"""Have tasks done by the workers of a dask cluster, which get the archive once each.

The archive is a plugin, which dask gives to every worker, also to those that join later. So nothing
is lost when a worker dies. The scheduler moves a task of a dead worker to another worker. A task
that the scheduler has given up (it counts deaths) is submitted again from here, at most
`farm.ATTEMPTS` times.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import pickle
import queue
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Generic, cast

from distributed import Client, Future, WorkerPlugin, get_worker

from tracker.offline.farm import ATTEMPTS, Job, Outcome, Result, Scorer, Task, attempt
from tracker.offline.tuning.errors import TuningError
from tracker.offline.tuning.problem import KERNELS_SHA256

PATIENCE_S = 15.0
"""How long to wait for a scheduler, for a first worker, and for a scheduler that is lost."""
COMPILING_S = 300.0
_COUNT_S = 2.0


class ArchivePlugin(WorkerPlugin):
    """Keeps the job on a worker, and one scorer for each of its threads."""

    def __init__(self, name: str, job: Job[Any]) -> None:
        self.name = name
        self.idempotent = True
        self._job = job
        self._threads = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return (ArchivePlugin, (self.name, self._job))

    def scorer(self) -> Scorer[Any]:
        """Return the scorer of the calling thread."""
        found: Scorer[Any] | None = getattr(self._threads, "scorer", None)
        if found is None:
            found = self._threads.scorer = self._job.scorer()
        return found


def evaluate(plugin: str, parameters: Mapping[str, float], subject: str) -> tuple[Any, str]:
    """Do one task; dask calls this on a worker."""
    archive = get_worker().plugins[plugin]
    assert isinstance(archive, ArchivePlugin)
    return attempt(archive.scorer(), parameters, subject)


def warm_up(plugin: str) -> None:
    """Have a worker compile the kernels, or load them from its cache."""
    archive = get_worker().plugins[plugin]
    assert isinstance(archive, ArchivePlugin)
    archive.scorer().warm_up()


def versions() -> tuple[str, str]:
    """Return the versions that must be equal here and on every worker to compare scores."""
    return importlib.metadata.version("tidetrack"), KERNELS_SHA256


def _check_answers(address: str) -> None:
    """Refuse an address where nothing listens, before dask tries it for a long time."""
    found = re.fullmatch(r"(?:tcp|tls)://(?:\[(.+)\]|([^:/]+)):(\d{1,5})", address)
    if found is None:
        raise TuningError(f"--dask {address}: not an address; write it like tcp://HOST:8786")
    try:
        socket.create_connection((found[1] or found[2], int(found[3])), timeout=5.0).close()
    except OSError as error:
        reason = error.strerror or error
        raise TuningError(
            f"--dask {address}: {reason}; start one there with: dask scheduler"
        ) from None


class DaskFarm(Generic[Result]):
    """Gives tasks to all workers that one scheduler has at the moment."""

    def __init__(self, job: Job[Result], address: str) -> None:
        self._address = address
        self._plugin = f"tidetrack-{hashlib.sha256(pickle.dumps(job)).hexdigest()[:16]}"
        self._done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._out: dict[str, tuple[Task, int]] = {}
        self._futures: dict[str, Future[Any]] = {}
        self._threads = 0
        self._counted_s = -_COUNT_S
        self._lost_s: float | None = None
        _check_answers(address)
        self._client: Any = Client(address, timeout=PATIENCE_S, set_as_default=False)
        try:
            self._prepare(job)
        except BaseException:
            self.close()
            raise

    def _prepare(self, job: Job[Result]) -> None:
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE_S)
        except TimeoutError:
            raise TuningError(
                f"--dask {self._address}: no worker; start some with: dask worker {self._address}"
            ) from None
        here = versions()
        answers = cast(dict[str, Any], self._client.run(versions, on_error="return"))
        for worker, there in answers.items():
            if there != here:
                what = f"tidetrack {there[0]}" if isinstance(there, tuple) else f"{there!r}"
                raise TuningError(
                    f"--dask {self._address}: worker {worker} answers {what} with other predictors "
                    f"than tidetrack {here[0]} here; install the same version everywhere"
                )
        self._client.register_plugin(ArchivePlugin(self._plugin, job))
        # One first, so that workers with one disk compile once; all, so that no trial waits.
        addresses = list(self._cores())
        for some in (addresses[:1], addresses[1:]):
            warm = [
                self._client.submit(warm_up, self._plugin, pure=False, workers=[at]) for at in some
            ]
            for future in warm:
                with contextlib.suppress(Exception):  # a worker gone already is no loss yet
                    future.result(timeout=COMPILING_S)

    def workers(self) -> int:
        """Return how many tasks run at once: the number of threads of all present workers."""
        if time.monotonic() - self._counted_s > _COUNT_S and self._client.status == "running":
            self._counted_s = time.monotonic()
            self._threads = sum(self._cores().values())
        return self._threads

    def _cores(self) -> dict[str, int]:
        return cast(dict[str, int], self._client.nthreads())

    def submit(self, task: Task) -> None:
        """Send a task to a worker."""
        self._submit(task, 1)

    def _submit(self, task: Task, count: int) -> None:
        future = self._client.submit(
            evaluate, self._plugin, task.parameters, task.subject, pure=False
        )
        self._out[str(future.key)] = (task, count)
        self._futures[str(future.key)] = future
        future.add_done_callback(self._done.put)

    def wait_for_outcomes(self, timeout_s: float) -> list[Outcome[Result]]:
        """Wait at most ``timeout_s`` for outcomes; every task has exactly one."""
        done: list[Future[Any]] = []
        with contextlib.suppress(queue.Empty):
            done.append(self._done.get(timeout=timeout_s))
            while True:
                done.append(self._done.get_nowait())
        self._watch()
        return [outcome for future in done for outcome in self._settle(future)]

    def _settle(self, future: Any) -> Iterator[Outcome[Result]]:
        """Yield the outcome of a finished future, or submit its task once more."""
        task, count = self._out.pop(str(future.key))
        del self._futures[str(future.key)]
        try:
            score, problem = future.result(timeout=PATIENCE_S)
        except Exception as error:  # whatever a worker, or the way to it, can fail with
            if count < ATTEMPTS:
                self._submit(task, count + 1)
            else:
                lines = str(error).splitlines() or [""]
                problem = f"failed {count} times: {type(error).__name__} {lines[0]}"
                yield Outcome(task.trial, task.subject, None, problem)
        else:
            yield Outcome(task.trial, task.subject, score, problem)

    def _watch(self) -> None:
        """Give up when the scheduler has been away for too long."""
        if self._client.status == "running":
            self._lost_s = None
            return
        now_s = time.monotonic()
        self._lost_s = self._lost_s or now_s
        if self._client.status == "closed" or now_s - self._lost_s > PATIENCE_S:
            raise TuningError(
                f"--dask {self._address}: the scheduler has gone; what is finished is kept: start "
                "it again, and the same command goes on"
            )

    def close(self) -> None:
        """Release the workers and drop the tasks that are not finished."""
        if self._client.status == "running":
            with contextlib.suppress(Exception):  # gone meanwhile: then there is nothing to clear
                self._client.cancel(list(self._futures.values()))
                self._client.unregister_worker_plugin(self._plugin)
        self._client.close()
