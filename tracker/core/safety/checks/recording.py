"""Check what stands beside the controller: the journal (H24) and the monitor at the gate (H16)."""

from __future__ import annotations

from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller


class RecordingCheck:
    """Holds the beam while the run is not recorded, or while no monitor watches the gate."""

    def __init__(self, settings: Controller) -> None:
        """Need nothing from the settings: journal and monitor report whether they work."""

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Take over what journal and monitor told."""
        reports = now.reports
        if reports.not_recorded:
            found[FaultName.NOT_RECORDING] = reports.not_recorded
        if reports.no_monitor:
            found[FaultName.MONITOR_LOST] = reports.no_monitor
