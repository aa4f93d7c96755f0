"""Check how late the controller's tick came (H16)."""

from __future__ import annotations

from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller


class LoopCheck:
    """Warns of a late tick, and holds the beam after a very late one."""

    def __init__(self, settings: Controller) -> None:
        """Take the limits from the settings."""
        self._overrun_ms = settings.gating.overrun_ms
        self._late_ticks = settings.gating.late_ticks
        self._tick_hz = settings.timing.tick_hz

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Compare the lateness with both limits."""
        late_ms = now.late_ns / 1e6
        if late_ms > self._overrun_ms:
            found[FaultName.LOOP_OVERRUN] = (
                f"tick {late_ms:.0f} ms late, limit {self._overrun_ms:g} ms"
            )
        elif late_ms * self._tick_hz > 1e3 * self._late_ticks:
            limit_ms = 1e3 * self._late_ticks / self._tick_hz
            found[FaultName.LOOP_LATE] = f"tick {late_ms:.0f} ms late, limit {limit_ms:g} ms"
