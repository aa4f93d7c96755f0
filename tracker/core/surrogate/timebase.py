"""Map a device's own counter to host time by regression, so that transport jitter averages out.

A Kalman filter with two states (host time at the current tick, length of a tick) follows the
arrivals. An arrival that is far from the predicted time is late, or the clock jumped. Late arrivals
do not change the filter. After `JUMP_AFTER` of them in a row that agree with each other, the filter
starts again from the last one. When the host was busy and reads a backlog at once, the arrivals do
not agree with each other, and the filter stays as it is.
Sources of the idea: Klipper's clock synchronisation (a secondary clock by regression), Mills' NTP
filters.
"""

from __future__ import annotations

import msgspec

JUMP_AFTER = 8
"""Consecutive arrivals off the line after which the clock is taken to have jumped."""
_OFFSET_WANDER_NS2 = 1e6
"""Growth of the offset's variance per tick (ns^2): the device's clock is not perfectly even."""


class TickTime(msgspec.Struct, frozen=True, gc=False):
    """When a tick happened in host time, and whether the clock seems to have jumped."""

    t_ns: int
    jumped: bool


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

    def stamp(self, ticks: int, arrival_ns: int) -> TickTime:
        """Return when ``ticks`` happened, never later than its arrival.

        Raises ``ValueError`` when the counter does not advance; the filter then stays as it is.
        """
        if self._ticks is None:
            self._start(ticks, arrival_ns)
            return TickTime(arrival_ns - self._delay_ns, jumped=False)
        steps = ticks - self._ticks
        if steps <= 0:
            raise ValueError(
                f"counter went from {self._ticks} to {ticks}; it must advance; sample dropped"
            )
        self._ticks = ticks
        offset = self._offset + steps * self._tick_ns
        p00 = self._p00 + steps * (2.0 * self._p01 + steps * self._p11) + steps * _OFFSET_WANDER_NS2
        p01 = self._p01 + steps * self._p11
        p11 = self._p11 + steps * self._wander_ns2
        residual = (arrival_ns - self._base_ns) - offset
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
        return TickTime(t_ns if t_ns < arrival_ns else arrival_ns, jumped=False)
