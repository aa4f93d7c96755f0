"""How far and in which directions the target moves, held against one image at a time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.core.target.joint.shape import POPULATION, linearised, shape_of_motion

Reals = NDArray[np.float64]


def made_up_rows(count: int, coordinates: int, seed: int) -> list[Reals]:
    """Views from anywhere, of a source far enough away."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0.0, 1.0, (count, coordinates, 8))
    rows[:, :, 3] *= 0.5
    rows[:, :, 4:7] *= 1e-3
    rows[:, :, 7] = 1.0 + 0.1 * rows[:, :, 7]
    return list(rows)


def test_the_population_moves_mostly_along_the_body() -> None:
    expected = np.array([[0.09, 0.0, 0.0], [0.0, 1.0, -0.225], [0.0, -0.225, 0.2025]]) / 1.2925
    np.testing.assert_allclose(POPULATION, expected, rtol=1e-12)


def test_coordinates_and_their_derivatives() -> None:
    (rows,) = made_up_rows(1, 3, 4)
    about, step = np.array([30.0, -20.0, 12.0]), 1e-4
    seen, gradient = linearised(rows, about)
    for r in range(3):
        top = rows[r, :3] @ about + rows[r, 3]
        assert seen[r] == pytest.approx(top / (rows[r, 4:7] @ about + rows[r, 7]))
    for axis in range(3):
        ahead, behind = about.copy(), about.copy()
        ahead[axis] += step
        behind[axis] -= step
        slope = (linearised(rows, ahead)[0] - linearised(rows, behind)[0]) / (2.0 * step)
        np.testing.assert_allclose(gradient[:, axis], slope, rtol=1e-6)


def one_at_a_time(
    rows: list[Reals], measured: list[Reals], variances: list[Reals], prior: float
) -> tuple[Reals, Reals]:
    """Expectation maximisation with a loop over images, written from its equations."""
    n = len(rows)
    mean: Reals = np.zeros(3)
    covariance: Reals = 9.0 * POPULATION + 0.25 * np.eye(3)
    for _ in range(40):
        means: list[Reals] = []
        own: Reals = np.zeros((3, 3))
        for row, z, variance in zip(rows, measured, variances, strict=True):
            seen, gradient = linearised(row, mean)
            s = gradient @ covariance @ gradient.T + np.diag(variance)
            gain = covariance @ gradient.T @ np.linalg.inv(s)
            means.append(mean + gain @ (z - seen))
            own += covariance - gain @ gradient @ covariance
        mean = np.sum(means, axis=0) / (n + 0.2)
        for each in means:
            own += np.outer(each - mean, each - mean)
        own /= n
        covariance = (n * own + prior * np.trace(own) * POPULATION) / (n + prior)
    return mean, covariance


@pytest.mark.parametrize(("count", "coordinates"), [(3, 2), (9, 2), (5, 3)])
def test_the_density_is_that_of_the_equations(count: int, coordinates: int) -> None:
    rng = np.random.default_rng(count)
    rows = made_up_rows(count, coordinates, count)
    targets = rng.normal((1.0, 2.0, -1.0), (1.0, 4.0, 2.0), (count, 3))
    measured = [
        linearised(row, target)[0] + rng.normal(0.0, 0.3, coordinates)
        for row, target in zip(rows, targets, strict=True)
    ]
    variances = [np.linspace(0.05, 0.2, coordinates) * (1.0 + k) for k in range(count)]
    found = shape_of_motion(rows, measured, variances, 2.0)
    expected = one_at_a_time(rows, measured, variances, 2.0)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-12)


def test_many_images_from_all_sides_show_the_motion_itself() -> None:
    rng = np.random.default_rng(1)
    directions = rng.normal(0.0, 1.0, (400, 2, 3))
    rows = np.zeros((400, 2, 8))
    rows[:, :, :3] = directions / np.linalg.norm(directions, axis=2, keepdims=True)
    rows[:, :, 7] = 1.0
    sizes = np.array([1.0, 5.0, 3.0])
    targets = np.array([2.0, -1.0, 4.0]) + sizes * rng.normal(0.0, 1.0, (400, 3))
    measured = np.einsum("nij,nj->ni", rows[:, :, :3], targets)
    variances = np.full((400, 2), 0.01)
    mean, covariance = shape_of_motion(list(rows), list(measured), list(variances), 1.0)
    np.testing.assert_allclose(mean, targets.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(covariance, np.cov(targets.T), atol=1.5)
