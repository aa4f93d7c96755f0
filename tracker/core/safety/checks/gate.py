"""Check the gate's read-back against the permit (H19)."""

from __future__ import annotations

from typing import Final

from tracker.core.safety.fault_book import Conditions
from tracker.core.safety.fault_table import FaultName
from tracker.core.safety.situation import Situation
from tracker.core.settings import Controller

_SILENT_NS: Final = 200_000_000


class GateCheck:
    """Stops the session for a beam without a permit; holds for a gate that is silent or shut."""

    def __init__(self, settings: Controller) -> None:
        """Take the limit from the settings."""
        self._device = settings.gate.device
        self._limit_ms = settings.gate.readback_ms
        self._seen_on_ns = -1
        self._disagree_since_ns = -1

    def __call__(self, now: Situation, found: Conditions) -> None:
        """Compare read-back and permit, and how long they have differed."""
        now_ns = now.now_ns
        if now.beam_on is None or now_ns - now.beam_status_ns > _SILENT_NS:
            found[FaultName.GATE_SILENT] = (
                f"{self._device}: no read-back for over {_SILENT_NS / 1e6:.0f} ms"
            )
            return
        if now.beam_on:
            self._seen_on_ns = now_ns
            if now_ns > now.permit_until_ns:
                self._check_without_permit(now, found)
                return
        else:
            self._check_shut(now, found)
        self._disagree_since_ns = -1

    def _check_shut(self, now: Situation, found: Conditions) -> None:
        """See how long a permitted beam has been off."""
        shut_ms = (now.now_ns - max(now.permit_since_ns, self._seen_on_ns)) / 1e6
        if now.permit_since_ns >= 0 and now.permitted and shut_ms > self._limit_ms:
            found[FaultName.GATE_STAYS_SHUT] = (
                f"{self._device}: no beam for {shut_ms:.0f} ms of permit, "
                f"limit {self._limit_ms:g} ms"
            )

    def _check_without_permit(self, now: Situation, found: Conditions) -> None:
        """See how long a beam has been on without a permit."""
        if self._disagree_since_ns < 0:
            self._disagree_since_ns = max(now.permit_until_ns, 0)
        late_ms = (now.now_ns - self._disagree_since_ns) / 1e6
        if late_ms > self._limit_ms:
            found[FaultName.GATE_DISAGREES] = (
                f"{self._device}: beam on {late_ms:.0f} ms after the permit ended, "
                f"limit {self._limit_ms:g} ms"
            )
