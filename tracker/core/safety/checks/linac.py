"""Check the angles of a machine whose axes turn with them: their age and their course (H29)."""

from __future__ import annotations

from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller


class LinacCheck:
    """Holds the beam while the angles are unknown or old, and when they leap or stop suddenly."""

    def __init__(self, settings: Controller) -> None:
        """Take the limits from the settings."""
        self._device = settings.linac.device
        self._stale_ms = settings.linac.stale_ms

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Look at the newest angles, where the machine needs them."""
        angles = now.angles
        if angles is None:
            return
        age_ms = (now.now_ns - angles.newest_ns) / 1e6
        if angles.newest_ns < 0 or age_ms > self._stale_ms:
            age = "none has come" if angles.newest_ns < 0 else f"the newest is {age_ms:.0f} ms old"
            found[FaultName.ANGLES_LOST] = (
                f"{self._device}: no angles, {age}, limit {self._stale_ms:g} ms"
            )
        elif angles.suspect:
            found[FaultName.ANGLES_WRONG] = f"{self._device}: {angles.suspect}"
        elif angles.stopped and now.permitted:
            found[FaultName.ANGLES_WRONG] = f"{self._device}: {angles.stopped}"
