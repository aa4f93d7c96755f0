"""Say how each technique would have treated the breath of one session.

Five techniques are compared. Planned: no error. Tracked: as the session was. Untracked: the same
breath, the beam always on at the planned place. Gated: the beam stays in place and is on only while
the target is near its end of exhale. ITV: the beam stays in place, always on, and the fields are
widened by the motion seen before the treatment.

What gating and ITV are set to comes from the breathing before the treatment, as in a real
set-up; nothing that was measured later is used. Gating is ideal: it knows the target's true
position and switches without delay.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.dose.delivery import ErrorSamples
from tracker.dose.motion import TargetMotion
from tracker.dose.plan import Plan
from tracker.dose.shapes import Points

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

Technique = Literal["planned", "tracked", "untracked", "gated", "ITV"]
TECHNIQUES: tuple[Technique, ...] = ("planned", "tracked", "untracked", "gated", "ITV")

GATING_WINDOW_MM = 5.0
"""Length of the gating window, from the end of exhale, along the target's main direction."""
EXHALE_PERCENT = 5.0
ENVELOPE_PERCENT = 98.0
LEAST_DUTY = 0.02
"""Below this share of time a gated treatment is called impossible."""


class Treatment(NamedTuple):
    """One technique in one session: its plan, and the errors it is delivered with.

    ``samples`` is None without errors (planned), or where the technique could not treat.
    ``duty`` is the share of the treatment's time with the beam on.
    """

    technique: Technique
    plan: Plan
    samples: ErrorSamples | None
    duty: float
    remark: str = ""

    @property
    def is_possible(self) -> bool:
        """Whether this technique could have treated at all."""
        return self.technique == "planned" or self.samples is not None


class ExhaleGate(NamedTuple):
    """A gating window: open while the target is less than its length from the end of exhale."""

    axis: Vector
    exhale_mm: float
    window_mm: float
    centre_mm: Vector

    def is_open(self, target_mm: Points) -> Mask:
        """Return for each target position whether the beam may be on."""
        along = target_mm @ self.axis - self.exhale_mm
        return np.asarray(np.abs(along - self.window_mm / 2.0) <= self.window_mm / 2.0)


def gate_from(setup_mm: Points, window_mm: float = GATING_WINDOW_MM) -> ExhaleGate:
    """Return the gate that the set-up's breathing asks for.

    The main direction is the target's largest spread. Its exhale end is the side where the target
    stays longest: the one nearer to the median.
    """
    mean = setup_mm.mean(axis=0)
    _, _, directions = np.linalg.svd(setup_mm - mean, full_matrices=False)
    axis = directions[0]
    along = setup_mm @ axis
    low, middle, high = np.percentile(along, [EXHALE_PERCENT, 50.0, 100.0 - EXHALE_PERCENT])
    if high - middle < middle - low:
        axis, low = -axis, -high
    gate = ExhaleGate(axis, float(low) - 0.05 * window_mm, window_mm, mean)
    inside = gate.is_open(setup_mm)
    centre = setup_mm[inside].mean(axis=0) if inside.any() else mean
    return gate._replace(centre_mm=centre)


class MotionEnvelope(NamedTuple):
    """The motion that an internal target volume covers: its middle, and its radius in 3-D, mm."""

    centre_mm: Vector
    radius_mm: float


def envelope_from(setup_mm: Points) -> MotionEnvelope:
    """Return the envelope of the set-up's motion; the rarest 2 % of each side are left out."""
    low, high = np.percentile(setup_mm, [100.0 - ENVELOPE_PERCENT, ENVELOPE_PERCENT], axis=0)
    centre = (low + high) / 2.0
    distance = np.linalg.norm(setup_mm - centre, axis=1)
    return MotionEnvelope(centre, float(np.percentile(distance, ENVELOPE_PERCENT)))


def treatments(plan: Plan, motion: TargetMotion) -> list[Treatment]:
    """Return all five techniques for one session."""
    window = motion.treating
    setup = motion.untracked[motion.setup]
    span = float(motion.step_s[window].sum())
    gate, envelope = gate_from(setup), envelope_from(setup)
    is_open = window & gate.is_open(motion.untracked)
    open_duty = float(motion.step_s[is_open].sum()) / span
    gated = open_duty >= LEAST_DUTY
    fixed = motion.untracked
    return [
        Treatment("planned", plan, None, 1.0),
        Treatment(
            "tracked", plan, _samples(motion, motion.tracked, motion.beam_on),
            float(motion.step_s[motion.beam_on].sum()) / span,
        ),
        Treatment("untracked", plan, _samples(motion, fixed, window), 1.0),
        Treatment(
            "gated", plan,
            _samples(motion, fixed - gate.centre_mm, is_open) if gated else None, open_duty,
            f"window {gate.window_mm:g} mm at the end of exhale"
            if gated
            else "the target left the gating window set before the treatment",
        ),
        Treatment(
            "ITV", plan.with_margin(plan.margin_mm + envelope.radius_mm),
            _samples(motion, fixed - envelope.centre_mm, window), 1.0,
            f"fields widened by {envelope.radius_mm:.1f} mm",
        ),
    ]  # fmt: skip


def _samples(motion: TargetMotion, errors: Points, mask: Mask) -> ErrorSamples:
    rotation = motion.rotation_deg
    return ErrorSamples(
        np.ascontiguousarray(errors[mask]),
        motion.step_s[mask],
        None if rotation is None else np.ascontiguousarray(rotation[mask]),
    )
