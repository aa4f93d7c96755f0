"""The beam's lease: the gate lets the beam on until a time that each permit moves further ahead.

Without a new permit the beam goes off by itself when the lease ends.
"""

from __future__ import annotations

from typing import Final

from hal.events import SendHold, SendPermit
from tracker.core.settings import Gate

_REPEAT_HOLD_NS: Final = 500_000_000
"""How often a held beam is said to be held again."""


class BeamLease:
    """Gives the commands to the gate, and remembers until when the beam may be on."""

    def __init__(self, gate: Gate) -> None:
        """Take the name of the gate and the length of a lease; the beam has never been allowed."""
        self._device = gate.device
        self._lease_ns = round(gate.lease_ms * 1e6)
        self._held_ns = -1
        self.since_ns = -1
        """When the beam was allowed without a break since then; -1: it is not."""
        self.until_ns = -1
        """Until when the beam may be on."""

    def permit(self, now_ns: int) -> SendPermit:
        """Renew the lease, and give the command that tells the gate."""
        if self.since_ns < 0 or now_ns > self.until_ns:
            self.since_ns = now_ns
        self.until_ns = now_ns + self._lease_ns
        return SendPermit(now_ns, self._device, self.until_ns)

    def hold(self, now_ns: int, reasons: tuple[str, ...]) -> SendHold:
        """End the lease, and give the command that takes the beam away."""
        self.since_ns = -1
        self.until_ns = min(self.until_ns, now_ns)
        self._held_ns = now_ns
        return SendHold(now_ns, self._device, reasons)

    def must_end(self, now_ns: int) -> bool:
        """Tell whether a beam that may not be on must be told so, at all or once more."""
        return self.until_ns > now_ns or now_ns - self._held_ns >= _REPEAT_HOLD_NS
