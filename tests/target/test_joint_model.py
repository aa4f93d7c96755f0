"""What the joint model makes of images and breathing, held against its steps done by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tracker.core.target.joint import kernel
from tracker.core.target.joint.filter_bank import BankImage, BankLimits, FilterBank, Foretold
from tracker.core.target.joint.members import Features, Member, Residual, bank_of, period_of
from tracker.core.target.joint.model import JointModel, Measurement, SurrogateMoment
from tracker.core.target.joint.shape import shape_of_motion

Reals = NDArray[np.float64]

MS, SECOND = 1_000_000, 1_000_000_000
TICK = 40 * MS
BEGAN = 3 * SECOND
"""When the breathing began to be remembered, where that matters."""
MEMBERS = (
    Member(Features((1.0, 0.5), (1.0, 0.5)), Residual(0.3, 2.0, 0.2, 12.0), 0.1),
    Member(
        Features((1.0, 0.5, 0.3, 0.3, 0.3, 0.7), (1.0,) * 6), Residual(0.1, 2.0, 0.1, 12.0), 0.1
    ),
)
LIMITS = BankLimits(temper=0.5)
SPREAD = np.array([0.04, 0.01, 0.3])
"""What `moment` says of amplitude and velocity: variances and covariance."""


def moment(t_ns: int) -> SurrogateMoment:
    """A breath with an end of exhale that lasts."""
    period_s = 3.1
    phase = 2.0 * math.pi * t_ns * 1e-9 / period_s
    y = 2.0 + 3.0 * math.cos(phase) + math.cos(2.0 * phase)
    v = -2.0 * math.pi / period_s * (3.0 * math.sin(phase) + 2.0 * math.sin(2.0 * phase))
    return SurrogateMoment(y, v, 0.04, 0.01, 0.3)


def measurement(t_ns: int) -> Measurement:
    """A view from a gantry that turns."""
    angle, y = 1.1 * t_ns * 1e-9, moment(t_ns).amplitude_mm
    rows = np.zeros((2, 8))
    rows[0, :3], rows[1, 1] = (math.cos(angle), 0.0, -math.sin(angle)), 1.0
    rows[:, 4:7], rows[:, 7] = (-1e-4, 0.0, -9e-4), 1.0
    place = np.array([0.3 * y, -1.5 * y + 0.5, 0.7 * y - 1.0])
    seen = (rows[:, :3] @ place) / (rows[:, 4:7] @ place + 1.0)
    return Measurement(t_ns, t_ns + 200 * MS, rows, seen, np.array([0.09, 0.16]))


class SeenBank:
    """Stands where the bank does, and keeps what the model hands to it."""

    def __init__(self) -> None:
        self.images: list[BankImage] = []
        self.asked: list[tuple[int, Reals, Reals]] = []
        self.judging = False
        self.in_doubt = True

    def add(self, image: BankImage) -> None:
        self.images.append(image)

    def begin_to_judge(self) -> None:
        self.judging = True

    def at(self, t_ns: int, phi: Reals, spread: Reals) -> Foretold:
        self.asked.append((t_ns, phi.copy(), spread.copy()))
        return Foretold(np.ones(3), np.zeros((2, 3)), np.eye(3))

    def mean_at(self, t_ns: int, phi: Reals) -> Reals:
        self.asked.append((t_ns, phi.copy(), np.zeros(3)))
        return np.array([1.0, 2.0, 3.0]) * len(self.asked) ** 2


def seen_model() -> tuple[JointModel, SeenBank]:
    model, bank = JointModel(LIMITS, MEMBERS), SeenBank()
    there: Any = bank
    model.bank = there
    model.scale = np.array([1.0, 4.0, 6.0])
    return model, bank


def phi_of(model: JointModel, y: float, v: float, lagged: float) -> Reals:
    out = np.zeros((3, kernel.COMPONENTS))
    kernel.features(y, v, lagged, model.scale, out)
    return out


def breathed(model: JointModel, until_ns: int, from_ns: int = 0) -> list[SurrogateMoment]:
    """Let the model remember a breath, as often as it keeps an amplitude."""
    times = range(from_ns, until_ns + 1, TICK)
    moments = [moment(t_ns) for t_ns in times]
    for t_ns, each in zip(times, moments, strict=True):
        model.remember(t_ns, each.amplitude_mm, each.velocity_mm_s)
    return moments


# Making the model --------------------------------------------------------------------------------


def by_hand(
    moments: list[SurrogateMoment], exposed: list[int], period_s: float | None
) -> FilterBank:
    """The bank from these breaths and images; the period is that of a spectrum if not given."""
    y = np.array([each.amplitude_mm for each in moments])
    v = np.array([each.velocity_mm_s for each in moments])
    low, high = np.percentile(y, 3.0), np.percentile(y, 97.0)
    half = max(0.5 * (high - low), 0.3)
    scale = np.array([0.5 * (low + high), half, max(1.5 * math.sqrt((v * v).mean()), 0.3)])
    taken = [measurement(t_ns) for t_ns in exposed]
    mean, covariance = shape_of_motion(
        [each.rows for each in taken],
        [each.measured_mm for each in taken],
        [each.variance_mm2 for each in taken],
        2.0,
    )
    size = covariance[0, 0] + covariance[1, 1] + covariance[2, 2]
    deviation = max(math.sqrt(((y - y.mean()) ** 2).mean()) / half, 0.1)
    if period_s is None:
        times = 3.0 + 0.04 * np.arange(len(y))
        period_s = period_of(np.interp(np.arange(3.0, times[-1], 0.2), times, y), 0.2)
    shape = covariance / size
    bank = bank_of(math.sqrt(size) / deviation, shape, MEMBERS)
    made = FilterBank(bank, 2.0 * math.pi / period_s, mean, shape, LIMITS)
    for each in taken:
        now = moment(each.exposed_ns)
        phi = np.zeros((3, kernel.COMPONENTS))
        lagged = np.interp((each.exposed_ns - 800 * MS - BEGAN) / TICK, np.arange(len(y)), y)
        kernel.features(now.amplitude_mm, now.velocity_mm_s, float(lagged), scale, phi)
        made.add(BankImage(each.exposed_ns, each.arrived_ns, phi, SPREAD, *each[2:]))
    return made


@pytest.mark.parametrize(("until_s", "period_s"), [(10.92, 4.0), (11.0, None), (23.0, None)])
def test_the_model_is_made_of_breathing_and_images(until_s: float, period_s: float | None) -> None:
    model = JointModel(LIMITS, MEMBERS)
    moments = breathed(model, round(until_s * SECOND), BEGAN)
    exposed = [round(at_s * SECOND) for at_s in (4.0, 5.3, 7.1, 8.0, 9.7)]
    for t_ns in exposed:
        model.gather(measurement(t_ns), moment(t_ns))
    assert model.at(10 * SECOND, moment(10 * SECOND)) is None
    assert model.make()
    bank = by_hand(moments, exposed, period_s)
    far = measurement(10 * SECOND)
    far = far._replace(measured_mm=far.measured_mm + 7.0)
    for t_ns in (10 * SECOND, 10 * SECOND + 130 * MS):
        now = moment(t_ns)
        found = model.at(t_ns, now)
        assert found is not None
        kept = [each.amplitude_mm for each in moments]
        lagged = np.interp((t_ns - 800 * MS - BEGAN) / TICK, np.arange(len(kept)), kept)
        phi = phi_of(model, now.amplitude_mm, now.velocity_mm_s, float(lagged))
        wanted = bank.at(t_ns, phi, SPREAD)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)
        # The second time, an image far off has been explained in several ways.
        model.begin_to_judge()
        bank.begin_to_judge()
        model.learn(far, moment(far.exposed_ns))
        bank.add(BankImage(far.exposed_ns, far.arrived_ns, phi, SPREAD, *far[2:]))
        assert model.in_doubt == bank.in_doubt


def test_the_scale_of_a_breath_that_hardly_moves_has_a_least_size() -> None:
    model = JointModel(LIMITS, MEMBERS)
    for k in range(50):
        model.remember(k * TICK, 5.0, 0.0)
    for t_ns in (SECOND, SECOND + 1, SECOND + 2, SECOND + 3):
        model.gather(measurement(t_ns), moment(t_ns))
    np.testing.assert_array_equal(model.scale, np.ones(3))
    assert model.make()
    np.testing.assert_allclose(model.scale, [5.0, 0.3, 0.3])


def test_the_range_is_that_of_the_last_minute() -> None:
    model = JointModel(LIMITS, MEMBERS)
    amplitudes = [1e4] * 60 + [0.001 * k for k in range(1500)]
    for k, y in enumerate(amplitudes):
        model.remember(k * TICK, y, 2.0)
    for t_ns in range(SECOND, SECOND + 4):
        model.gather(measurement(t_ns), moment(t_ns))
    assert model.make()
    low, high = np.percentile(amplitudes[60:], [3.0, 97.0])
    np.testing.assert_allclose(model.scale, [(low + high) / 2.0, (high - low) / 2.0, 3.0])


def test_too_few_images_or_breaths_make_no_model() -> None:
    model = JointModel(LIMITS, MEMBERS)
    for k in range(4):
        assert not model.make()
        model.gather(measurement(SECOND + k), moment(SECOND + k))
    assert not model.make()
    model.remember(0, 1.0, 1.0)
    assert not model.make()
    model.remember(TICK, 2.0, 1.0)
    assert model.make()
    fewer = JointModel(LIMITS, MEMBERS)
    breathed(fewer, SECOND)
    for k in range(3):
        fewer.gather(measurement(SECOND + k), moment(SECOND + k))
    assert not fewer.make()


def test_images_gathered_before_judging_are_forgotten() -> None:
    model = JointModel(LIMITS, MEMBERS)
    breathed(model, SECOND)
    for k in range(4):
        model.gather(measurement(SECOND + k), moment(SECOND + k))
    model.begin_to_judge()
    assert not model.make()
    model, bank = seen_model()
    model.begin_to_judge()
    assert bank.judging


# What reaches the bank ---------------------------------------------------------------------------


def test_without_a_bank_nothing_is_said() -> None:
    model = JointModel()
    assert not model.in_doubt
    model.learn(measurement(0), moment(0))
    assert model.at(0, moment(0)) is None
    np.testing.assert_array_equal(model.velocity_at(0, moment(0)), np.zeros(3))
    model, bank = seen_model()
    assert model.in_doubt
    bank.in_doubt = False
    assert not model.in_doubt


def test_an_image_reaches_the_bank_with_the_surrogate_at_its_exposure() -> None:
    model, bank = seen_model()
    breathed(model, 2 * SECOND)
    at_ns = 2 * SECOND + 10 * MS
    taken, now = measurement(at_ns), moment(at_ns)
    model.learn(taken, now)
    model.at(at_ns + TICK, moment(at_ns + TICK))
    (image,) = bank.images
    assert (image.exposed_ns, image.arrived_ns) == (taken.exposed_ns, taken.arrived_ns)
    assert (image.rows is taken.rows, image.variance is taken.variance_mm2) == (True, True)
    assert image.measured is taken.measured_mm
    before, after = moment(1200 * MS).amplitude_mm, moment(1240 * MS).amplitude_mm
    lagged = before + 0.25 * (after - before)
    expected = phi_of(model, now.amplitude_mm, now.velocity_mm_s, lagged)
    np.testing.assert_allclose(image.phi, expected, rtol=1e-9)
    np.testing.assert_array_equal(image.spread, [0.04, 0.01, 0.3])


def lagged_of(model: JointModel, bank: SeenBank, t_ns: int, now_mm: float) -> float:
    """The amplitude that the model takes for that of 0.8 s before."""
    model.at(t_ns, SurrogateMoment(now_mm, 0.0))
    return float(bank.asked[-1][1][0, 9]) * 4.0 + 1.0


def test_the_lagged_amplitude_lies_between_those_kept_around_it() -> None:
    model, bank = seen_model()
    assert lagged_of(model, bank, SECOND, 5.0) == pytest.approx(5.0)  # nothing is kept
    model.remember(400 * MS, 2.0, 0.0)
    assert lagged_of(model, bank, SECOND, 5.0) == pytest.approx(2.0)  # only a later one
    assert lagged_of(model, bank, 1200 * MS, 5.0) == pytest.approx(2.0)
    assert lagged_of(model, bank, 1600 * MS, 5.0) == pytest.approx(3.0)  # a third of the way
    model.remember(800 * MS, 4.0, 0.0)
    assert lagged_of(model, bank, 1300 * MS, 5.0) == pytest.approx(2.5)
    # What was kept after the moment that is asked for says nothing of it.
    assert lagged_of(model, bank, 500 * MS, 5.0) == pytest.approx(2.0)
    assert lagged_of(model, bank, 100 * MS, 5.0) == pytest.approx(5.0)


def test_amplitudes_are_kept_no_more_often_than_needed() -> None:
    model, bank = seen_model()
    model.remember(SECOND, 0.0, 0.0)
    model.remember(SECOND + TICK - 1, 100.0, 0.0)
    model.remember(SECOND + TICK, 4.0, 0.0)
    assert lagged_of(model, bank, 1800 * MS + TICK // 2, 5.0) == pytest.approx(2.0)


def test_the_velocity_is_that_between_two_moments_around_the_asked_one() -> None:
    model, bank = seen_model()
    breathed(model, 3 * SECOND)
    t_ns = 2500 * MS
    found = model.velocity_at(t_ns, SurrogateMoment(3.0, -5.0, 9.0, 9.0, 9.0))
    np.testing.assert_allclose(found, np.array([1.0, 2.0, 3.0]) * (4.0 - 1.0) / 0.08)
    (early, first, _), (late, second, _) = bank.asked
    assert (early, late) == (t_ns - TICK, t_ns + TICK)
    for phi, y, lagged_ns in ((first, 3.2, 1660 * MS), (second, 2.8, 1740 * MS)):
        a = moment(lagged_ns // TICK * TICK).amplitude_mm
        b = moment(lagged_ns // TICK * TICK + TICK).amplitude_mm
        lagged = a + (lagged_ns % TICK) / TICK * (b - a)
        np.testing.assert_allclose(phi, phi_of(model, y, -5.0, lagged), rtol=1e-9)


def test_a_velocity_without_a_past_takes_the_amplitude_of_now() -> None:
    model, bank = seen_model()
    model.velocity_at(5 * SECOND, SurrogateMoment(3.0, -5.0))
    for (_, phi, _), y in zip(bank.asked, (3.2, 2.8), strict=True):
        np.testing.assert_allclose(phi, phi_of(model, y, -5.0, 3.0), rtol=1e-9)
    assert SurrogateMoment(3.0, -5.0) == (3.0, -5.0, 0.0, 0.0, 0.0)
