"""The session: which state it is in and what each trigger does there, as one table.

Every state has a row for every trigger; a trigger without a row is a mistake in the program and
raises. `REFUSED` means the trigger is known and not obeyed in that state.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class SessionState(StrEnum):
    """What the session is doing."""

    IDLE = "IDLE"
    MODELLING = "MODELLING"
    READY = "READY"
    TRACKING = "TRACKING"
    HOLDING = "HOLDING"
    STOPPED = "STOPPED"


class SessionTrigger(StrEnum):
    """What can move a session: a person's request, or something the controller found."""

    MODEL = "model"
    EXPOSE = "expose"
    START = "start"
    HOLD = "hold"
    RESUME = "resume"
    STOP = "stop"
    RESET = "reset"
    MODEL_READY = "model ready"
    FAULT_HOLD = "fault: hold"
    FAULTS_CLEARED = "faults cleared"
    FAULT_STOP = "fault: stop"


REQUESTS: Final = frozenset(
    {
        SessionTrigger.MODEL,
        SessionTrigger.EXPOSE,
        SessionTrigger.START,
        SessionTrigger.HOLD,
        SessionTrigger.RESUME,
        SessionTrigger.STOP,
        SessionTrigger.RESET,
    }
)
"""Triggers a person may pull."""

REFUSED: Final = None

_I, _M, _R, _T, _H, _S = SessionState

TABLE: Final[dict[SessionTrigger, tuple[SessionState | None, ...]]] = {
    #                        IDLE     MODELLING  READY    TRACKING  HOLDING  STOPPED
    SessionTrigger.MODEL:          (_M,      REFUSED,   _M,      REFUSED,  REFUSED, REFUSED),
    SessionTrigger.EXPOSE:         (REFUSED, _M,        _R,      _T,       _H,      REFUSED),
    SessionTrigger.START:          (REFUSED, REFUSED,   _T,      REFUSED,  REFUSED, REFUSED),
    SessionTrigger.HOLD:           (REFUSED, REFUSED,   REFUSED, _H,       _H,      REFUSED),
    SessionTrigger.RESUME:         (REFUSED, REFUSED,   REFUSED, REFUSED,  _T,      REFUSED),
    SessionTrigger.STOP:           (_S,      _S,        _S,      _S,       _S,      _S),
    SessionTrigger.RESET:          (_I,      _I,        _I,      REFUSED,  REFUSED, _I),
    SessionTrigger.MODEL_READY:    (REFUSED, _R,        REFUSED, REFUSED,  REFUSED, REFUSED),
    SessionTrigger.FAULT_HOLD:     (REFUSED, REFUSED,   REFUSED, _H,       _H,      REFUSED),
    SessionTrigger.FAULTS_CLEARED: (REFUSED, REFUSED,   REFUSED, REFUSED,  _T,      REFUSED),
    SessionTrigger.FAULT_STOP:     (REFUSED, _S,        _S,      _S,       _S,      REFUSED),
}  # fmt: skip
"""Trigger -> next state for each present state, in the order of `SessionState`."""

_COLUMN: Final = {state: index for index, state in enumerate(SessionState)}


def after(state: SessionState, trigger: SessionTrigger) -> SessionState | None:
    """Give the state after a trigger, or `REFUSED`; a trigger without a row raises ``KeyError``."""
    return TABLE[trigger][_COLUMN[state]]


def allowed(state: SessionState) -> tuple[SessionTrigger, ...]:
    """Give the requests a person may make in this state."""
    return tuple(t for t in SessionTrigger if t in REQUESTS and after(state, t) is not REFUSED)
