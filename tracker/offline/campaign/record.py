"""Compute the record of one run from the engine's outputs and the room's truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sim.room import TRUTH_STEP_NS, Traces
from sim.scenario import RoomGate
from tracker.core.session import SessionState
from tracker.core.types import FaultChanged, SessionChanged, WindowChanged
from tracker.offline.campaign.kinds import MishapTrouble
from tracker.offline.campaign.patients import CampaignPatient

TOLERANCES_MM = (3.0, 5.0)
RECOVERY_S = 30.0
"""A hold that begins so long after a mishap is over is still put down to it."""
SPARED_NS = 1_000_000_000
"""A hold after whose beginning the beam misses within that time was right."""
_STEP_MS = TRUTH_STEP_NS / 1e6

Mask = NDArray[np.bool_]


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one run; times in milliseconds or seconds from the onset of its mishap.

    A time that never came is ``None``. ``*_3mm`` and ``*_5mm`` are by tolerance.
    """

    fault: str
    seed: int
    patient: str
    recorded: bool
    """Whether the patient is a recording."""
    seconds: float
    """Length of the run; shorter than asked for where the session stopped or the recording did."""
    troubles: tuple[str, ...]
    """What happened: kind, twin, moment, duration, size."""
    image_only: bool
    """Whether any of it shows in X-ray shots alone."""
    detected_ms: float | None
    detected_by: str
    """The first fault raised after the onset."""
    held_ms: float | None
    """Onset to beam off."""
    held_by: str
    return_s: float | None
    """From the end of the mishap, or from beam off if that was later, to beam on again."""
    stopped_by: str
    """The fault that stopped the session for good; empty: none."""
    duty: float
    """Share of the time since tracking began in which the beam was permitted; the time in which
    gating kept it off by plan is not counted."""
    beam_s: float
    """Time the beam was permitted."""
    unsafe_3mm_s: float
    unsafe_5mm_s: float
    episodes_3mm_ms: tuple[int, ...]
    """Length of every unbroken stretch of unsafe beam."""
    episodes_5mm_ms: tuple[int, ...]
    worst_at_s: float | None
    """When the longest of those at 5 mm began, from the start of the run."""
    stray_s: float
    """Beam on that was not permitted: a gate that does not obey."""
    rms_mm: float | None
    nuisance: tuple[str, ...]
    """What began each hold that neither a mishap nor a miss explains."""
    tracked_s: float
    planned_off_s: float = 0.0
    """Part of it in which a gating window or a breath hold kept the beam off by plan."""
    shots: int
    digest: str
    """SHA-256 over every demand, permit, hold, exposure, fault and state, in order."""

    @property
    def name(self) -> str:
        """The name for `tidetrack campaign --replay`."""
        return f"{self.fault}:{self.seed}"

    @property
    def longest_5mm_ms(self) -> int:
        """The longest unsafe episode at 5 mm."""
        return max(self.episodes_5mm_ms, default=0)

    @property
    def longest_3mm_ms(self) -> int:
        """The longest unsafe episode at 3 mm."""
        return max(self.episodes_3mm_ms, default=0)


class Kept(NamedTuple):
    """The part of the engine's outputs that the figures need."""

    end_ns: int
    last_turn_ns: int
    """When the controller was last alive."""
    faults: list[FaultChanged]
    states: list[SessionChanged]
    shots: int
    digest: str
    windows: Sequence[WindowChanged] = ()


def judge(
    fault: str,
    seed: int,
    patient: CampaignPatient,
    troubles: tuple[MishapTrouble, ...],
    kept: Kept,
    traces: Traces,
) -> RunRecord:
    """Compute a run's figures."""
    start_ns = next((c.t_ns for c in kept.states if c.after == SessionState.TRACKING), kept.end_ns)
    stop_ns = next(
        (c.t_ns for c in kept.states if c.after == SessionState.STOPPED), kept.last_turn_ns
    )
    permitted = traces.permitted & (traces.t_ns >= start_ns)
    counted = permitted & traces.scored
    unsafe = {mm: counted & (traces.error_mm > mm) for mm in TOLERANCES_MM}
    tracked = (traces.t_ns >= start_ns) & (traces.t_ns <= stop_ns)
    episodes = {mm: _stretches(mask) for mm, mask in unsafe.items()}
    worst = max(episodes[5.0], key=lambda each: each[1] - each[0], default=None)
    errors = traces.error_mm[counted]
    beam_s = float(permitted.sum()) * _STEP_MS / 1e3
    tracked_s = float(tracked.sum()) * _STEP_MS / 1e3
    planned_off = _planned_off(kept, traces, patient.room.gate) & ~traces.permitted
    planned_off_s = float((tracked & planned_off).sum()) * _STEP_MS / 1e3
    wanted_s = tracked_s - planned_off_s
    return RunRecord(
        fault=fault,
        seed=seed,
        patient=patient.name,
        recorded=patient.recording is not None,
        seconds=round(kept.end_ns / 1e9, 2),
        troubles=tuple(_in_words(trouble) for trouble in troubles),
        image_only=any(trouble.image_only for trouble in troubles),
        stopped_by=_stopped_by(kept),
        duty=round(beam_s / wanted_s, 6) if wanted_s > 0.0 else 0.0,
        beam_s=round(beam_s, 3),
        unsafe_3mm_s=round(float(unsafe[3.0].sum()) * _STEP_MS / 1e3, 3),
        unsafe_5mm_s=round(float(unsafe[5.0].sum()) * _STEP_MS / 1e3, 3),
        episodes_3mm_ms=_lengths(episodes[3.0]),
        episodes_5mm_ms=_lengths(episodes[5.0]),
        worst_at_s=None if worst is None else round(worst[0] * _STEP_MS / 1e3, 3),
        stray_s=round(float((traces.on & ~traces.permitted).sum()) * _STEP_MS / 1e3, 3),
        rms_mm=round(float(np.sqrt(np.mean(errors**2))), 4) if len(errors) else None,
        nuisance=_nuisance(kept, troubles, traces),
        tracked_s=round(tracked_s, 3),
        planned_off_s=round(planned_off_s, 3),
        shots=kept.shots,
        digest=kept.digest,
        # What is off by plan is not held; the mishap is judged by what it does to the rest.
        **_reaction(kept, troubles, traces._replace(permitted=traces.permitted | planned_off)),
    )


