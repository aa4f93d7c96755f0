"""``bench --protocol published``: the look-ahead protocol behind published tables, marked as such.

The open code behind the ExtMarker tables (Pohl et al. 2022, 2024) corrects its weights at once
with the sample it has just predicted: the prediction made at m + 1 has been trained on sample m +
h. For h > 1 that sample has not been measured yet. Here the same filters run in both ways: with
labels one sample late, and with labels when they exist. Two predictors stand beside them: "repeat
the last label", which uses the same future samples without any filter, and ``mix``, which uses
none. Split and figures are those of the published tables: test from 60 s on, errors per point in
space, nRMSE relative to the spread of the test part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.compiled import compiled
from tracker.core.prediction.regression import absorb, restart
from tracker.offline.bench.score import points_of

if TYPE_CHECKING:
    from tracker.offline.bench.traces import Trace

Reals = NDArray[np.float64]

_TEST_FROM_S = 60.0
_SCALED_BY_S = 30.0
_LAGS_S = 1.2


class PublishedFigures(NamedTuple):
    """The published figures, in the unit of the trace, nRMSE without one."""

    mae: float
    rmse: float
    nrmse: float
    max: float
    jitter: float


def lms(scaled: Reals, lags: int, ahead: int, late: int, rate: float, said: Reals) -> None:
    """Run LMS of all channels on all lags; the label of the input at m is used ``late`` samples on.

    ``said[m + ahead]`` is predicted from the samples up to m. ``late = 1`` is the published
    order of things, ``late = ahead`` the causal one.
    """
    channels = scaled.shape[1]
    _lms_steps(scaled, lags, ahead, late, rate, np.zeros((channels, channels * lags)), said)


@compiled
def _lms_steps(
    scaled: Reals, lags: int, ahead: int, late: int, rate: float, weights: Reals, said: Reals
) -> None:
    count, channels = scaled.shape
    for now in range(lags - 1, count - ahead):
        old = now - late
        if old >= lags - 1:
            for channel in range(channels):
                error = scaled[old + ahead, channel]
                for lag in range(lags):
                    for other in range(channels):
                        place = lag * channels + other
                        error -= weights[channel, place] * scaled[old - lag, other]
                for lag in range(lags):
                    for other in range(channels):
                        place = lag * channels + other
                        weights[channel, place] += rate * error * scaled[old - lag, other]
        for channel in range(channels):
            value = 0.0
            for lag in range(lags):
                for other in range(channels):
                    value += weights[channel, lag * channels + other] * scaled[now - lag, other]
            said[now + ahead, channel] = value


def rls(scaled: Reals, lags: int, ahead: int, late: int, forgetting: float, said: Reals) -> None:
    """Run recursive least squares of all channels on all lags; ``late`` as in ``lms``."""
    channels = scaled.shape[1]
    size = channels * lags
    inverse = np.zeros((size, size))
    restart(inverse, 1.0)
    weights, work = np.zeros((size, channels)), np.zeros((3, size))
    _rls_steps(scaled, lags, ahead, late, forgetting, inverse, weights, work, said)


@compiled
def _rls_steps(
    scaled: Reals,
    lags: int,
    ahead: int,
    late: int,
    forgetting: float,
    inverse: Reals,
    weights: Reals,
    work: Reals,
    said: Reals,
) -> None:
    count, channels = scaled.shape
    features, gain, pull = work[0], work[1], work[2]
    for now in range(lags - 1, count - ahead):
        old = now - late
        if old >= lags - 1:
            for lag in range(lags):
                for channel in range(channels):
                    features[lag * channels + channel] = scaled[old - lag, channel]
            absorb(inverse, weights, features, scaled[old + ahead], forgetting, 0, 0.0, gain, pull)
        for channel in range(channels):
            value = 0.0
            for lag in range(lags):
                for other in range(channels):
                    value += weights[lag * channels + other, channel] * scaled[now - lag, other]
            said[now + ahead, channel] = value


def figures_of(measured: Reals, said: Reals, points: Sequence[Sequence[int]]) -> PublishedFigures:
    """Return the published figures of one trace and horizon; both arrays (samples, channels)."""
    off = measured - said
    spread = measured - measured.mean(axis=0)
    sizes = np.stack([np.linalg.norm(off[:, point], axis=1) for point in points])
    spreads = np.stack([np.linalg.norm(spread[:, point], axis=1) for point in points])
    moves = np.diff(said, axis=0)
    jitter = np.stack([np.linalg.norm(moves[:, point], axis=1) for point in points])
    return PublishedFigures(
        mae=float(sizes.mean()),
        rmse=float(np.sqrt((sizes**2).mean())),
        nrmse=float(np.sqrt((sizes**2).sum() / (spreads**2).sum())),
        max=float(sizes.max()),
        jitter=float(jitter.mean()),
    )


def compare(trace: Trace, ahead: int) -> dict[str, PublishedFigures]:
    """Return all rows of the two tables for one trace; names say which table."""
    from tracker.offline.bench.traces import replay

    positions = trace.positions
    lags = max(4, round(_LAGS_S * trace.rate_hz))
    begin = positions[: round(_SCALED_BY_S * trace.rate_hz)]
    centre, scale = begin.mean(axis=0), begin.std(axis=0) + 1e-9
    scaled = (positions - centre) / scale
    test = np.arange(round(_TEST_FROM_S * trace.rate_hz), len(positions))
    points = points_of(trace.channels)
    rows: dict[str, Reals] = {}
    for title, late in (("labels one sample late", 1), ("causal", ahead)):
        rows[f"repeat the last label ({title})"] = positions[np.maximum(test - late, 0)]
        for name, kernel, setting in (
            ("lms", lms, 0.1 / (lags * positions.shape[1])),
            ("rls", rls, 0.999),
        ):
            said = np.zeros_like(scaled)
            kernel(scaled, lags, ahead, late, setting, said)
            rows[f"{name} ({title})"] = (said * scale + centre)[test]
    rows["mix (causal)"] = replay(trace, "mix", ahead).means[test - ahead]
    return {name: figures_of(positions[test], said, points) for name, said in rows.items()}


def print_published(traces: Sequence[Trace], horizons_ms: Sequence[float]) -> None:
    """Print both tables: means over traces, per horizon; traces with blanks are left out."""
    from tracker.offline.bench.traces import steps_ahead

    whole = [trace for trace in traces if np.isfinite(trace.positions).all()]
    long = [t for t in whole if len(t.positions) > (_TEST_FROM_S + 10.0) * t.rate_hz]
    print(f"\npublished protocol, {len(long)} trace(s): 'labels one sample late' LOOKS AHEAD")
    if not long:
        print("no trace is whole and longer than 70 s: nothing to show")
        return
    for ms in horizons_ms:
        tables = [compare(trace, steps_ahead(trace, ms)) for trace in long]
        print(f"{ms:g} ms{'':<43} {'MAE':>8} {'RMSE':>8} {'nRMSE':>8} {'max':>8} {'jitter':>8}")
        for name in tables[0]:
            mean = np.mean([table[name] for table in tables], axis=0)
            print(f"  {name:<47} " + " ".join(f"{value:8.4g}" for value in mean))
