"""The rules of the filter bank written a second time, plainly: every state is kept, none shared."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.core.target.joint import kernel
from tracker.core.target.joint.filter_bank import BankImage, BankLimits
from tracker.core.target.joint.members import Bank

Reals = NDArray[np.float64]

IN_FLIGHT = 8


@dataclass
class Story:
    """One explanation of the images: what it says happened, and its state."""

    name: str
    x: Reals
    p: Reals
    scores: Reals
    odds: float = 0.0


@dataclass
class Then:
    """All stories after one image."""

    arrived_ns: int
    last_ns: int
    stories: list[Story]


def shares(scores: Reals) -> Reals:
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum(), np.float64)


class PlainBank:
    """Takes the same images as a filter bank, and must say the same."""

    def __init__(
        self, bank: Bank, omega: float, mean_mm: Reals, shape: Reals, limits: BankLimits
    ) -> None:
        k = len(bank.active)
        x = np.zeros((k, kernel.SIZE))
        x[:, :3] = mean_mm
        self.bank, self.omega, self.limits, self.shape = bank, omega, limits, shape
        self.now = Then(-1, -1, [Story("normal", x, bank.covariance.copy(), np.zeros(k))])
        self.past: list[Then] = []
        self.squares: list[tuple[float, float]] = []
        """Squared distance of each judged image, and the gap before it."""
        self.judging = False
        self.doubted_ns = self.jumped_ns = -(1 << 62)
        self.decisive = 0

    # What is said ---------------------------------------------------------------------------

    def mixture(self, then: Then, t_ns: int, phi: Reals, spread: Reals) -> tuple[Reals, ...]:
        dt = max(0.0, (t_ns - then.last_ns) * 1e-9) if then.last_ns >= 0 else 0.0
        mean, slopes, second = np.zeros(3), np.zeros((2, 3)), np.zeros((3, 3))
        odds = shares(np.array([story.odds for story in then.stories]))
        b = self.bank
        for share, story in zip(odds, then.stories, strict=True):
            for k, weight in enumerate(shares(story.scores)):
                one, slope, cov = np.zeros(3), np.zeros((2, 3)), np.zeros((3, 3))
                kernel.foretell(
                    story.x[k], story.p[k], b.active[k], dt, b.tau[k], b.noise[k], self.omega,
                    phi, spread, b.white[k], one, slope, cov,
                )  # fmt: skip
                mean += share * weight * one
                slopes += share * weight * slope
                second += share * weight * (cov + np.outer(one, one))
        return mean, slopes, second - np.outer(mean, mean)

    def at(self, t_ns: int, phi: Reals, spread: Reals) -> tuple[Reals, ...]:
        mean, slopes, cov = self.mixture(self.now, t_ns, phi, spread)
        return mean, slopes, cov * self.scale()

    def scale(self) -> float:
        limits = self.limits
        lasting = self.faded(limits.scale_half_life_s, limits.scale_prior_images, 1.0)
        scale = max(limits.scale_least, lasting)
        return max(scale, self.faded(limits.burst_half_life_s, limits.burst_prior_images, scale))

    def faded(self, half_life_s: float, prior_images: float, prior: float) -> float:
        total, images, age_s = prior_images * prior, prior_images, 0.0
        for square, gap_s in reversed(self.squares):
            kept = 0.5 ** (age_s / half_life_s)
            total, images = total + kept * square, images + kept
            age_s += max(0.0, gap_s)
        return total / images

    # What is learned ------------------------------------------------------------------------

    def add(self, image: BankImage) -> None:
        limits, last_ns = self.limits, self.now.last_ns
        gap_s = (image.exposed_ns - last_ns) * 1e-9 if last_ns >= 0 else 0.0
        dt = max(0.0, gap_s)
        stories = copy.deepcopy(self.now.stories)
        doubted = self.judging and self.judge(image, gap_s) and len(stories) == 1
        doubted = doubted and gap_s <= limits.longest_interval_s
        for story in stories:
            story.scores = story.scores * 0.5 ** (dt / limits.weight_half_life_s)
        if doubted:
            stories = self.branch(stories[0], image, dt)
        else:
            for story in stories:
                story.odds += self.learn(story, image, dt)
            self.decisive += len(stories) > 1
        if len(stories) > 1:
            stories = self.settle(stories, image)
        self.now = Then(image.arrived_ns, image.exposed_ns, stories)
        self.past.append(copy.deepcopy(self.now))

    def judge(self, image: BankImage, gap_s: float) -> bool:
        then = self.now
        for each in reversed(self.past[-IN_FLIGHT:]):
            then = each
            if each.arrived_ns <= image.exposed_ns:
                break
        mean, _, cov = self.mixture(then, image.exposed_ns, image.phi, image.spread)
        squares: list[float] = []
        for scale in (1.0, self.scale()):
            judged = np.zeros(2)
            kernel.surprise(mean, cov * scale, image.rows, image.measured, image.variance, judged)
            squares.append(float(judged[0]) / len(image.rows))
        self.squares.append((min(squares[0], self.limits.scale_most_of_one), gap_s))
        return 2.0 * squares[1] > self.limits.doubt

    def learn(self, story: Story, image: BankImage, dt: float) -> float:
        b, found = self.bank, np.zeros(len(self.bank.active))
        for k in range(len(found)):
            kernel.propagate(
                story.x[k], story.p[k], b.active[k], dt, b.tau[k], b.noise[k], self.omega
            )
            found[k] = kernel.observe(
                story.x[k], story.p[k], b.active[k], image.phi, image.spread, b.white[k],
                image.rows, image.measured, image.variance,
            )  # fmt: skip
        density = math.log(float(shares(story.scores) @ np.exp(found)))
        story.scores = story.scores + self.limits.temper * found
        return density - len(image.rows) / 2.0 * math.log(2.0 * math.pi)

    def branch(self, normal: Story, image: BankImage, dt: float) -> list[Story]:
        limits, b = self.limits, self.bank
        outlier, jump = copy.deepcopy(normal), copy.deepcopy(normal)
        outlier.name, jump.name = "outlier", "jump"
        jumps = min(limits.most_jump_share, max(dt, 0.2) * limits.jumps_per_s)
        if limits.flatten:
            even = np.full(len(normal.scores), 1.0 / len(normal.scores))
            mixed = limits.flatten * even + (1.0 - limits.flatten) * shares(normal.scores)
            normal.scores = np.log(mixed)
        isotropic = limits.jump_isotropic
        leap = isotropic * np.eye(3) + (1.0 - isotropic) * self.shape
        jump.p[:, :3, :3] += limits.jump_mm**2 * leap
        for k in range(len(b.active)):
            kernel.propagate(
                outlier.x[k], outlier.p[k], b.active[k], dt, b.tau[k], b.noise[k], self.omega
            )
        density = limits.outlier_log_density * len(image.rows) / 2.0
        outlier.odds = math.log(limits.outlier_share) + density
        normal.odds = math.log(1.0 - jumps - limits.outlier_share) + self.learn(normal, image, dt)
        jump.odds = math.log(jumps) + self.learn(jump, image, dt)
        rested = (image.exposed_ns - self.jumped_ns) * 1e-9 >= limits.rest_s
        self.doubted_ns, self.decisive = image.exposed_ns, 0
        return [normal, outlier, jump] if rested else [normal, outlier]

    def settle(self, stories: list[Story], image: BankImage) -> list[Story]:
        limits = self.limits
        best = max(stories, key=lambda story: story.odds)
        long = image.exposed_ns - self.doubted_ns >= limits.settle_s * 1e9 - 1e3
        odds = limits.settle_odds * (1.0 if long else 5.0)
        left = [story for story in stories if story.odds > best.odds - odds]
        left.sort(key=lambda story: -story.odds)
        if long and self.decisive >= limits.settle_images:
            left = left[:1]
        if len(left) == 1:
            if best.name == "jump":
                self.jumped_ns = image.exposed_ns
            best.odds, best.name = 0.0, "normal"
        return left
