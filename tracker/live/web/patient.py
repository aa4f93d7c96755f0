"""The state that the patient's screen shows: the breathing, what is asked, and nothing else."""

from __future__ import annotations

import msgspec

from tracker.api.schema import BreathingGuide, State

STALE_MS = 400.0
"""An older breath is not shown to the patient."""


class PatientState(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the patient's screen shows, 20 times a second: no name, no fault, no request."""

    run_id: str
    sequence: int
    t_ns: int
    session: str
    permitted: bool
    """Whether the beam is permitted: the breathing is as it should be."""
    amplitude_mm: float | None = None
    guide: BreathingGuide | None = None


def for_patient(state: State) -> PatientState:
    """Return the part of a state that the patient's screen shows."""
    seen = state.surrogate
    return PatientState(
        run_id=state.run_id,
        sequence=state.sequence,
        t_ns=state.t_ns,
        session=state.session,
        permitted=state.beam.permitted,
        amplitude_mm=None if seen is None or seen.age_ms > STALE_MS else seen.amplitude_mm,
        guide=state.guide,
    )
