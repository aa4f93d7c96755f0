"""Rates and durations over the last seconds of a run."""

from __future__ import annotations

from collections import deque

SECONDS = 5.0
MOST = 3000
"""Values kept: more than five seconds of a robot at 250 Hz."""


class Rate:
    """Counts the arrivals of the last `SECONDS`."""

    __slots__ = ("_since_ns", "_times", "newest_ns")

    def __init__(self) -> None:
        self.newest_ns: int | None = None
        self._times: deque[int] = deque(maxlen=MOST)
        self._since_ns = -1

    def add(self, t_ns: int) -> None:
        """Count an arrival at ``t_ns``."""
        if self._since_ns < 0:
            self._since_ns = t_ns
        self.newest_ns = t_ns
        self._times.append(t_ns)

    def forget(self) -> None:
        """Start counting anew, after a link was lost."""
        self._times.clear()
        self._since_ns = -1

    def per_s(self, now_ns: int) -> float:
        """Return the number of arrivals per second."""
        times, oldest_ns = self._times, now_ns - round(SECONDS * 1e9)
        while times and times[0] < oldest_ns:
            times.popleft()
        full = len(times) == MOST
        since_ns = times[0] if full else max(oldest_ns, self._since_ns)
        seconds = (now_ns - since_ns) / 1e9
        return len(times) / seconds if times and seconds > 0.0 else 0.0


class Lengths:
    """Keeps the durations of the last `SECONDS`, each with the moment it was measured."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=MOST)

    def add(self, t_ns: int, length_ns: int) -> None:
        """Keep a duration that was measured at ``t_ns``."""
        self._seen.append((t_ns, length_ns))

    def quantiles_ms(self, now_ns: int, *shares: float) -> list[float]:
        """Return quantiles of the durations in milliseconds; 0 if there are no durations.

        ``shares``: 0.5 for the median, 1.0 for the longest.
        """
        seen, oldest_ns = self._seen, now_ns - round(SECONDS * 1e9)
        while seen and seen[0][0] < oldest_ns:
            seen.popleft()
        if not seen:
            return [0.0] * len(shares)
        ordered = sorted(length for _, length in seen)
        last = len(ordered) - 1
        return [ordered[min(last, int(share * len(ordered)))] / 1e6 for share in shares]

    def __len__(self) -> int:
        return len(self._seen)
