"""Where the treatment machine was: its reported positions over the last seconds.

Positions between two reports are interpolated.
"""

from __future__ import annotations

from collections import deque

from hal.messages import Triple

_KEEP_NS = 3_000_000_000
_EXTRAPOLATE_NS = 60_000_000


class ActuatorTrack:
    """Positions by the actuator's own encoders, mapped to the moment they were measured."""

    def __init__(self, status_delay_ns: int) -> None:
        """Remember the constant time between measurement and arrival."""
        self._delay_ns = status_delay_ns
        self._times: deque[int] = deque()
        self._positions: deque[Triple] = deque()
        self.newest_ns = -1
        """When the newest position was measured; -1 before the first."""
        self.newest_mm: Triple | None = None
        """The newest position."""

    def add(self, arrival_ns: int, position_mm: Triple) -> None:
        """Add one report; one that was not measured after the last is dropped."""
        t_ns = arrival_ns - self._delay_ns
        times = self._times
        if times and t_ns <= self.newest_ns:
            return
        times.append(t_ns)
        self._positions.append(position_mm)
        self.newest_ns, self.newest_mm = t_ns, position_mm
        while times[0] < t_ns - _KEEP_NS:
            times.popleft()
            self._positions.popleft()

    def at(self, t_ns: int) -> Triple | None:
        """Return the position at ``t_ns``; ``None`` where it is not known.

        It is known from the oldest report that is kept until shortly after the newest one.
        """
        times, positions = self._times, self._positions
        if not times or t_ns > self.newest_ns + _EXTRAPOLATE_NS or t_ns < times[0]:
            return None
        if len(times) == 1:
            return positions[0]
        after = -1
        while times[after - 1] > t_ns:
            after -= 1
        # Beyond the newest report the last two are continued: 5 ms of couch motion is < 0.1 mm.
        t0 = times[after - 1]
        share = (t_ns - t0) / (times[after] - t0)
        (ax, ay, az), (bx, by, bz) = positions[after - 1], positions[after]
        return (ax + share * (bx - ax), ay + share * (by - ay), az + share * (bz - az))
