"""The pencil-beam engine: its tables, its geometry, and what moves when an error moves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tracker.dose import engine
from tracker.dose.delivery import (
    ErrorSamples,
    assigned,
    beam_positions,
    delivered_dose,
    planned_dose,
)
from tracker.dose.engine import BeamPositions, beam_dose, planned_position, water_depth_mm
from tracker.dose.kernel import DEPTH_STEP_MM, depth_table, field_table, photons_6mv
from tracker.dose.phantom import LIVER, TARGET_MM, arc_directions, cone_directions, liver_phantom
from tracker.dose.plan import Body, Circle, Plan, PlanBeam, Rectangle
from tracker.dose.shapes import Ellipsoid, scattered

WATER = Body(150.0, 150.0)
DOWN = (0.0, 0.0, -1.0)
AROUND = scattered(Ellipsoid((0.0, 0.0, 0.0), (30.0, 30.0, 30.0)), 8.0)
TILTED = PlanBeam((0.6, 0.0, -0.8), (0.0, 0.0, 0.0), Circle(30.0))


@pytest.fixture(scope="module")
def phantom() -> Plan:
    return liver_phantom()


@pytest.fixture(scope="module")
def target() -> np.ndarray:
    return scattered(Ellipsoid(TARGET_MM, (18.0, 18.0, 18.0)), 4.0)


def breath(count: int = 1800, seed: int = 2) -> ErrorSamples:
    """Errors of an untracked breath with hysteresis, drift and noise."""
    t = np.arange(count) * 0.1
    random = np.random.default_rng(seed)
    phase = 2 * np.pi * t / 4.2
    shift = np.stack(
        [np.sin(phase), -6.0 * np.cos(phase) ** 2 + 0.02 * t, 2.0 * np.cos(phase - 0.5)], axis=1
    )
    return ErrorSamples(shift + random.normal(0.0, 0.2, shift.shape), np.full(count, 0.1))


# --- kernel and tables --------------------------------------------------------------------------


def test_the_depth_table_follows_the_formula_between_its_rows() -> None:
    kernel, table = photons_6mv(), depth_table()
    depths = np.linspace(0.0, 400.0, 4001) + DEPTH_STEP_MM / 2
    rows = (depths / DEPTH_STEP_MM).astype(int)
    share = (depths / DEPTH_STEP_MM - rows)[:, None]
    read = table[rows] * (1 - share) + table[rows + 1] * share
    beta, m = np.array(kernel.betas_per_mm), kernel.attenuation_per_mm
    exact = beta / (beta - m) * (np.exp(-m * depths)[:, None] - np.exp(-depths[:, None] * beta))
    off = np.abs(read - exact).max(axis=1)
    assert off.max() < 2e-4
    assert off[depths > 15.0].max() < 2e-6


def test_half_of_the_primary_fluence_is_at_the_fields_edge() -> None:
    """The first component is nearly all primary: at the edge it is half of the axis's value."""
    values = field_table(Circle(60.0)).values[0, :, 0]
    assert values[60] / values[0] == pytest.approx(0.5, abs=0.02)


def test_a_square_field_is_the_same_along_both_sides_and_turns_with_its_axis() -> None:
    square = PlanBeam(DOWN, (0.0, 0.0, 0.0), Rectangle(20.0, 20.0), 1.0, (1.0, 0.0, 0.0))
    points = np.array([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [-9.0, 0.0, 0.0], [0.0, -9.0, 0.0]])
    body = Body(150.0, 150.0, inserts=())
    dose = beam_dose(square, planned_position(square), body, points)
    assert dose[0] == pytest.approx(dose[2], rel=1e-9)
    assert dose[1] == pytest.approx(dose[3], rel=1e-9)
    wide = PlanBeam(DOWN, (0.0, 0.0, 0.0), Rectangle(40.0, 20.0), 1.0, (1.0, 0.0, 0.0))
    turned = PlanBeam(DOWN, (0.0, 0.0, 0.0), Rectangle(20.0, 40.0), 1.0, (0.0, 1.0, 0.0))
    a, b = (beam_dose(each, planned_position(each), body, points) for each in (wide, turned))
    assert a[0] > 1.3 * a[1]
    np.testing.assert_allclose(a, b, rtol=1e-9)


