"""Simulate the beam gate: the beam passes while a permit lasts, and the gate ends the lease.

The permit is a line that is high from a `SendPermit` until its ``until_ns`` or a `SendHold`. The
beam follows the line: on ``on_delay`` after it rises, off ``off_delay`` after it falls; a line that
falls before the beam came on never lets it through.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hal.events import SendHold, SendPermit
from hal.messages import BadSample, BeamStatus, Sample
from sim import mishaps as trouble
from sim.sampling import sampling
from sim.scenario import Mishap
from sim.scenario import RoomGate as GateSettings


class Line:
    """A signal that is high or low, with its whole past."""

    def __init__(self) -> None:
        """Make a line whose level is low."""
        self._times_ns = [-(1 << 62)]
        self._levels = [False]

    def turn(self, t_ns: int, high: bool) -> None:
        """Set the level from ``t_ns`` on; turns planned for later are forgotten."""
        while self._times_ns[-1] >= t_ns:
            self._times_ns.pop()
            self._levels.pop()
        if self._levels[-1] != high:
            self._times_ns.append(t_ns)
            self._levels.append(high)

    def at(self, t_ns: int) -> bool:
        """Return the level at a moment."""
        if t_ns >= self._times_ns[-1]:
            return self._levels[-1]
        return self._levels[bisect_right(self._times_ns, t_ns) - 1]

    def over(self, times_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the level at many moments."""
        places = np.searchsorted(np.array(self._times_ns), times_ns, side="right") - 1
        return np.array(self._levels)[places]


class SimulatedGate:
    """The twin of the gate; starts without permit and without beam."""

    def __init__(
        self,
        settings: GateSettings,
        device: str,
        mishaps: Sequence[Mishap],
        seed: int,
        duration_s: float,
    ) -> None:
        """Make a gate with the beam off and no permit."""
        self.device = device
        self._on_ns = round(settings.on_delay_ms * 1e6)
        self._off_ns = round(settings.off_delay_ms * 1e6)
        self._stuck = [
            *((m, True) for m in trouble.of(mishaps, "gate", "stuck_on")),
            *((m, False) for m in trouble.of(mishaps, "gate", "stuck_off")),
        ]
        self._until_ns = -1
        """The end of the running lease; -1 while the line is low."""
        self._beam = Line()
        self._lapsed = Line()
        self._plan = sampling(
            "gate", mishaps, seed, duration_s,
            rate_hz=settings.status_hz, delay_ms=settings.status_delay_ms, phase=0.83,
        )  # fmt: skip
        self._next = 0
        self.due_ns = self._plan.arrival_ns[0]

    def obey(self, command: SendPermit | SendHold) -> None:
        """Raise, prolong or drop the permit line at the command's own time."""
        self._expire(command.t_ns)
        if isinstance(command, SendHold) or command.until_ns <= command.t_ns:
            if self._until_ns >= 0:
                self._beam.turn(command.t_ns + self._off_ns, False)
            self._until_ns = -1
            return
        if self._until_ns < 0:
            self._beam.turn(command.t_ns + self._on_ns, True)
            self._lapsed.turn(command.t_ns, False)
        self._until_ns = command.until_ns

    def on_at(self, t_ns: int) -> bool:
        """Tell whether the beam is on; commands before ``t_ns`` must have been given."""
        self._expire(t_ns)
        for mishap, state in self._stuck:
            if trouble.is_active(mishap, t_ns):
                return state
        return self._beam.at(t_ns)

    def over(self, times_ns: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return, for ascending moments, the beam of a faultless gate and the real beam."""
        self._expire(int(times_ns[-1]))
        permitted = self._beam.over(times_ns)
        on = permitted.copy()
        for mishap, state in reversed(self._stuck):
            on[trouble.active(mishap, times_ns / 1e9)] = state
        return permitted, on

    def _expire(self, t_ns: int) -> None:
        """End the lease if it ran out before ``t_ns``."""
        if 0 <= self._until_ns < t_ns:
            self._beam.turn(self._until_ns + self._off_ns, False)
            self._lapsed.turn(self._until_ns, True)
            self._until_ns = -1

    def collect(self, to_ns: int, out: list[Sample]) -> None:
        """Append the read-backs that arrive at or before ``to_ns``."""
        plan = self._plan
        while self.due_ns <= to_ns:
            number = plan.sample[self._next]
            if plan.garbage[self._next]:
                out.append(BadSample(self.device, self.due_ns, "beam status", "0x7f"))
            else:
                read_ns = plan.exposure_ns[number]
                on = self.on_at(read_ns)
                out.append(BeamStatus(self.device, self.due_ns, on, self._lapsed.at(read_ns)))
            self._next += 1
            self.due_ns = plan.arrival_ns[self._next]
