"""The fit of the correlation model against the same model worked out by other means."""

import math

import numpy as np
import pytest

from tests.core.correlation_oracle import axis_of, features_of
from tracker.core.surrogate.breathing import BreathingRange
from tracker.core.target import correlation_kernel as kernel
from tracker.core.target.correlation import (
    KINDS,
    AxisModel,
    CorrelationModel,
    Shot,
    fit,
    phase_coverage,
)
from tracker.core.target.latent import Latents, latents_of

S = 1_000_000_000
BREATHING = BreathingRange(0.4, 5.0, 7.6)


def shots(count=9, *, noise=0.3, markers=0, bend=0.1, lag=0.2, seed=1, epochs=()):
    """Irregular breaths and a target that follows them, each axis in its own way."""
    draw = np.random.default_rng(seed)
    made = []
    for k in range(count):
        t = 20.0 + 2.9 * k + 0.4 * (k % 3)
        phase = 2.0 * math.pi * t / (4.1 + 0.1 * (k % 4))
        y, v = 4.0 * math.sin(phase) + 0.8, 6.0 * math.cos(phase)
        at = (0.5 * y + lag * v, -2.0 * y + bend * y * y - 3.0, 0.8 * y - lag * v + 0.05 * t)
        at = tuple(x + e for x, e in zip(at, draw.normal(0.0, noise, 3), strict=True))
        seen = tuple(
            (1.0 + 0.3 * m) * y + 0.4 * m * v + draw.normal(0.0, 0.2) for m in range(markers)
        )
        epoch = sum(k >= first for first in epochs)
        made.append(Shot(round(t * S), y, v, at, epoch, seen))
    return made


def compared(model, made, kinds, latents=False):
    """Compare each axis of a model with that of the long way."""
    y, v = (np.array([shot[field] for shot in made]) for field in (1, 2))
    targets = np.array([shot.target_mm for shot in made])
    times_s = np.array([shot.exposed_ns * 1e-9 + 900.0 * shot.epoch for shot in made])
    every, without = features_of(y, v), []
    if latents:
        markers = np.array([shot.markers_mm for shot in made])
        scaled = every[:, [1, 3]].copy()
        every[:, 6:] = latents_of(markers, targets, scaled).of(markers)
        for i in range(len(made)):
            keep = np.arange(len(made)) != i
            found = latents_of(markers[keep], targets[keep], scaled[keep])
            without.append(np.hstack([every[:, :6], found.of(markers)]))
    for index, axis in enumerate(model.axes):
        expected = axis_of(kinds, every, without, times_s, targets[:, index])
        assert axis.kind == expected.kind
        assert axis.beta == pytest.approx(expected.beta, rel=1e-6, abs=1e-7)
        assert axis.covariance == pytest.approx(expected.covariance, rel=1e-5, abs=1e-7)
        assert axis.noise_mm == pytest.approx(expected.noise_mm, rel=1e-7)
        assert axis.wander_mm2_per_s == pytest.approx(expected.wander_mm2_per_s, rel=1e-7)
        assert axis.loo_rms_mm == pytest.approx(expected.loo_rms_mm, rel=1e-7)


@pytest.mark.parametrize("kind", ["linear", "quadratic", "dual", "velocity"])
def test_each_kind_is_the_posterior_of_its_linear_model(kind):
    made = shots(9, bend=0.05, lag=0.1)
    compared(fit(made, (kind,), BREATHING), made, (kind,))


@pytest.mark.parametrize("noise", [0.02, 2.5])
def test_noises_and_wanders_are_averaged_by_leave_one_out(noise):
    made = shots(8, noise=noise, lag=0.0, bend=0.0)
    compared(fit(made, ("linear",), BREATHING), made, ("linear",))


def test_kinds_are_averaged_as_a_mixture():
    made = shots(9, bend=0.04, lag=0.05, noise=0.4)
    compared(fit(made, KINDS, BREATHING), made, KINDS)


