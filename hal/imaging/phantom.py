"""Calibrate the geometry of an X-ray pair from radiographs of beads at known positions.

Which bead is which spot is found from the nominal geometry and then improved; the direct
linear transform (Hartley & Zisserman, Multiple View Geometry, 2nd ed., alg. 7.1) gives a
first ``P``, and least squares over focal length, principal point, turn and shift the last.
"""

# pyright: basic
# (OpenCV types every picture as a matrix of anything: there is nothing to be strict about.)

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import msgspec
import numpy as np
from msgspec import Meta
from scipy.optimize import least_squares, linear_sum_assignment

from hal.imaging.view import Array, View, pinhole


class CalibrationError(ValueError):
    """The pictures do not determine the geometry well enough; says what, value and limit."""


class PhantomRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conditions for a valid calibration.

    Beads named, residual, deviation from the nominal geometry.

    ``near_px`` is how far a bead may be from where the plan (after a common shift, turn and
    stretch) expects it.
    """

    least_beads: Annotated[int, Meta(ge=8)] = 10
    near_px: Annotated[float, Meta(gt=0, le=200)] = 12.0
    residual_px: Annotated[float, Meta(gt=0, le=5)] = 0.5
    shift_px: Annotated[float, Meta(gt=0, le=500)] = 80.0


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """The view that explains the beads; ``residual_px`` is the root mean square over them."""

    view: View
    residual_px: float
    beads: int


def helix_phantom(
    beads: int = 24, radius_mm: float = 45.0, height_mm: float = 110.0, turns: float = 2.3
) -> Array:
    """Return beads (n x 3) on a helix about Y, with a gap so that no turn looks like another."""
    part = np.arange(beads) / (beads - 1)
    part = part**1.15
    angle = 2.0 * np.pi * turns * part + 0.4
    return np.column_stack(
        [radius_mm * np.cos(angle), height_mm * (part - 0.5), radius_mm * np.sin(angle)]
    )


def direct_linear_transform(space_mm: Array, picture_px: Array) -> Array:
    """Return the projection matrix (3 x 4) that maps points (n x 3, n >= 6) to pictures (n x 2).

    Raises `CalibrationError` for points in one plane, which leave it undetermined.
    """
    middle, picture_middle = space_mm.mean(axis=0), picture_px.mean(axis=0)
    size = max(float(np.sqrt(np.mean((space_mm - middle) ** 2))), 1e-9)
    picture_size = max(float(np.sqrt(np.mean((picture_px - picture_middle) ** 2))), 1e-9)
    flatness = np.linalg.svd((space_mm - middle) / size, compute_uv=False)
    if len(space_mm) < 6 or flatness[2] < 0.05 * flatness[0]:
        raise CalibrationError(
            f"{len(space_mm)} beads, thickness ratio {flatness[-1] / flatness[0]:.3f}: at least 6 "
            "beads are needed that do not lie in one plane (ratio 0.05)"
        )
    points = np.column_stack([(space_mm - middle) / size, np.ones(len(space_mm))])
    pictures = (picture_px - picture_middle) / picture_size
    rows = np.zeros((2 * len(points), 12))
    rows[0::2, 0:4], rows[0::2, 8:12] = points, -pictures[:, :1] * points
    rows[1::2, 4:8], rows[1::2, 8:12] = points, -pictures[:, 1:] * points
    solution = np.linalg.svd(rows)[2][-1].reshape(3, 4)
    to_unit = np.diag([1.0 / size] * 3 + [1.0])
    to_unit[:3, 3] = -middle / size
    from_unit = np.diag([picture_size, picture_size, 1.0])
    from_unit[:2, 2] = picture_middle
    matrix = from_unit @ solution @ to_unit
    return matrix / np.linalg.norm(matrix[2, :3])


def decompose(matrix: Array, like: View) -> View:
    """Take a projection matrix apart into K, R and t; name and size come from ``like``."""
    camera, rotation, *_ = cv2.RQDecomp3x3(matrix[:, :3])[1:3]
    camera, rotation = np.asarray(camera), np.asarray(rotation)
    signs = np.diag(np.sign(np.diag(camera)))
    camera, rotation = camera @ signs, signs @ rotation
    shift = np.linalg.solve(camera, matrix[:, 3])
    if np.linalg.det(rotation) < 0.0:
        rotation, shift = -rotation, -shift
    camera = camera / camera[2, 2]
    return pinhole(like.name, camera, rotation, shift, (like.width_px, like.height_px))


def _pack(view: View) -> Array:
    turn, _ = cv2.Rodrigues(view.rotation)
    centre = view.camera_matrix[:2, 2]
    return np.concatenate([[view.focal_px], centre, turn.ravel(), view.translation_mm])


def _unpack(parameters: Array, like: View) -> View:
    focal, cx, cy = parameters[:3]
    rotation, _ = cv2.Rodrigues(parameters[3:6])
    return pinhole(
        like.name,
        [[focal, 0.0, cx], [0.0, focal, cy], [0.0, 0.0, 1.0]],
        rotation,
        parameters[6:9],
        (like.width_px, like.height_px),
    )


def refine(start: View, space_mm: Array, picture_px: Array, nominal: View) -> View:
    """Fit the nine numbers of a view with square pixels to the beads, by reprojection.

    Focal length and distance trade off against each other over a small phantom; a weak pull
    (1 % in focal length, 40 px in principal point) towards the nominal view keeps them sane.
    """
    scale = np.array([start.focal_px, 500.0, 500.0, 1.0, 1.0, 1.0, 500.0, 500.0, 2500.0])
    pull = np.array([0.01 * nominal.focal_px, 40.0, 40.0])
    plan = _pack(nominal)[:3]
    pull_weight = 0.1

    def misfit(parameters: Array) -> Array:
        view = _unpack(parameters, start)
        off = (view.project(space_mm) - picture_px).ravel()
        return np.concatenate([off, pull_weight * (parameters[:3] - plan) / pull])

    answer = least_squares(misfit, _pack(start), x_scale=scale, loss="soft_l1", f_scale=1.0)
    return _unpack(np.asarray(answer.x), start)


def name_beads(
    nominal: View, space_mm: Array, spots_px: Array, rules: PhantomRules
) -> tuple[Array, Array]:
    """Pair beads (n x 3) with spots (m x 2): the common shift first, then bead by bead.

    Returns the paired beads and spots. The shift is the one most beads agree on.
    """
    expected = nominal.project(space_mm)
    if not len(spots_px):
        return space_mm[:0], expected[:0]
    shifts = (spots_px[:, None] - expected[None]).reshape(-1, 2)
    shifts = shifts[np.linalg.norm(shifts, axis=1) <= rules.shift_px]
    if not len(shifts):
        return space_mm[:0], expected[:0]
    votes = (np.linalg.norm(shifts[:, None] - shifts[None], axis=2) <= rules.near_px).sum(axis=1)
    moved = expected + shifts[np.argmax(votes)]
    rows = columns = np.zeros(0, dtype=np.intp)
    for _ in range(4):
        gaps = np.linalg.norm(moved[:, None] - spots_px[None], axis=2)
        rows, columns = linear_sum_assignment(np.minimum(gaps, 2.0 * rules.near_px))
        close = gaps[rows, columns] <= rules.near_px
        rows, columns = rows[close], columns[close]
        if len(rows) < 4:
            break
        affine, _ = cv2.estimateAffine2D(expected[rows], spots_px[columns])
        if affine is None:
            break
        moved = expected @ np.asarray(affine)[:, :2].T + np.asarray(affine)[:, 2]
    return space_mm[rows], spots_px[columns]


def calibrate_view(
    nominal: View, beads_mm: Array, spots_px: Array, rules: PhantomRules | None = None
) -> Calibrated:
    """Find the view that explains the spots (m x 2) of a phantom (n x 3, space's frame).

    Raises `CalibrationError` when beads are too few, in a plane, or badly explained.
    """
    rules = rules if rules is not None else PhantomRules()
    beads, spots = name_beads(nominal, beads_mm, spots_px, rules)
    view = nominal
    for _ in range(4):
        if len(beads) < rules.least_beads:
            raise CalibrationError(
                f"{nominal.name}: {len(beads)} beads recognised, at least {rules.least_beads} "
                "needed: check the phantom's position and the nominal geometry"
            )
        start = decompose(direct_linear_transform(beads, spots), nominal)
        # The transform alone may put the pinhole anywhere; then the plan is the better start.
        if abs(start.focal_px / nominal.focal_px - 1.0) > 0.1:
            start = nominal
        view = refine(start, beads, spots, nominal)
        gaps = np.linalg.norm(view.project(beads_mm)[:, None] - spots_px[None], axis=2)
        rows, columns = linear_sum_assignment(np.minimum(gaps, 100.0))
        close = gaps[rows, columns] <= max(1.5, 3.0 * rules.residual_px)
        before = len(beads)
        beads, spots = beads_mm[rows[close]], spots_px[columns[close]]
        if len(beads) == before:
            break
    off = view.project(beads) - spots
    residual = float(np.sqrt(np.mean(np.sum(off**2, axis=1)))) if len(beads) else np.inf
    if len(beads) < rules.least_beads or residual > rules.residual_px:
        raise CalibrationError(
            f"{nominal.name}: residual {residual:.2f} px over {len(beads)} beads, at most "
            f"{rules.residual_px:g} px over at least {rules.least_beads}"
        )
    return Calibrated(view, residual, len(beads))
