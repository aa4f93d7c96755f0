"""The margin that a session's errors needed, per axis, by three formulas.

``linear`` and ``full`` are those of van Herk (Int J Radiat Oncol Biol Phys 47 (2000) 1121; Semin
Radiat Oncol 14 (2004) 52). They are made for many patients: Σ is the spread of systematic errors
between patients. In one session the systematic error is known, it is the mean; so 2.5 Σ becomes the
size of the mean. Several sessions of a patient have their own Σ. ``own`` takes the distribution of
the errors as it was: the least margin at which the edge of the target still gets the wanted dose.

All three are margins for the motion that was left. Errors of set-up, drawing and registration
need their own margin, added in squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import norm

from tracker.dose.shapes import Points

Vector = NDArray[np.float64]

POPULATION = 2.5
"""Σ times this covers 90 % of patients (van Herk 2000)."""
LINEAR_RANDOM = 0.7
PENUMBRA_SIGMA_MM = 3.2
"""The spread of a penumbra in water (van Herk 2000)."""
EDGE_LEVEL = 0.95
"""The share of the dose that the target's edge is to keep."""


class Margins(NamedTuple):
    """Margins per axis (X, Y, Z of the patient), mm."""

    mean_mm: Vector
    sd_mm: Vector
    linear_mm: Vector
    full_mm: Vector
    own_mm: Vector

    @property
    def needed_mm(self) -> float:
        """The largest of the margins by the errors' own distribution: one for all directions."""
        return float(self.own_mm.max())


def linear(systematic: float, random: float, factor: float = POPULATION) -> float:
    """Return van Herk's linear margin: factor · Σ + 0.7 σ."""
    return factor * systematic + LINEAR_RANDOM * random


def full(
    systematic: float,
    random: float,
    penumbra: float = PENUMBRA_SIGMA_MM,
    level: float = EDGE_LEVEL,
    factor: float = POPULATION,
) -> float:
    """Return van Herk's margin with penumbra: factor · Σ + β (√(σ² + σp²) − σp)."""
    beta = float(norm.ppf(level))
    return factor * systematic + beta * (float(np.hypot(random, penumbra)) - penumbra)


def edge_dose(
    position_mm: float, half_width_mm: float, errors_mm: Vector, weights: Vector,
    penumbra: float = PENUMBRA_SIGMA_MM,
) -> float:  # fmt: skip
    """Return the dose in a wide flat field of the given half width, at a place, with errors.

    The dose without errors at x is Φ((x + w) / σp) − Φ((x − w) / σp); with errors it is the mean.
    """
    at = position_mm + errors_mm
    dose = ndtr((at + half_width_mm) / penumbra) - ndtr((at - half_width_mm) / penumbra)
    return float(np.dot(weights, dose) / weights.sum())


def from_distribution(
    errors_mm: Vector, weights: Vector,
    penumbra: float = PENUMBRA_SIGMA_MM, level: float = EDGE_LEVEL,
) -> float:  # fmt: skip
    """Return the least margin at which both edges keep ``level`` of the dose; 0 or more.

    One edge at a time: the field's 50 % line is the margin, and the penumbra's own 1.64 σp, outside
    the target's edge.
    """
    beta = float(norm.ppf(level))
    share = weights / weights.sum()
    reach = float(np.abs(errors_mm).max()) + 1.0
    needed = 0.0
    for sign in (1.0, -1.0):
        towards = sign * errors_mm

        def lacking(margin: float, towards: Vector = towards) -> float:
            return float(np.dot(share, ndtr((margin - towards) / penumbra + beta))) - level

        if lacking(0.0) < -1e-12:
            needed = max(needed, float(brentq(lacking, 0.0, reach, xtol=1e-6)))  # pyright: ignore[reportArgumentType]
    return needed


def margins_of(errors_mm: Points, step_s: Vector) -> Margins:
    """Return the margins of one session from its errors (n, 3), each weighted by its time."""
    return margins_of_sessions([(errors_mm, step_s)])


def margins_of_sessions(sessions: Sequence[tuple[Points, Vector]]) -> Margins:
    """Return the margins of one or more sessions of a patient.

    One session: its mean is the systematic error. Several: the size of their common mean, and 2.5
    times the SD of their means; the random error is the RMS of their SDs.
    """
    means = np.array([_mean(errors, step) for errors, step in sessions])
    spreads = np.array([_sd(errors, step) for errors, step in sessions])
    common = means.mean(axis=0)
    between = means.std(axis=0, ddof=1) if len(sessions) > 1 else np.zeros(3)
    random = np.sqrt((spreads**2).mean(axis=0))
    errors = np.concatenate([each for each, _ in sessions])
    # Every session counts the same, as every fraction has the same dose.
    weights = np.concatenate([step / step.sum() for _, step in sessions])
    by_axis = list(zip(np.abs(common).tolist(), between.tolist(), random.tolist(), strict=True))
    return Margins(
        mean_mm=common,
        sd_mm=random,
        linear_mm=np.array([o + linear(s, r) for o, s, r in by_axis]),
        full_mm=np.array([o + full(s, r) for o, s, r in by_axis]),
        own_mm=np.array([from_distribution(errors[:, k], weights) for k in range(3)]),
    )


def _mean(errors: Points, step_s: Vector) -> Vector:
    return np.average(errors, axis=0, weights=step_s)


def _sd(errors: Points, step_s: Vector) -> Vector:
    return np.sqrt(np.average((errors - _mean(errors, step_s)) ** 2, axis=0, weights=step_s))
