"""Have the runs of a campaign done by a farm of workers, in processes or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sim.recording import Recording
from tracker.config import Configuration, parse_configuration
from tracker.offline.campaign.errors import CampaignError
from tracker.offline.campaign.ledger import code_sha256
from tracker.offline.campaign.record import RunRecord
from tracker.offline.campaign.run import Single
from tracker.offline.farm import AT_HAND, Farm, Task

_WAIT_S = 0.5
MOST_FAILED = 5


class RunJob(NamedTuple):
    """Holds what every worker needs besides the names of the runs."""

    configuration_text: str
    recordings: tuple[Recording, ...]
    length_s: float
    code_sha256: str

    def scorer(self) -> RunWorker:
        """Make a worker."""
        return RunWorker(self)


class RunWorker:
    """Does runs by name, in one process."""

    def __init__(self, job: RunJob) -> None:
        """Check that the code here is the code that the campaign was started with."""
        configuration: Configuration = parse_configuration(job.configuration_text)
        self._single = Single(configuration, job.recordings, job.length_s)
        here = code_sha256()
        self._other = here if here != job.code_sha256 else ""

    def warm_up(self) -> None:
        """Compile, or load from the cache, all that runs call."""
        self._single.warm_up()

    def score(self, parameters: Mapping[str, float], subject: str) -> RunRecord:
        """Do the run of this name; raises ``ValueError`` where it cannot be done."""
        del parameters
        if self._other:
            raise ValueError(
                f"this worker has other source ({self._other[:12]}) than the campaign was begun "
                "with; install the same everywhere, and start it again"
            )
        fault, seed = parse_run_name(subject)
        return self._single.run(fault, seed)


def parse_run_name(name: str) -> tuple[str, int]:
    """Return the fault and seed in a run's name; raises `CampaignError` for any other text."""
    fault, _, seed = name.rpartition(":")
    if not fault or not seed.isdecimal():
        raise CampaignError(f"{name}: names no run; write it like cough:17")
    return fault, int(seed)


def carry_out(
    names: Sequence[str],
    farm: Farm[RunRecord],
    keep: Callable[[RunRecord], None],
    stopped: Sequence[int] = (),
) -> None:
    """Have the named runs done, and call ``keep`` with each one that is finished.

    Raises ``KeyboardInterrupt`` when a signal appears in ``stopped``, and `CampaignError` when
    runs fail.
    """
    waiting = iter(enumerate(names))
    failed: list[str] = []
    out = done = 0
    while done < len(names):
        room = AT_HAND * farm.workers() - out
        for number, name in _some(waiting, room):
            farm.submit(Task(number, name, {}))
            out += 1
        for outcome in farm.wait_for_outcomes(_WAIT_S):
            out -= 1
            done += 1
            if outcome.score is None:
                failed.append(f"{outcome.subject}: {outcome.problem}")
            else:
                keep(outcome.score)
        if stopped:
            raise KeyboardInterrupt
        if len(failed) >= MOST_FAILED:
            break
    if failed:
        raise CampaignError(failed)


def _some(waiting: Iterable[tuple[int, str]], most: int) -> list[tuple[int, str]]:
    return [next_one for _, next_one in zip(range(max(most, 0)), waiting, strict=False)]
