"""Seeds in single projections: found, named, and refused rather than named wrongly."""

import numpy as np
import pytest

from hal.imaging.projection_seeds import ProjectionFinder, ProjectionSettings
from hal.imaging.projection_view import (
    GantryImager,
    gantry_view,
    shot_coordinates,
    shot_projection,
)
from sim.projection_radiograph import KV, couch_shadow, expose_projection
from sim.radiograph import Seed
from tests.hal.imaging.projections import KINDS, campaign

PLANNED = ((0.0, 12.0, 4.0), (9.0, -6.0, -3.0), (-8.0, -5.0, 6.0))
IMAGER = GantryImager(across_mm=1.5, along_mm=-0.8)
STILL = np.zeros(3)


def pictured(places, angle_deg=30.0, seed=3, imager=IMAGER):
    """A kV picture of seeds at these places."""
    rng = np.random.default_rng(seed)
    metal = [Seed(np.array(place), rng.standard_normal(3)) for place in places]
    view = gantry_view(angle_deg, imager)
    return view, expose_projection(view, metal, KV, STILL, rng)


@pytest.mark.parametrize(("name", "found", "p95_mm"), [("kV", 0.99, 0.25), ("MV", 0.9, 0.5)])
def test_visible_seeds_are_found_and_none_is_named_wrongly(name, found, p95_mm):
    beam, settings = KINDS[name]
    tally = campaign(beam, settings, 12)
    assert tally.visible > 30
    assert tally.detection >= found
    assert tally.p95_mm <= p95_mm
    assert tally.wrong == 0


def test_a_view_turns_with_the_gantry():
    across = gantry_view(0.0, GantryImager()).project(np.array([[10.0, 0.0, 0.0]]))
    assert shot_coordinates(across, GantryImager())[0] == pytest.approx((10.0, 0.0))
    # From +X the axis across runs downward, and what is nearer to the source is larger.
    seen = gantry_view(90.0, GantryImager()).project(np.array([[100.0, 20.0, 9.0]]))
    assert shot_coordinates(seen, GantryImager())[0] == pytest.approx((-10.0, 20.0 / 0.9))


@pytest.mark.parametrize("angle_deg", [0.0, 37.0, -90.0, 179.0])
def test_the_matrix_of_a_shot_gives_its_coordinates(angle_deg):
    view = gantry_view(angle_deg, IMAGER)
    place = np.array([7.0, -11.0, 5.0])
    matrix = np.array(shot_projection(view, IMAGER)).reshape(3, 4)
    p, q, s = matrix @ np.append(place, 1.0)
    assert matrix[2, 3] == 1.0
    seen = shot_coordinates(view.project(place[None]), IMAGER)[0]
    assert (p / s, q / s) == pytest.approx(tuple(seen), abs=1e-9)
    middle = shot_coordinates(view.project(np.zeros((1, 3))), IMAGER)[0]
    assert middle == pytest.approx((1.5, -0.8))


def test_a_missing_seed_is_missing_and_the_others_keep_their_names():
    view, picture = pictured(PLANNED[1:])
    named = ProjectionFinder(PLANNED).find(picture, view, (0.0, 0.0, 0.0), 1.0)
    assert named.doubt == ""
    assert named.places_px[0] is None
    for found, place in zip(named.places_px[1:], PLANNED[1:], strict=True):
        assert found == pytest.approx(tuple(view.project(np.array([place]))[0]), abs=0.5)


def test_seeds_that_lie_on_each_other_are_not_named():
    view, picture = pictured((PLANNED[0], (9.0, -6.0, -3.0), (9.0, -5.0, -3.0)), angle_deg=0.0)
    planned = (PLANNED[0], (9.0, -6.0, -3.0), (9.0, -5.0, -3.0))
    named = ProjectionFinder(planned).find(picture, view, (0.0, 0.0, 0.0), 1.0)
    assert named.places_px == (None, None, None)
    assert "could be named for sure, 2 needed" in named.doubt


def test_an_arrangement_that_looks_the_same_when_shifted_is_refused():
    planned = ((0.0, -9.0, 0.0), (0.0, 0.0, 0.0), (0.0, 9.0, 0.0))
    view, picture = pictured(planned[1:], angle_deg=0.0)  # the third, or the first, is missing
    named = ProjectionFinder(planned).find(picture, view, (0.0, 4.5, 0.0), 6.0)
    assert named.places_px == (None, None, None)
    assert named.doubt


def test_a_picture_without_seeds_and_one_of_another_size_say_so():
    view, picture = pictured(())
    finder = ProjectionFinder(PLANNED, ProjectionSettings(snr=20.0))
    assert finder.find(picture, view, (0.0, 0.0, 0.0), 1.0).doubt == (
        "nothing in the picture looks like a seed"
    )
    small = finder.find(picture[:100, :200], view, (0.0, 0.0, 0.0), 1.0)
    assert small.doubt == "picture of 200 x 100 pixels, calibrated for 448 x 448"
    with pytest.raises(ValueError, match="name at least one fiducial"):
        ProjectionFinder(())


def test_the_couch_is_between_source_and_patient_from_below():
    below = couch_shadow(gantry_view(180.0, GantryImager()), KV)
    assert below.mean() == pytest.approx(50.0 * KV.couch_per_mm, rel=0.02)
    side = couch_shadow(gantry_view(90.0, GantryImager(height_px=64, width_px=1400)), KV)
    assert side.max() > 5.0 * below.mean()
    assert side.min() == 0.0


def test_motion_during_the_exposure_blurs_a_seed_around_its_place():
    view = gantry_view(0.0, GantryImager())
    seed = [Seed(np.zeros(3), np.array([1.0, 0.0, 0.0]))]
    body = np.full((448, 448), 1.0, np.float32)

    def rows(velocity):
        rng = np.random.default_rng(1)
        shadow = body.mean() - np.log(
            expose_projection(view, seed, KV, np.array(velocity), rng, body) / 50_000.0 + 1e-9
        )
        part = np.clip(shadow[200:248, 200:248] - np.median(shadow), 0.1, None) - 0.1
        weight = part.sum(axis=1)
        middle = (weight * np.arange(48)).sum() / weight.sum()
        return middle, np.count_nonzero(weight)

    still, moving = rows((0.0, 0.0, 0.0)), rows((0.0, 100.0, 0.0))
    assert moving[1] > still[1] + 2
    assert moving[0] == pytest.approx(still[0], abs=0.3)
