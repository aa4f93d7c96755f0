"""Follow the clock of a sender that stamps its samples, and number the samples by their stamps.

A stamp is believed while it runs with the arrivals. One that is far off is refused, until a few of
them agree with each other: then the sender's clock was set, and it is followed from there on.
"""

from __future__ import annotations

from typing import NamedTuple

AGREEING = 3
"""So many stamps in a row must agree with each other before a clock is followed to a new time."""
_MOST_DEBT = 64.0
"""Most samples that may wait for their time: a sender with larger bursts has another rate."""


class Stamped(NamedTuple):
    """What a stamp is worth: believed or not, how far off it was, and whether the clock was set."""

    believed: bool
    off_ns: int
    """How far the stamp is from where the arrivals put it; 0 while it runs with them."""

    @property
    def clock_was_set(self) -> bool:
        """Whether the clock is followed to a new time with this stamp."""
        return self.believed and self.off_ns != 0

    def in_words(self) -> str:
        """Say by how much, for the operator."""
        seconds = self.off_ns / 1e9
        amount = f"{seconds:+.1f} s" if abs(seconds) >= 10.0 else f"{seconds * 1e3:+.0f} ms"
        return f"{amount}; followed from now on" if self.believed else amount


class SenderClock:
    """Holds the stamps of one sender against their arrivals (both in ns)."""

    def __init__(self, jump_ns: int) -> None:
        """A stamp that is more than ``jump_ns`` off is refused at first."""
        self._jump_ns = jump_ns
        self._offset_ns: int | None = None
        self._other_ns = 0
        """The offset of the stamps that are off, and how many of them agreed."""
        self._agreeing = 0

    def judge(self, stamp_ns: int, arrival_ns: int) -> Stamped:
        """Return whether a stamp is believed; the first one always is."""
        offset_ns = stamp_ns - arrival_ns
        if self._offset_ns is None:
            self._offset_ns = offset_ns
            return Stamped(True, 0)
        off_ns = offset_ns - self._offset_ns
        if abs(off_ns) <= self._jump_ns:
            self._offset_ns, self._agreeing = offset_ns, 0
            return Stamped(True, 0)
        if self._agreeing and abs(offset_ns - self._other_ns) > self._jump_ns:
            self._agreeing = 0
        self._agreeing += 1
        self._other_ns = offset_ns
        if self._agreeing < AGREEING:
            return Stamped(False, off_ns)
        self._offset_ns, self._agreeing = offset_ns, 0
        return Stamped(True, off_ns)


class SampleCount:
    """Numbers the samples of a sender that gives each a time but no number.

    A lost sample leaves a gap. Samples of a burst, stamped at one moment or nearly so, get
    consecutive numbers, and the numbers come back to the stamps when the burst is over: so the
    count runs at the nominal rate on the whole.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._ticks = 0
        self._last_ns: int | None = None
        self._debt = 0.0

    @property
    def last_ns(self) -> int | None:
        """The stamp of the last sample that was numbered."""
        return self._last_ns

    def step(self, stamp_ns: int, *, repeats: bool = True) -> int | None:
        """Return the number of the sample of this stamp; ``None`` for one not newer than the last.

        Unless the sender ``repeats`` samples, the same stamp again is another sample.
        """
        if self._last_ns is not None:
            if stamp_ns < self._last_ns or (repeats and stamp_ns == self._last_ns):
                return None
            due = (stamp_ns - self._last_ns) * self._rate_hz * 1e-9 - self._debt
            steps = max(1, round(due))
            # Only a step that the stamps do not give is owed: their jitter is no debt.
            self._debt = min(_MOST_DEBT, steps - due) if round(due) < 1 else 0.0
            self._ticks += steps
        self._last_ns = stamp_ns
        return self._ticks

    def shift(self, by_ns: int) -> None:
        """The sender's clock was set by so much: what comes next follows what came last."""
        if self._last_ns is not None:
            self._last_ns += by_ns
