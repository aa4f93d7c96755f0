"""Map a device's own counter to host time by regression, so that transport jitter averages out.

A Kalman filter with two states (host time at the current tick, length of a tick) follows the
arrivals. An arrival that is far from the predicted time is late, or the clock jumped. Late arrivals
do not change the filter. After `JUMP_AFTER` of them in a row that agree with each other, the filter
starts again from the last one. When the host was busy and reads a backlog at once, the arrivals do
not agree with each other, and the filter stays as it is.

A counter that does not advance, or is further ahead than `FAR_NS`, was set anew or is wrong: such
samples are refused and change nothing, until `JUMP_AFTER` of them in a row agree. While the line is
new, a sample that comes together with the one before it shows that the line began with a late one:
it begins again with this one, so a device that delivers in bursts is placed by the newest sample of
a burst.
Sources of the idea: Klipper's clock synchronisation (a secondary clock by regression), Mills' NTP
filters.
"""

from __future__ import annotations

import msgspec

JUMP_AFTER = 8
"""Consecutive arrivals off the line after which the clock is taken to have jumped."""
FAR_NS = 3_000_000_000
"""A counter this far ahead of the arrivals is not believed at first: no sample comes that early."""
AGREEING_NS = 500_000_000
"""Refused samples agree while they run with the clock within this time: bursts do."""
NEW_TICKS = 50
"""So many ticks a line counts as new."""
_OFFSET_WANDER_NS2 = 1e6
"""Growth of the offset's variance per tick (ns^2): the device's clock is not perfectly even."""


class CounterSetError(ValueError):
    """A counter is far from where the arrivals put it: the device's clock was set, or is wrong."""


class TickTime(msgspec.Struct, frozen=True, gc=False):
    """When a tick happened in host time, and what the clock seems to have done.

    ``jumped``: it left its line by little, so samples before this one may be timed wrongly.
    ``was_set``: it was set by much; all samples between were refused.
    """

    t_ns: int
    jumped: bool
    was_set: bool = False


