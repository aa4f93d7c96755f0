"""Name the fractions whose figures are far from those of the others.

The modified z score of Iglewicz and Hoaglin (How to Detect and Handle Outliers, ASQC 1993) is
0.6745 (x - median) / MAD; a value beyond 3.5 is an outlier. Where more than half of the values are
equal, the MAD is 0 and the mean absolute deviation, times 1.2533, takes its place. It needs five
values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tracker.report.physicist.fraction import FractionSummary

LEAST_VALUES = 5
FAR = 3.5
_NORMAL_MAD = 0.6745
_NORMAL_MEAN = 1.2533


class Outlier(NamedTuple):
    """A figure of a fraction that is far from the others' median."""

    session: str
    patient_id: str
    figure: str
    value: float
    median: float
    score: float


def robust_scores(values: Sequence[float]) -> list[float]:
    """Return the modified z score of each value; all 0 where there are too few or no spread."""
    given = np.asarray(values, dtype=np.float64)
    if len(given) < LEAST_VALUES:
        return [0.0] * len(given)
    apart = given - np.median(given)
    mad = float(np.median(np.abs(apart)))
    scale = mad / _NORMAL_MAD if mad > 0.0 else _NORMAL_MEAN * float(np.mean(np.abs(apart)))
    if scale <= 0.0:
        return [0.0] * len(given)
    return [float(score) for score in apart / scale]


def outliers_of(fractions: Sequence[FractionSummary], figures: Sequence[str]) -> list[Outlier]:
    """Return all outliers, the farthest first. Scores are of the given fractions together."""
    found: list[Outlier] = []
    for figure in figures:
        known = [(f, v) for f in fractions if (v := f.figures.get(figure)) is not None]
        values = [value for _, value in known]
        for (fraction, value), score in zip(known, robust_scores(values), strict=True):
            if abs(score) > FAR:
                found.append(
                    Outlier(
                        fraction.name, fraction.patient_id, figure, value,
                        float(np.median(values)), score,
                    )
                )  # fmt: skip
    return sorted(found, key=lambda each: -abs(each.score))
