"""The filter bank against its rules written a second time, through every way an image may go."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.target.filter_bank_oracle import PlainBank
from tracker.core.target.joint import kernel
from tracker.core.target.joint.filter_bank import BankImage, BankLimits, FilterBank
from tracker.core.target.joint.members import Features, Member, Residual, bank_of
from tracker.core.target.joint.shape import POPULATION

Reals = NDArray[np.float64]

SECOND = 1_000_000_000
MEMBERS = (
    Member(Features((1.0,), (1.0,)), Residual(0.1, 2.0, 0.1, 9.0), 0.05),
    Member(Features((1.0, 0.5), (1.0, 0.5)), Residual(0.4, 2.0, 0.3, 12.0), 0.2),
)
OMEGA = 1.6
MEAN = np.array([1.0, -2.0, 0.5])
SHAPE = np.asarray(np.diag([0.1, 0.7, 0.2]), np.float64)
BANK = bank_of(4.0, POPULATION, MEMBERS)
SCALE = np.array([0.0, 4.0, 6.0])
SPREAD = np.array([0.04, 0.01, 0.3])

QUICK = BankLimits(settle_s=1.0, settle_images=2, rest_s=3.0)
"""Limits at which doubts come and go within a few images."""
EARLY = BankLimits(
    temper=0.5, weight_half_life_s=5.0, scale_half_life_s=3.0, scale_prior_images=2.0,
    scale_least=0.8, scale_most_of_one=9.0, burst_half_life_s=0.5, burst_prior_images=1.0,
    doubt=4.0, outlier_share=0.05, outlier_log_density=-5.0, jump_mm=4.0, jump_isotropic=0.2,
    jumps_per_s=0.02, most_jump_share=0.01, flatten=0.0, settle_s=2.0, settle_images=3,
    settle_odds=2.0, rest_s=4.0, longest_interval_s=1.5,
)  # fmt: skip


def phi_at(t_s: float) -> Reals:
    phi = np.zeros((3, kernel.COMPONENTS))
    y, v = 4.0 * math.cos(OMEGA * t_s), -4.0 * OMEGA * math.sin(OMEGA * t_s)
    kernel.features(y, v, y, SCALE, phi)
    return phi


def target_at(t_s: float) -> Reals:
    return MEAN + np.array([0.5, -3.0, 1.0]) * math.cos(OMEGA * t_s)


def image(
    t_s: float, off_mm: tuple[float, float, float], late_s: float, coordinates: int
) -> BankImage:
    """An image of the target, which is off its usual way; it arrives some time later."""
    angle = 0.4 * t_s
    rows = np.zeros((3, 8))
    rows[0, :3], rows[1, 1] = (math.cos(angle), 0.0, -math.sin(angle)), 1.0
    rows[2, :3] = (math.sin(angle), 0.0, math.cos(angle))
    rows[:, 4:7], rows[:, 7] = (-1e-4, 0.0, -9e-4), 1.0
    rows = rows[:coordinates]
    noise = 0.2 * np.sin([7.0 * t_s, 11.0 * t_s, 13.0 * t_s])[:coordinates]
    place = target_at(t_s) + np.array(off_mm)
    seen = (rows[:, :3] @ place + rows[:, 3]) / (rows[:, 4:7] @ place + rows[:, 7])
    exposed_ns = round(t_s * SECOND)
    return BankImage(
        exposed_ns, exposed_ns + round(late_s * SECOND), phi_at(t_s), SPREAD, rows, seen + noise,
        np.array([0.09, 0.16, 0.25])[:coordinates],
    )  # fmt: skip


USUAL = (0.0, 0.0, 0.0)
WRONG = (0.0, 25.0, 0.0)
MOVED = (2.0, 9.0, -3.0)
STEPS = [0.4 * k for k in range(1, 8)]


def images(
    times: list[float], off_mm: tuple[float, float, float] = USUAL, at: tuple[int, ...] = (),
    late_s: float = 0.1, coordinates: int = 2,
) -> list[BankImage]:  # fmt: skip
    """Images at these times; those of the numbers ``at`` show the target off its usual way."""
    return [
        image(t, off_mm if k in at else USUAL, late_s, coordinates) for k, t in enumerate(times)
    ]


MANY = [0.4 * k for k in range(1, 20)]
STREAMS: dict[str, list[BankImage]] = {
    "usual": images(STEPS),
    "pairs": images(STEPS, coordinates=3),
    "one coordinate": images(STEPS, coordinates=1),
    "one wrong image": images(STEPS, WRONG, (3,)),
    "one wrong pair": images(STEPS, WRONG, (3,), coordinates=3),
    "moved": images([*STEPS, 3.2, 3.6], MOVED, tuple(range(3, 9))),
    "moved and back": images(MANY, MOVED, (*range(2, 7), *range(13, 19))),
    "in flight": images(STEPS, MOVED, (4, 5, 6), late_s=1.1),
    "many in flight": images([0.1 * k for k in range(1, 14)], late_s=2.0),
    "a pause": images([0.4, 0.8, 1.2, 9.3, 9.7, 10.1], WRONG, (3, 4, 5)),
    "a long interval": images([0.4, 1.0, 6.0, 6.4], WRONG, (2,)),
    "close together": images([0.4, 0.8, 0.85, 0.9, 1.0], WRONG, (3,)),
}


@pytest.mark.parametrize("limits", [BankLimits(), QUICK, EARLY], ids=["usual", "quick", "early"])
@pytest.mark.parametrize("stream", STREAMS)
def test_the_bank_says_what_its_rules_say(stream: str, limits: BankLimits) -> None:
    bank = FilterBank(BANK, OMEGA, MEAN, SHAPE, limits)
    plain = PlainBank(BANK, OMEGA, MEAN, SHAPE, limits)
    for number, each in enumerate(STREAMS[stream]):
        if number == 2:
            bank.begin_to_judge()
            plain.judging = True
        bank.add(each)
        plain.add(each)
        assert bank.in_doubt == (len(plain.now.stories) > 1)
        assert bank.scale == pytest.approx(plain.scale(), rel=1e-9)
        for later_s in (0.0, 0.3):
            t_ns = each.exposed_ns + round(later_s * SECOND)
            phi = phi_at(t_ns / SECOND)
            said, expected = bank.at(t_ns, phi, SPREAD), plain.at(t_ns, phi, SPREAD)
            for found, wanted in zip(said, expected, strict=True):
                np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9)
            np.testing.assert_allclose(bank.mean_at(t_ns, phi), said.mean, rtol=1e-9, atol=1e-12)


def test_before_the_first_image_the_bank_is_at_its_prior() -> None:
    bank = FilterBank(BANK, OMEGA, MEAN, SHAPE, BankLimits())
    plain = PlainBank(BANK, OMEGA, MEAN, SHAPE, BankLimits())
    assert not bank.in_doubt
    assert bank.scale == pytest.approx(1.0)
    for t_ns in (0, 5 * SECOND):
        said = bank.at(t_ns, phi_at(0.7), SPREAD)
        expected = plain.at(t_ns, phi_at(0.7), SPREAD)
        for found, wanted in zip(said, expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(said.mean, MEAN)
        np.testing.assert_allclose(bank.mean_at(t_ns, phi_at(0.7)), MEAN)


def test_the_streams_go_every_way() -> None:
    ends: set[tuple[str, ...]] = set()
    jumps = 0
    for limits in (BankLimits(), QUICK, EARLY):
        for stream in STREAMS.values():
            plain = PlainBank(BANK, OMEGA, MEAN, SHAPE, limits)
            for number, each in enumerate(stream):
                plain.judging = number >= 2
                before = plain.jumped_ns
                plain.add(each)
                jumps += plain.jumped_ns != before
                ends.add(tuple(sorted(story.name for story in plain.now.stories)))
    assert jumps > 0
    assert {("jump", "normal", "outlier"), ("normal", "outlier"), ("normal",)} <= ends


def test_the_limits_that_were_chosen() -> None:
    limits = BankLimits()
    assert {name: getattr(limits, name) for name in limits.__slots__} == {
        "temper": 0.7,
        "weight_half_life_s": 80.0,
        "scale_half_life_s": 40.0,
        "scale_prior_images": 8.0,
        "scale_least": 0.5,
        "scale_most_of_one": 16.0,
        "burst_half_life_s": 2.0,
        "burst_prior_images": 2.0,
        "doubt": 16.0,
        "outlier_share": 0.01,
        "outlier_log_density": -math.log(1600.0),
        "jump_mm": 5.0,
        "jump_isotropic": 0.4,
        "jumps_per_s": 1.0 / 2000.0,
        "most_jump_share": 0.2,
        "flatten": 0.5,
        "settle_s": 4.0,
        "settle_images": 5,
        "settle_odds": 5.0,
        "rest_s": 20.0,
        "longest_interval_s": 5.0,
    }
