"""Have every technique measured on every trace, by workers on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sim.recording import Recording
from tracker.offline.compare.measure import measure, warm_up
from tracker.offline.compare.outcome import TechniqueOutcome
from tracker.offline.compare.techniques import BY_NAME, Technique
from tracker.offline.farm import LocalFarm, Task

_WAIT_S = 0.5


class CompareJob(NamedTuple):
    """Holds what every worker needs besides its tasks: a task is "technique number-of-trace"."""

    recordings: tuple[Recording | None, ...]
    names: tuple[str, ...]
    techniques: tuple[str, ...]
    beam_on_s: float
    seed: int

    def scorer(self) -> CompareWorker:
        """Make a worker."""
        return CompareWorker(self)


class CompareWorker:
    """Measures techniques on traces, in one process."""

    def __init__(self, job: CompareJob) -> None:
        """Keep the traces."""
        self._job = job

    def warm_up(self) -> None:
        """Compile, or load from the cache, all that the techniques call."""
        warm_up(tuple(BY_NAME[name] for name in self._job.techniques))

    def score(self, parameters: Mapping[str, float], subject: str) -> TechniqueOutcome:
        """Measure one technique on one trace."""
        del parameters
        job = self._job
        name, _, number = subject.partition(" ")
        at = int(number)
        return measure(BY_NAME[name], job.recordings[at], job.names[at], job.beam_on_s, job.seed)


def compared(
    recordings: Sequence[Recording | None],
    names: Sequence[str],
    techniques: Sequence[Technique],
    *,
    beam_on_s: float,
    seed: int,
    workers: int,
    done: Callable[[int], None],
) -> list[TechniqueOutcome]:
    """Return the outcome of every technique for every trace, trace by trace.

    ``done`` is told how many are finished. A technique that fails on a trace says why.
    """
    job = CompareJob(
        tuple(recordings), tuple(names), tuple(t.name for t in techniques), beam_on_s, seed
    )
    order = {
        f"{technique.name} {number}": (technique, names[number])
        for number in range(len(recordings))
        for technique in techniques
    }
    found: dict[str, TechniqueOutcome] = {}
    farm = LocalFarm[TechniqueOutcome](job, max(1, min(workers, len(order))))
    try:
        for number, subject in enumerate(order):
            farm.submit(Task(number, subject, {}))
        while len(found) < len(order):
            for outcome in farm.wait_for_outcomes(_WAIT_S):
                technique, name = order[outcome.subject]
                found[outcome.subject] = outcome.score or TechniqueOutcome(
                    trace=name,
                    technique=technique.name,
                    words=technique.words,
                    why_not=outcome.problem,
                )
                done(len(found))
    finally:
        farm.close()
    return [found[subject] for subject in order]
