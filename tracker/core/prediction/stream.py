"""Store what a predictor has seen: samples, their lag windows, and labels once they exist.

Methods need windows of equally spaced lags, but cameras do not sample at equal intervals. Each
sample is kept at its own time. Its window of lags is interpolated linearly between samples. The
label of a window is the position one horizon after it; it is available once a sample at or after
that moment has come. A gap longer than ``gap_ns`` starts a new segment: no window and no label
reaches across it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.prediction.compiled import compiled

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]

# places in Stream.clock, all in ns or counts
PERIOD, HORIZON, GAP, NEWEST, SEGMENT, SAMPLES, HEAD, DUE, WAITING = range(9)

# why a sample was refused
NOT_FINITE, NOT_LATER = -1, -2

_LATE = 0.1  # of a period: a label this little after the newest sample is taken from its slope
_GAP_PERIODS = 2.5
_GAP_S = 0.35
_SCALE_MEMORY_S = 60.0


class Stream(NamedTuple):
    """The shared part of every predictor's state.

    ``clock``: int64, see the places above: ``SEGMENT`` counts the samples since the last gap,
    ``SAMPLES`` those since the beginning, ``HEAD`` is the ring slot of the newest window, ``DUE``
    that of the oldest without its label, ``WAITING`` how many wait.
    ``times`` (ring,), ``positions`` (ring, channels): the samples. ``windows`` (ring, lags,
    channels): lag i of a slot is the position i periods before its sample; ``filled`` (ring,) how
    many of them were measured in this segment, the rest repeat the oldest one.
    ``predicted`` (ring, channels): what was predicted from that slot. ``label`` (channels,).
    ``centre``, ``variance`` (channels,): of the last minute of positions, exponentially weighted.
    """

    clock: Integers
    times: Integers
    positions: Reals
    windows: Reals
    filled: Integers
    predicted: Reals
    label: Reals
    centre: Reals
    variance: Reals


def begin_stream(channels: int, rate_hz: float, horizon_ns: int, lags: int) -> Stream:
    """Return an empty stream for ``lags`` lags of one period, 1 / ``rate_hz``."""
    period_ns = round(1e9 / rate_hz)
    waiting = int(np.ceil(2.0 * horizon_ns / period_ns)) + 8
    ring = 2 * lags + waiting
    clock = np.zeros(9, np.int64)
    clock[PERIOD] = period_ns
    clock[HORIZON] = horizon_ns
    clock[GAP] = max(round(_GAP_PERIODS * period_ns), round(_GAP_S * 1e9))
    clock[NEWEST] = -(2**62)
    return Stream(
        clock=clock,
        times=np.zeros(ring, np.int64),
        positions=np.zeros((ring, channels)),
        windows=np.zeros((ring, lags, channels)),
        filled=np.zeros(ring, np.int64),
        predicted=np.zeros((ring, channels)),
        label=np.zeros(channels),
        centre=np.zeros(channels),
        variance=np.zeros(channels),
    )


@compiled
def admit(stream: Stream, t_ns: int, position: Reals) -> int:
    """Store one sample, build its window of lags and return its slot.

    Returns -1 when a value is not finite, -2 when it is not after the newest; nothing changes.
    """
    clock = stream.clock
    ring = stream.times.size
    for value in position:
        if not np.isfinite(value):
            return NOT_FINITE
    if t_ns <= clock[NEWEST]:
        return NOT_LATER
    if t_ns - clock[NEWEST] > clock[GAP]:
        clock[SEGMENT] = 0
        clock[WAITING] = 0
    slot = (clock[HEAD] + 1) % ring
    clock[HEAD] = slot
    clock[NEWEST] = t_ns
    clock[SEGMENT] += 1
    clock[SAMPLES] += 1
    stream.times[slot] = t_ns
    for channel in range(position.size):
        stream.positions[slot, channel] = position[channel]
    if clock[WAITING] == 0:
        clock[DUE] = slot
    clock[WAITING] += 1
    _read_window(stream, slot)
    _update_scale(stream, position)
    reach = ring - 2
    if clock[WAITING] > reach:
        clock[WAITING] = reach
        clock[DUE] = (slot - reach + 1) % ring
    return slot


@compiled
def _update_scale(stream: Stream, position: Reals) -> None:
    clock = stream.clock
    weight = max(1.0 / clock[SAMPLES], min(1.0, clock[PERIOD] * 1e-9 / _SCALE_MEMORY_S))
    for channel in range(position.size):
        off = position[channel] - stream.centre[channel]
        stream.centre[channel] += weight * off
        spread = (1.0 - weight) * off * off
        stream.variance[channel] += weight * (spread - stream.variance[channel])


@compiled
def scale_of(stream: Stream, channel: int) -> float:
    """Return the variance of a channel, at least the square of its numbers' resolution."""
    return stream.variance[channel] + 1e-12 * stream.centre[channel] ** 2 + 1e-12


@compiled
def _read_window(stream: Stream, slot: int) -> None:
    clock, times, positions = stream.clock, stream.times, stream.positions
    ring, channels = positions.shape
    window = stream.windows[slot]
    reachable = min(clock[SEGMENT], ring)
    newer = slot
    older = slot
    behind = 0  # how many samples `older` lies behind `slot`
    filled = 0
    for lag in range(window.shape[0]):
        moment = times[slot] - lag * clock[PERIOD]
        while times[older] > moment and behind + 1 < reachable:
            newer = older
            older = (older - 1) % ring
            behind += 1
        late = times[older] - moment
        if late <= 0 or late < _LATE * clock[PERIOD]:
            filled = lag + 1
        if late >= 0:
            for channel in range(channels):
                window[lag, channel] = positions[older, channel]
        else:
            share = -late / (times[newer] - times[older])
            for channel in range(channels):
                begin = positions[older, channel]
                window[lag, channel] = begin + share * (positions[newer, channel] - begin)
    stream.filled[slot] = filled


@compiled
def next_labelled(stream: Stream) -> int:
    """Return the oldest waiting slot whose label now exists, with ``stream.label`` set.

    Returns -1 when there is none.
    """
    clock, times = stream.clock, stream.times
    if clock[WAITING] == 0:
        return -1
    slot = clock[DUE]
    moment = times[slot] + clock[HORIZON]
    if moment > clock[NEWEST] + _LATE * clock[PERIOD] or slot == clock[HEAD]:
        return -1
    clock[DUE] = (slot + 1) % times.size
    clock[WAITING] -= 1
    _read_label(stream, moment)
    return slot


@compiled
def _read_label(stream: Stream, moment: int) -> None:
    """Read the position at ``moment`` off the parabola (or line) through the samples around it.

    The newest sample of the three is the first one at or after the moment.
    """
    times, positions = stream.times, stream.positions
    ring, channels = positions.shape
    late = stream.clock[HEAD]
    left = stream.clock[SEGMENT]
    while left > 2 and times[(late - 1) % ring] >= moment:
        late = (late - 1) % ring
        left -= 1
    middle = (late - 1) % ring
    early = (late - 2) % ring
    line = (moment - times[middle]) / (times[late] - times[middle])
    for channel in range(channels):
        begin = positions[middle, channel]
        rise = positions[late, channel] - begin
        value = begin + line * rise
        if left > 2 and 0.02 < line < 0.98:
            span = float(times[late] - times[middle])
            before = float(times[middle] - times[early])
            bend = (rise / span - (begin - positions[early, channel]) / before) / (span + before)
            value += bend * float(moment - times[middle]) * float(moment - times[late])
        stream.label[channel] = value
