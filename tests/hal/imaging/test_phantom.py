"""The X-ray pair calibrated from radiographs of beads, and its file."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from hal.imaging.blobs import sharpen
from hal.imaging.calibration_file import (
    pair_calibration,
    read_calibration,
    write_calibration,
)
from hal.imaging.phantom import (
    CalibrationError,
    PhantomRules,
    calibrate_view,
    decompose,
    direct_linear_transform,
    helix_phantom,
)
from hal.imaging.seeds import SeedLook, find_seeds
from hal.imaging.triangulation import triangulate
from hal.imaging.view import pinhole
from hal.imaging.xray_geometry import XrayGeometry, nominal_pair
from hal.sealed import checksum
from sim.radiograph import Exposure, Seed, expose

GEOMETRY = XrayGeometry()
NOMINAL = nominal_pair(GEOMETRY)
BEADS = helix_phantom()


def off_plan(view, seed):
    """The room as built: turned, shifted and longer than drawn."""
    rng = np.random.default_rng(seed)
    turn, _ = cv2.Rodrigues(rng.uniform(-0.012, 0.012, 3))
    camera = view.camera_matrix.copy()
    camera[[0, 1], [0, 1]] *= 1.003
    camera[:2, 2] += rng.uniform(-8.0, 8.0, 2)
    shift = view.translation_mm + rng.uniform(-4.0, 4.0, 3)
    return pinhole(view.name, camera, turn @ view.rotation, shift, (1024, 1024))


BUILT = (off_plan(NOMINAL[0], 0), off_plan(NOMINAL[1], 1))


def test_radiographs_of_the_phantom_give_the_room_as_it_is() -> None:
    rng = np.random.default_rng(3)
    found = []
    for nominal, built in zip(NOMINAL, BUILT, strict=True):
        balls = [Seed(bead, np.array([0.0, 0.0, 1.0]), 3.0, 0.0, 1.5) for bead in BEADS]
        picture = expose(built, balls, Exposure(tissue=1.0, relief=0.1, bone=0.0), rng)
        radius = 1.5 * GEOMETRY.magnification / GEOMETRY.pixel_mm
        look = SeedLook(radius_px=radius, length_px=0.0, background_px=20.0)
        spots = sharpen(find_seeds(picture, look), radius, 0.0, 0.8).places_px
        calibrated = calibrate_view(nominal, BEADS, spots)
        assert calibrated.beads == len(BEADS)
        assert calibrated.residual_px < 0.15
        found.append(calibrated.view)
    points = rng.uniform(-30.0, 30.0, (200, 3))
    pictures = [view.project(points) for view in BUILT]
    error = np.linalg.norm(triangulate(*found, *pictures).points_mm - points, axis=1)
    assert error.max() < 0.05
    as_drawn = np.linalg.norm(triangulate(*NOMINAL, *pictures).points_mm - points, axis=1)
    assert as_drawn.min() > 1.0


def test_missing_and_foreign_spots_do_not_spoil_it() -> None:
    rng = np.random.default_rng(4)
    spots = BUILT[0].project(BEADS) + rng.normal(0.0, 0.05, (len(BEADS), 2))
    spots = np.vstack([spots[5:], rng.uniform(100.0, 900.0, (6, 2))])
    calibrated = calibrate_view(NOMINAL[0], BEADS, rng.permutation(spots))
    points = rng.uniform(-30.0, 30.0, (50, 3))
    off = calibrated.view.project(points) - BUILT[0].project(points)
    assert calibrated.beads >= len(BEADS) - 5
    assert np.abs(off).max() < 0.4


def test_the_direct_transform_is_exact_without_noise() -> None:
    matrix = direct_linear_transform(BEADS, BUILT[0].project(BEADS))
    view = decompose(matrix, NOMINAL[0])
    assert view.project(BEADS) == pytest.approx(BUILT[0].project(BEADS), abs=1e-4)
    assert view.focal_px == pytest.approx(BUILT[0].focal_px, rel=1e-4)


def test_a_flat_phantom_is_refused() -> None:
    flat = BEADS * [1.0, 1.0, 0.0]
    with pytest.raises(CalibrationError, match="one plane"):
        direct_linear_transform(flat, BUILT[0].project(flat))


def test_too_few_beads_and_bad_pictures_are_refused() -> None:
    spots = BUILT[0].project(BEADS)
    with pytest.raises(CalibrationError, match="beads recognised"):
        calibrate_view(NOMINAL[0], BEADS, spots[:7])
    rough = spots + np.random.default_rng(1).normal(0.0, 1.2, spots.shape)
    with pytest.raises(CalibrationError):
        calibrate_view(NOMINAL[0], BEADS, rough, PhantomRules(residual_px=0.3))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "imager.json"
    made = pair_calibration("xray", "imager", "2026-11-24T10:00:00Z", 0.05, BUILT)
    write_calibration(path, made)
    return path


def test_a_calibration_survives_its_file(file: Path) -> None:
    again = read_calibration(file, "xray")
    assert (again.device, again.made, again.residual_px) == (
        "imager",
        "2026-11-24T10:00:00Z",
        0.05,
    )
    for before, after in zip(BUILT, again.views, strict=True):
        assert np.array_equal(before.matrix, after.matrix)
        assert (after.width_px, after.height_px, after.name) == (1024, 1024, before.name)


def test_no_changed_byte_is_read_as_another_calibration(file: Path) -> None:
    whole = file.read_bytes()
    good = read_calibration(file, "xray")
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x01]) + whole[at + 1 :])
        with contextlib.suppress(CalibrationError):
            assert read_calibration(file, "xray") == good


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"checksum": "sha256:0"}', "\xff"])
def test_files_that_are_no_calibration_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(CalibrationError):
        read_calibration(path, "xray")


def test_kind_and_unknown_fields_are_checked(file: Path, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="is for xray"):
        read_calibration(file, "camera")
    content = json.loads(file.read_text())
    del content["checksum"]
    content["colour"] = "blue"
    path = tmp_path / "y.json"
    path.write_text(json.dumps({**content, "checksum": checksum(content)}))
    with pytest.raises(CalibrationError, match="colour"):
        read_calibration(path, "xray")


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"residual_px": 0.51}, "residual 0.51 px, at most 0.5: calibrate again"),
        ({"residual_px": -0.1}, "residual -0.10 px"),
        ({"made": "last spring"}, "is no date"),
        ({"device": "imager-2"}, "is that of imager-2, imager expected"),
    ],
)
def test_device_date_and_residual_are_judged_on_reading(
    file: Path, change: dict[str, object], refusal: str
) -> None:
    good = read_calibration(file, "xray", "imager")
    assert read_calibration(file, "xray") == good
    write_calibration(file, msgspec.structs.replace(good, **change))
    with pytest.raises(CalibrationError, match=refusal):
        read_calibration(file, "xray", "imager")