def test_a_kind_needs_two_shots_more_than_it_has_features():
    for count in (4, 5, 6):
        made = shots(count)
        compared(fit(made, KINDS, BREATHING), made, KINDS)
    with pytest.raises(ValueError, match="no kind of dual, quadratic can be fitted to 4 shots"):
        fit(shots(4), ("dual", "quadratic"), BREATHING)
    made = shots(5, noise=3.0)  # as many shots as leave one degree of freedom
    compared(fit(made, ("quadratic",), BREATHING), made, ("quadratic",))


def test_a_jump_of_the_baseline_is_worth_a_quarter_of_an_hour_of_wander():
    made = shots(9, epochs=(4, 7))
    compared(fit(made, ("linear",), BREATHING), made, ("linear",))
    mixed = [made[5], *made[:5], *made[6:]]
    again = fit(mixed, ("linear",), BREATHING)
    compared(again, made, ("linear",))
    assert again.fitted_ns == made[-1].exposed_ns


def test_latent_variables_are_judged_by_shots_they_have_not_seen():
    made = shots(8, markers=3)
    compared(fit(made, ("pls",), BREATHING), made, ("pls",), latents=True)
    compared(fit(made, KINDS, BREATHING), made, KINDS, latents=True)


def test_without_enough_markers_or_asked_for_there_are_no_latent_variables():
    for made in (shots(8, markers=1), [*shots(7, markers=2), shots(8, markers=3)[7]]):
        compared(fit(made, KINDS, BREATHING), made, KINDS)
    made = shots(8, markers=3)
    model = fit(made, ("linear",), BREATHING)
    compared(model, made, ("linear",))
    assert not model.apart(1.0, 2.0, made[0].markers_mm).any()


def test_a_target_that_hardly_moves_has_priors_of_its_own():
    """The priors of the coefficients go with the spread of the target, at least 0.3 mm."""
    made = [shot._replace(target_mm=(0.1 * shot.amplitude_mm / 4.0,) * 3) for shot in shots(7)]
    compared(fit(made, ("linear", "velocity"), BREATHING), made, ("linear", "velocity"))


def test_slow_breathing_has_a_least_speed():
    made = [shot._replace(velocity_mm_s=0.05 * shot.velocity_mm_s) for shot in shots(8)]
    model = fit(made, ("velocity",), BREATHING)
    assert model.scale.speed_mm_s == 0.5
    compared(model, made, ("velocity",))


def test_the_model_says_what_it_was_learned_from():
    made = shots(8)
    model = fit(made, ("linear",), BREATHING)
    amplitudes = [shot.amplitude_mm for shot in made]
    speed = 1.5 * math.sqrt(np.mean([shot.velocity_mm_s**2 for shot in made]))
    assert (model.lowest_mm, model.highest_mm) == (min(amplitudes), max(amplitudes))
    middle, half = (max(amplitudes) + min(amplitudes)) / 2, (max(amplitudes) - min(amplitudes)) / 2
    assert model.scale == pytest.approx((middle, half, speed))
    assert model.shots == 8
    assert model.fitted_ns == made[-1].exposed_ns
    assert model.phase_coverage == phase_coverage(made, BREATHING)


def still(step_mm, count=6):
    """Shots of a surrogate that stands still but for one of them."""
    return [
        Shot(k * S, 1.0 + (step_mm if k == 3 else 0.0), 0.5, (0.1 * k, 0.0, 0.0))
        for k in range(count)
    ]


def test_too_little_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"^3 shots are too few .*; at least 4 are needed$"):
        fit(shots(3), KINDS, BREATHING)
    assert fit(shots(4), ("linear",), BREATHING).shots == 4
    with pytest.raises(ValueError, match=r"moved 0\.19 mm between shots; at least 0\.2 mm"):
        fit(still(0.19), ("linear",), BREATHING)
    assert fit(still(0.21), ("linear",), BREATHING).highest_mm == pytest.approx(1.21)


def test_a_surrogate_that_moved_by_exactly_the_least_is_enough():
    made = [shot._replace(amplitude_mm=0.0 if k != 3 else 0.2) for k, shot in enumerate(still(0.2))]
    assert fit(made, ("linear",), BREATHING).highest_mm == 0.2


