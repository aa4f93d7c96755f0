"""Follow the target with a bank of filters, and doubt an image that is far off what was foretold.

An image is judged by what was foretold for its exposure without the images that were still on
their way then. If it is far off, three explanations are carried side by side until later images
decide: *normal* (the image is right and the filters adapt), *outlier* (the image is wrong) and
*jump* (the target has moved). What is reported meanwhile is their mixture.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.core.target.joint import kernel
from tracker.core.target.joint.members import Bank, log_mean, weights_of

Array = NDArray[np.float64]


_IN_FLIGHT = 8
"""States kept from before the last images."""


class BankImage(NamedTuple):
    """What one image measured, with the surrogate at its exposure."""

    exposed_ns: int
    arrived_ns: int
    phi: Array
    """(3, 10), from `kernel.features`."""
    spread: Array
    """(3,): var y, cov(y, v), var v of the surrogate."""
    rows: Array
    """(m, 8): how each coordinate follows from the target."""
    measured: Array
    """(m,) in mm."""
    variance: Array
    """(m,) in mm^2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLimits:
    """How images weigh members, and when an image is doubted."""

    temper: float = 0.7
    """Share of an image's log density that counts: residuals of successive images are alike."""
    weight_half_life_s: float = 80.0
    scale_half_life_s: float = 40.0
    scale_prior_images: float = 8.0
    scale_least: float = 0.5
    scale_most_of_one: float = 16.0
    burst_half_life_s: float = 2.0
    burst_prior_images: float = 2.0
    """The same over the last few seconds: errors come in bursts. The larger of both counts."""
    doubt: float = 16.0
    """Squared distance (of two coordinates) beyond which an image is doubted."""
    outlier_share: float = 0.01
    outlier_log_density: float = -math.log(1600.0)
    """An outlier may be anywhere in 40 mm x 40 mm."""
    jump_mm: float = 5.0
    jump_isotropic: float = 0.4
    jumps_per_s: float = 1.0 / 2000.0
    most_jump_share: float = 0.2
    flatten: float = 0.5
    settle_s: float = 4.0
    settle_images: int = 5
    settle_odds: float = 5.0
    rest_s: float = 20.0
    longest_interval_s: float = 5.0


class _Innovations:
    """Mean of the squared distances of the last images, of which older ones count less."""

    __slots__ = ("half_life_s", "images", "prior_images", "squares")

    def __init__(self, half_life_s: float, prior_images: float) -> None:
        self.half_life_s, self.prior_images = half_life_s, prior_images
        self.squares = self.images = 0.0

    def add(self, square: float, gap_s: float) -> None:
        """Add an image that came ``gap_s`` after the last one."""
        kept = 0.5 ** (max(0.0, gap_s) / self.half_life_s)
        self.squares = self.squares * kept + square
        self.images = self.images * kept + 1.0

    def mean(self, prior: float) -> float:
        """Return the mean; with few images it is near ``prior``."""
        n = self.prior_images
        return (n * prior + self.squares) / (n + self.images)


class _Explanation:
    """One explanation of the images so far: a state for each member, and scores."""

    __slots__ = ("log_odds", "name", "p", "scores", "x")

    def __init__(self, name: str, x: Array, p: Array, scores: Array, log_odds: float) -> None:
        self.name, self.x, self.p, self.scores, self.log_odds = name, x, p, scores, log_odds

    def copy(self, name: str, log_odds: float) -> _Explanation:
        """Return the same explanation under another name."""
        return _Explanation(name, self.x.copy(), self.p.copy(), self.scores.copy(), log_odds)


class _Known(NamedTuple):
    """All explanations after one image: when it arrived, and when it was exposed."""

    arrived_ns: int
    last_ns: int
    explanations: list[_Explanation]
    weights: list[Array]


class Foretold(NamedTuple):
    """The target as a Gaussian: mean (3,), derivatives by y and v (2, 3), covariance (3, 3)."""

    mean: Array
    slopes: Array
    covariance: Array


