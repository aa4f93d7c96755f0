"""Score predictions: errors against later measurements, and how often the 95 % region held.

All figures of one trace and horizon come from the same samples. ``rmse`` is pooled over channels
and time, ``rel`` is that relative to hold. ``mae``, ``p95``, ``max`` and ``jitter`` are of points:
three channels that belong together (``a_x``, ``a_y``, ``a_z`` of a marker; ``lr``, ``si``, ``ap``
of the target) are one point in space and their distance counts; any other channel is a point on a
line. ``coverage95`` is the share of samples inside the joint 95 % ellipsoid of the covariance
given out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.calibration import chi2_quantile

Reals = NDArray[np.float64]

_TRIPLES = (("x", "y", "z"), ("lr", "si", "ap"))


class Score(NamedTuple):
    """The figures of one predictor on one trace at one horizon, in the unit of the trace."""

    rmse: float
    rel: float
    mae: float
    p95: float
    max: float
    jitter: float
    coverage95: float
    step_us: float


def points_of(channels: Sequence[str]) -> list[list[int]]:
    """Return the columns that form one point each: triples in space, and the others alone."""
    place = {name: column for column, name in enumerate(channels)}
    points: list[list[int]] = []
    taken: set[int] = set()
    for column, name in enumerate(channels):
        if column in taken:
            continue
        stem, _, unit = name.rpartition("_")
        body, _, axis = stem.rpartition("_")
        for triple in _TRIPLES:
            names = [f"{body}_{other}_{unit}" if body else f"{other}_{unit}" for other in triple]
            if axis == triple[0] and all(other in place for other in names):
                points.append([place[other] for other in names])
                break
        else:
            points.append([column])
        taken.update(points[-1])
    return points


def root_mean_square(errors: Reals) -> float:
    """Return the root mean square over everything that is not blank."""
    return float(np.sqrt(np.nanmean(errors**2)))


def score(
    measured: Reals,
    predicted: Reals,
    covariances: Reals,
    held: Reals,
    points: Sequence[Sequence[int]],
    step_us: float,
) -> Score:
    """Compare ``predicted`` with ``measured``, both (samples, channels); blank cells do not count.

    ``covariances`` (samples, channels, channels) were given out with the predictions, ``held``
    are the positions hold predicts for the same samples.
    """
    errors = measured - predicted
    rmse = root_mean_square(errors)
    floor = root_mean_square(measured - held)
    distances = [np.linalg.norm(errors[:, point], axis=1) for point in points]
    sizes = np.concatenate(distances)
    sizes = sizes[np.isfinite(sizes)]
    moves = np.diff(predicted, axis=0)
    jitter = np.concatenate([np.linalg.norm(moves[:, point], axis=1) for point in points])
    return Score(
        rmse=rmse,
        rel=rmse / floor if floor > 0.0 else (1.0 if rmse == 0.0 else float("inf")),
        mae=float(sizes.mean()),
        p95=float(np.percentile(sizes, 95.0)),
        max=float(sizes.max()),
        jitter=float(np.nanmean(jitter)) if jitter.size else 0.0,
        coverage95=coverage(errors, covariances),
        step_us=step_us,
    )


def coverage(errors: Reals, covariances: Reals) -> float:
    """Return the share of the complete samples inside ``e' C^-1 e <= chi2(0.95, channels)``."""
    whole = np.isfinite(errors).all(axis=1)
    if not whole.any() or not np.isfinite(covariances[whole]).all():
        return float("nan")
    off = errors[whole]
    solved = np.asarray(np.linalg.solve(covariances[whole], off[:, :, None]), dtype=np.float64)
    distances: Reals = np.einsum("ij,ij->i", off, solved[:, :, 0])
    return float(np.mean(distances <= chi2_quantile(errors.shape[1])))
