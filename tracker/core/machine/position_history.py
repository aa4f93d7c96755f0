"""Where couch or robot was: its reported positions over the last seconds, between them too."""

from __future__ import annotations

from collections import deque

from hal.messages import Triple

_KEEP_NS = 3_000_000_000
_EXTRAPOLATE_NS = 60_000_000


class ActuatorTrack:
    """Positions by the actuator's own encoders, mapped to the moment they were measured."""

    def __init__(self, status_delay_ns: int) -> None:
        """Take the constant time between measuring and arrival."""
        self._delay_ns = status_delay_ns
        self._times: deque[int] = deque()
        self._positions: deque[Triple] = deque()

    def add(self, arrival_ns: int, position_mm: Triple) -> None:
        """Take one status; one that is not after the last is dropped."""
        t_ns = arrival_ns - self._delay_ns
        if self._times and t_ns <= self._times[-1]:
            return
        self._times.append(t_ns)
        self._positions.append(position_mm)
        while self._times[0] < t_ns - _KEEP_NS:
            self._times.popleft()
            self._positions.popleft()

    @property
    def newest_ns(self) -> int:
        """When the newest position was measured; -1 before the first."""
        return self._times[-1] if self._times else -1

    @property
    def newest_mm(self) -> Triple | None:
        """The newest position."""
        return self._positions[-1] if self._positions else None

    def at(self, t_ns: int) -> Triple | None:
        """Position at ``t_ns``: between two reports, or shortly after the newest; else ``None``."""
        times, positions = self._times, self._positions
        if not times or t_ns < times[0] or t_ns > times[-1] + _EXTRAPOLATE_NS:
            return None
        index = len(times) - 1
        while index > 0 and times[index - 1] > t_ns:
            index -= 1
        if index == 0:
            return positions[0]
        # Beyond the newest report the last two are continued: 5 ms of couch motion is < 0.1 mm.
        t0, t1 = times[index - 1], times[index]
        share = (t_ns - t0) / (t1 - t0)
        (ax, ay, az), (bx, by, bz) = positions[index - 1], positions[index]
        return (ax + share * (bx - ax), ay + share * (by - ay), az + share * (bz - az))
