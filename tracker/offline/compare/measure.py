"""Run one technique on one trace, and measure what was left of the motion.

A technique with a machine runs in the closed loop with its shipped configuration. The internal
target volume needs no controller: the beam aims at the middle of the motion that the first
`PLANNED_S` showed, and the target moves as it was recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sim.patient import SimulatedPatient
from sim.recording import Recording, RecordingError
from tracker.build.room import furnish, shortest_run_s
from tracker.build.warm_up import warm
from tracker.config import SHIPPED, Configuration, ConfigurationError, load_configuration
from tracker.core.machine.kinds.table import judges_in_beams_eye
from tracker.dose.margins import Margins, margins_of
from tracker.offline.closed_loop import ClosedLoop, Finished
from tracker.offline.compare.outcome import ErrorSpread, Minutes, TechniqueOutcome
from tracker.offline.compare.techniques import Technique
from tracker.report.errors import Errors, errors_of, length, longest_unsafe_ms, rms
from tracker.report.records import Records

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

PLANNED_S: Final = 30.0
"""What planning sees of the breathing; it is not scored."""
LEAST_BEAM_S: Final = 5.0
"""Less beam time than this says nothing about a technique."""
NEAR_MM: Final = (2.0, 3.0, 5.0)
_STEP_S: Final = 0.05
_BLOCK_S: Final = 20.0
_DRAWS: Final = 400
_SEED: Final = 1
_SET_UP: Final = "couch.toml"
"""The room whose patient is taken where there is no machine."""


def measure(
    technique: Technique, recording: Recording | None, trace: str, beam_on_s: float, seed: int
) -> TechniqueOutcome:
    """Return what the technique does for the trace, with ``why_not`` where it cannot be used.

    ``recording``: ``None`` takes the configuration's own generated patient. ``beam_on_s``: the
    beam time that the plan needs. Raises `RecordingError` for a trace that is no patient.
    """
    file = technique.configuration
    if file is None:
        return _unmanaged(technique, recording, trace, beam_on_s, seed)
    configuration = load_configuration(file)
    if technique.needs_holds and recording is not None and not holds_breath(recording):
        return _without(technique, trace, "the patient does not hold the breath in this trace")
    try:
        room = furnish(configuration, recording, seed)
    except ValueError as error:
        if isinstance(error, RecordingError):
            raise
        return _without(technique, trace, str(error))
    needed_s = shortest_run_s(configuration)
    if room.duration_ns * 1e-9 < needed_s + LEAST_BEAM_S:
        return _too_short(technique, trace, room.duration_ns * 1e-9, needed_s)
    finished = ClosedLoop(configuration, room).run()
    return _tracked(technique, configuration, trace, beam_on_s, finished)


def warm_up(techniques: tuple[Technique, ...]) -> None:
    """Compile, or load from the cache, all that the techniques call."""
    for technique in techniques:
        if technique.configuration is not None:
            warm(load_configuration(technique.configuration))


def holds_breath(recording: Recording) -> bool:
    """Tell whether the breath stands still for 8 s or more somewhere, away from its usual rest.

    A hold is a span in which the main channel stays within a tenth of its range.
    """
    channel = main_channel(recording)
    values = recording.values[:, channel]
    known = np.isfinite(values)
    times, values = recording.times_s[known], values[known]
    if len(times) < 2:
        return False
    low, high = np.percentile(values, [2.0, 98.0])
    near = 0.1 * (high - low)
    begin = 0
    for end in range(len(times)):
        while values[begin : end + 1].max() - values[begin : end + 1].min() > near:
            begin += 1
        if times[end] - times[begin] >= 8.0:
            return True
    return False


def main_channel(recording: Recording) -> int:
    """Return the column that moves most, of those in millimetres where there are any."""
    lengths = [i for i, name in enumerate(recording.channels) if name.endswith("_mm")]
    columns = lengths or list(range(len(recording.channels)))
    spans = [
        float(
            np.nanpercentile(recording.values[:, i], 95)
            - np.nanpercentile(recording.values[:, i], 5)
        )
        for i in columns
    ]
    return columns[int(np.argmax(spans))]


def _without(technique: Technique, trace: str, why: str) -> TechniqueOutcome:
    return TechniqueOutcome(
        trace=trace, technique=technique.name, words=technique.words, why_not=why
    )


def _too_short(
    technique: Technique, trace: str, lasts_s: float, needed_s: float
) -> TechniqueOutcome:
    needed = f"at least {needed_s + LEAST_BEAM_S:.0f} s are needed"
    return _without(technique, trace, f"the trace lasts {lasts_s:.0f} s, {needed}")


def _unmanaged(
    technique: Technique, recording: Recording | None, trace: str, beam_on_s: float, seed: int
) -> TechniqueOutcome:
    """Return what an aperture that covers the motion leaves: the beam is always on."""
    room = load_configuration(SHIPPED / _SET_UP).room
    assert room is not None, "the shipped configuration has a room"
    patient = (
        SimulatedPatient.generated(room, seed)
        if recording is None
        else SimulatedPatient.recorded(room, recording, seed)
    )
    times = np.arange(0.0, patient.duration_s, _STEP_S)
    target = patient.internal(times)
    planned = times < PLANNED_S
    counted = ~planned & patient.scored(times)
    if counted.sum() * _STEP_S < LEAST_BEAM_S:
        return _too_short(technique, trace, patient.duration_s, PLANNED_S)
    middle = (target[planned].min(axis=0) + target[planned].max(axis=0)) / 2.0
    off = target[counted] - middle
    # Of the two axes across the patient, a beam from any side sees one half of the square.
    lateral, superior, anterior = off.T
    seen = np.sqrt(superior**2 + (lateral**2 + anterior**2) / 2.0)
    margins = margins_of(off, np.full(len(off), _STEP_S))
    low, high = np.percentile(off, [2.0, 98.0], axis=0)
    minutes = beam_on_s / 60.0
    return TechniqueOutcome(
        trace=trace,
        technique=technique.name,
        words=technique.words,
        beams_eye=_spread(seen),
        along_beam_rms_mm=_rms(np.sqrt((lateral**2 + anterior**2) / 2.0)),
        space=_spread(length(off)),
        within=_within(seen, np.full(len(off), _STEP_S)),
        duty=1.0,
        minutes=Minutes(expected=minutes, low=minutes, high=minutes),
        margins_mm=_three(margins.own_mm),
        van_herk_mm=_three(margins.linear_mm),
        motion_mm=_three(high - low),
        limited_by="the motion itself",
    )


def _tracked(
    technique: Technique, configuration: Configuration, trace: str, beam_on_s: float,
    finished: Finished,
) -> TechniqueOutcome:  # fmt: skip
    """Return what the closed loop left of the motion."""
    records, settings = finished.records, configuration.controller
    judged = judges_in_beams_eye(settings.actuator.kind)
    errors = errors_of(records, settings.session.orientation, in_beams_eye=judged)
    start_ns = records.tracking_ns
    if errors is None or start_ns is None:
        return _without(technique, trace, "tracking never began: " + _last_words(records))
    counted = errors.counted
    step_s = errors.step_s[counted]
    if step_s.sum() < LEAST_BEAM_S:
        why = f"the beam was on for {step_s.sum():.1f} s only: {_last_words(records)}"
        return _without(technique, trace, why)
    seen, off = length(errors.in_beams_eye[counted]), errors.tracked[counted]
    margins = margins_of(off, step_s)
    within = (errors.t_s >= start_ns * 1e-9) & (errors.t_s <= records.stopped_ns * 1e-9)
    on, every = errors.beam_on[within], errors.step_s[within]
    duty = float(every[on].sum() / every.sum())
    return TechniqueOutcome(
        trace=trace,
        technique=technique.name,
        words=technique.words,
        beams_eye=_spread(seen),
        along_beam_rms_mm=_rms(errors.along_beam[counted]),
        space=_spread(length(off)),
        within=_within(seen, step_s),
        duty=duty,
        minutes=session_minutes(on, every, beam_on_s, start_ns * 1e-9),
        unsafe_ms=longest_unsafe_ms(errors),
        margins_mm=_three(margins.own_mm),
        van_herk_mm=_three(margins.linear_mm),
        holds=records.holds.counts(),
        limited_by=_limit(errors, margins, technique),
    )


def session_minutes(beam_on: Mask, step_s: Vector, beam_on_s: float, before_s: float) -> Minutes:
    """Return how long a session takes that needs ``beam_on_s`` of beam, with its range.

    ``beam_on`` and ``step_s`` (n,): the session as it was; ``before_s``: the time until the first
    beam. The range comes from sessions put together from blocks of this one, 20 s each.
    """
    ends = np.cumsum(step_s)
    block = np.minimum((ends / _BLOCK_S).astype(int), max(int(ends[-1] / _BLOCK_S) - 1, 0))
    whole = np.bincount(block, weights=step_s)
    lit = np.bincount(block, weights=step_s * beam_on)
    draws = np.random.Generator(np.random.PCG64(_SEED)).integers(
        0, len(whole), (_DRAWS, len(whole))
    )
    duties = lit[draws].sum(axis=1) / whole[draws].sum(axis=1)
    low, high = np.percentile(np.maximum(duties, 1e-3), [5.0, 95.0])
    duty = max(float(lit.sum() / whole.sum()), 1e-3)
    expected, least, most = (
        (before_s + beam_on_s / share) / 60.0 for share in (duty, float(high), float(low))
    )
    return Minutes(expected=expected, low=least, high=most)


def _limit(errors: Errors, margins: Margins, technique: Technique) -> str:
    """Name what makes most of the error that is left."""
    split = errors.split
    parts = {
        "correlation model": rms(length(errors.correlation[split])) or 0.0,
        "prediction over the latency": rms(length(errors.prediction[split])) or 0.0,
        "what the machine cannot follow": rms(length(errors.actuator[split])) or 0.0,
    }
    if technique.name in ("gate", "breath-hold"):
        return "the width of the window"
    worst = max(parts, key=parts.__getitem__)
    return f"{worst} ({parts[worst]:.1f} mm)"


def _last_words(records: Records) -> str:
    """Return the last thing that was said in a session that came to nothing."""
    told = [getattr(each, "detail", "") or getattr(each, "text", "") for each in records.log]
    said = [words for words in told if words]
    return said[-1] if said else "modelling did not finish"


def _within(off_mm: Vector, step_s: Vector) -> tuple[float, float, float]:
    two, three, five = (float(step_s[off_mm <= limit].sum() / step_s.sum()) for limit in NEAR_MM)
    return two, three, five


def _spread(off_mm: Vector) -> ErrorSpread:
    return ErrorSpread(
        rms_mm=_rms(off_mm),
        p95_mm=float(np.percentile(off_mm, 95)),
        max_mm=float(off_mm.max()),
    )


def _rms(values: Vector) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _three(values: Vector) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z


def recording_at(path: Path) -> Recording:
    """Return the breath of a recording or of a session's journal.

    Raises `RecordingError`, `JournalError`, or `ConfigurationError` where nothing can be read.
    """
    from sim.recording import load_recording

    if path.suffix.lower() == ".mcap":
        from tracker.offline.compare.session_trace import recording_of_session

        return recording_of_session(path)
    if not path.exists():
        raise ConfigurationError([f"{path}: does not exist; name a recording or a journal"])
    return load_recording(path)
