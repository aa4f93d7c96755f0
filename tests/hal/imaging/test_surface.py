"""The surface camera against a torso that is known: noise, holes, an arm, edges, wrong pictures."""

import msgspec
import numpy as np
import pytest

from hal.imaging.surface import fit_kernel as kernel
from hal.imaging.surface.noise import NoiseInTime
from hal.imaging.surface.picture import DepthPicture
from hal.imaging.surface.reference import patch_grid, reference_surface
from hal.imaging.surface.settings import SurfaceRegion, SurfaceSettings, settings_problem
from hal.imaging.surface.surface_camera import SurfaceCamera
from hal.messages import BadSample, Sample, SurfaceFrame
from sim.depth_sensor import DepthNoise, Hidden

from .torso_scenes import Scene, arm, overhead

CLEAN = DepthNoise(
    pixel_mm=0.0, cell_mm=0.0, missing=0.0, missing_steep=0.0, flying=0.0, outliers=0.0,
    scale_mm=0.1,
)  # fmt: skip


@pytest.fixture(scope="module")
def quiet():
    return Scene(1000.0).film(5.0)


def picture(values, number=0):
    return DepthPicture("surface", number, number, number, values)


def test_displacements_without_noise_are_those_of_the_skin():
    seen = Scene(1000.0, noise=CLEAN).film(3.0)
    assert np.ptp(seen.truth, axis=0).max() > 5.0
    assert np.abs(seen.errors).max() < 0.25


def test_regions_follow_the_breath_within_the_noise(quiet):
    swing = np.ptp(quiet.truth, axis=0)
    assert swing.max() > 5.0
    assert np.sqrt(np.mean(quiet.region_errors() ** 2, axis=0)).max() < 0.3
    assert np.isfinite(quiet.shifts).mean() > 0.99


def test_the_standard_deviation_that_is_told_is_the_true_one(quiet):
    ratio = np.nanstd(quiet.errors[30:], axis=0) / np.nanmean(quiet.sigmas[30:], axis=0)
    assert 0.6 < ratio.min() <= ratio.max() < 1.4


def test_an_arm_hides_patches_and_moves_none():
    seen = Scene(1000.0, seed=2).film(5.0, hide=arm(1.5, 3.0))
    hidden = np.isnan(seen.shifts)
    assert hidden[:30].sum() == 0
    assert hidden.any(axis=0).sum() >= 3
    assert not hidden.all(axis=1).any()
    assert np.nanmax(np.abs(seen.errors)) < 2.5
    assert np.nanstd(seen.errors) < 0.6


def test_patches_under_a_blanket_drop_out():
    seen = Scene(1000.0).film(
        2.5, hide=lambda t: (Hidden(0.38, 0.3, 0.62, 0.49, 32.0),) if t > 1.5 else ()
    )
    chest = seen.regions == 0
    late = seen.shifts[-10:]
    assert np.isnan(late[:, chest]).all()
    assert np.isfinite(late[:, ~chest]).mean() > 0.95


def test_motion_of_the_couch_is_seen_along_the_normals():
    seen = Scene(1000.0).film(2.0, carried=lambda t: (0.0, 0.0, 4.0 if t > 1.0 else 0.0))
    moved = seen.shifts - seen.truth
    step = np.nanmean(moved[-10:], axis=0) - np.nanmean(moved[:10], axis=0)
    reference = Scene(1000.0)
    reference.film(0.6)
    upward = reference.surface()[1][:, 2]
    assert step == pytest.approx(4.0 * upward, abs=0.4)


def test_points_lie_on_the_skin(quiet):
    scene = Scene(1000.0)
    scene.film(0.6)
    points, _ = scene.surface()
    for x, y, z in points.tolist():
        (_, _, skin), normal = scene.torso.on_skin(x, y)
        assert abs(z - skin) < 12.0  # of the breath
        assert normal[2] > 0.5
    first = quiet.frames[0]
    assert isinstance(first, SurfaceFrame)
    assert len(first.patches_mm) == len(first.errors_mm) == len(points)


