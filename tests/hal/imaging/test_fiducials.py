"""Seeds on rendered radiographs: found, measured and named, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from hal.imaging.fiducials import FiducialFinder, FiducialSettings
from hal.imaging.image import Image
from hal.imaging.pairs import Pair
from hal.imaging.seeds import SeedLook, find_seeds
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from hal.imaging.xray_reader import XrayReader
from hal.messages import BadSample, FiducialShot
from sim.radiograph import Exposure, Seed, expose_pair
from tests.hal.imaging.campaign import run

GEOMETRY = XrayGeometry(width_px=512, height_px=512)
PAIR = nominal_pair(GEOMETRY)
PLANNED = ((0.0, 12.0, 4.0), (9.0, -6.0, -3.0), (-8.0, -5.0, 6.0), (14.0, 8.0, -9.0))
AXES = np.random.default_rng(3).standard_normal((4, 3))


def shot(points, hidden=((), ()), seed=0, **changes):
    rng = np.random.default_rng(seed)
    metal = [Seed(np.array(p), AXES[i % 4]) for i, p in enumerate(points)]
    sides = [[m for i, m in enumerate(metal) if i not in hidden[k]] for k in (0, 1)]
    return expose_pair(PAIR, (sides[0], sides[1]), Exposure(**changes), rng)


@pytest.mark.slow
def test_the_short_campaign() -> None:
    tally = run(16, 4, count=4, size_px=640)
    assert tally.detection >= 0.99, tally.summary()
    assert tally.wrong == 0, tally.summary()
    assert np.median(tally.errors_mm) <= 0.15
    assert np.percentile(tally.errors_mm, 95) <= 0.4


def test_places_are_in_the_fixed_frame_and_carry_the_request_and_the_exposure() -> None:
    shift = np.array([4.0, -3.0, 2.0])
    left, right = shot(np.array(PLANNED) + shift)
    reader = XrayReader("imager", FiducialFinder(PAIR, PLANNED))
    pair = Pair(Image("l", 70, 1, 5_000, left), Image("r", 90, 1, 5_001, right), 17)
    (answer,) = reader.read(pair)
    assert isinstance(answer, FiducialShot)
    assert (answer.device, answer.t_ns, answer.ticks, answer.shot_id) == ("imager", 90, 5_000, 17)
    assert np.array(answer.fiducials_mm) == pytest.approx(np.array(PLANNED) + shift, abs=0.25)


def test_an_expectation_narrows_the_search_and_nothing_else() -> None:
    shift = np.array([24.0, -20.0, 15.0])
    left, right = shot(np.array(PLANNED) + shift)
    finder = FiducialFinder(PAIR, PLANNED)
    assert finder.locate(left, right).doubt
    found = finder.locate(left, right, expected_mm=(22.0, -19.0, 13.0))
    assert np.array(found.fiducials_mm) == pytest.approx(np.array(PLANNED) + shift, abs=0.25)


def test_a_seed_hidden_in_one_view_is_none_and_the_rest_stands() -> None:
    left, right = shot(PLANNED, hidden=((), (2,)))
    found = FiducialFinder(PAIR, PLANNED).locate(left, right)
    assert [f is None for f in found.fiducials_mm] == [False, False, True, False]


def test_a_shot_with_too_few_seeds_reports_none_and_says_why() -> None:
    left, right = shot(PLANNED, hidden=((0, 1), (2,)))
    reader = XrayReader("imager", FiducialFinder(PAIR, PLANNED))
    pair = Pair(Image("l", 1, 1, 1, left), Image("r", 1, 1, 1, right), 3)
    complaint, answer = reader.read(pair)
    assert isinstance(complaint, BadSample)
    assert complaint.what == "fiducials refused"
    assert isinstance(answer, FiducialShot)
    assert answer.fiducials_mm == (None,) * 4


def test_seeds_moved_against_each_other_are_refused() -> None:
    moved = np.array(PLANNED) * [1.0, 0.6, 1.4] + [[0, 0, 0], [0, 5, 0], [6, 0, 0], [0, 0, 7]]
    left, right = shot(moved)
    assert FiducialFinder(PAIR, PLANNED).locate(left, right).doubt


def test_exchanged_panels_are_refused() -> None:
    left, right = shot(np.array(PLANNED) + [0.0, 0.0, 6.0])
    located = FiducialFinder(PAIR, PLANNED).locate(right, left)
    assert located.fiducials_mm == (None,) * 4
    assert located.doubt


def test_pictures_of_another_size_are_refused() -> None:
    left, right = shot(PLANNED)
    assert "calibrated for" in FiducialFinder(PAIR, PLANNED).locate(left[:256], right).doubt


def test_an_anatomy_without_seeds_holds_no_fiducials() -> None:
    left, right = shot(())
    located = FiducialFinder(PAIR, PLANNED).locate(left, right)
    assert located.fiducials_mm == (None,) * 4


@pytest.mark.parametrize("blank", [0, 65_535])
def test_blank_pictures_hold_no_seeds(blank: int) -> None:
    picture = np.full((512, 512), blank, dtype=np.uint16)
    assert not len(find_seeds(picture, SeedLook()).places_px)
    assert FiducialFinder(PAIR, PLANNED).locate(picture, picture).doubt


def test_balls_and_long_seeds_are_found_where_they_are() -> None:
    for length in (0.0, 5.0):
        rng = np.random.default_rng(8)
        metal = [Seed(np.array(p), AXES[i], 1.0, length) for i, p in enumerate(PLANNED)]
        left, right = expose_pair(PAIR, (metal, metal), Exposure(), rng)
        found = FiducialFinder(PAIR, PLANNED, FiducialSettings(length_mm=length)).locate(
            left, right
        )
        assert np.array(found.fiducials_mm) == pytest.approx(np.array(PLANNED), abs=0.3)
        assert found.confidence > 0.9
