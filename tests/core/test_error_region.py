"""The error region: its radius against the exact distribution, and its scale."""

import itertools
import math

import pytest
from scipy.stats import chi2, norm

from tracker.core.target.error_region import radius95_mm


def wilson_hilferty(dof):
    """The 95 % quantile of chi-square, as the paper gives it."""
    return dof * (1.0 - 2.0 / (9.0 * dof) + norm.ppf(0.95) * math.sqrt(2.0 / (9.0 * dof))) ** 3


@pytest.mark.parametrize(
    ("variance_mm2", "dof"),
    [((1.0, 1.0, 1.0), 3), ((1.0, 1.0, 0.0), 2), ((0.0, 1.0, 0.0), 1), ((0.0, 0.0, 1.0), 1)],
)
def test_equal_axes_give_the_quantile_of_chi_square(variance_mm2, dof):
    radius = radius95_mm(variance_mm2)
    assert radius == pytest.approx(math.sqrt(wilson_hilferty(dof)), rel=1e-12)
    assert radius == pytest.approx(math.sqrt(chi2.ppf(0.95, dof)), rel=0.02)


def test_unequal_axes_match_mean_and_variance_of_the_squared_length():
    """Mean a + b + c and variance 2 (a^2 + b^2 + c^2): 56/12 times chi-square of 144/56 degrees."""
    a, b, c = 2.0, 4.0, 6.0
    expected = math.sqrt((56.0 / 12.0) * wilson_hilferty(144.0 / 56.0))
    for axes in itertools.permutations((a, b, c)):
        assert radius95_mm(axes) == pytest.approx(expected, rel=1e-12)


def test_the_radius_grows_with_the_standard_deviation():
    assert radius95_mm((0.9, 0.4, 0.1)) == pytest.approx(0.1 * radius95_mm((90.0, 40.0, 10.0)))


def test_no_error_has_no_region():
    assert radius95_mm((0.0, 0.0, 0.0)) == 0.0
    assert radius95_mm((1e-12, 0.0, 0.0)) == pytest.approx(1.96e-6, rel=0.02)
