"""Choose the workers of a campaign or a search: processes of this machine, or a dask cluster."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from tracker.offline.farm import Farm, Job, LocalFarm, Result


@contextmanager
def open_farm(job: Job[Result], workers: int | None, dask: str | None) -> Generator[Farm[Result]]:
    """Start the workers, and stop them at the end of the context.

    ``dask`` is the address of a scheduler; without one, ``workers`` processes are started here,
    by default one for each processor. Raises `TuningError` when a worker cannot be started.
    """
    # The kernels use one thread each; more would make the workers compete for the processors.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    farm: Farm[Result]
    if dask is not None:
        from tracker.offline.cluster import DaskFarm

        farm = DaskFarm(job, dask)
    else:
        farm = LocalFarm(job, workers or len(os.sched_getaffinity(0)))
    try:
        yield farm
    finally:
        farm.close()
