"""Check for unreadable messages of devices that are no breathing sensors (H04).

Such a message is a warning. Whether the beam is held is judged by what the device is there for: an
image is taken again, a gate is judged by its read-back, an actuator by the age of its position.
"""

from __future__ import annotations

from typing import Final

from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import DeviceRole, Situation
from tracker.core.settings import Controller

_RECENT_NS: Final = 1_000_000_000
"""How long a fault reports an unreadable message after its arrival."""
_FAULTS: Final[dict[DeviceRole, FaultName]] = {
    "imager": FaultName.BAD_IMAGE,
    "gate": FaultName.BAD_GATE_MESSAGE,
    "actuator": FaultName.BAD_ACTUATOR_MESSAGE,
    "linac": FaultName.BAD_LINAC_MESSAGE,
    "unknown": FaultName.UNKNOWN_DEVICE,
}


class MessageCheck:
    """Warns of unreadable messages, by the role of the device that sent them."""

    def __init__(self, settings: Controller) -> None:
        """Need nothing from the settings."""

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Look at the last unreadable message of each role."""
        for role, (t_ns, words) in now.reports.bad.items():
            if now.now_ns - t_ns < _RECENT_NS:
                found[_FAULTS[role]] = words