def test_a_shot_belongs_to_the_time_before_any_jump_unless_it_says_so():
    assert Shot(0, 0.0, 0.0, (0.0, 0.0, 0.0)).epoch == 0


def test_markers_that_follow_amplitude_and_velocity_are_where_they_are_expected():
    def markers_at(y, v):
        return (y + 0.2 * v, 0.6 * y - 0.3 * v, 0.4 * y + 0.5 * v + 1.0)

    made = [shot._replace(markers_mm=markers_at(*shot[1:3])) for shot in shots(9)]
    model = fit(made, ("pls",), BREATHING)
    for y, v in ((2.0, 1.0), (-1.0, 4.0), (0.5, -3.0)):
        assert model.apart(y, v, markers_at(y, v)) == pytest.approx([0.0, 0.0], abs=0.01)
        x, *others = markers_at(y, v)
        assert np.abs(model.apart(y, v, (x + 1.0, *others))).max() > 0.1


def test_errors_far_beyond_every_noise_that_is_tried_still_make_a_model():
    made = shots(20, noise=60.0)
    model = fit(made, KINDS, BREATHING)
    compared(model, made, KINDS)
    assert min(axis.loo_rms_mm for axis in model.axes) > 20.0


# The model ---------------------------------------------------------------------------------------

SCALE = BreathingRange(0.5, 4.0, 5.0)
LATENTS = Latents(
    np.array([0.2, -0.1, 0.4]),
    np.array([[0.02, 0.01], [-0.03, 0.02], [0.01, 0.04]]),
    np.array([[0.05, -0.02], [0.04, 0.03], [-0.04, 0.05]]),
)
AXES = tuple(
    AxisModel("pls", row, 0.01 * np.diag(1.0 + row**2), noise, wander, 0.1)
    for row, noise, wander in zip(
        np.random.default_rng(4).normal(0.0, 1.0, (3, 8)),
        (0.2, 0.5, 0.8),
        (0.01, 0.03, 0.02),
        strict=True,
    )
)
FITTED_NS = 100 * S


def model_of(axes=AXES, **options):
    x, y, z = axes
    return CorrelationModel((x, y, z), SCALE, (-3.0, 5.0), 0.75, 12, FITTED_NS, **options)


def evaluated(apart=(0.0, 0.0), age_s=0.0, latents=True, yy=0.0, vv=0.0, yv=0.0, inflation=1.0):
    """What the kernel makes of these axes at y = 1.3 and v = -2.1."""
    model = kernel.pack(
        np.array([axis.beta for axis in AXES]),
        inflation * np.array([axis.covariance for axis in AXES]),
        inflation * np.array([(axis.noise_mm**2, axis.wander_mm2_per_s) for axis in AXES]),
        np.array(SCALE),
        LATENTS.expected if latents else np.zeros((3, 2)),
    )
    found = kernel.evaluate(model, np.array(apart), age_s, 1.3, -2.1, yy, vv, yv, 0.5)
    return [list(part) for part in found]


def flat(state):
    return [list(state.position_mm), list(state.velocity_mm_s), list(state.variance_mm2)]


def test_the_target_follows_from_the_coefficients():
    model = model_of(latents=LATENTS)
    apart = np.array([0.3, -0.2])
    said = model.target_at(FITTED_NS + 7 * S, 1.3, -2.1, 0.4, 0.9, -0.15, apart)
    assert flat(said) == evaluated((0.3, -0.2), 7.0, yy=0.4, vv=0.9, yv=-0.15)
    later = model.target_at(FITTED_NS + 8 * S, 1.3, -2.1, 0.4, 0.9, -0.15, apart)
    assert all(a < b for a, b in zip(said.variance_mm2, later.variance_mm2, strict=True))
    expected = model.target_at(FITTED_NS, 1.3, -2.1, 0.0, 0.0, 0.0)
    assert flat(expected) == evaluated()
    assert flat(model_of().target_at(FITTED_NS, 1.3, -2.1, 0.0, 0.0, 0.0)) == evaluated(
        latents=False
    )


