"""Say why a session never began to track, from what the controller told while it ran."""

from __future__ import annotations

from tracker.core.types import FaultChanged, Notice, SessionChanged
from tracker.report.records import Records

_REFUSES = ("REFUSE_START", "HOLD", "STOP")
_STANDS = {
    "IDLE": "modelling never began",
    "MODELLING": "modelling was not finished",
    "READY": "the model was ready, but tracking was not started",
    "STOPPED": "the session was stopped before",
}


def why_never_tracked(records: Records) -> str | None:
    """Return one sentence, or ``None`` for a session that tracked.

    It names how far the session came, what was missing in the controller's own words, and the
    faults that still stood in the way.
    """
    if records.tracking_ns is not None:
        return None
    states = [each.after for each in records.log if isinstance(each, SessionChanged)]
    reached = next((state for state in reversed(states) if state != "STOPPED"), "IDLE")
    parts = [_STANDS.get(str(reached), f"the session ended in {reached}")]
    missing = _last_warning(records)
    if missing:
        parts.append(missing)
    active: dict[str, str] = {}
    for each in records.log:
        if isinstance(each, FaultChanged):
            if each.active and each.reaction in _REFUSES:
                active[each.fault] = each.detail
            else:
                active.pop(each.fault, None)
    parts += [f"{fault}: {detail}" for fault, detail in active.items() if detail not in missing]
    used = sum(each.used for each in records.observations)
    parts.append(f"{used} of {len(records.observations)} shots were used")
    return "; ".join(parts)


def _last_warning(records: Records) -> str:
    """Return the last notice that something is missing, and how often it was repeated."""
    warnings = [each.text for each in records.log if isinstance(each, Notice)]
    about = [text for text in warnings if text.startswith(("no model", "breathing", "start"))]
    return (about or warnings or [""])[-1]
