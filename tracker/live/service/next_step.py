"""The sentence that tells the operator what to do next; it is only shown and decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tracker.core.safety.fault_table import FAULTS, FaultTable, Reaction
from tracker.core.session import SessionState

STEPS: Final[dict[SessionState, tuple[str, str]]] = {
    #                 no fault in the way; a fault in the way
    SessionState.IDLE: (
        "Begin modelling: the patient lies still and breathes as usual.",
        "Wait for {devices}, or find out why they are not connected.",
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
"""Session state -> what to do if no fault is in the way, and what to do if one is."""


def next_step(
    state: SessionState,
    against: Sequence[str],
    devices_down: Sequence[str],
    faults: FaultTable = FAULTS,
) -> str:
    """Return the sentence for a state.

    ``against``: faults for which the next request would be refused; the first one to deal with is
    named. ``devices_down``: devices that are not connected. ``faults``: the table of the machine.
    """
    free, otherwise = STEPS[state]
    if state is SessionState.IDLE:
        names = ", ".join(devices_down)
        return otherwise.format(devices=names) if devices_down else free
    if state is SessionState.MODELLING:
        against = [name for name in against if name != "model missing"]  # modelling ends this one
    if not against:
        return free
    return otherwise.format(sentence=faults[min(against, key=_rank)].sentence)


def _rank(name: str) -> tuple[bool, str]:
    """Sort faults that stop first, then by the number of their hazard."""
    fault = FAULTS[name]
    return (fault.reaction is not Reaction.STOP, fault.hazard)
