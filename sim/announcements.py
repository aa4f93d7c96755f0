"""Announce to the controller who the patient is, by which plan, and whether the run is recorded.

Patient and plan are announced at the start of the run. They are those the controller was set up
for, and the recorder works, unless a mishap says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from hal.events import Identity, RecordingState
from sim.sampling import NEVER_NS
from sim.scenario import Mishap

SOMEBODY_ELSE = "SOMEBODY-ELSE"
DISK_FULL = "No space left on device"
NOTICED_NS = 300_000_000
"""The time after which a recorder notices that nothing is written any more."""


class RoomAnnouncements:
    """Announces patient, plan and the recorder's state, each when it changes."""

    def __init__(self, patient_id: str, plan_id: str, mishaps: Sequence[Mishap]) -> None:
        """Plan the whole run beforehand."""
        told: list[Identity | RecordingState] = [Identity(0, patient_id, plan_id)]
        for mishap in mishaps:
            at_ns = round(mishap.at_s * 1e9)
            end_ns = at_ns + round(mishap.duration_s * 1e9)
            if mishap.on == "plan":
                told.append(Identity(at_ns, SOMEBODY_ELSE, plan_id))
                told.append(Identity(end_ns, patient_id, plan_id))
            elif mishap.on == "recorder":
                told.append(RecordingState(at_ns + NOTICED_NS, ok=False, detail=DISK_FULL))
                told.append(RecordingState(end_ns + NOTICED_NS, ok=True))
        told.sort(key=lambda event: event.t_ns)
        self._told = told
        self._next = 0
        self.due_ns = told[0].t_ns

    def collect(self, to_ns: int) -> list[Identity | RecordingState]:
        """Return the announcements up to ``to_ns`` that were not returned before."""
        first = self._next
        while self._next < len(self._told) and self._told[self._next].t_ns <= to_ns:
            self._next += 1
        rest = self._told[self._next :]
        self.due_ns = rest[0].t_ns if rest else NEVER_NS
        return self._told[first : self._next]
