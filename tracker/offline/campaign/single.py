"""One run of a campaign: a deterministic closed loop on virtual time, and the figures it leaves.

No journal is written and nothing is encoded: what the room came to is read from its twins at the
end, and of what the engine says only faults, states and demands are kept. The same name, seed,
length, configuration and recordings give the same `RunRecord`, wherever it runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hal.events import Request, SendDemand, SendExpose, SendHold, SendPermit, SendStop, Tick
from sim.recording import Recording
from sim.room import TRUTH_STEP_NS, Room, Traces
from tracker.build import build_engine
from tracker.config import Configuration
from tracker.core.session import State
from tracker.core.types import FaultChanged, Output, SessionChanged
from tracker.offline.campaign.kinds import Trouble, drawn
from tracker.offline.campaign.patients import Patient, patient_of
from tracker.offline.closed_loop import furnish
from tracker.offline.operator import Operator
from tracker.offline.turns import turns
from tracker.offline.warm import warm

TOLERANCES_MM = (3.0, 5.0)
RECOVERY_S = 30.0
"""A hold that begins so long after a mishap is over is still put down to it."""
_DEMAND = struct.Struct("<q3d")
_PERMIT = struct.Struct("<2q")
_STEP_MS = TRUTH_STEP_NS / 1e6
_GRACE_NS = 2_000_000_000
"""How long a stopped session is watched before the run is over."""

Mask = NDArray[np.bool_]


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one run; times in milliseconds or seconds from the onset of its mishap.

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
    """What befell: kind, twin, moment, duration, size."""
    image_only: bool
    """Whether any of it shows in X-ray shots alone."""
    detected_ms: float | None
    detected_by: str
    """The first fault raised after the onset."""
    held_ms: float | None
    """Onset to beam off."""
    held_by: str
    return_s: float | None
    """From when the mishap was over, or the beam went off if that was later, to beam on again."""
    stopped_by: str
    """The fault that stopped the session for good; empty: none."""
    duty: float
    """Share of the time since tracking began in which the beam was permitted."""
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
    """What began each hold that no mishap explains."""
    tracked_s: float
    shots: int
    digest: str
    """SHA-256 over every demand, permit, hold, exposure, fault and state, in order."""

    @property
    def name(self) -> str:
        """What `tidetrack campaign --replay` takes."""
        return f"{self.fault}:{self.seed}"

    @property
    def longest_5mm_ms(self) -> int:
        """The longest unsafe episode at 5 mm."""
        return max(self.episodes_5mm_ms, default=0)

    @property
    def longest_3mm_ms(self) -> int:
        """The longest unsafe episode at 3 mm."""
        return max(self.episodes_3mm_ms, default=0)


class Cast(NamedTuple):
    """Everything that makes a run, before it is run."""

    configuration: Configuration
    """With the patient and the mishaps in its room."""
    patient: Patient
    troubles: tuple[Trouble, ...]


def cast_run(
    fault: str,
    seed: int,
    length_s: float,
    configuration: Configuration,
    recordings: tuple[Recording, ...],
) -> Cast:
    """Draw patient and mishaps of a run."""
    assert configuration.room is not None
    patient = patient_of(seed, configuration.room, recordings, length_s)
    if patient.recording is not None:
        start_s = patient.room.patient.start_s
        length_s = min(length_s, float(patient.recording.times_s[-1]) - start_s)
    troubles = drawn(fault, seed, length_s)
    befall = tuple(mishap for trouble in troubles for mishap in trouble.mishaps)
    room = msgspec.structs.replace(patient.room, mishaps=(*patient.room.mishaps, *befall))
    return Cast(dataclasses.replace(configuration, room=room), patient, troubles)


class Single:
    """Runs one after the other in one process."""

    def __init__(
        self, configuration: Configuration, recordings: tuple[Recording, ...], length_s: float
    ) -> None:
        """Take what all runs of a campaign have in common."""
        self._configuration = configuration
        self._recordings = recordings
        self._length_s = length_s

    def warm_up(self) -> None:
        """Compile, or load from the cache, all that runs call."""
        warm(self._configuration)
        gc.collect()
        gc.freeze()  # what is loaded stays; looking through it after each run would take long

    def run(self, fault: str, seed: int) -> RunRecord:
        """Do one run; raises ``ValueError`` where its room cannot be."""
        made = cast_run(fault, seed, self._length_s, self._configuration, self._recordings)
        room = furnish(made.configuration, made.patient.recording, seed)
        with _no_collection():
            kept = _loop(made.configuration, room)
        return _judge(fault, seed, made, kept, room.traces(kept.end_ns))


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Leave cyclic garbage where it is: a run makes next to none, and looking for it costs."""
    was = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Kept(NamedTuple):
    """What is kept of what the engine said."""

    end_ns: int
    last_turn_ns: int
    """When the controller was last alive."""
    faults: list[FaultChanged]
    states: list[SessionChanged]
    shots: int
    digest: str


