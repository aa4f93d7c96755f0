"""The exposure time of a triggered imager in the run's time."""

from __future__ import annotations

from collections import deque

REMEMBERED = 12
"""Shots over which the clocks are compared: some minutes, in which they drift by microseconds."""
JUMP_NS = 2_000_000_000
"""No shot waits this long: a comparison that is later by so much shows that the clock was set."""
DRIFT = 50e-6
"""How fast the panel's clock may run against ours: an older comparison counts for less."""


class ImagerClock:
    """Maps the imager's clock to the run's, from the times of triggers and exposures.

    The trigger is pulled at a known moment. Between it and the panel's stamp lie the trigger's
    delay and a wait that is never negative, so the shot that waited least tells the offset.
    """

    def __init__(self, trigger_ns: int) -> None:
        self._trigger_ns = trigger_ns
        self._pulled: dict[int, int] = {}
        self._offsets: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)

    def pulled(self, shot_id: int, now_ns: int) -> None:
        """Note when the trigger of a shot was pulled."""
        self._pulled[shot_id] = now_ns
        while len(self._pulled) > REMEMBERED:
            self._pulled.pop(next(iter(self._pulled)))

    def exposed_ns(self, shot_id: int, ticks: int) -> int | None:
        """Return the exposure's moment in the run's time; ``None`` for a shot nobody asked for."""
        pulled_ns = self._pulled.pop(shot_id, None)
        if pulled_ns is None:
            return None
        offset = ticks - pulled_ns - self._trigger_ns
        # The least offset counts, so a clock set back is followed at once; one set ahead is not.
        if any(offset - older > JUMP_NS for _, older in self._offsets):
            self._offsets.clear()
        self._offsets.append((pulled_ns, offset))
        offset = min(
            offset + round(DRIFT * (pulled_ns - then_ns)) for then_ns, offset in self._offsets
        )
        return ticks - offset
