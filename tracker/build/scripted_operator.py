"""The scripted operator of a closed loop: asks for model and start, and resumes latched holds."""

from __future__ import annotations

from tracker.core.session import SessionState

_MODEL_NS = 500_000_000
_START_AFTER_NS = 500_000_000
PATIENCE_NS = 5_000_000_000
"""How long the operator watches a hold before asking to resume."""


class Operator:
    """Looks at the session's state every tick, and makes a request when one is due."""

    def __init__(self) -> None:
        """Start before the session has begun."""
        self._state = SessionState.IDLE
        self._since_ns = 0
        self._acted_ns = 0

    def wish(self, now_ns: int, state: SessionState) -> str | None:
        """Say what to request now, or ``None``."""
        if state is not self._state:
            self._state = state
            self._since_ns = self._acted_ns = now_ns
        waited = now_ns - self._acted_ns
        wish = None
        if state is SessionState.IDLE and waited >= _MODEL_NS and self._since_ns == 0:
            wish = "model"
        elif state is SessionState.READY and waited >= _START_AFTER_NS:
            wish = "start"
        elif state is SessionState.HOLDING and waited >= PATIENCE_NS:
            wish = "resume"
        if wish is not None:
            self._acted_ns = now_ns
        return wish
