"""Hold how the samples of a sensor come against its nominal rate: bursts, too few, too many.

A device that sends its samples in bursts still has the right number of them; they are spread over
time by the time base. A device with another rate than configured is timed wrongly sooner or later.
Both are told, and neither is a reason to hold by itself.
"""

from __future__ import annotations

from collections import deque

BURST = 3
"""So many samples at once are a burst."""
_GROUPS = 6
_MOST_ALONE = 1
"""So many of the last groups may be no burst while bursts are told."""
_WINDOW_NS = 2_000_000_000
_SILENCE_NS = 500_000_000
"""A gap this long is told as a lost signal; the rate around it says nothing."""
_OFF = 0.2
"""Share of the nominal rate by which the measured one may differ."""
_WINDOWS = 2
"""So many windows in a row must agree."""


class Delivery:
    """The arrivals of one sensor."""

    def __init__(self, rate_hz: float) -> None:
        """Take the nominal number of samples a second."""
        self._rate_hz = rate_hz
        self._at_once_ns = 0.25e9 / rate_hz
        self._last_ns: int | None = None
        self._group = 1
        self._groups: deque[int] = deque(maxlen=_GROUPS)
        self._window_ns = 0
        self._count = 0
        self._off_windows = 0
        self._measured_hz = rate_hz
        self.complaint = ""
        """What is wrong with how samples come; empty: nothing."""

    def note(self, arrival_ns: int) -> None:
        """Note the arrival of a sample."""
        last_ns, self._last_ns = self._last_ns, arrival_ns
        if last_ns is None:
            self._window_ns = arrival_ns
            return
        since_ns = arrival_ns - last_ns
        if since_ns < self._at_once_ns:
            self._group += 1
        else:
            self._groups.append(self._group)
            self._group = 1
        self._measure(arrival_ns, since_ns)
        self.complaint = self._bursts() or self._rate()

    def _measure(self, arrival_ns: int, since_ns: int) -> None:
        """Count the samples of windows without a silence; a window ends with a group."""
        if since_ns > max(_SILENCE_NS, 10e9 / self._rate_hz):
            self._window_ns, self._count = arrival_ns, 0
            return
        self._count += 1
        elapsed_ns = arrival_ns - self._window_ns
        if elapsed_ns < _WINDOW_NS or self._group > 1:
            return
        self._measured_hz = self._count * 1e9 / elapsed_ns
        off = abs(self._measured_hz / self._rate_hz - 1.0) > _OFF
        self._off_windows = self._off_windows + 1 if off else 0
        self._window_ns, self._count = arrival_ns, 0

    def _bursts(self) -> str:
        groups = sorted(self._groups)
        if len(groups) < _GROUPS or groups[_MOST_ALONE] < BURST:
            return ""
        return f"delivers about {groups[len(groups) // 2]} samples at a time"

    def _rate(self) -> str:
        if self._off_windows < _WINDOWS:
            return ""
        return f"{self._measured_hz:.3g} samples a second, configured are {self._rate_hz:g}"