def test_a_beam_of_two_rectangles_is_near_a_circle_of_the_same_area() -> None:
    """On the axis, a square and a circle of one area differ little."""
    circle = PlanBeam(DOWN, (0.0, 0.0, 0.0), Circle(36.0))
    side = 18.0 * np.sqrt(np.pi)
    square = PlanBeam(DOWN, (0.0, 0.0, 0.0), Rectangle(side, side))
    at = np.zeros((1, 3))
    a, b = (beam_dose(each, planned_position(each), WATER, at)[0] for each in (circle, square))
    assert a == pytest.approx(b, rel=0.01)


# --- depth --------------------------------------------------------------------------------------


def test_the_depth_in_a_body_with_an_insert_is_that_of_the_chords() -> None:
    body = Body(150.0, 100.0, inserts=((Ellipsoid((0.0, 0.0, 20.0), (30.0, 40.0, 50.0)), 0.1),))
    source = np.array([0.0, 0.0, 1000.0])
    found = water_depth_mm(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -40.0]]), source, body)
    assert found == pytest.approx([100.0 + 0.1 * 70.0, 140.0 + 0.1 * 100.0], abs=1e-9)


def test_the_depth_along_a_slanted_ray_is_that_of_many_small_steps() -> None:
    body = Body(165.0, 125.0, 3.0, -2.0, inserts=((LIVER, 0.05),))
    source = np.array([500.0, 300.0, 700.0])
    point = np.array([-60.0, 10.0, -5.0])
    found = float(water_depth_mm(point[None], source, body)[0])
    steps = (np.arange(200_000) + 0.5) / 200_000
    ray = point + (source - point) * steps[:, None]
    inside = ((ray[:, 0] - 3.0) / 165.0) ** 2 + ((ray[:, 2] + 2.0) / 125.0) ** 2 <= 1.0
    water = inside.sum() + 0.05 * LIVER.contains(ray).sum()
    assert found == pytest.approx(water * np.linalg.norm(source - point) / 200_000, abs=0.02)


