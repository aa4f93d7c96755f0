"""The session: which state it is in and what each trigger does there, as one table.

Every state has a row for every trigger; a trigger without a row is a mistake in the program and
raises. `REFUSED` means the trigger is known and not obeyed in that state.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What the session is doing."""

    IDLE = "IDLE"
    MODELLING = "MODELLING"
    READY = "READY"
    TRACKING = "TRACKING"
    HOLDING = "HOLDING"
    STOPPED = "STOPPED"


class Trigger(StrEnum):
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
        Trigger.MODEL,
        Trigger.EXPOSE,
        Trigger.START,
        Trigger.HOLD,
        Trigger.RESUME,
        Trigger.STOP,
        Trigger.RESET,
    }
)
"""Triggers a person may pull."""

REFUSED: Final = None

_I, _M, _R, _T, _H, _S = State

TABLE: Final[dict[Trigger, tuple[State | None, ...]]] = {
    #                        IDLE     MODELLING  READY    TRACKING  HOLDING  STOPPED
    Trigger.MODEL:          (_M,      REFUSED,   _M,      REFUSED,  REFUSED, REFUSED),
    Trigger.EXPOSE:         (REFUSED, _M,        _R,      _T,       _H,      REFUSED),
    Trigger.START:          (REFUSED, REFUSED,   _T,      REFUSED,  REFUSED, REFUSED),
    Trigger.HOLD:           (REFUSED, REFUSED,   REFUSED, _H,       _H,      REFUSED),
    Trigger.RESUME:         (REFUSED, REFUSED,   REFUSED, REFUSED,  _T,      REFUSED),
    Trigger.STOP:           (_S,      _S,        _S,      _S,       _S,      _S),
    Trigger.RESET:          (_I,      _I,        _I,      REFUSED,  REFUSED, _I),
    Trigger.MODEL_READY:    (REFUSED, _R,        REFUSED, REFUSED,  REFUSED, REFUSED),
    Trigger.FAULT_HOLD:     (REFUSED, REFUSED,   REFUSED, _H,       _H,      REFUSED),
    Trigger.FAULTS_CLEARED: (REFUSED, REFUSED,   REFUSED, REFUSED,  _T,      REFUSED),
    Trigger.FAULT_STOP:     (REFUSED, _S,        _S,      _S,       _S,      REFUSED),
}  # fmt: skip
"""Trigger -> next state for each present state, in the order of `State`."""

_COLUMN: Final = {state: index for index, state in enumerate(State)}


def after(state: State, trigger: Trigger) -> State | None:
    """Give the state after a trigger, or `REFUSED`; a trigger without a row raises ``KeyError``."""
    return TABLE[trigger][_COLUMN[state]]


def allowed(state: State) -> tuple[Trigger, ...]:
    """Give the requests a person may make in this state."""
    return tuple(t for t in Trigger if t in REQUESTS and after(state, t) is not REFUSED)