class _Keeper:
    """Hands commands to the room, keeps what figures need, and signs it all."""

    def __init__(self, room: Room) -> None:
        self.faults: list[FaultChanged] = []
        self.states: list[SessionChanged] = []
        self.shots = 0
        self._obey = room.obey
        self._signed: list[bytes] = []
        self._hands: dict[type, Callable[[Any], None]] = {
            SendDemand: self._demand,
            SendPermit: self._permit,
            SendHold: self._command,
            SendStop: self._command,
            SendExpose: self._expose,
            FaultChanged: self._fault,
            SessionChanged: self._state,
        }

    def take(self, outputs: list[Output]) -> None:
        hands = self._hands
        for output in outputs:
            hand = hands.get(type(output))
            if hand is not None:
                hand(output)

    def digest(self) -> str:
        return hashlib.sha256(b"".join(self._signed)).hexdigest()

    def _demand(self, demand: SendDemand) -> None:
        self._obey(demand)
        self._signed.append(_DEMAND.pack(demand.t_ns, *demand.position_mm))

    def _permit(self, permit: SendPermit) -> None:
        self._obey(permit)
        self._signed.append(_PERMIT.pack(permit.t_ns, permit.until_ns))

    def _expose(self, expose: SendExpose) -> None:
        self.shots += 1
        self._command(expose)

    def _command(self, command: SendHold | SendStop | SendExpose) -> None:
        self._obey(command)
        self._signed.append(repr(command).encode())

    def _fault(self, change: FaultChanged) -> None:
        self.faults.append(change)
        self._signed.append(repr(change).encode())

    def _state(self, change: SessionChanged) -> None:
        self.states.append(change)
        self._signed.append(repr(change).encode())


def _loop(configuration: Configuration, room: Room) -> Kept:
    """Run to the end of the patient, or until the session has stopped for good."""
    engine = build_engine(configuration.controller)
    operator, keeper = Operator(), _Keeper(room)
    handle, take = engine.handle, keeper.take
    now = stopped_ns = 0
    for now, due, events in turns(room, configuration.controller):
        for event in events:
            if outputs := handle(event):
                take(outputs)
        wish = operator.wish(now, engine.state)
        if wish is not None:
            take(handle(Request(now, wish)))
        if outputs := handle(Tick(now, due)):
            take(outputs)
        if engine.state is State.STOPPED:
            stopped_ns = stopped_ns or now
            if now - stopped_ns >= _GRACE_NS:
                break
    else:
        turned_ns, now = now, room.duration_ns  # one that died leaves the room to itself
        return Kept(now, turned_ns, keeper.faults, keeper.states, keeper.shots, keeper.digest())
    return Kept(now, now, keeper.faults, keeper.states, keeper.shots, keeper.digest())