def test_no_dose_in_front_of_the_body_or_beside_the_field() -> None:
    beam = PlanBeam(DOWN, (0.0, 0.0, 0.0), Circle(30.0))
    points = np.array([[0.0, 0.0, 151.0], [120.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    dose = beam_dose(beam, planned_position(beam), WATER, points)
    assert dose[0] == 0.0
    assert dose[1] == 0.0
    assert dose[2] > 0.0


def test_dose_falls_with_depth_beyond_the_build_up() -> None:
    beam = PlanBeam(DOWN, (0.0, 0.0, 0.0), Circle(36.0))
    depths = np.array([2.0, 15.0, 50.0, 100.0, 200.0])
    points = np.stack([0 * depths, 0 * depths, 150.0 - depths], axis=1)
    dose = beam_dose(beam, planned_position(beam), WATER, points)
    assert dose[0] < dose[1]
    assert np.all(np.diff(dose[1:]) < 0.0)


# --- errors -------------------------------------------------------------------------------------


def test_zero_error_gives_the_plan(phantom: Plan, target: np.ndarray) -> None:
    samples = ErrorSamples(np.zeros((500, 3)), np.full(500, 0.1), np.zeros((500, 3)))
    delivered = delivered_dose(phantom, samples, target)
    np.testing.assert_allclose(delivered, planned_dose(phantom, target), rtol=1e-12)


def test_bins_of_one_millimetre_are_as_good_as_every_sample(
    phantom: Plan, target: np.ndarray
) -> None:
    """At most 0.05 % of the prescription, which is about the dose at the target's edge."""
    samples = breath()
    binned = delivered_dose(phantom, samples, target)
    each = delivered_dose(phantom, samples, target, bin_mm=None)
    prescription = np.quantile(planned_dose(phantom, target), 0.05)
    assert np.abs(binned - each).max() / prescription < 5e-4


def test_an_error_moves_the_dose_in_the_tissue_the_other_way() -> None:
    """A target 6 mm to the left of the beam gets what lay 6 mm to the right of the beam."""
    beam = PlanBeam(DOWN, (0.0, 0.0, 0.0), Circle(30.0))
    plan = Plan("one", (beam,), Body(1e5, 150.0), liver_phantom().structures)
    shift = ErrorSamples(np.tile([6.0, 0.0, 0.0], (5, 1)), np.ones(5))
    at = np.array([[2.0, 3.0, 0.0], [-4.0, 3.0, 0.0]])
    moved = delivered_dose(plan, shift, at)
    still = planned_dose(plan, at + [6.0, 0.0, 0.0])
    np.testing.assert_allclose(moved, still, rtol=1e-6)


def test_a_turned_target_sees_the_beam_turned_back() -> None:
    """Dose at a point of the turned target is the dose where the point went, in plain water."""
    beam = PlanBeam((0.6, 0.0, -0.8), (4.0, -3.0, 2.0), Rectangle(24.0, 40.0), 1.0, (0.0, 1.0, 0.0))
    samples = ErrorSamples(np.array([[1.5, -2.0, 0.7]]), np.ones(1), np.array([[8.0, -5.0, 12.0]]))
    centre = np.array([2.0, 1.0, -3.0])
    positions = beam_positions(beam, samples, centre)
    turn = Rotation.from_rotvec([8.0, -5.0, 12.0], degrees=True)
    went = turn.apply(AROUND - centre) + centre + samples.shift_mm[0]
    # Seen from the beam the two are one geometry: compare the places within the field.
    u, a = positions.directions[0], positions.across[0]
    from_turned = AROUND - positions.isocentres_mm[0]
    from_still = went - np.array(beam.isocentre_mm)
    np.testing.assert_allclose(from_turned @ u, from_still @ np.array(beam.direction), atol=1e-9)
    np.testing.assert_allclose(from_turned @ a, from_still @ np.array(beam.across), atol=1e-9)


def test_each_beam_gets_the_samples_of_its_share_of_the_time() -> None:
    beams = [PlanBeam(DOWN, (0.0, 0.0, 0.0), Circle(30.0), weight) for weight in (1.0, 3.0)]
    samples = ErrorSamples(np.arange(24.0).reshape(8, 3), np.ones(8))
    first, second = assigned(samples, beams)
    assert len(first.step_s) == 2
    assert len(second.step_s) == 6
    assert second.shift_mm[0, 0] == 6.0


def test_a_beam_too_short_for_a_sample_gets_the_one_nearest() -> None:
    beams = [PlanBeam(DOWN, (0.0, 0.0, 0.0), Circle(30.0), w) for w in (1.0, 1e-6, 1.0)]
    parts = assigned(ErrorSamples(np.zeros((4, 3)), np.ones(4)), beams)
    assert [len(part.step_s) for part in parts] == [2, 1, 2]


def test_shares_of_a_beams_places_sum_to_one_and_keep_the_mean() -> None:
    samples = breath(200)
    positions = beam_positions(TILTED, samples, np.zeros(3))
    assert len(positions.shares) < 200
    assert positions.shares.sum() == pytest.approx(1.0, rel=1e-12)
    mean = positions.shares @ positions.isocentres_mm
    np.testing.assert_allclose(mean, -samples.shift_mm.mean(axis=0), atol=1e-9)


def test_two_runs_give_the_same_bits_however_the_points_are_cut(
    phantom: Plan, target: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = delivered_dose(phantom, breath(), target)
    monkeypatch.setattr(engine, "CHUNK", 97)
    assert np.array_equal(first, delivered_dose(phantom, breath(), target))


def test_the_dose_of_two_places_is_the_weighted_sum(target: np.ndarray) -> None:
    one = planned_position(TILTED)
    moved = one._replace(isocentres_mm=one.isocentres_mm + [3.0, 0.0, 1.0])
    both = BeamPositions(
        np.concatenate([one.isocentres_mm, moved.isocentres_mm]),
        np.repeat(one.directions, 2, axis=0),
        np.repeat(one.across, 2, axis=0),
        np.array([0.25, 0.75]),
    )
    parts = [beam_dose(TILTED, each, WATER, AROUND) for each in (one, moved)]
    summed = beam_dose(TILTED, both, WATER, AROUND)
    np.testing.assert_allclose(summed, 0.25 * parts[0] + 0.75 * parts[1], rtol=1e-12)


# --- the phantom --------------------------------------------------------------------------------


def test_the_phantoms_beams_give_the_isocentre_equal_doses(phantom: Plan) -> None:
    at = np.array([TARGET_MM])
    doses = [beam_dose(b, planned_position(b), phantom.body, at)[0] for b in phantom.beams]
    assert len(doses) == 36
    np.testing.assert_allclose(doses, 1.0 / 36.0, rtol=1e-12)


def test_cones_come_from_above_and_the_sides_and_arcs_go_round() -> None:
    cones, arcs = np.array(cone_directions(36)), np.array(arc_directions(2))
    assert cones[:, 2].max() < 0.36
    assert np.abs(cones[:, 1]).max() <= 0.6
    assert len(arcs) == 72
    assert np.abs(arcs.mean(axis=0)).max() < 1e-9
    assert len(np.unique(arcs.round(9), axis=0)) == 72