class Timebase:
    """The clock of one device: nominal tick length, constant delay, and the line fitted so far."""

    _base_ns: int
    _offset: float
    """Filtered host time of the last tick, from ``_base_ns`` (ns)."""
    _p00: float
    _p01: float
    _p11: float
    """Covariance of offset and tick length (ns^2)."""
    _off_line: int
    """Arrivals in a row that were off the line and agree with each other."""
    _refused: tuple[int, int] | None
    """Counter and arrival of the last sample that was refused; ``None``: the last was not."""
    _refusals: int
    """Refused samples in a row that agree with each other."""
    _new_until: int
    """The tick up to which the line counts as new."""
    _came_ns: int
    """Arrival of the last sample."""
    _before: tuple[float, float, float, float, float] | None
    """Offset, tick length and covariance at the last tick, without what its arrival changed;
    ``None``: the line began with it."""

    def __init__(self, tick_ns: float, delay_ns: int, jitter_ns: float = 2e6) -> None:
        """Start with the nominal tick length and the delay between a tick and its arrival.

        ``jitter_ns`` is the standard deviation of the arrivals; five of it are off the line.
        """
        self._nominal_ns = tick_ns
        self._delay_ns = delay_ns
        self._variance = jitter_ns * jitter_ns
        self._gate_ns = 5.0 * jitter_ns
        self._wander_ns2 = (tick_ns * 1e-8) ** 2
        """Growth of the variance of the tick's length per tick (ns^2)."""
        self._ticks: int | None = None
        self._tick_ns: float = tick_ns
        self._off_line_ns: float = 0.0

    @property
    def drift_ppm(self) -> float:
        """How much longer than nominal the device's tick is, in parts per million of host time."""
        return (self._tick_ns / self._nominal_ns - 1.0) * 1e6

    def _start(self, ticks: int, arrival_ns: int) -> None:
        self._ticks = ticks
        self._base_ns = arrival_ns
        self._offset = 0.0
        self._tick_ns = self._nominal_ns
        self._p00 = self._variance
        self._p01 = 0.0
        self._p11 = (self._nominal_ns * 2e-4) ** 2
        self._off_line = 0
        self._came_ns = arrival_ns
        self._before = None
        self._refused = None
        self._new_until = ticks + NEW_TICKS

    def stamp(self, ticks: int, arrival_ns: int) -> TickTime:
        """Return when ``ticks`` happened, never later than its arrival.

        Raises ``ValueError`` when the counter does not advance, and `CounterSetError` when it is
        far from where the arrival puts it; the filter then stays as it is.
        """
        if self._ticks is None:
            self._start(ticks, arrival_ns)
            return TickTime(arrival_ns - self._delay_ns, jumped=False)
        steps = ticks - self._ticks
        offset = self._offset + steps * self._tick_ns
        residual = (arrival_ns - self._base_ns) - offset
        if steps <= 0 or residual < -FAR_NS:
            return self._refuse(ticks, arrival_ns, residual)
        self._refused = None
        since_ns, self._came_ns = arrival_ns - self._came_ns, arrival_ns
        at_once = 0 <= since_ns < 0.25 * self._nominal_ns
        if at_once and self._before:  # the one before was late, and must not have moved the line
            self._offset, self._tick_ns, self._p00, self._p01, self._p11 = self._before
            offset = self._offset + steps * self._tick_ns
            residual = (arrival_ns - self._base_ns) - offset
        if at_once and residual < 0.0 and ticks <= self._new_until:
            return self._begin_earlier(ticks, arrival_ns)
        self._ticks = ticks
        p00 = self._p00 + steps * (2.0 * self._p01 + steps * self._p11) + steps * _OFFSET_WANDER_NS2
        p01 = self._p01 + steps * self._p11
        p11 = self._p11 + steps * self._wander_ns2
        self._before = (offset, self._tick_ns, p00, p01, p11)
        if abs(residual) > self._gate_ns:
            if abs(residual - self._off_line_ns) > self._gate_ns:
                self._off_line, self._off_line_ns = 0, residual
            self._off_line += 1
            if self._off_line >= JUMP_AFTER:
                self._start(ticks, arrival_ns)
                return TickTime(arrival_ns - self._delay_ns, jumped=True)
        else:
            self._off_line = 0
            s = p00 + self._variance
            k0, k1 = p00 / s, p01 / s
            offset += k0 * residual
            self._tick_ns += k1 * residual
            p00, p01, p11 = (1.0 - k0) * p00, (1.0 - k0) * p01, p11 - k1 * p01
        self._offset, self._p00, self._p01, self._p11 = offset, p00, p01, p11
        t_ns = self._base_ns + round(offset) - self._delay_ns
        return TickTime(min(t_ns, arrival_ns), jumped=False)

    def _begin_earlier(self, ticks: int, arrival_ns: int) -> TickTime:
        """Begin the line again with a sample that came before its time; it stays new as long."""
        new_until = self._new_until
        self._start(ticks, arrival_ns)
        self._new_until = new_until
        return TickTime(arrival_ns - self._delay_ns, jumped=False)

    def _refuse(self, ticks: int, arrival_ns: int, residual: float) -> TickTime:
        """Refuse a sample, or begin again with it when enough of its kind agree."""
        agrees = self._refused is not None and self._follow_each_other(
            *self._refused, ticks, arrival_ns
        )
        self._refusals = self._refusals + 1 if agrees else 1
        self._refused = (ticks, arrival_ns)
        far = abs(residual) > FAR_NS
        if self._refusals >= JUMP_AFTER:
            self._start(ticks, arrival_ns)
            return TickTime(arrival_ns - self._delay_ns, jumped=not far, was_set=far)
        if not far:
            raise ValueError(
                f"counter went from {self._ticks} to {ticks}; it must advance; sample dropped"
            )
        raise CounterSetError(
            f"counter went from {self._ticks} to {ticks}, {-residual / 1e9:+.1f} s from where the "
            f"arrival puts it, limit {FAR_NS / 1e9:g} s; sample dropped"
        )

    def _follow_each_other(
        self, ticks: int, arrival_ns: int, next_ticks: int, next_arrival_ns: int
    ) -> bool:
        """Return whether the counter advanced between two samples as the clock did."""
        should_ns = (next_ticks - ticks) * self._nominal_ns
        early_ns = should_ns - (next_arrival_ns - arrival_ns)
        return next_ticks > ticks and -AGREEING_NS <= early_ns <= AGREEING_NS
