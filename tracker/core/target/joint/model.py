"""The joint model of one patient: made from the first images, then corrected by each image.

While the model is being made, images are gathered; each new one makes the model again from all of
them, because the size and direction of the motion and the range of the breathing are learned from
them too. Once made, it learns image by image, and nothing that was learned of its scales changes.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.target.joint import kernel
from tracker.core.target.joint.filter_bank import BankImage, BankLimits, FilterBank, Foretold
from tracker.core.target.joint.members import LAG_S, MEMBERS, Member, bank_of, period_of
from tracker.core.target.joint.shape import shape_of_motion

Array = NDArray[np.float64]

_LAG_NS = round(LAG_S * 1e9)
_KEEP_EVERY_NS = 40_000_000
_KEEP = 1500
"""Amplitudes kept: 60 seconds, the time in which a model is made."""
_PERIOD_STEP_S = 0.2
_PRIOR_IMAGES = 2.0
_FEWEST_IMAGES = 4
_ENDS = (3.0, 97.0)
"""Percentiles of the amplitude that u = -1 and u = 1 stand for."""
_USUAL_PERIOD_S = 4.0
_STEP_NS = 40_000_000
"""Half of the time over which a velocity is taken."""


class Measurement(NamedTuple):
    """What one image says of the target, in the patient frame.

    Each row of ``rows`` (m, 8) says how one coordinate follows from the target T in mm:
    (a T + b) / (c T + d), in the order a, b, c, d.
    """

    exposed_ns: int
    arrived_ns: int
    rows: Array
    measured_mm: Array
    variance_mm2: Array


class SurrogateMoment(NamedTuple):
    """The surrogate at one moment: amplitude, velocity, var y, cov(y, v), var v."""

    amplitude_mm: float
    velocity_mm_s: float
    amplitude_variance: float = 0.0
    cross_variance: float = 0.0
    velocity_variance: float = 0.0


class _Gathered(NamedTuple):
    """An image from which the model is made, with the surrogate at its exposure."""

    measurement: Measurement
    surrogate: SurrogateMoment


class JointModel:
    """Gathers images, makes the bank of filters, and says where the target is."""

    def __init__(
        self, limits: BankLimits | None = None, members: tuple[Member, ...] = MEMBERS
    ) -> None:
        """Start without an image."""
        self._limits = BankLimits() if limits is None else limits
        self._members = members
        self._past: deque[tuple[int, float, float]] = deque(maxlen=_KEEP)
        self._gathered: list[_Gathered] = []
        self._phi = np.zeros((3, kernel.COMPONENTS))
        self._spread = np.zeros(3)
        self.scale: Array = np.ones(3)
        """Middle (mm), half range (mm) and speed (mm/s) of the breathing."""
        self.bank: FilterBank | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether the last images are explained in more than one way."""
        return self.bank is not None and self.bank.in_doubt

    def remember(self, t_ns: int, amplitude_mm: float, velocity_mm_s: float) -> None:
        """Keep an amplitude, for the lagged feature and for the range of the breathing."""
        past = self._past
        if not past or t_ns - past[-1][0] >= _KEEP_EVERY_NS:
            past.append((t_ns, amplitude_mm, velocity_mm_s))

    def gather(self, measurement: Measurement, surrogate: SurrogateMoment) -> None:
        """Keep an image from which the model will be made."""
        self._gathered.append(_Gathered(measurement, surrogate))

    def make(self) -> bool:
        """Make the model from the images gathered; return whether they were enough."""
        used = self._gathered
        if len(used) < _FEWEST_IMAGES or len(self._past) < 2:
            return False
        times = np.array([t for t, _, _ in self._past], dtype=np.float64) * 1e-9
        y = np.array([a for _, a, _ in self._past])
        v = np.array([b for _, _, b in self._past])
        low, high = np.percentile(y, _ENDS).tolist()
        half = max((high - low) / 2.0, 0.3)
        speed = max(1.5 * math.sqrt(float(np.mean(v * v))), 0.3)
        self.scale = np.array([(low + high) / 2.0, half, speed])
        mean, covariance = shape_of_motion(
            [each.measurement.rows for each in used],
            [each.measurement.measured_mm for each in used],
            [each.measurement.variance_mm2 for each in used],
            _PRIOR_IMAGES,
        )
        size = float(np.trace(covariance))
        shape = covariance / size
        deviation = max(float(y.std()) / half, 0.1)
        bank = bank_of(math.sqrt(size) / deviation, shape, self._members)
        omega = 2.0 * math.pi / self._period(times, y)
        self.bank = FilterBank(bank, omega, mean, shape, self._limits)
        for each in used:
            self.bank.add(self._image(each.measurement, each.surrogate))
        return True

    def _period(self, times: Array, y: Array) -> float:
        if times[-1] - times[0] < 2.0 * _USUAL_PERIOD_S:
            return _USUAL_PERIOD_S
        grid = np.arange(times[0], times[-1], _PERIOD_STEP_S)
        return period_of(np.interp(grid, times, y), _PERIOD_STEP_S)

    def begin_to_judge(self) -> None:
        """Stop gathering: from now on each image is judged by what was foretold."""
        self._gathered.clear()
        if self.bank is not None:
            self.bank.begin_to_judge()

    def learn(self, measurement: Measurement, surrogate: SurrogateMoment) -> None:
        """Correct the model by an image that is later than all before."""
        if self.bank is not None:
            self.bank.add(self._image(measurement, surrogate))

    def _image(self, measurement: Measurement, surrogate: SurrogateMoment) -> BankImage:
        self._fill(measurement.exposed_ns, surrogate)
        return BankImage(
            measurement.exposed_ns,
            measurement.arrived_ns,
            self._phi.copy(),
            self._spread.copy(),
            measurement.rows,
            measurement.measured_mm,
            measurement.variance_mm2,
        )

    def _fill(self, t_ns: int, surrogate: SurrogateMoment) -> None:
        y, v, yy, yv, vv = surrogate
        kernel.features(y, v, self._lagged(t_ns - _LAG_NS, y), self.scale, self._phi)  # pyright: ignore[reportUnknownMemberType]
        self._spread[:] = yy, yv, vv

    def _lagged(self, t_ns: int, now_mm: float) -> float:
        """Return the amplitude at a time before, between the two that were kept around it."""
        past = self._past
        later_ns, later = t_ns + _LAG_NS, now_mm
        for kept_ns, kept, _ in reversed(past):
            if kept_ns <= t_ns:
                share = (t_ns - kept_ns) / max(later_ns - kept_ns, 1)
                return kept + share * (later - kept)
            if kept_ns < later_ns:
                later_ns, later = kept_ns, kept
        return later

    def velocity_at(self, t_ns: int, surrogate: SurrogateMoment) -> Array:
        """Return how fast the target moves (mm/s), if the surrogate keeps its velocity."""
        if self.bank is None:
            return np.zeros(3)
        y, v, _, _, _ = surrogate
        ends: list[Array] = []
        for off_ns in (-_STEP_NS, _STEP_NS):
            then_ns = t_ns + off_ns
            lagged = self._lagged(then_ns - _LAG_NS, y)
            kernel.features(  # pyright: ignore[reportUnknownMemberType]
                y + v * off_ns * 1e-9, v, lagged, self.scale, self._phi
            )
            ends.append(self.bank.mean_at(then_ns, self._phi))
        return (ends[1] - ends[0]) / (2e-9 * _STEP_NS)

    def at(self, t_ns: int, surrogate: SurrogateMoment) -> Foretold | None:
        """Return the target at ``t_ns``; ``None`` until the model is made."""
        if self.bank is None:
            return None
        self._fill(t_ns, surrogate)
        return self.bank.at(t_ns, self._phi, self._spread)
