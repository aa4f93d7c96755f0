"""The members of the bank: what each starts from, and the small sums over them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.core.target.joint import members
from tracker.core.target.joint.members import (
    LAG_S,
    MEMBERS,
    Features,
    Member,
    Residual,
    bank_of,
    log_mean,
    period_of,
    weights_of,
)
from tracker.core.target.joint.shape import POPULATION

Reals = NDArray[np.float64]

QUADRATIC = ((1.0, 0.5, 0.3), (1.0, 1.0, 0.5))
LAGGED = ((1.0, 0.5, 0.3, 0.3, 0.3, 0.7), (1.0, 1.0, 0.5, 0.5, 0.5, 1.0))
RESIDUALS = ((0.05, 2.0, 0.05, 12.0), (0.15, 2.0, 0.15, 12.0), (0.5, 2.0, 0.5, 15.0))


def test_the_bank_of_members() -> None:
    slow = [(f, r, 0.05) for f in (QUADRATIC, LAGGED) for r in RESIDUALS]
    fast = [(f, r, 0.2) for f in (QUADRATIC, LAGGED) for r in RESIDUALS[:2]]
    assert [tuple(map(plain, member)) for member in MEMBERS] == [*slow, *fast]
    assert (members.WANDER, LAG_S) == (0.006, 0.8)


def plain(value: object) -> object:
    return tuple(value) if isinstance(value, tuple) else value


def test_what_each_component_of_a_member_starts_from_and_how_it_wanders() -> None:
    member = Member(Features((0.7, 0.4), (2.0, 3.0)), Residual(0.2, 1.5, 0.3, 11.0), 0.1)
    other = Member(Features((1.0,), (1.0,)), Residual(0.1, 3.0, 0.1, 9.0), 0.4)
    shape = np.diag([0.5, 0.3, 0.2])
    bank = bank_of(6.0, shape, (member, other))
    motion = 36.0 * (0.97 * shape + 0.03 * POPULATION)
    eye, nothing = np.eye(3), np.zeros((3, 3))
    relaxing = 0.04 * motion + 0.15**2 * eye
    swinging = 0.09 * motion
    starts = [25.0 * eye, relaxing, swinging, swinging, 0.49 * motion, 0.16 * motion]
    wander = 0.006**2 * motion
    noises = [0.01 * eye, relaxing, swinging, swinging, 4.0 * wander, 9.0 * wander]
    covariance = np.zeros((30, 30))
    for component, block in enumerate(starts):
        at = 3 * component
        covariance[at : at + 3, at : at + 3] = block
    np.testing.assert_allclose(bank.covariance[0], covariance, rtol=1e-12)
    np.testing.assert_allclose(bank.noise[0], [*noises, *[nothing] * 4], rtol=1e-12)
    np.testing.assert_array_equal(bank.tau[0], [0.0, 1.5, 11.0, 11.0, *[0.0] * 6])
    np.testing.assert_array_equal(bank.active, [6, 5])
    np.testing.assert_allclose(bank.white, [0.01, 0.01], rtol=1e-12)
    np.testing.assert_array_equal(bank.tau[1], [0.0, 3.0, 9.0, 9.0, *[0.0] * 6])
    np.testing.assert_allclose(bank.covariance[1, 12:15, 12:15], motion, rtol=1e-12)
    assert len(bank_of(6.0, shape).active) == len(MEMBERS)


# The breathing period ----------------------------------------------------------------------------


def tone(hertz: float, count: int = 125, step_s: float = 0.2) -> Reals:
    return np.sin(2.0 * math.pi * hertz * step_s * np.arange(count) + 0.3)


@pytest.mark.parametrize("hertz", [0.15, 0.25, 0.5])
def test_the_period_is_that_of_the_highest_line(hertz: float) -> None:
    # 25 s of breath give a spectrum in steps of 0.005 Hz.
    assert period_of(40.0 + tone(hertz), 0.2) == pytest.approx(1.0 / hertz, rel=0.011)


@pytest.mark.parametrize("other", [0.03, 1.1])
def test_what_is_no_breath_is_left_out(other: float) -> None:
    for size in (1.0, 1e-4):
        amplitudes = size * (3.0 * tone(other) + tone(0.25))
        assert period_of(amplitudes, 0.2) == pytest.approx(4.0, rel=0.05)


def test_the_limits_of_breathing_belong_to_it() -> None:
    assert period_of(tone(0.09), 0.2) == pytest.approx(10.0, abs=1e-9)
    assert period_of(tone(0.61), 0.2) == pytest.approx(1.0 / 0.6, abs=1e-9)


def test_the_line_is_that_of_a_spectrum_under_a_window() -> None:
    rng = np.random.default_rng(6)
    amplitudes = tone(0.22) + 0.8 * tone(0.31) + rng.normal(2.0, 0.6, 125)
    centred = amplitudes - amplitudes.mean()
    window = 0.5 - 0.5 * np.cos(2.0 * math.pi * np.arange(125) / 124.0)
    turns = np.arange(20, 121) * 0.005
    waves = np.exp(-2j * math.pi * np.outer(turns, 0.2 * np.arange(125)))
    highest = turns[np.abs(waves @ (centred * window)).argmax()]
    assert period_of(amplitudes, 0.2) == pytest.approx(1.0 / highest, rel=1e-12)


def test_without_any_breath_the_longest_period_stands() -> None:
    assert period_of(np.full(125, 3.0), 0.2) == pytest.approx(10.0)


# Weights and densities ---------------------------------------------------------------------------


def test_weights_add_up_to_one_whatever_the_scores() -> None:
    np.testing.assert_allclose(weights_of(np.log([1.0, 3.0, 4.0])), [0.125, 0.375, 0.5])
    np.testing.assert_allclose(weights_of(np.array([-5000.0, -5000.0])), [0.5, 0.5])
    np.testing.assert_allclose(weights_of(np.array([5000.0, 0.0])), [1.0, 0.0])


def test_the_mean_density_of_a_mixture() -> None:
    weights = np.array([0.25, 0.75])
    assert log_mean(weights, np.log([2.0, 6.0])) == pytest.approx(math.log(5.0))
    assert log_mean(weights, np.array([-5000.0, -5000.0])) == pytest.approx(-5000.0)
    assert log_mean(np.array([0.0, 1.0]), np.array([0.0, -2000.0])) == pytest.approx(
        math.log(1e-300)
    )
