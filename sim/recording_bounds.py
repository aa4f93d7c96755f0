"""Find times and values that no recording of a body can have, and say what they probably are.

A wrong stamp must not stretch a recording to years, and a number that a device writes for
"missing" must not pass as a position. Everything here is pure: it returns the row and a sentence,
and the reader of the file adds the file's name and the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LARGEST_GAP_S = 300.0
"""A longer pause separates two recordings."""
LONGEST_S = 86_400.0
SLOWEST_HZ = 1.0
"""Breathing of up to 30 a minute needs at least two samples a breath."""
FASTEST_HZ = 2000.0
LARGEST = {"mm": 1000.0, "deg": 360.0, "au": 1e9}
"""The largest magnitude of a value, by the unit of its channel."""
SMALLEST_RANGE = 1e-6
"""A channel that moves by less, but does move, has another unit than its name says."""
TINY = 1e-6
"""A value nearer to zero is no measurement when its neighbours are far from zero."""
MISSING_MARKS = (9999.0, 99999.0, 999999.0, 9999999.0, 999.0, 999.9, 9999.9, 999.99, 9999.99)
"""Numbers, of either sign, that devices write for "no value"."""
_FAR = 5.0
"""How many times the range of the other values lies between them and a missing mark."""
_MULTIPLES = (
    ("milliseconds", "ms", 1e-3),
    ("microseconds", "us", 1e-6),
    ("nanoseconds", "ns", 1e-9),
)
_LIKELY_STEP_S = (0.002, 1.0)
_EPOCH_S = (1e8, 1e10)
"""Seconds since 1970 of the years 1973 to 2286."""


class ImpossibleRow(NamedTuple):
    """What is wrong: the row, counted from 0 (None: the whole file), and a sentence."""

    row: int | None
    what: str


def time_finding(times_s: Sequence[float] | Floats) -> ImpossibleRow | None:
    """Return what is wrong with ascending sample times in seconds; None: nothing."""
    times = np.asarray(times_s, dtype=np.float64)
    if times.size < 2:
        return None
    steps = np.diff(times)
    step = float(np.median(steps))
    if step > 1.0 / SLOWEST_HZ:
        return ImpossibleRow(1, _too_slow(step))
    if step < 1.0 / FASTEST_HZ:
        what = f"the stamps are {seconds(step)} s apart, {1.0 / step:.6g} Hz"
        return ImpossibleRow(1, f"{what}; at most {FASTEST_HZ:g} Hz: check the unit of time_s")
    widest = int(steps.argmax())
    if steps[widest] > LARGEST_GAP_S:
        return ImpossibleRow(widest + 1, _gap(times, widest))
    duration = float(times[-1] - times[0])
    if duration > LONGEST_S:
        what = f"lasts {duration:.0f} s, at most {LONGEST_S:.0f} s"
        return ImpossibleRow(times.size - 1, f"{what}; cut the recording into parts")
    return None


def _too_slow(step: float) -> str:
    what = f"the stamps are {seconds(step)} s apart, {1.0 / step:.3g} Hz"
    for name, short, factor in _MULTIPLES:
        if _LIKELY_STEP_S[0] <= step * factor <= _LIKELY_STEP_S[1]:
            advice = f"they look like {name}: divide them by {round(1.0 / factor)}"
            return f"{what}; {advice}, or tidetrack import --time time_s:{short}"
    return f"{what}; at least {SLOWEST_HZ:g} Hz is needed: name a trace with more samples"


def _gap(times: Floats, before: int) -> str:
    first, second = float(times[before]), float(times[before + 1])
    what = (
        f"time jumps from {seconds(first)} s to {seconds(second)} s; "
        f"a gap lasts at most {LARGEST_GAP_S:g} s"
    )
    if before == 0:
        kind = ""
        if _EPOCH_S[0] < second < _EPOCH_S[1] and first < _EPOCH_S[0]:
            kind = ", the others are Unix times"
        return f"{what}: only the first stamp is far away{kind}; remove its row"
    if before == times.size - 2:
        return f"{what}: only the last stamp is far away; remove its row"
    return f"{what}; cut the recording there"


def value_finding(channels: Sequence[str], values: Floats) -> ImpossibleRow | None:
    """Return the first value that no body can have, by channels named after their unit.

    ``values`` has shape (N, C); NaN is a missing sample.
    """
    for column, channel in enumerate(channels):
        found = _of_channel(channel, values[:, column])
        if found is not None:
            return found
    return None


def _of_channel(channel: str, values: Floats) -> ImpossibleRow | None:
    unit = channel.rpartition("_")[2]
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        return None
    some = values[known]
    limit = LARGEST.get(unit, LARGEST["au"])
    large = np.abs(some) > limit
    if large.any():
        at = int(known[large.argmax()])
        what = f"{channel} is {values[at]:.9g}, at most {limit:g} {unit} is possible"
        return ImpossibleRow(at, f"{what}; correct it or leave a missing sample blank")
    marked = missing_marks(some)
    if marked.any():
        at = int(known[marked.argmax()])
        what = f"{channel} is {values[at]:.9g}, far from all others: a device's mark for no value"
        return ImpossibleRow(at, f"{what}; leave a missing sample blank")
    span = float(some.max() - some.min())
    if 0.0 < span < SMALLEST_RANGE and unit != "deg":
        at = int(known[np.abs(some).argmax()])
        what = f"{channel} is {values[at]:.9g} and the whole channel moves by {span:.3g} {unit}"
        return ImpossibleRow(at, f"{what}; check its unit")
    tiny = stray_zeros(some)
    if tiny.any():
        at = int(known[tiny.argmax()])
        what = f"{channel} is {values[at]:.9g} between values far from zero, no measurement"
        return ImpossibleRow(at, f"{what}; correct it or leave a missing sample blank")
    return None


def missing_marks(values: Floats) -> NDArray[np.bool_]:
    """Return which of some finite values are a device's mark for "no value"."""
    marked = np.isin(np.abs(values), MISSING_MARKS)
    others = values[~marked]
    if not marked.any() or not others.size:
        return np.zeros(values.shape, dtype=np.bool_)
    low, high = float(others.min()), float(others.max())
    distance = np.maximum(low - values, values - high)
    return marked & (distance > _FAR * max(high - low, 1e-3))


def stray_zeros(values: Floats) -> NDArray[np.bool_]:
    """Return which of some finite values are almost, but not quite, zero without a way to it.

    A signal that passes through zero, or touches it, comes near it at the samples before and
    after. A number such as 1e-9 that stands alone among others was never measured.
    """
    stray = (np.abs(values) < TINY) & (values != 0.0)
    if values.size < 3 or not stray.any():
        return np.zeros(values.shape, dtype=np.bool_)
    usual = float(np.percentile(np.abs(np.diff(values)), 95))
    far = max(2.0 * usual, 1e3 * TINY)
    before, after = np.roll(values, 1), np.roll(values, -1)
    before[0], after[-1] = values[1], values[-2]
    alone = (before * after > 0) & (np.minimum(np.abs(before), np.abs(after)) > far)
    return stray & alone


def seconds(value: float) -> str:
    """Write a time with all its digits: an epoch time is never rounded to 1.7e+09."""
    text = repr(float(value))
    return text.removesuffix(".0")
