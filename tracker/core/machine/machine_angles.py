"""The angles of the treatment machine over time: as reported, and carried on to a moment ahead.

A gantry turns by several degrees in one latency. A demand is in the axes of the moment at which it
takes effect, so the angles are carried on with the speed of the last reports.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from hal.messages import LinacStatus, Triple
from tracker.core.frames import Orientation
from tracker.core.machine.geometry import MachineAngles, MachineAxes
from tracker.core.machine.kinds.kind import MachineKind
from tracker.core.settings import Linac

_SPEED_OVER_NS: Final = 250_000_000
"""The speed of an angle is taken from the reports of so long."""
_JUDGED_AFTER_NS: Final = 100_000_000
"""An angle is judged by what the reports that are at least so old lead to expect."""
_TURNS_DEG_S: Final = 1.0
"""A gantry that turned faster than this does not stand still at once."""
_STEP_NS: Final = 10_000_000
"""The speed of the wanted position is taken over this time."""


_TABLE_DEG: Final = 0.5
"""How far the table may be from its configured angle: images and model hold for that one only."""
_NAMES: Final = ("gantry", "collimator", "table")


def turned_by(from_deg: float, to_deg: float) -> float:
    """Return the shorter turn from one angle to another, in degrees, from -180 up to 180."""
    return (to_deg - from_deg + 180.0) % 360.0 - 180.0


class AngleReport(NamedTuple):
    """What is known of the machine's angles at one tick, for the check of them."""

    newest_ns: int = -1
    """When the newest angles were measured; -1: none have come."""
    suspect: str = ""
    """How the newest angles differ from what the ones before lead to expect; empty: they fit."""
    stopped: str = ""
    """Which angle stopped turning at once; empty: none. A linac may do so while its beam is off."""


class AngleTrack:
    """Angles as the linac reported them over the last moments."""

    def __init__(self, linac: Linac) -> None:
        """Take the delay of the reports, the limits and the planned table; nothing is known yet."""
        self._delay_ns = round(linac.delay_ms * 1e6)
        self._jump_deg = linac.jump_deg
        self._table_deg = linac.table_deg
        self._suspect = self._stopped = ""
        self._times: deque[int] = deque()
        self._angles: deque[MachineAngles] = deque()
        self.newest_ns = -1
        """When the newest angles were measured; -1 before the first."""
        self.newest: MachineAngles | None = None
        """The newest angles."""

    def add(self, status: LinacStatus) -> None:
        """Add one report; one that was not measured after the last is dropped."""
        t_ns = status.t_ns - self._delay_ns
        if t_ns <= self.newest_ns:
            return
        angles = MachineAngles(status.gantry_deg, status.collimator_deg, status.table_deg)
        self._suspect, self._stopped = self._compare(t_ns, angles)
        self._times.append(t_ns)
        self._angles.append(angles)
        self.newest_ns, self.newest = t_ns, angles
        while len(self._times) > 2 and self._times[0] < t_ns - _SPEED_OVER_NS - _JUDGED_AFTER_NS:
            self._times.popleft()
            self._angles.popleft()

    @property
    def report(self) -> AngleReport:
        """Return what the check of the angles needs."""
        return AngleReport(self.newest_ns, self._suspect, self._stopped)

    def _compare(self, t_ns: int, angles: MachineAngles) -> tuple[str, str]:
        """Say how new angles differ from what the ones before lead to, and what stopped."""
        turned = abs(turned_by(self._table_deg, angles.table_deg))
        if turned > _TABLE_DEG:
            return (
                f"table at {angles.table_deg:.1f} degrees, configured "
                f"{self._table_deg:g}, limit {_TABLE_DEG:g} degrees"
            ), ""
        times, old_ns = self._times, t_ns - _JUDGED_AFTER_NS
        last = next((k for k in range(len(times) - 1, -1, -1) if times[k] <= old_ns), 0)
        if last < 1:
            return "", ""
        span_ns = times[last] - times[0]
        for name, first, old, new in zip(
            _NAMES, self._angles[0], self._angles[last], angles, strict=True
        ):
            speed = turned_by(first, old) / (span_ns * 1e-9)
            expected = old + speed * (t_ns - times[last]) * 1e-9
            off = turned_by(expected, new)
            if abs(off) > self._jump_deg and new != old:
                return (
                    f"{name} at {new:.1f} degrees, {abs(off):.1f} degrees from where its speed "
                    f"leads to, limit {self._jump_deg:g} degrees"
                ), ""
            if abs(speed) > _TURNS_DEG_S and new == old:
                stands = f"stands at {new:.1f} degrees after turning {speed:.1f} degrees/s"
                return "", f"{name} {stands} with the beam on"
        return "", ""

    def at(self, t_ns: int) -> MachineAngles | None:
        """Return the angles at a moment, carried on with their speed; ``None``: unknown."""
        newest = self.newest
        if newest is None or len(self._times) < 2:
            return newest
        from_ns = self.newest_ns - _SPEED_OVER_NS
        k = next((k for k, at_ns in enumerate(self._times) if at_ns >= from_ns), 0)
        k = min(k, len(self._times) - 2)
        share = (t_ns - self.newest_ns) / (self.newest_ns - self._times[k])
        first = self._angles[k]
        gantry, collimator, table = (
            to_deg + share * turned_by(from_deg, to_deg)
            for from_deg, to_deg in zip(first, newest, strict=True)
        )
        return MachineAngles(gantry, collimator, table)


class AxesInTime:
    """The machine's axes at any moment: fixed ones, or those that turn with its angles."""

    def __init__(self, kind: MachineKind, orientation: Orientation, linac: Linac) -> None:
        """Take the kind of machine, and the angles at which it stands until it reports others."""
        self._kind = kind
        self._orientation: Orientation = orientation
        self._planned = MachineAngles(linac.gantry_deg, linac.collimator_deg, linac.table_deg)
        self._fixed = kind.axes(orientation, self._planned)
        self.turning = kind.turns and linac.enabled
        """Whether the axes depend on reported angles."""
        self.track = AngleTrack(linac)

    def at(self, t_ns: int) -> MachineAxes | None:
        """Return the axes at a moment; ``None`` while no angles have been reported."""
        if not self.turning:
            return self._fixed
        angles = self.track.at(t_ns)
        return None if angles is None else self._kind.axes(self._orientation, angles)

    @property
    def report(self) -> AngleReport | None:
        """Return what the check of the angles needs; ``None``: the axes do not depend on them."""
        return self.track.report if self.turning else None

    def velocity(self, at_ns: int, position_mm: Triple, velocity_mm_s: Triple) -> Triple:
        """Return how fast the wanted position moves, by target and gantry together, in mm/s."""
        if not self.turning:
            return self._fixed.wanted(velocity_mm_s)
        now, later = self.at(at_ns), self.at(at_ns + _STEP_NS)
        if now is None or later is None:
            return (0.0, 0.0, 0.0)
        (x, y, z), (u, v, w), dt = position_mm, velocity_mm_s, _STEP_NS * 1e-9
        a, b, c = now.wanted(position_mm)
        d, e, f = later.wanted((x + dt * u, y + dt * v, z + dt * w))
        return ((d - a) / dt, (e - b) / dt, (f - c) / dt)