def test_a_patch_over_an_edge_is_not_used():
    settings = SurfaceSettings()
    grid = patch_grid(settings)
    depth = np.full((480, 640), 1000.0)
    left, top, width, height = grid.boxes[0].tolist()
    depth[top : top + height, left + width // 2 :] = 1100.0
    reference = reference_surface(grid, depth, settings)
    assert np.isnan(reference.points_mm[0]).all()
    assert np.isfinite(reference.points_mm[-1]).all()


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_flying_pixels_and_holes_do_not_pull_a_patch(share):
    rng = np.random.default_rng(5)
    box = np.array([[0, 0, 40, 40]])
    reference, along = np.full((40, 40), 1000.0), np.full((40, 40), -1.0)
    depth = np.rint(1000.0 - 3.0 + rng.normal(0, 2.0, (40, 40))).astype(np.uint16)
    bad = rng.random((40, 40)) < share
    depth[bad] = np.where(rng.random(bad.sum()) < 0.5, 0, 1045)
    out = np.zeros((1, kernel.FOUND))
    limits = np.array([300.0, 2500.0, 60.0, 1.0])
    kernel.fit_patches(depth, 1.0, 0.0, 0.0, reference, along, box, limits, out)
    assert out[0, kernel.SHIFT] == pytest.approx(3.0, abs=0.25)
    assert out[0, kernel.SIGMA] == pytest.approx(2.0 / 40 / np.sqrt(1 - share), rel=0.35)
    assert out[0, kernel.INLIERS] == pytest.approx(1.0 - share, abs=0.05)


def test_scale_offset_and_floating_point_pictures_are_the_same_surface():
    box = np.array([[0, 0, 20, 20]])
    reference, along = np.full((20, 20), 1000.0), np.full((20, 20), -1.0)
    limits = np.array([300.0, 2500.0, 60.0, 1.0])
    for values, scale, offset, invalid in (
        (np.full((20, 20), 3980, np.uint16), 0.25, 0.0, 0.0),
        (np.full((20, 20), 1790, np.uint16), 0.5, 100.0, 65_535.0),
        (np.full((20, 20), 0.995, np.float32), 1000.0, 0.0, 0.0),
    ):
        out = np.zeros((1, kernel.FOUND))
        kernel.fit_patches(values, scale, offset, invalid, reference, along, box, limits, out)
        assert out[0, kernel.SHIFT] == pytest.approx(5.0, abs=1e-3)


def test_a_picture_of_another_size_or_type_is_told():
    camera = SurfaceCamera(SurfaceSettings())
    for values, what in (
        (np.zeros((240, 320), np.uint16), "320 x 240 pixels, 640 x 480 configured"),
        (np.zeros((480, 640), np.uint8), "type uint8, uint16 or float32 needed"),
        (np.zeros((480, 640, 3), np.uint16), "3 x 640 x 480 pixels, 640 x 480 configured"),
    ):
        (sample,) = camera.locate("surface", picture(values))
        assert isinstance(sample, BadSample)
        assert (sample.what, sample.value) == ("depth picture", what)


def test_pictures_without_a_surface_are_told_and_tried_again():
    camera = SurfaceCamera(SurfaceSettings(reference_pictures=3))
    empty = np.zeros((480, 640), np.uint16)
    samples = [sample for n in range(6) for sample in camera.locate("surface", picture(empty, n))]
    told = [sample.what for sample in samples if isinstance(sample, BadSample)]
    assert told == ["surface not found"] * 2
    assert camera.state == "ACQUIRING"


def test_a_surface_that_is_lost_for_long_is_taken_anew():
    settings = SurfaceSettings(reference_pictures=2, lost_s=1.0)
    camera = SurfaceCamera(settings)
    flat, gone = np.full((480, 640), 1000, np.uint16), np.full((480, 640), 1500, np.uint16)
    for n in range(3):
        camera.locate("surface", picture(flat, n), n * 40_000_000)
    assert camera.state == "FOLLOWING"
    assert camera.used.all()
    samples: list[Sample] = []
    for n in range(3, 60):
        samples = camera.locate("surface", picture(gone, n), n * 40_000_000)
        if n < 25:
            assert [s.patches_mm for s in samples if isinstance(s, SurfaceFrame)] == [(None,) * 12]
    assert camera.state == "FOLLOWING"
    assert camera.used.all()
    (frame,) = samples
    assert isinstance(frame, SurfaceFrame)
    assert frame.patches_mm[0] is not None
    assert frame.patches_mm[0][2] == pytest.approx(1500.0, abs=0.5)


def region(**changes):
    plain = SurfaceRegion(name="belly", left_px=0, top_px=0, width_px=90, height_px=80)
    return {"regions": (msgspec.structs.replace(plain, **changes),)}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"far_mm": 300.0}, "far_mm: is 300, must exceed near_mm 300"),
        (
            region(left_px=600),
            "regions: belly ends at 690, 80 px, the picture at 640, 480; make the region smaller",
        ),
        (
            region(width_px=20),
            "regions: a patch of belly is narrower than 8 px; use fewer patches",
        ),
        (
            region(columns=8, rows=8),
            "regions: make 64 patches, 3 to 24 are possible; change the grids",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(change, what):
    settings = msgspec.structs.replace(SurfaceSettings(), **change)
    assert settings_problem(settings) == what
    with pytest.raises(ValueError, match=r"^" + what.split(":", maxsplit=1)[0]):
        SurfaceCamera(settings)


def test_noise_in_time_is_that_of_white_noise_and_not_of_the_breath():
    rng, noise = np.random.default_rng(3), NoiseInTime(2)
    for n in range(200):
        breath = 10.0 * np.sin(2 * np.pi * n / 120)
        sigma = noise.after(n, breath + rng.normal(0.0, [0.05, 0.4]))
    assert sigma == pytest.approx([0.05, 0.4], rel=0.35)


def test_noise_in_time_is_unknown_after_a_gap():
    noise = NoiseInTime(1)
    values = [0.0, 5.0, 0.0, 5.0, 0.0]
    for n, value in enumerate(values):
        assert noise.after(2 * n, np.array([value])) == 0.0


def test_the_overhead_settings_are_possible_at_every_distance():
    for distance in (800.0, 1000.0, 1500.0):
        assert settings_problem(overhead(distance, width_px=640)) == ""
