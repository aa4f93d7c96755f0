"""The one thing to do next, in a sentence: a table of session states, then what stands against it.

Told to whoever looks at the console; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tracker.core.safety.fault_table import FAULTS, Reaction
from tracker.core.session import SessionState

STEPS: Final[dict[SessionState, tuple[str, str]]] = {
    #                 nothing stands against it; something does
    SessionState.IDLE: (
        "Begin modelling: the patient lies still and breathes as usual.",
        "Wait for {devices}, or see why not connected.",
    ),
    SessionState.MODELLING: (
        "Wait: shots are being taken for the model.",
        "{sentence}",
    ),
    SessionState.READY: (
        "Start tracking.",
        "{sentence}",
    ),
    SessionState.TRACKING: (
        "Watch the patient; hold if anything is not right.",
        "{sentence}",
    ),
    SessionState.HOLDING: (
        "Resume, or wait: the beam is held.",
        "{sentence}",
    ),
    SessionState.STOPPED: (
        "The session is over: read its report. For the next one start a new run, or have it reset.",
        "{sentence}",
    ),
}  # fmt: skip
"""What to do in each state, when nothing stands against going on and when something does."""


def next_step(state: SessionState, against: Sequence[str], devices_down: Sequence[str]) -> str:
    """Give the sentence: of the state, of a device that is missing, or of the fault in front."""
    free, otherwise = STEPS[state]
    if state is SessionState.IDLE:
        names = ", ".join(devices_down)
        return otherwise.format(devices=names) if devices_down else free
    if state is SessionState.MODELLING:
        against = [name for name in against if name != "model missing"]  # that is what is done
    if not against:
        return free
    return otherwise.format(sentence=FAULTS[min(against, key=_rank)].sentence)


def _rank(name: str) -> tuple[bool, str]:
    """What stops comes first; then by hazard, as they are counted along the way of a sample."""
    fault = FAULTS[name]
    return (fault.reaction is not Reaction.STOP, fault.hazard)