class FilterBank:
    """The filters of one patient and what the images say of them."""

    def __init__(
        self, bank: Bank, omega: float, mean_mm: Array, jump_shape: Array, limits: BankLimits
    ) -> None:
        """Start every member at its prior; ``mean_mm`` is the middle of the motion.

        ``omega`` is the breathing's angular frequency (rad/s), ``jump_shape`` (3, 3), of trace 1,
        says along which directions the target moves.
        """
        self._bank = bank
        self._omega = omega
        self._limits = limits
        k = len(bank.active)
        x = np.zeros((k, kernel.SIZE))
        x[:, :3] = mean_mm
        self._explanations = [_Explanation("normal", x, bank.covariance.copy(), np.zeros(k), 0.0)]
        self._weights = self._weigh()
        isotropic = limits.jump_isotropic
        self._jump = limits.jump_mm**2 * (isotropic * np.eye(3) + (1.0 - isotropic) * jump_shape)
        self._last_ns = -1
        self._scored_ns = -1
        self._lasting = _Innovations(limits.scale_half_life_s, limits.scale_prior_images)
        self._burst = _Innovations(limits.burst_half_life_s, limits.burst_prior_images)
        self._judging = False
        self._doubted_ns = self._jumped_ns = -(1 << 62)
        self._decisive = 0
        self._means, self._slopes = np.zeros((k, 3)), np.zeros((k, 2, 3))
        self._covs, self._found = np.zeros((k, 3, 3)), np.zeros(k)
        self._past: deque[_Known] = deque(maxlen=_IN_FLIGHT)

    @property
    def in_doubt(self) -> bool:
        """Whether images are explained in more than one way."""
        return len(self._explanations) > 1

    @property
    def scale(self) -> float:
        """The factor of the covariance that the innovations of the last images ask for."""
        scale = max(self._limits.scale_least, self._lasting.mean(1.0))
        return max(scale, self._burst.mean(scale))

    def begin_to_judge(self) -> None:
        """Judge images from now on: the model has been made."""
        self._judging = True

    def at(self, t_ns: int, phi: Array, spread: Array) -> Foretold:
        """Return the target at ``t_ns`` by the images that have arrived."""
        known = _Known(-1, self._last_ns, self._explanations, self._weights)
        found = self._mixture(known, t_ns, phi, spread)
        return found._replace(covariance=found.covariance * self.scale)

    def mean_at(self, t_ns: int, phi: Array) -> Array:
        """Return the mean (3,) of the target at ``t_ns``, as `at` does."""
        bank, mean = self._bank, np.zeros(3)
        dt = max(0.0, (t_ns - self._last_ns) * 1e-9) if self._last_ns >= 0 else 0.0
        for each, weights in zip(self._explanations, self._weights, strict=True):
            kernel.mean_all(  # pyright: ignore[reportUnknownMemberType]
                each.x, bank.active, dt, bank.tau, self._omega, phi, weights, mean
            )
        return mean

    def _mixture(self, known: _Known, t_ns: int, phi: Array, spread: Array) -> Foretold:
        """Return what all members of all explanations foretell together, not scaled."""
        bank = self._bank
        dt = max(0.0, (t_ns - known.last_ns) * 1e-9) if known.last_ns >= 0 else 0.0
        mean, slopes, cov = np.zeros(3), np.zeros((2, 3)), np.zeros((3, 3))
        for each, weights in zip(known.explanations, known.weights, strict=True):
            kernel.foretell_all(  # pyright: ignore[reportUnknownMemberType]
                each.x, each.p, bank.active, dt, bank.tau, bank.noise, self._omega,
                phi, spread, bank.white, self._means, self._slopes, self._covs,
            )  # fmt: skip
            kernel.mix(  # pyright: ignore[reportUnknownMemberType]
                weights, self._means, self._slopes, self._covs, mean, slopes, cov
            )
        cov -= np.outer(mean, mean)
        return Foretold(mean, slopes, cov)

    def _weigh(self) -> list[Array]:
        """Return the weight of each member of each explanation; all add up to 1."""
        odds = weights_of(np.array([each.log_odds for each in self._explanations]))
        pairs = zip(odds.tolist(), self._explanations, strict=True)
        return [share * weights_of(each.scores) for share, each in pairs]

    def _known_at(self, exposed_ns: int) -> _Known:
        """Return the state that rested on the images that had arrived by an exposure.

        If more images are on their way than are kept, it is the oldest kept.
        """
        found = _Known(-1, self._last_ns, self._explanations, self._weights)
        for known in reversed(self._past):
            found = known
            if known.arrived_ns <= exposed_ns:
                break
        return found

    def add(self, image: BankImage) -> None:
        """Learn from an image; it is later than all before."""
        gap_s = (image.exposed_ns - self._last_ns) * 1e-9 if self._last_ns >= 0 else 0.0
        doubtful = self._judge(image, gap_s) if self._judging else False
        dt = max(0.0, gap_s)
        # The states before stay as they are: an image in flight is judged by them.
        self._explanations = [each.copy(each.name, each.log_odds) for each in self._explanations]
        self._forget(dt)
        if doubtful:
            self._branch(image, dt)
        else:
            for each in self._explanations:
                each.log_odds += self._update(each, image, dt)
            if self.in_doubt:
                self._decisive += 1
        self._last_ns = image.exposed_ns
        if self.in_doubt:
            self._settle(image)
        self._weights = self._weigh()
        known = _Known(image.arrived_ns, self._last_ns, self._explanations, self._weights)
        self._past.append(known)

    def _forget(self, gap_s: float) -> None:
        """Let older images count less."""
        limits = self._limits
        kept = 0.5 ** (gap_s / limits.weight_half_life_s)
        for each in self._explanations:
            each.scores = each.scores * kept

    def _judge(self, image: BankImage, gap_s: float) -> bool:
        """Scale the covariance by an image's distance, and return whether to doubt the image."""
        limits = self._limits
        known = self._known_at(image.exposed_ns)
        said = self._mixture(known, image.exposed_ns, image.phi, image.spread)
        judged = np.zeros(2)
        kernel.surprise(  # pyright: ignore[reportUnknownMemberType]
            said.mean, said.covariance, image.rows, image.measured, image.variance, judged
        )
        plain = float(judged[0]) / len(image.rows)
        kernel.surprise(  # pyright: ignore[reportUnknownMemberType]
            said.mean, said.covariance * self.scale, image.rows, image.measured, image.variance,
            judged,
        )  # fmt: skip
        scaled = float(judged[0]) * 2.0 / len(image.rows)
        plain = min(plain, limits.scale_most_of_one)
        self._lasting.add(plain, gap_s)
        self._burst.add(plain, gap_s)
        return scaled > limits.doubt and not self.in_doubt and gap_s <= limits.longest_interval_s

    def _update(self, each: _Explanation, image: BankImage, dt: float) -> float:
        """Correct all members of one explanation; return the log density of the image by it."""
        bank, found = self._bank, self._found
        kernel.observe_all(  # pyright: ignore[reportUnknownMemberType]
            each.x, each.p, bank.active, dt, bank.tau, bank.noise, self._omega, image.phi,
            image.spread, bank.white, image.rows, image.measured, image.variance, found,
        )  # fmt: skip
        density = log_mean(weights_of(each.scores), found)
        each.scores = each.scores + self._limits.temper * found
        return density - 0.5 * len(image.rows) * math.log(2.0 * math.pi)

    def _branch(self, image: BankImage, dt: float) -> None:
        """Carry the explanations of a doubted image side by side."""
        limits = self._limits
        (normal,) = self._explanations
        jump_share = min(limits.most_jump_share, max(dt, 0.2) * limits.jumps_per_s)
        outlier = normal.copy("outlier", math.log(limits.outlier_share))
        outlier.log_odds += limits.outlier_log_density * len(image.rows) / 2.0
        jump = normal.copy("jump", math.log(jump_share))
        k = len(normal.scores)
        if limits.flatten:
            shares = (1.0 - limits.flatten) * weights_of(normal.scores) + limits.flatten / k
            normal.scores = np.log(shares)
        normal.name, normal.log_odds = "normal", math.log(1.0 - jump_share - limits.outlier_share)
        jump.p[:, :3, :3] += self._jump
        self._carry(outlier, dt)
        normal.log_odds += self._update(normal, image, dt)
        jump.log_odds += self._update(jump, image, dt)
        rested = image.exposed_ns - self._jumped_ns >= limits.rest_s * 1e9
        self._explanations = [normal, outlier, jump] if rested else [normal, outlier]
        self._doubted_ns, self._decisive = image.exposed_ns, 0

    def _carry(self, each: _Explanation, dt: float) -> None:
        """Carry all members of one explanation on without an image."""
        bank = self._bank
        for k in range(len(each.x)):
            kernel.propagate(  # pyright: ignore[reportUnknownMemberType]
                each.x[k], each.p[k], bank.active[k], dt, bank.tau[k], bank.noise[k], self._omega
            )

    def _settle(self, image: BankImage) -> None:
        """Drop explanations that later images speak against."""
        limits = self._limits
        each = sorted(self._explanations, key=lambda e: -e.log_odds)
        long = image.exposed_ns - self._doubted_ns >= limits.settle_s * 1e9 - 1e3
        odds = limits.settle_odds if long else 5.0 * limits.settle_odds
        left = [e for e in each if e.log_odds > each[0].log_odds - odds]
        if long and self._decisive >= limits.settle_images:
            left = left[:1]
        if len(left) == 1:
            if left[0].name == "jump":
                self._jumped_ns = image.exposed_ns
            left[0].log_odds = 0.0
            left[0].name = "normal"
        self._explanations = left
