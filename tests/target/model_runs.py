"""Run target models over recordings: at each sample they know only what had arrived by then."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.target.image_schedules import KNOWN_S
from tests.target.paired_traces import PairedTrace
from tracker.core.surrogate.breathing import BreathingRange
from tracker.core.target.correlation import CorrelationModel, Shot, fit
from tracker.core.target.joint.filter_bank import BankLimits
from tracker.core.target.joint.members import MEMBERS, Member
from tracker.core.target.joint.model import JointModel, Measurement
from tracker.core.target.joint.shape import linearised

Reals = NDArray[np.float64]

_KINDS = ("linear", "quadratic", "dual", "velocity")
_CAPACITY = 15
_ENOUGH = 8
_EDGE_OF_ALL_95 = 7.815
"""The 95 % quantile of chi-square with three degrees of freedom."""
_FAR_MM = 5.0


class Said(NamedTuple):
    """What a model said at each sample: mean (n, 3) and covariance (n, 3, 3); NaN: nothing."""

    mean_mm: Reals
    covariance_mm2: Reals


Images = dict[int, Measurement]
Run = Callable[[PairedTrace, Images], Said]


def run_joint(
    trace: PairedTrace,
    images: Images,
    limits: BankLimits | None = None,
    members: tuple[Member, ...] = MEMBERS,
) -> Said:
    """Return what the joint model says at each sample."""
    said = _nothing(trace)
    model = JointModel(limits, members)
    waiting: list[int] = []
    made = False
    for k, t in enumerate(trace.times_s.tolist()):
        now_ns, here = round(t * 1e9), trace.surrogate[k]
        model.remember(now_ns, here.amplitude_mm, here.velocity_mm_s)
        while waiting and images[waiting[0]].arrived_ns <= now_ns:
            at = waiting.pop(0)
            add = model.learn if made else model.gather
            add(images[at], trace.surrogate[at])
        if not made and t >= KNOWN_S:
            made = model.make()
            model.begin_to_judge()
        if k in images:
            waiting.append(k)
        found = model.at(now_ns, here) if made else None
        if found is not None:
            said.mean_mm[k], said.covariance_mm2[k] = found.mean, found.covariance
    return said


def run_correlation(trace: PairedTrace, images: Images) -> Said:
    """Return what the correlation model says, made of stereo shots."""
    said = _nothing(trace)
    shots: list[Shot] = []
    model: CorrelationModel | None = None
    waiting: list[int] = []
    for k, t in enumerate(trace.times_s.tolist()):
        now_ns, here = round(t * 1e9), trace.surrogate[k]
        while waiting and images[waiting[0]].arrived_ns <= now_ns:
            at = waiting.pop(0)
            then = trace.surrogate[at]
            a, b, c = _located(images[at]).tolist()
            exposed_ns = images[at].exposed_ns
            new = Shot(exposed_ns, then.amplitude_mm, then.velocity_mm_s, (a, b, c))
            shots = [*shots, new][-_CAPACITY:]
            if len(shots) >= _ENOUGH:
                model = fit(shots, _KINDS, BreathingRange(0.0, 1.0, 1.0))
        if k in images:
            waiting.append(k)
        if model is not None and t >= KNOWN_S:
            y, v, yy, yv, vv = here
            found = model.target_at(now_ns, y, v, yy, vv, yv)
            said.mean_mm[k] = found.position_mm
            said.covariance_mm2[k] = np.diag(found.variance_mm2)
    return said


def _nothing(trace: PairedTrace) -> Said:
    n = len(trace.times_s)
    return Said(np.full((n, 3), np.nan), np.full((n, 3, 3), np.nan))


def _located(image: Measurement) -> Reals:
    """Return the target that two views of one shot show together."""
    place = np.zeros(3)
    for _ in range(3):
        seen, gradient = linearised(image.rows, place)
        place = place + np.linalg.lstsq(gradient, image.measured_mm - seen)[0]
    return place


class Score(NamedTuple):
    """One recording under one schedule."""

    rms_mm: float
    """Root mean square of the distance between target and model at the same moment."""
    p95_mm: float
    coverage: float
    """Share of the samples that lie in the model's 95 % region (an ellipsoid)."""
    longest_far_s: float
    """The longest time in which each sample was more than 5 mm off."""


def score(trace: PairedTrace, said: Said) -> Score:
    """Compare a model with the target, at samples where both are known."""
    valid = trace.scored & np.isfinite(said.mean_mm[:, 0])
    off = trace.target_mm - said.mean_mm
    distance = np.linalg.norm(off, axis=1)
    solved = np.linalg.solve(said.covariance_mm2[valid], off[valid][:, :, None])[:, :, 0]
    inside = np.sum(off[valid] * solved, axis=1) <= _EDGE_OF_ALL_95
    longest = far_s = 0.0
    for k, step in enumerate(np.diff(trace.times_s).tolist(), 1):
        far_s = far_s + step if valid[k] and distance[k] > _FAR_MM else 0.0
        longest = max(longest, far_s)
    return Score(
        float(np.sqrt(np.mean(distance[valid] ** 2))),
        float(np.percentile(distance[valid], 95)),
        float(np.mean(inside)),
        longest,
    )
