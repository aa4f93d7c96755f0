"""Describe a tuning problem, and name its study so that it can be resumed.

The name of a study follows from everything its scores depend on: predictor, latency, rate,
recordings, ranges, objective, and the source of the compiled kernels. The same command therefore
goes on where it was stopped, and a changed archive or program starts a study of its own instead
of comparing what cannot be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

import tracker.core.prediction
from tracker.offline.tuning.archive import Archive
from tracker.offline.tuning.folds import CAUTION, MOST_GAIN
from tracker.offline.tuning.objective import TAIL, TAIL_WEIGHT, ScoreJob
from tracker.offline.tuning.space import Range


class TuningProblem(NamedTuple):
    """One tuning problem; a study belongs to exactly one."""

    predictor: str
    latency_ms: float
    rate_hz: float
    archive: Archive
    ranges: Mapping[str, Range]

    @property
    def job(self) -> ScoreJob:
        """The part of the problem that a worker needs."""
        return ScoreJob(self.predictor, self.latency_ms, self.archive)

    @property
    def defaults(self) -> dict[str, float]:
        """The default parameters, with which every trial is compared."""
        return {name: item.default for name, item in self.ranges.items()}

    @property
    def sha256(self) -> str:
        """The SHA-256 of everything a score depends on."""
        facts = {
            "predictor": self.predictor,
            "latency_ms": self.latency_ms,
            "rate_hz": self.rate_hz,
            "archive": self.archive.sha256,
            "ranges": {name: list(item) for name, item in sorted(self.ranges.items())},
            "objective": [TAIL, TAIL_WEIGHT, CAUTION, MOST_GAIN],
            "kernels": KERNELS_SHA256,
        }
        return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()

    @property
    def name(self) -> str:
        """The study's name."""
        return f"{self.predictor}-{self.latency_ms:g}ms-{self.rate_hz:g}Hz-{self.sha256[:10]}"


def _kernels_sha256() -> str:
    """Return the SHA-256 of every predictor's source, as loaded by this process."""
    total = hashlib.sha256()
    for folder in tracker.core.prediction.__path__:
        for file in sorted(Path(folder).glob("*.py")):
            total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


KERNELS_SHA256 = _kernels_sha256()
