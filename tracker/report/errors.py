"""Compute how far the beam was from the target, and what each part of the chain contributed.

At every moment of the truth, in the patient frame:

    target - beam = (target - estimate) + (estimate - prediction) + (prediction - beam)
    total         = correlation         + prediction              + actuator

``estimate`` is the controller's own for that moment, ``prediction`` the one it had made for that
moment one latency earlier and demanded of the actuator, ``beam`` where the beam then went through
the patient. The three vectors add up exactly; their RMS values add up in squares as far as the
three are uncorrelated. Estimates and predictions are interpolated linearly between their own
moments, not over gaps longer than `LONGEST_GAP_S`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.frames import Orientation, TablePoint, table_to_patient
from tracker.report.records import Records, Table

LONGEST_GAP_S = 0.1
UNSAFE_MM = 5.0
"""Beam on with a larger error is unsafe: 3-D, or in beam's-eye view where that is judged."""

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Errors(NamedTuple):
    """Per moment of the truth: time, the error vectors in the patient frame, what counts.

    ``known`` moments are those whose truth the simulator vouches for; not in a recording's gaps.
    ``counted`` moments are known, have the beam on, and lie after tracking was first started.
    ``split`` moments are counted and have an estimate and a prediction.
    """

    t_s: Vector
    step_s: Vector
    beam_on: Mask
    known: Mask
    counted: Mask
    split: Mask
    untracked: Table
    tracked: Table
    correlation: Table
    prediction: Table
    actuator: Table
    in_beams_eye: Table
    """The part of ``tracked`` that is seen in beam's-eye view, fixed frame."""
    along_beam: Vector
    """The part of ``tracked`` along the beam, toward the source."""
    judged: Vector
    """The length that the gate judges: of ``tracked``, or of ``in_beams_eye``."""


def errors_of(
    records: Records, orientation: Orientation, *, in_beams_eye: bool = False
) -> Errors | None:
    """Compute the errors of a simulated session; ``None`` where no truth is known.

    ``in_beams_eye``: whether only what is seen in beam's-eye view is judged of this machine.
    """
    truth = records.truth
    if not len(truth):
        return None
    t_ns = truth[:, 0]
    target = truth[:, 1:4]
    signs = np.array(table_to_patient(TablePoint((1.0, 1.0, 1.0)), orientation))
    apart, to_source = truth[:, 4:7] - truth[:, 7:10], truth[:, 16:19]
    tracked = apart * signs
    along_beam = np.einsum("ij,ij->i", apart, to_source)
    seen = apart - along_beam[:, None] * to_source
    estimate = interpolated(records.estimate, t_ns)
    predicted = interpolated(records.prediction[:, 1:], t_ns)
    beam_on = truth[:, 14] > 0.5
    start_ns = records.tracking_ns
    known = truth[:, 15] > 0.5
    counted = beam_on & known
    counted &= t_ns >= (np.inf if start_ns is None else start_ns)
    correlation = target - estimate
    prediction = estimate - predicted
    actuator = tracked - correlation - prediction
    return Errors(
        t_s=t_ns / 1e9,
        step_s=steps(t_ns / 1e9),
        beam_on=beam_on,
        known=known,
        counted=counted,
        split=counted & np.isfinite(actuator).all(axis=1),
        untracked=target,
        tracked=tracked,
        correlation=correlation,
        prediction=prediction,
        actuator=actuator,
        in_beams_eye=seen,
        along_beam=along_beam,
        judged=length(seen if in_beams_eye else tracked),
    )


def length(vectors: Table) -> Vector:
    """Return the 3-D length of each row."""
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))


def rms(lengths: Vector) -> float | None:
    """Return the root mean square; ``None`` for no values."""
    return float(np.sqrt(np.mean(lengths**2))) if len(lengths) else None


def longest_unsafe_ms(errors: Errors) -> float:
    """Return the longest unbroken stretch of unsafe beam, in milliseconds."""
    unsafe = errors.counted & (errors.judged > UNSAFE_MM)
    longest = running = 0.0
    for is_unsafe, step in zip(unsafe.tolist(), errors.step_s.tolist(), strict=True):
        running = running + step if is_unsafe else 0.0
        longest = max(longest, running)
    return longest * 1e3


def steps(t_s: Vector) -> Vector:
    """Return the duration of each moment: until the next one, but at most the usual duration."""
    if len(t_s) < 2:
        return np.zeros(len(t_s))
    gaps = np.diff(t_s)
    usual = float(np.median(gaps))
    return np.append(np.minimum(gaps, 3 * usual), usual)


def interpolated(rows: Table, t_ns: Vector) -> Table:
    """Return columns 1..3 of ``rows`` at other times than column 0's; NaN outside and in gaps."""
    found = np.full((len(t_ns), 3), np.nan)
    if len(rows) < 2:
        return found
    # Of several rows for one moment the last one holds: a stable sort keeps their order.
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    rows = rows[np.append(np.diff(rows[:, 0]) > 0, True)]
    times = rows[:, 0]
    for axis in range(3):
        found[:, axis] = np.interp(t_ns, times, rows[:, axis + 1], left=np.nan, right=np.nan)
    after = np.clip(np.searchsorted(times, t_ns), 1, len(times) - 1)
    gap = times[after] - times[after - 1]
    exact = (t_ns == times[after]) | (t_ns == times[after - 1])
    found[(gap > LONGEST_GAP_S * 1e9) & ~exact] = np.nan
    return found