def test_before_the_last_shot_the_model_is_as_sure_as_at_it():
    model = model_of(latents=LATENTS)
    before = model.target_at(FITTED_NS - 30 * S, 1.3, -2.1, 0.0, 0.0, 0.0)
    assert before == model.target_at(FITTED_NS, 1.3, -2.1, 0.0, 0.0, 0.0)


def test_inflation_enlarges_every_variance_of_the_model():
    said = model_of(latents=LATENTS, inflation=2.5).target_at(
        FITTED_NS + 3 * S, 1.3, -2.1, 0.0, 0.0, 0.0
    )
    assert flat(said) == evaluated(age_s=3.0, inflation=2.5)
    plain = model_of(latents=LATENTS).target_at(FITTED_NS + 3 * S, 1.3, -2.1, 0.0, 0.0, 0.0)
    assert said.variance_mm2 == pytest.approx([2.5 * x for x in plain.variance_mm2])
    assert said.position_mm == plain.position_mm


def test_apart_is_how_far_markers_are_from_what_amplitude_and_velocity_expect():
    model = model_of(latents=LATENTS)
    u, w = (1.3 - 0.5) / 4.0, -2.1 / 5.0
    markers = (3.0, -2.0, 1.5)
    found = (np.array(markers) - LATENTS.centre) @ LATENTS.weights
    expected = np.array([1.0, u, w]) @ LATENTS.expected
    assert model.apart(1.3, -2.1, markers) == pytest.approx(found - expected, rel=1e-12)
    assert model.apart(1.3, -2.1, (900.0, 0.0, 0.0)) == pytest.approx([1.0, 1.0])
    assert model.apart(1.3, -2.1, (-900.0, 0.0, 0.0)) == pytest.approx([-1.0, -1.0])


def test_nothing_is_apart_without_latent_variables_or_with_other_markers():
    assert not model_of(latents=LATENTS).apart(1.3, -2.1, (3.0, -2.0)).any()
    assert not model_of().apart(1.3, -2.1, (3.0, -2.0, 1.5)).any()
    unused = []
    for axis in AXES:
        beta = axis.beta.copy()
        beta[6:] = 0.0
        unused.append(AxisModel("linear", beta, axis.covariance, 0.2, 0.01, 0.1))
    assert not model_of(tuple(unused), latents=LATENTS).apart(1.3, -2.1, (3.0, -2.0, 1.5)).any()


def test_extrapolation_is_a_share_of_the_larger_range():
    model = model_of()
    for inside in (-3.0, 1.0, 5.0):
        assert model.extrapolation(inside) == 0.0
    assert model.extrapolation(7.0) == pytest.approx(2.0 / 8.0)
    assert model.extrapolation(-4.0) == pytest.approx(1.0 / 8.0)
    assert model.extrapolation(7.0, 10.0) == pytest.approx(2.0 / 10.0)
    assert model.extrapolation(7.0, 3.0) == pytest.approx(2.0 / 8.0)
    x, y, z = AXES
    point = CorrelationModel((x, y, z), SCALE, (1.0, 1.0), 0.75, 12, FITTED_NS)
    assert point.extrapolation(1.5) == pytest.approx(0.5 / 1e-6)


def test_coverage_counts_the_eighths_of_the_cycle_that_hold_a_shot():
    def at(*turns):
        made = []
        for turn in turns:
            angle = 2.0 * math.pi * (turn - 0.5)
            y, v = 0.4 + 5.0 * math.cos(angle), 7.6 * math.sin(angle)
            made.append(Shot(0, y, v, (0.0, 0.0, 0.0)))
        return phase_coverage(made, BREATHING)

    assert at(*(k / 8.0 + 0.01 for k in range(8))) == 1.0
    assert at(0.01, 0.12, 0.13) == 0.25
    assert at(0.30, 0.99, 0.26, 0.88, 0.64) == 0.375
