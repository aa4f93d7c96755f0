"""Latent variables: what partial least squares promises, and what amplitude and speed expect."""

import numpy as np
import pytest

from tracker.core.target.latent import FEWEST_MARKERS, MOST, latents_of

NOISE_MM = 0.3
"""What is added to a marker's standard deviation, so that a still one is not blown up."""


def moving(shots=12, markers=4, seed=5):
    """Markers and targets that move together, with something of their own."""
    draw = np.random.default_rng(seed)
    displacements = draw.normal(0.0, [3.0, 2.0, 0.5, 1.0][:markers], (shots, markers)) + 7.0
    mix = draw.normal(0.0, 1.0, (markers, 3))
    targets = displacements @ mix + draw.normal(0.0, 0.2, (shots, 3)) - 40.0
    return displacements, targets


NOTHING_SAID = np.zeros((12, 2))


def test_each_latent_variable_reaches_one_and_they_are_uncorrelated():
    markers, targets = moving()
    latents = latents_of(markers, targets, NOTHING_SAID)
    found = latents.of(markers)
    assert found.shape == (12, MOST) == (12, 2)
    assert np.abs(found).max(axis=0) == pytest.approx([1.0, 1.0])
    assert found.mean(axis=0) == pytest.approx([0.0, 0.0], abs=1e-12)
    assert found[:, 0] @ found[:, 1] == pytest.approx(0.0, abs=1e-12)
    assert latents.centre == pytest.approx(markers.mean(axis=0))


def test_each_direction_has_the_largest_covariance_with_what_is_left():
    """Wold's definition, with markers in units of their spread: deflate, then the next."""
    markers, targets = moving()
    latents = latents_of(markers, targets, NOTHING_SAID)
    left = (markers - markers.mean(axis=0)) / np.sqrt(markers.var(axis=0) + NOISE_MM**2)
    wanted = targets - targets.mean(axis=0)
    scores = latents.of(markers)
    for k in range(MOST):
        # No direction of the residual has a larger covariance with the targets than this one.
        most = np.linalg.svd(left.T @ wanted, compute_uv=False)[0]
        along = scores[:, k] / np.linalg.norm(scores[:, k])
        direction = np.linalg.lstsq(left, scores[:, k], rcond=None)[0]
        direction /= np.linalg.norm(direction)
        assert np.linalg.norm((left @ direction) @ wanted) == pytest.approx(most)
        left = left - np.outer(along, along @ left)


def test_two_markers_are_enough_and_small_motion_too():
    markers, targets = moving(markers=FEWEST_MARKERS)
    assert markers.shape == (12, 2)
    tiny = latents_of(0.01 * markers, 0.01 * targets, NOTHING_SAID)
    assert np.abs(tiny.of(0.01 * markers)).max(axis=0) == pytest.approx([1.0, 1.0])


def test_as_many_latent_variables_as_markers_are_least_squares():
    markers, targets = moving(markers=2)
    found = latents_of(markers, targets, NOTHING_SAID).of(markers)
    design = np.column_stack([np.ones(12), found])
    plain = np.column_stack([np.ones(12), markers])
    for target in targets.T:
        theirs = plain @ np.linalg.lstsq(plain, target, rcond=None)[0]
        ours = design @ np.linalg.lstsq(design, target, rcond=None)[0]
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_where_there_is_nothing_to_find_they_are_zero():
    markers, targets = moving()
    still = latents_of(np.full((12, 4), 3.0), targets, NOTHING_SAID)
    assert not still.weights.any()
    assert not still.of(markers).any()
    one = np.outer(np.arange(12.0), [1.0, 2.0, -1.0, 0.5])  # all markers are one
    found = latents_of(one, one[:, :3], NOTHING_SAID)
    assert np.abs(found.of(one)).max(axis=0) == pytest.approx([1.0, 0.0], abs=1e-9)
    single = latents_of(markers[:, :1], targets, NOTHING_SAID)
    assert single.weights.shape == (1, 2)
    assert np.abs(single.of(markers[:, :1])).max(axis=0) == pytest.approx([1.0, 0.0])


def test_a_marker_that_hardly_moves_hardly_counts():
    """Its weight is what its covariance gives in units of its spread with 0.3 mm added."""
    t = np.arange(12.0)
    big, small = 5.0 * np.cos(t), 0.01 * np.sin(t)
    markers = np.column_stack([big, small])
    targets = np.column_stack([big + 100.0 * small, np.zeros(12), np.zeros(12)])
    weights = latents_of(markers, targets, NOTHING_SAID).weights[:, 0]
    centred = markers - markers.mean(axis=0)
    size = markers.var(axis=0) + NOISE_MM**2
    along = centred.T @ (targets[:, 0] - targets[:, 0].mean()) / size
    assert weights / weights[0] == pytest.approx(along / along[0])


def test_what_amplitude_and_speed_lead_to_expect_is_a_regression():
    """Ridge regression of the latent variables on 1, u and w; it gives back an exact relation."""
    draw = np.random.default_rng(8)
    scaled = draw.normal(0.0, 1.0, (200, 2))
    u, w = scaled.T
    markers = np.column_stack([4.0 * u + 1.0, 3.0 * w - 2.0])
    targets = np.column_stack([4.0 * u, w, np.zeros(200)])
    latents = latents_of(markers, targets, scaled)
    design = np.column_stack([np.ones(200), scaled])
    found = latents.of(markers)
    assert design @ latents.expected == pytest.approx(found, abs=5e-3)
    penalty = 1e-3 * 200
    normal = design.T @ design + penalty * np.eye(3)
    assert normal @ latents.expected == pytest.approx(design.T @ found, abs=1e-9)


def test_the_displacements_of_many_moments_can_be_asked_at_once():
    markers, targets = moving()
    latents = latents_of(markers, targets, NOTHING_SAID)
    assert latents.of(markers)[3] == pytest.approx(latents.of(markers[3]))
    assert latents.of(latents.centre) == pytest.approx([0.0, 0.0])