def _judge(fault: str, seed: int, made: Cast, kept: Kept, traces: Traces) -> RunRecord:
    start_ns = next((c.t_ns for c in kept.states if c.after == State.TRACKING), kept.end_ns)
    stop_ns = next((c.t_ns for c in kept.states if c.after == State.STOPPED), kept.last_turn_ns)
    permitted = traces.permitted & (traces.t_ns >= start_ns)
    counted = permitted & traces.scored
    unsafe = {mm: counted & (traces.error_mm > mm) for mm in TOLERANCES_MM}
    tracked = (traces.t_ns >= start_ns) & (traces.t_ns <= stop_ns)
    episodes = {mm: _stretches(mask) for mm, mask in unsafe.items()}
    worst = max(episodes[5.0], key=lambda each: each[1] - each[0], default=None)
    errors = traces.error_mm[counted]
    beam_s = float(permitted.sum()) * _STEP_MS / 1e3
    tracked_s = float(tracked.sum()) * _STEP_MS / 1e3
    return RunRecord(
        fault=fault,
        seed=seed,
        patient=made.patient.name,
        recorded=made.patient.recording is not None,
        seconds=round(kept.end_ns / 1e9, 2),
        troubles=tuple(_in_words(trouble) for trouble in made.troubles),
        image_only=any(trouble.image_only for trouble in made.troubles),
        stopped_by=_stopped_by(kept),
        duty=round(beam_s / tracked_s, 6) if tracked_s else 0.0,
        beam_s=round(beam_s, 3),
        unsafe_3mm_s=round(float(unsafe[3.0].sum()) * _STEP_MS / 1e3, 3),
        unsafe_5mm_s=round(float(unsafe[5.0].sum()) * _STEP_MS / 1e3, 3),
        episodes_3mm_ms=_lengths(episodes[3.0]),
        episodes_5mm_ms=_lengths(episodes[5.0]),
        worst_at_s=None if worst is None else round(worst[0] * _STEP_MS / 1e3, 3),
        stray_s=round(float((traces.on & ~traces.permitted).sum()) * _STEP_MS / 1e3, 3),
        rms_mm=round(float(np.sqrt(np.mean(errors**2))), 4) if len(errors) else None,
        nuisance=_nuisance(kept, made.troubles),
        tracked_s=round(tracked_s, 3),
        shots=kept.shots,
        digest=kept.digest,
        **_reaction(kept, made.troubles, traces),
    )


def _reaction(kept: Kept, troubles: tuple[Trouble, ...], traces: Traces) -> dict[str, Any]:
    """When the mishap was noticed, when the beam went off, and when it came back."""
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
    raised = next((c for c in kept.faults if c.active and c.t_ns >= onset_ns), None)
    if raised is not None:
        found["detected_ms"] = round((raised.t_ns - onset_ns) / 1e6, 1)
        found["detected_by"] = raised.fault
    after = np.flatnonzero(traces.t_ns >= onset_ns)
    permitted = traces.permitted[after]
    if not len(after) or not permitted[0]:
        return found
    off = np.flatnonzero(~permitted)
    if not len(off):
        return found
    held_ns = int(traces.t_ns[after[off[0]]])
    found["held_ms"] = round((held_ns - onset_ns) / 1e6, 1)
    hold = next((c for c in kept.states if c.t_ns >= onset_ns and c.before == State.TRACKING), None)
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
    """What was active with a reaction that holds when the session left tracking."""
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
    change = next((c for c in kept.states if c.after == State.STOPPED), None)
    if change is None:
        return ""
    stops = [c.fault for c in kept.faults if c.active and c.reaction == "STOP"]
    return stops[-1] if stops else change.trigger


def _nuisance(kept: Kept, troubles: tuple[Trouble, ...]) -> tuple[str, ...]:
    """What began every hold that falls into no mishap and no recovery from one."""
    spans = [
        (t.mishaps[0].at_s, float("inf") if _lasting(t) else t.clear_s + RECOVERY_S)
        for t in troubles
    ]
    begun = [c for c in kept.states if c.before == State.TRACKING]
    return tuple(
        _reason(kept, change)
        for change in begun
        if not any(a <= change.t_ns / 1e9 <= b for a, b in spans)
    )


def _lasting(trouble: Trouble) -> bool:
    """Shots go on telling of what only they can see for as long as the run lasts."""
    return trouble.image_only


def _in_words(trouble: Trouble) -> str:
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