def _planned_off(kept: Kept, traces: Traces, gate: RoomGate) -> Mask:
    """Return when gating kept the beam off by plan, until it had time to come on; (N,)."""
    comes_ns = round(gate.on_delay_ms * 1e6) + TRUTH_STEP_NS
    off = np.zeros(len(traces.t_ns), dtype=np.bool_)
    for k, change in enumerate(kept.windows):
        if not change.open:
            later = kept.windows[k + 1 :]
            until_ns = later[0].t_ns + comes_ns if later else kept.last_turn_ns
            first, last = np.searchsorted(traces.t_ns, (change.t_ns, until_ns))
            off[first:last] = True
    return off


def _reaction(kept: Kept, troubles: tuple[MishapTrouble, ...], traces: Traces) -> dict[str, Any]:
    """Return when the mishap was noticed, when the beam went off, and when it came back."""
    found: dict[str, Any] = {
        "detected_ms": None,
        "detected_by": "",
        "held_ms": None,
        "held_by": "",
        "return_s": None,
    }
    if not troubles:
        return found
    onset_ns = round(min(t.mishaps[0].at_s for t in troubles) * 1e9)
    clear_ns = round(max(t.clear_s for t in troubles) * 1e9)
    until_ns = max(_put_down_to_ns(trouble) for trouble in troubles)
    raised = next((c for c in kept.faults if c.active and onset_ns <= c.t_ns <= until_ns), None)
    if raised is not None:
        found["detected_ms"] = round((raised.t_ns - onset_ns) / 1e6, 1)
        found["detected_by"] = raised.fault
    after = np.flatnonzero(traces.t_ns >= onset_ns)
    permitted = traces.permitted[after]
    if not len(after) or not permitted[0]:
        return found
    off = np.flatnonzero(~permitted & (traces.t_ns[after] <= until_ns))
    if not len(off):
        return found
    held_ns = int(traces.t_ns[after[off[0]]])
    found["held_ms"] = round((held_ns - onset_ns) / 1e6, 1)
    hold = next(
        (c for c in kept.states if c.t_ns >= onset_ns and c.before == SessionState.TRACKING), None
    )
    found["held_by"] = "" if hold is None else _reason(kept, hold)
    on = np.flatnonzero(permitted & (traces.t_ns[after] > held_ns))
    if len(on):
        back_ns = int(traces.t_ns[after[on[0]]])
        # Not before it is over: a beam that comes back and goes again has not returned.
        later = np.flatnonzero(permitted & (traces.t_ns[after] >= max(clear_ns, back_ns)))
        if len(later):
            back_ns = int(traces.t_ns[after[later[0]]])
            found["return_s"] = round((back_ns - max(clear_ns, held_ns)) / 1e9, 3)
    return found


def _reason(kept: Kept, change: SessionChanged) -> str:
    """Return the faults that held the beam when the session left tracking."""
    active: dict[str, None] = {}
    for each in kept.faults:
        if each.t_ns > change.t_ns:
            break
        if each.active and each.reaction in ("HOLD", "STOP"):
            active[each.fault] = None
        elif not each.active:
            active.pop(each.fault, None)
    return next(iter(active), change.trigger)


def _stopped_by(kept: Kept) -> str:
    change = next((c for c in kept.states if c.after == SessionState.STOPPED), None)
    if change is None:
        return ""
    stops = [c.fault for c in kept.faults if c.active and c.reaction == "STOP"]
    return stops[-1] if stops else change.trigger


def _nuisance(kept: Kept, troubles: tuple[MishapTrouble, ...], traces: Traces) -> tuple[str, ...]:
    """Return the causes of all holds that no mishap explains and that avoided no error."""
    spans = [(round(t.mishaps[0].at_s * 1e9), _put_down_to_ns(t)) for t in troubles]
    begun = [c for c in kept.states if c.before == SessionState.TRACKING]
    return tuple(
        _reason(kept, change)
        for change in begun
        if not any(a <= change.t_ns <= b for a, b in spans) and not _spared(change.t_ns, traces)
    )


def _spared(held_ns: int, traces: Traces) -> bool:
    """Tell whether the beam would soon have missed by the smallest tolerance without this hold."""
    first, last = np.searchsorted(traces.t_ns, (held_ns, held_ns + SPARED_NS))
    return bool(np.any(traces.error_mm[first:last] > TOLERANCES_MM[0]))


def _put_down_to_ns(trouble: MishapTrouble) -> int:
    """Return until when events count as caused by the mishap: to the end if only shots show it."""
    return 1 << 62 if trouble.image_only else round((trouble.clear_s + RECOVERY_S) * 1e9)


def _in_words(trouble: MishapTrouble) -> str:
    first = trouble.mishaps[0]
    sizes = " and ".join(f"{mishap.size:g}" for mishap in trouble.mishaps)
    return (
        f"{trouble.name} at {first.at_s:g} s for {first.duration_s:g} s, size {sizes}, "
        f"which {first.which}"
    )


def _stretches(mask: Mask) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _lengths(stretches: list[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(round((stop - start) * _STEP_MS) for start, stop in stretches)
