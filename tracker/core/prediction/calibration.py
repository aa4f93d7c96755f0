"""Estimate the error covariance of predictions, calibrated by adaptive conformal inference.

The region is the joint ellipsoid ``e' C^-1 e <= chi2(0.95, channels)`` of the covariance C returned
with a prediction. Its shape is the exponentially weighted second moment of the errors known so far.
An outlier counts as an error of twice the usual size, so that a cough does not widen it for long.
Its size follows two rules. A fast one widens it as soon as recent errors are larger than the usual
ones, and after a gap. A slow one is adaptive conformal inference (Gibbs & Candes 2021) on the
logarithm of the size: every truth outside its region adds ``gain * 0.95``, every one inside takes
off ``gain * 0.05``, so that over any stretch the share outside can differ from 0.05 by at most
(bounds of the logarithm) / (gain * number of truths), whatever the errors look like. The gain is
per second, not per truth, so that a minute is as well balanced at 3 Hz as at 50.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.cholesky import factorise, forward
from tracker.core.prediction.compiled import compiled
from tracker.core.prediction.stream import (
    HEAD,
    HORIZON,
    NEWEST,
    PERIOD,
    SAMPLES,
    SEGMENT,
    Stream,
    next_labelled,
)

Reals = NDArray[np.float64]

MISS_RATE = 0.05
_GAIN_PER_S = 1.6
_MOST_GAIN = 0.7
_LOG_SIZE_BOUND = 3.0
_SHAPE_MEMORY_S = 40.0
_FAST_MEMORY_S = 0.7
_OUTLIER = 4.0  # of the usual squared error: what is beyond teaches the shape no more than this
_MOST_FAST = 1e3
_KNOWN_S = 10.0  # of errors, before there is a usual size,
_KNOWN_SHARE = 1e-3  # which is at least this share of the recent range
_AFTER_GAP = 9.0  # variance factor of the first predictions after a gap
_RANGE_MEMORY_S = 90.0
_BEYOND_RANGE = 0.5  # of the recent range: predictions farther outside are cut
_SHRINKAGE = 0.1

# asks later than one horizon after the newest sample
_ALONG_PERIODS = 2.0
_SLOPE_S = 0.13
_MOST_GROWTH = 25.0
_TURNING_RAD_S = 1.6  # of breathing, for how fast a position is lost in silence
_SILENT_S = 1.2

# places in Calibration.level
LOG_SIZE, FAST, SCORED, QUANTILE = range(4)


class Calibration(NamedTuple):
    """The shared part of every predictor's state that knows its errors.

    ``level`` (4,): logarithm of the size, recent squared error relative to the expected one, number
    of scored predictions, the 0.95 quantile of chi squared. ``shape`` (channels, channels):
    second moment of the errors. ``issued`` (ring, channels, channels): the covariance given
    out with each slot's prediction. ``low``, ``high`` (channels,): recent range of positions.
    ``error``, ``white`` (channels,), ``factor`` (channels, channels): work space.
    """

    level: Reals
    shape: Reals
    issued: Reals
    low: Reals
    high: Reals
    error: Reals
    white: Reals
    factor: Reals


@functools.cache
def chi2_quantile(channels: int) -> float:
    """Return the 0.95 quantile of chi squared with ``channels`` degrees of freedom."""
    # Newton on the regularised incomplete gamma function, from Wilson and Hilferty's start
    half = 0.5 * channels
    ninth = 2.0 / (9.0 * channels)
    value = channels * (1.0 - ninth + 1.6448536269514722 * math.sqrt(ninth)) ** 3
    for _ in range(20):
        x = 0.5 * value
        term = total = 1.0 / half
        for n in range(1, 500):
            term *= x / (half + n)
            total += term
        log_density = -x + half * math.log(x) - math.lgamma(half)
        value -= 2.0 * (total * math.exp(log_density) - 0.95) / (math.exp(log_density) / x)
    return value


def begin_calibration(channels: int, stream: Stream) -> Calibration:
    """Return the state before any score: the region has one unit and the range seen so far."""
    ring = stream.times.size
    return Calibration(
        level=np.array([0.0, 1.0, 0.0, chi2_quantile(channels)]),
        shape=np.eye(channels),
        issued=np.zeros((ring, channels, channels)),
        low=np.zeros(channels),
        high=np.zeros(channels),
        error=np.zeros(channels),
        white=np.zeros(channels),
        factor=np.zeros((channels, channels)),
    )


def without_region(calibration: Calibration) -> Calibration:
    """Return a calibration of no channels.

    Predictions stay the same to the bit, covariances have shape (0, 0).

    It serves callers that run a predictor many times and use only its means.
    """
    none, ring = np.zeros(0), calibration.issued.shape[0]
    return calibration._replace(
        shape=np.zeros((0, 0)),
        issued=np.zeros((ring, 0, 0)),
        error=none,
        white=none.copy(),
        factor=np.zeros((0, 0)),
    )


@compiled
def score(stream: Stream, calibration: Calibration, slot: int) -> None:
    """Learn from the error of the prediction made at ``slot`` now that its label is known."""
    level, shape, error = calibration.level, calibration.shape, calibration.error
    channels = error.size
    if channels == 0:
        return
    for channel in range(channels):
        error[channel] = stream.label[channel] - stream.predicted[slot, channel]
    factorise(calibration.issued[slot], calibration.factor)
    forward(calibration.factor, error, calibration.white)
    distance = 0.0
    for value in calibration.white:
        distance += value * value
    missed = distance > level[QUANTILE]
    period_s = stream.clock[PERIOD] * 1e-9
    gain = min(_GAIN_PER_S * period_s, _MOST_GAIN)
    step = gain * ((1.0 if missed else 0.0) - MISS_RATE)
    level[LOG_SIZE] = min(max(level[LOG_SIZE] + step, -_LOG_SIZE_BOUND), _LOG_SIZE_BOUND)
    expected = 0.0
    found = 0.0
    least = 0.0
    for channel in range(channels):
        span = calibration.high[channel] - calibration.low[channel]
        least += (_KNOWN_SHARE * span) ** 2
        expected += shape[channel, channel]
        found += error[channel] * error[channel]
    if level[SCORED] > 0.0 and expected > 0.0:
        weight = min(1.0, period_s / _FAST_MEMORY_S)
        level[FAST] += weight * (min(found / expected, _MOST_FAST) - level[FAST])
    level[SCORED] += 1.0
    weight = max(1.0 / level[SCORED], min(1.0, period_s / _SHAPE_MEMORY_S))
    share = 1.0
    if level[SCORED] * period_s > _KNOWN_S and expected > least and found > _OUTLIER * expected:
        share = _OUTLIER * expected / found
    for row in range(channels):
        for column in range(channels):
            product = error[row] * error[column] * share
            shape[row, column] += weight * (product - shape[row, column])


@compiled
def score_all(stream: Stream, calibration: Calibration) -> None:
    """Call ``score`` for every label that now exists, for methods that do not train on labels."""
    while calibration.error.size > 0:
        slot = next_labelled(stream)
        if slot < 0:
            return
        score(stream, calibration, slot)


@compiled
def publish(stream: Stream, calibration: Calibration, slot: int) -> None:
    """Limit the prediction of ``slot`` to possible positions, and store its region."""
    clock = stream.clock
    position, predicted = stream.positions[slot], stream.predicted[slot]
    low, high = calibration.low, calibration.high
    forget = min(1.0, clock[PERIOD] * 1e-9 / _RANGE_MEMORY_S)
    first = clock[SAMPLES] == 1
    for channel in range(position.size):
        value = position[channel]
        low[channel] = value if first else low[channel] + forget * (value - low[channel])
        high[channel] = value if first else high[channel] + forget * (value - high[channel])
        low[channel] = min(low[channel], value)
        high[channel] = max(high[channel], value)
        room = _BEYOND_RANGE * (high[channel] - low[channel])
        guess = predicted[channel]
        if not np.isfinite(guess):
            guess = value
        predicted[channel] = min(max(guess, low[channel] - room), high[channel] + room)
    if clock[SEGMENT] == 1 and not first:
        calibration.level[FAST] = max(calibration.level[FAST], _AFTER_GAP)
    if calibration.error.size > 0:
        _issue(calibration, slot)


@compiled
def _issue(calibration: Calibration, slot: int) -> None:
    level, shape = calibration.level, calibration.shape
    issued = calibration.issued[slot]
    channels = shape.shape[0]
    size = math.exp(2.0 * level[LOG_SIZE]) * max(1.0, level[FAST])
    for row in range(channels):
        for column in range(channels):
            issued[row, column] = (1.0 - _SHRINKAGE) * size * shape[row, column]
        span = calibration.high[row] - calibration.low[row]
        reach = max(abs(calibration.high[row]), abs(calibration.low[row]))
        floor = (1e-4 * span + 1e-9 * reach + 1e-12) ** 2
        issued[row, row] = size * shape[row, row] + floor
        if level[SCORED] == 0.0:
            issued[row, row] += 1.0 + span * span


@compiled
def answer(
    stream: Stream, calibration: Calibration, at_ns: int, mean: Reals, covariance: Reals
) -> bool:
    """Write the prediction for ``at_ns``; False before the first sample. Changes no state.

    At exactly one horizon after the newest sample this is the trained prediction. Asks up to two
    periods later go on along the slope of the predictions made so far, earlier ones come back
    along the line to the newest sample. Still later the samples have fallen silent: the
    prediction goes over to the mean of the last minute and the covariance grows to its variance.
    """
    clock = stream.clock
    if clock[SAMPLES] == 0:
        return False
    slot = clock[HEAD]
    ahead = at_ns - clock[NEWEST]
    beyond = float(ahead - clock[HORIZON])
    go_on = min(max(beyond, 0.0), _ALONG_PERIODS * float(clock[PERIOD]))
    silent_s = (max(beyond, 0.0) - go_on) * 1e-9
    grow = (1.0 + max(beyond, 0.0) / float(clock[HORIZON] + clock[PERIOD])) ** 2
    grow = min(grow, _MOST_GROWTH)
    lost = min(2.0, (_TURNING_RAD_S * silent_s) ** 2)
    back = min(max(1, int(_SLOPE_S * 1e9 / clock[PERIOD] + 0.5)), clock[SEGMENT] - 1)
    older = (slot - back) % stream.times.size
    step_ns = float(stream.times[slot] - stream.times[older])
    sloped = clock[SEGMENT] > 1 and step_ns > 0.0
    for channel in range(mean.size):
        guess = stream.predicted[slot, channel]
        if beyond < 0.0:
            begin = stream.positions[slot, channel]
            guess = begin + (guess - begin) * max(float(ahead), 0.0) / clock[HORIZON]
        elif sloped:
            guess += (guess - stream.predicted[older, channel]) * go_on / step_ns
        guess += (stream.centre[channel] - guess) * min(1.0, silent_s / _SILENT_S)
        mean[channel] = guess
    for channel in range(covariance.shape[0]):
        for other in range(covariance.shape[0]):
            covariance[channel, other] = grow * calibration.issued[slot, channel, other]
        covariance[channel, channel] += lost * stream.variance[channel]
    return True
