"""Published and closed-form values: margins, BED by each model, NTCP, volumes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from tracker.dose import radiobiology as rb
from tracker.dose.margins import edge_dose, from_distribution, full, linear, margins_of_sessions
from tracker.dose.shapes import Ellipsoid, scattered
from tracker.dose.techniques import gate_from
from tracker.dose.volumes import DoseVolume


@pytest.mark.parametrize(
    ("count", "dose", "ratio", "bed", "eqd2"),
    [
        (3, 15, 10, 112.50, 93.75), (3, 18, 10, 151.20, 126.00), (5, 10, 10, 100.00, 83.33),
        (3, 20, 10, 180.00, 150.00), (1, 26, 10, 93.60, 78.00), (6, 6, 10, 57.60, 48.00),
        (3, 15, 3, 270.00, 162.00), (5, 8, 3, 146.67, 88.00), (3, 9, 3, 108.00, 64.80),
    ],
)  # fmt: skip
def test_bed_and_eqd2_by_lq(count: int, dose: float, ratio: float, bed: float, eqd2: float) -> None:
    found = float(rb.bed_lq(np.full(count, float(dose)), ratio).sum())
    assert found == pytest.approx(bed, abs=0.005)
    assert float(rb.equivalent_in_2_gy(found, ratio)) == pytest.approx(eqd2, abs=0.005)


@pytest.mark.parametrize(
    ("count", "dose", "ratio", "linear_from", "slope", "bed"),
    [
        (3, 15, 10, 10, None, 105.0), (3, 20, 10, 10, None, 150.0), (5, 10, 10, 10, None, 100.0),
        (1, 26, 10, 10, None, 68.0), (3, 15, 3, 6, None, 189.0), (3, 5, 3, 6, None, 40.0),
        (3, 7, 3, 6, None, 69.0), (3, 15, 3, 6, 1.0, 81.0),
    ],
)  # fmt: skip
def test_bed_by_lq_l(
    count: int, dose: float, ratio: float, linear_from: float, slope: float | None, bed: float
) -> None:
    found = rb.bed_lql(np.full(count, float(dose)), ratio, linear_from, slope)
    assert float(found.sum()) == pytest.approx(bed, abs=1e-9)


@pytest.mark.parametrize(
    ("count", "dose", "bed"),
    [(3, 15, 96.0), (3, 20, 132.36), (5, 10, 99.39), (1, 26, 58.67), (5, 5, 39.53)],
)
def test_bed_by_the_universal_survival_curve(count: int, dose: float, bed: float) -> None:
    assert float(rb.bed_usc(np.full(count, float(dose))).sum()) == pytest.approx(bed, abs=0.005)


def test_the_universal_survival_curve_is_continuous_at_its_transition() -> None:
    at = rb.Universal().transition_gy
    assert at == pytest.approx(6.127659574, abs=1e-9)
    low, high = (float(rb.bed_usc(at + step)) for step in (-1e-9, 1e-9))
    assert low == pytest.approx(high, abs=0.01)


@pytest.mark.parametrize(
    ("model", "dose", "probability"),
    [
        (rb.LIVER_PRIMARY, 30.0, 0.02009), (rb.LIVER_PRIMARY, 36.0, 0.21312),
        (rb.LIVER_PRIMARY, 39.8, 0.5), (rb.LIVER_PRIMARY, 45.8, 0.89549),
        (rb.LIVER_METASTASES, 36.0, 0.03728), (rb.LIVER_METASTASES, 42.0, 0.24465),
    ],
)  # fmt: skip
def test_complication_by_lyman(model: rb.LymanModel, dose: float, probability: float) -> None:
    assert rb.complication(model, dose) == pytest.approx(probability, abs=5e-6)


def test_the_generalised_dose_of_two_bins() -> None:
    found = rb.generalised_dose(np.array([5.0, 40.0]), 0.97, np.array([0.6, 0.4]))
    assert found == pytest.approx(19.243725156448697, rel=1e-12)
    assert rb.complication(rb.LIVER_PRIMARY, found) == pytest.approx(8.384142518518737e-06)


def test_the_band_holds_every_model_and_alpha_beta() -> None:
    doses = np.full((3, 4), 13.0)
    low, high = rb.complication_band(rb.LIVER_PRIMARY, doses)
    assert low < high
    for ratio in rb.BAND_RATIOS_GY:
        for bed in (rb.bed_lq(doses, ratio), rb.bed_lql(doses, ratio, rb.LIVER_LINEAR_FROM_GY)):
            dose = float(bed.sum(axis=0)[0]) / (1.0 + rb.NTCP_FRACTION_GY / ratio)
            assert low <= rb.complication(rb.LIVER_PRIMARY, dose) <= high


def test_one_fraction_that_stands_for_three_is_three_fractions() -> None:
    three = rb.tumour_effects(np.full(3, 15.0))
    one = rb.tumour_effects(np.array([15.0]), repeats=3.0)
    for a, b in zip(three, one, strict=True):
        assert a.bed_gy == pytest.approx(b.bed_gy, rel=1e-12)


# --- margins ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("systematic", "random", "by_line", "with_penumbra", "at_80"),
    [
        (1.0, 1.0, 3.2, 2.75, 2.628), (1.0, 2.0, 3.9, 3.441, 2.982), (2.0, 2.0, 6.4, 5.941, 5.482),
        (1.03, 1.5, 3.625, 3.123, 2.856), (0.0, 4.2, 2.94, 3.411, 1.747),
    ],
)  # fmt: skip
def test_van_herks_margins(
    systematic: float, random: float, by_line: float, with_penumbra: float, at_80: float
) -> None:
    assert linear(systematic, random) == pytest.approx(by_line, abs=1e-9)
    # The vectors were computed with β rounded to 1.64 and 0.84.
    assert full(systematic, random) == pytest.approx(with_penumbra, abs=0.015)
    assert full(systematic, random, level=0.8) == pytest.approx(at_80, abs=0.005)


def test_the_margin_of_a_gaussian_is_that_of_the_full_formula() -> None:
    quantiles = (np.arange(20001) + 0.5) / 20001
    from scipy.stats import norm

    for sigma, wanted in ((1.0, 0.251), (2.0, 0.944), (3.0, 1.951), (4.2, 3.422)):
        errors = sigma * np.asarray(norm.ppf(quantiles))
        found = from_distribution(errors, np.ones(len(errors)))
        assert found == pytest.approx(wanted, abs=0.01)


def test_the_margin_of_a_constant_error_is_that_error() -> None:
    errors = np.full(50, -2.5)
    assert from_distribution(errors, np.ones(50)) == pytest.approx(2.5, abs=1e-5)
    assert from_distribution(np.zeros(50), np.ones(50)) == 0.0


@pytest.mark.parametrize(
    ("sigma", "mean", "dose"),
    [(0, 0, 0.82575), (2, 0, 0.78669), (0, 2, 0.62267), (2, 2, 0.6045), (4.2, 0, 0.71504)],
)
def test_the_dose_near_a_blurred_and_shifted_edge(sigma: float, mean: float, dose: float) -> None:
    from scipy.stats import norm

    quantiles = (np.arange(4001) + 0.5) / 4001
    errors = mean + sigma * np.asarray(norm.ppf(quantiles))
    assert edge_dose(17.0, 20.0, errors, np.ones(4001)) == pytest.approx(dose, abs=2e-5)


def test_several_sessions_have_their_own_systematic_error() -> None:
    step = np.ones(4)
    wiggle = np.array([[1.0, 0, 0], [-1.0, 0, 0], [1.0, 0, 0], [-1.0, 0, 0]])
    sessions = [(wiggle + [0.0, offset, 0.0], step) for offset in (-1.0, 1.0, 3.0)]
    found = margins_of_sessions(sessions)
    assert found.mean_mm == pytest.approx([0.0, 1.0, 0.0])
    assert found.sd_mm == pytest.approx([1.0, 0.0, 0.0])
    assert found.linear_mm == pytest.approx([0.7, 1.0 + 2.5 * 2.0, 0.0])


# --- volumes, shapes, gating --------------------------------------------------------------------


def test_the_histogram_of_a_sphere_in_a_gradient() -> None:
    """D(x) = 50 + x Gy: the volume with at least D is a spherical cap."""
    radius, centre = 15.0, np.array([0.37, -0.21, 0.43])
    points = scattered(Ellipsoid((0.37, -0.21, 0.43), (radius, radius, radius)), 0.5)
    histogram = DoseVolume.of(50.0 + points[:, 0] - centre[0], len(points) * 0.5**3 / 1000.0)
    volume = 4.0 / 3.0 * math.pi * radius**3

    def wanted(percent: float) -> float:
        def lacking(x: float) -> float:
            height = radius - x
            return math.pi * height**2 * (3 * radius - height) / 3 - percent / 100 * volume

        return 50.0 + float(brentq(lacking, -radius, radius))  # pyright: ignore[reportArgumentType]

    for percent in (99, 98, 95, 50, 5, 2):
        assert histogram.dose_at(percent) == pytest.approx(wanted(percent), abs=0.03), percent
    assert histogram.volume_cc == pytest.approx(volume / 1000.0, rel=0.002)
    assert histogram.mean() == pytest.approx(50.0, abs=0.01)


def test_volumes_below_and_above_a_dose() -> None:
    histogram = DoseVolume.of(np.array([4.0, 1.0, 2.0, 3.0]), 8.0)
    assert histogram.share_of_at_least(3.0) == 0.5
    assert histogram.cc_below(3.0) == 4.0
    assert histogram.cc_below(0.5) == 0.0


@pytest.mark.parametrize(
    ("power", "window", "duty"),
    [(1, 5, 0.4490), (2, 3, 0.5013), (2, 5, 0.5958), (3, 5, 0.6659), (3, 3, 0.5849)],
)
def test_the_gates_share_of_time_for_lujans_breath(power: int, window: float, duty: float) -> None:
    """Exhale is at 0 and 11.9 mm away from inhale; the gate finds the side by itself."""
    phase = np.linspace(0.0, 1.0, 200001)
    along = 11.9 * np.cos(math.pi * phase) ** (2 * power)
    target = np.stack([0.0 * along, -along, 0.0 * along], axis=1)
    gate = gate_from(target, window)
    assert gate.axis[1] == pytest.approx(-1.0) or gate.axis[1] == pytest.approx(1.0)
    # The window begins a little before exhale, because drift must not close it at once.
    assert float(gate.is_open(target).mean()) == pytest.approx(duty, abs=0.02)
