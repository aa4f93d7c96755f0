"""Read from a journal where the target was against the beam, moment by moment.

A simulated session has the truth. In a real room nobody knows it; the controller's own estimate
then stands for the target. The error of the correlation model is not in such an estimate, so the
dose is too good by that error, and every page and file says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.frames import Orientation
from tracker.core.machine.geometry import MachineAngles
from tracker.core.machine.kinds.table import MACHINE_KINDS, judges_in_beams_eye, machine_kind
from tracker.dose.dose_error import DoseError
from tracker.dose.shapes import Mask, Points
from tracker.journal import Journal, read_journal
from tracker.report.errors import LONGEST_GAP_S, Errors, errors_of
from tracker.report.records import Records, collect
from tracker.report.setting import Setting, setting_of

Vector = NDArray[np.float64]

SETUP_S = 30.0
"""Breathing this long before the first treatment beam sets the gating window and the ITV."""

LEAST_SAMPLES = 20


class TargetMotion(NamedTuple):
    """A session's target motion in the patient frame, mm, at the moments ``t_s``.

    ``untracked`` is the target's distance from its planned position, ``tracked`` its distance from
    the beam. ``beam_on`` moments are those of the treatment; ``treating`` moments are all from the
    first start of tracking to the stop, whether the beam was on or held. ``setup`` moments come
    before. ``rotation_deg`` holds rotations about X, Y and Z, or is None where none is known.
    """

    name: str
    t_s: Vector
    step_s: Vector
    untracked: Points
    tracked: Points
    beam_on: Mask
    treating: Mask
    setup: Mask
    from_truth: bool
    rotation_deg: Points | None = None


class DoseSession(NamedTuple):
    """What the dose needs of one recorded session."""

    path: Path
    patient_id: str
    digest: str
    motion: TargetMotion
    journal: Journal
    records: Records


def read_session(path: Path) -> DoseSession:
    """Read a journal; raises `JournalError` or `DoseError`."""
    journal = read_journal(path)
    records, digest = collect(journal)
    setting = setting_of(journal.header.configuration)
    motion = motion_of(records, setting, path.stem)
    return DoseSession(path, setting.patient_id, digest, motion, journal, records)


def motion_of(records: Records, setting: Setting, name: str) -> TargetMotion:
    """Return the motion of a session; raises `DoseError` where the beam was never on."""
    errors = errors_of(records, setting.orientation)
    start_ns = records.tracking_ns
    if start_ns is None:
        raise DoseError(
            f"{name}: tracking was never started, so no dose was given; give a treated session"
        )
    motion = (
        _from_truth(errors, start_ns / 1e9, records.stopped_ns / 1e9, name)
        if errors is not None
        else _from_estimate(records, setting, name)
    )
    samples = int(motion.beam_on.sum())
    if samples < LEAST_SAMPLES:
        raise DoseError(
            f"{name}: the beam was on for {samples} samples, at least {LEAST_SAMPLES} are needed;"
            " give a session with more beam-on time"
        )
    return motion


def _from_truth(errors: Errors, start_s: float, stop_s: float, name: str) -> TargetMotion:
    treating = errors.known & (errors.t_s >= start_s) & (errors.t_s <= stop_s)
    return TargetMotion(
        name=name,
        t_s=errors.t_s,
        step_s=errors.step_s,
        untracked=errors.untracked,
        tracked=errors.tracked,
        beam_on=errors.counted & np.isfinite(errors.tracked).all(axis=1),
        treating=treating,
        setup=_setup(errors.t_s, errors.known, start_s, treating),
        from_truth=True,
    )


def _from_estimate(records: Records, setting: Setting, name: str) -> TargetMotion:
    """Return the motion as the controller saw it: its estimate against the machine's position."""
    estimate, status, beam = records.estimate, records.status, records.beam
    if len(estimate) < 2 or len(status) < 2 or not len(beam):
        raise DoseError(
            f"{name}: has neither the truth nor estimates with the machine's and the beam's state;"
            " give a session in which tracking ran"
        )
    to_patient = _matrix(setting.actuator, setting.orientation, name)
    t_ns = estimate[:, 0]
    t_s = t_ns / 1e9
    met = np.stack([np.interp(t_ns, status[:, 0], status[:, 1 + k]) for k in range(3)], axis=1)
    after = np.clip(np.searchsorted(status[:, 0], t_ns), 1, len(status) - 1)
    fresh = status[after, 0] - status[after - 1, 0] <= LONGEST_GAP_S * 1e9
    index = np.searchsorted(beam[:, 0], t_ns, side="right") - 1
    is_on = (index >= 0) & (beam[np.maximum(index, 0), 1] > 0.5)
    start_s, stop_s = (records.tracking_ns or 0) / 1e9, records.stopped_ns / 1e9
    treating = (t_s >= start_s) & (t_s <= stop_s)
    usual = float(np.median(np.diff(t_s)))
    return TargetMotion(
        name=name,
        t_s=t_s,
        step_s=np.append(np.clip(np.diff(t_s), 0.0, 3.0 * usual), usual),
        untracked=estimate[:, 1:4],
        tracked=estimate[:, 1:4] - met @ to_patient,
        beam_on=treating & is_on & fresh,
        treating=treating,
        setup=_setup(t_s, np.ones(len(t_s), dtype=bool), start_s, treating),
        from_truth=False,
    )


def _matrix(kind: str, orientation: Orientation, name: str) -> Points:
    """Return the matrix that turns rows of machine positions into rows in the patient frame."""
    if kind not in MACHINE_KINDS:
        raise DoseError(
            f"{name}: treatment machine {kind!r} is not known; known: {', '.join(MACHINE_KINDS)}"
        )
    if judges_in_beams_eye(kind):
        raise DoseError(
            f"{name}: the truth is not known, and treatment machine {kind!r} moves in beam's-eye"
            " view, which needs it; give a simulated session of this machine"
        )
    axes = machine_kind(kind).axes(orientation, MachineAngles())
    units = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return np.array([axes.to_patient(each) for each in units])


def _setup(t_s: Vector, known: Mask, start_s: float, treating: Mask) -> Mask:
    """Return the moments of the last 30 s before tracking; without them, its first 30 s."""
    before = known & (t_s < start_s) & (t_s >= start_s - SETUP_S)
    if int(before.sum()) >= LEAST_SAMPLES:
        return before
    return treating & (t_s < start_s + SETUP_S)
