"""Correlation: the right kind is found, hysteresis and drift are followed, certainty is honest."""

import math

import numpy as np
import pytest

from tracker.core import correlation_kernel as kernel
from tracker.core.correlation import KINDS, Shot
from tracker.core.correlation import fit as fit_shots
from tracker.core.fusion import BreathingRange

S = 1_000_000_000
BREATHING = BreathingRange(0.0, 5.0, 7.6)


def fit(shots, kinds):
    return fit_shots(shots, kinds, BREATHING)


def breath(t):
    phase = 2 * math.pi * t / 4.1
    return 5.0 * math.sin(phase), 5.0 * 2 * math.pi / 4.1 * math.cos(phase)


def shots_of(target, count=12, interval=3.3, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for k in range(count):
        t = 10.0 + k * interval
        y, v = breath(t)
        at = target(t, y, v)
        made.append(Shot(int(t * S), y, v, tuple(x + rng.normal(0, noise) for x in at)))
    return made


def linear(t, y, v):
    return (0.3 * y, -2.0 * y + 1.0, 0.8 * y)


def curved(t, y, v):
    return (0.1 * y, -1.5 * y - 0.12 * y * y, 0.5 * y)


def looped(t, y, v):
    return (0.0, -1.5 * y + 0.5 * v, 0.5 * y)


def errors(model, target, times):
    found = []
    for t in times:
        y, v = breath(t)
        said = model.target_at(int(t * S), y, v, 0.0, 0.0, 0.0)
        found.append([a - b for a, b in zip(said.position_mm, target(t, y, v), strict=True)])
    return np.array(found)


@pytest.mark.parametrize("target", [linear, curved, looped])
def test_finds_the_relation(target):
    model = fit(shots_of(target), KINDS)
    assert np.sqrt((errors(model, target, np.arange(50, 58, 0.1)) ** 2).mean(0)).max() < 0.25


def test_a_curve_is_not_fitted_with_a_line_nor_a_line_with_a_curve():
    assert fit(shots_of(curved), KINDS).axes[1].kind == "quadratic"
    assert fit(shots_of(looped), KINDS).axes[1].kind in ("velocity", "dual")
    assert fit(shots_of(linear, count=15), KINDS).axes[1].kind == "linear"


def test_only_the_kinds_asked_for_are_used():
    model = fit(shots_of(looped), ("linear",))
    assert {axis.kind for axis in model.axes} == {"linear"}


def test_a_wandering_baseline_is_followed_and_age_makes_unsure():
    def drifting(t, y, v):
        return (0.0, -2.0 * y + 0.02 * t, 0.5 * y)

    model = fit(shots_of(drifting, count=15, interval=19.3), KINDS)
    last = 10.0 + 14 * 19.3
    assert abs(errors(model, drifting, np.arange(last, last + 8, 0.1))[:, 1].mean()) < 0.5
    soon = model.target_at(int(last * S), 0.0, 0.0, 0.0, 0.0, 0.0).variance_mm2
    late = model.target_at(int((last + 60) * S), 0.0, 0.0, 0.0, 0.0, 0.0).variance_mm2
    assert all(b > a for a, b in zip(soon, late, strict=True))


def test_covariance_is_honest():
    ratios = []
    for seed in range(40):
        made = shots_of(linear, count=10, noise=0.3, seed=seed)
        model = fit(made[:-1], KINDS)
        shot = made[-1]
        said = model.target_at(shot.exposed_ns, shot.amplitude_mm, shot.velocity_mm_s, 0, 0, 0)
        ratios += [
            (a - b) ** 2 / s
            for a, b, s in zip(shot.target_mm, said.position_mm, said.variance_mm2, strict=True)
        ]
    assert 0.5 < np.mean(ratios) < 1.6


def test_surrogate_uncertainty_becomes_target_uncertainty():
    model = fit(shots_of(linear), ("linear",))
    sure = model.target_at(60 * S, 1.0, 0.0, 0.0, 0.0, 0.0).variance_mm2
    unsure = model.target_at(60 * S, 1.0, 0.0, 0.25, 0.0, 0.0).variance_mm2
    assert unsure[1] - sure[1] == pytest.approx(4.0 * 0.25, rel=0.05)


def test_velocity_is_the_derivative_of_position():
    model = fit(shots_of(linear), ("linear",))
    _, v = breath(33.0)
    assert model.target_at(33 * S, 0.0, v, 0, 0, 0).velocity_mm_s[1] == pytest.approx(
        -2 * v, rel=0.03
    )


def test_gradients_are_those_of_the_features():
    def at(y, v):
        out = np.zeros((3, kernel.FEATURES))
        kernel.features(y, v, 0.4, 4.0, 6.0, out)
        return out

    y, v, h = 1.7, -2.3, 1e-6
    assert at(y, v)[1] == pytest.approx((at(y + h, v)[0] - at(y - h, v)[0]) / (2 * h), abs=1e-6)
    assert at(y, v)[2] == pytest.approx((at(y, v + h)[0] - at(y, v - h)[0]) / (2 * h), abs=1e-6)


def test_extrapolation_is_measured_in_ranges():
    model = fit(shots_of(linear), KINDS)
    span = model.highest_mm - model.lowest_mm
    assert model.extrapolation(model.highest_mm + 0.2 * span) == pytest.approx(0.2)
    assert model.extrapolation(model.lowest_mm - 0.1 * span) == pytest.approx(0.1)
    assert model.extrapolation(0.0) == 0.0


def test_phase_coverage_counts_the_parts_of_the_cycle():
    assert fit(shots_of(linear, count=15), KINDS).phase_coverage >= 0.85
    # One shot a breath, always at the same phase: one or two bins at most.
    assert fit(shots_of(linear, count=6, interval=4.1 * 1.01), KINDS).phase_coverage <= 0.25


@pytest.mark.parametrize(
    ("shots", "what"),
    [
        (shots_of(linear, count=3), "too few"),
        ([Shot(k * S, 1.0 + 0.01 * k, 0.0, (0.0, 0.0, 0.0)) for k in range(6)], "moved 0.05 mm"),
    ],
)
def test_too_little_is_refused_in_a_sentence(shots, what):
    with pytest.raises(ValueError, match=what):
        fit(shots, KINDS)
