"""Correlation: the right kind is found, hysteresis and drift are followed, certainty is honest."""

import math

import numpy as np
import pytest

from tracker.core.surrogate.breathing import BreathingRange
from tracker.core.target import correlation_kernel as kernel
from tracker.core.target.correlation import KINDS, Shot
from tracker.core.target.correlation import fit as fit_shots
from tracker.core.target.latent import latents_of

S = 1_000_000_000
BREATHING = BreathingRange(0.0, 5.0, 7.6)
EXPECTED = [[0.1, -0.2], [0.9, 0.3], [-0.4, 0.5]]


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


def test_epochs_are_in_order_also_where_shots_are_not():
    # The oldest shot waited, and was found to be the first after the jump: two of before it
    # came later than it.
    made = shots_of(linear, count=15)
    jumped = [
        shot._replace(epoch=1, target_mm=(shot.target_mm[0], shot.target_mm[1] + 9.0, 0.0))
        for shot in (made[0], *made[3:])
    ]
    model = fit([jumped[0], made[1], made[2], *jumped[1:]], KINDS)
    for axis in model.axes:
        assert np.linalg.eigvalsh(axis.covariance).min() > -1e-9
        assert math.isfinite(axis.loo_rms_mm)
    ahead = errors(model, linear, np.arange(60, 64.1, 0.1))
    assert ahead[:, 1].mean() == pytest.approx(9.0, abs=0.5)


def test_kinds_that_fit_alike_and_lead_apart_make_unsure():
    # Of the inhalation alone no shot tells whether the way back is another.
    shots = [shot for shot in shots_of(looped, count=40, interval=1.3) if shot.velocity_mm_s > 2.0]
    alone = fit(shots[:10], ("linear",))
    averaged = fit(shots[:10], KINDS)
    y, v = 0.0, -7.6

    def sigma(model):
        return math.sqrt(model.target_at(shots[9].exposed_ns, y, v, 0.0, 0.0, 0.0).variance_mm2[1])

    assert sigma(averaged) > 2.0 * sigma(alone)


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
        kernel.features(y, v, 0.4, 4.0, 6.0, np.array(EXPECTED), np.array([0.3, -0.2]), out)
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


def belly_and_breast(t):
    phase = 2 * math.pi * t / 4.1
    return 5.0 * math.sin(phase), 3.0 * math.sin(phase - 0.9 - 0.4 * math.sin(t / 13.0))


def seen_from_outside(t):
    """Two markers, their common amplitude and its speed."""
    markers, later = belly_and_breast(t), belly_and_breast(t + 0.01)
    y, z = sum(markers) / 2.0, sum(later) / 2.0
    return markers, y, (z - y) / 0.01


def out_of_step(count=12):
    made = []
    for k in range(count):
        t = 10.0 + 3.3 * k
        markers, y, v = seen_from_outside(t)
        belly, breast = markers
        made.append(Shot(int(t * S), y, v, (0.0, -1.5 * belly, 0.8 * breast), 0, markers))
    return made


def test_markers_out_of_step_are_told_apart():
    model = fit(out_of_step(), KINDS)
    assert [axis.kind for axis in model.axes[1:]] == ["pls", "pls"]
    blind = fit([shot._replace(markers_mm=()) for shot in out_of_step()], KINDS)
    errors, missed = [], []
    for t in np.arange(51.0, 60.0, 0.1):
        markers, y, v = seen_from_outside(t)
        at = (0.0, -1.5 * markers[0], 0.8 * markers[1])
        apart = model.apart(y, v, markers)
        said = model.target_at(int(t * S), y, v, 0.0, 0.0, 0.0, apart).position_mm
        errors.append(math.dist(said, at))
        missed.append(math.dist(blind.target_at(int(t * S), y, v, 0, 0, 0).position_mm, at))
    assert np.sqrt(np.mean(np.square(errors))) < 0.15
    assert np.sqrt(np.mean(np.square(missed))) > 0.5


def test_one_marker_has_no_latent_variables():
    one = [shot._replace(markers_mm=shot.markers_mm[:1]) for shot in out_of_step()]
    model = fit(one, KINDS)
    assert "pls" not in {axis.kind for axis in model.axes}
    assert not model.apart(1.0, 2.0, (3.0,)).any()
    with pytest.raises(ValueError, match="no kind of pls"):
        fit(one, ("pls",))


def test_markers_in_step_are_left_to_the_simpler_kinds():
    shots = [
        shot._replace(markers_mm=(shot.amplitude_mm, 0.6 * shot.amplitude_mm))
        for shot in shots_of(linear, count=15)
    ]
    assert fit(shots, KINDS).axes[1].kind == "linear"


def test_a_marker_gone_astray_leads_no_farther_than_half_the_range():
    model = fit(out_of_step(), ("pls",))
    markers, y, v = seen_from_outside(70.0)
    away = model.apart(y, v, (markers[0] + 500.0, markers[1]))
    assert np.abs(away).max() == 1.0


def test_latent_variables_as_many_as_markers_are_least_squares():
    draw = np.random.default_rng(5)
    markers = draw.normal(0.0, [3.0, 2.0], (12, 2))
    targets = markers @ draw.normal(0.0, 1.0, (2, 3)) + draw.normal(0.0, 0.2, (12, 3))
    found = latents_of(markers, targets, np.zeros((12, 2))).of(markers)
    assert np.abs(found).max(axis=0) == pytest.approx([1.0, 1.0])
    assert found[:, 0] @ found[:, 1] == pytest.approx(0.0, abs=1e-9)
    design = np.column_stack([np.ones(12), found])
    plain = np.column_stack([np.ones(12), markers])
    for target in targets.T:
        theirs = plain @ np.linalg.lstsq(plain, target, rcond=None)[0]
        ours = design @ np.linalg.lstsq(design, target, rcond=None)[0]
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_the_first_latent_variable_goes_the_way_of_the_covariance():
    draw = np.random.default_rng(6)
    markers = draw.normal(0.0, 50.0, (40, 4))
    targets = np.column_stack([markers @ [0.5, -1.0, 0.2, 0.0], np.zeros(40), np.zeros(40)])
    weights = latents_of(markers, targets, np.zeros((40, 2))).weights[:, 0]
    size = np.sqrt(markers.var(axis=0) + 0.3**2)
    along = (markers - markers.mean(axis=0)).T @ (targets[:, 0] - targets[:, 0].mean()) / size**2
    assert abs(weights @ along) == pytest.approx(np.linalg.norm(weights) * np.linalg.norm(along))


def test_the_honest_leave_one_out_error_of_latent_variables_is_that_of_refitting():
    shots = out_of_step(10)
    model = fit(shots, ("pls",))
    axis = model.axes[1]
    errors = []
    for left_out in shots:
        others = [shot for shot in shots if shot is not left_out]
        again = fit(others, ("pls",))
        apart = again.apart(left_out.amplitude_mm, left_out.velocity_mm_s, left_out.markers_mm)
        said = again.target_at(
            left_out.exposed_ns, left_out.amplitude_mm, left_out.velocity_mm_s, 0, 0, 0, apart
        )
        errors.append(said.position_mm[1] - left_out.target_mm[1])
    assert axis.loo_rms_mm == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.6, abs=0.05)
