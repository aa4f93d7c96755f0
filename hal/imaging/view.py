"""One view of a stereo pair: projects a point in space to a point in the picture.

The same record serves a marker camera and an X-ray source with its panel, both being pinholes:
``P = K [R | t]``. Pixel coordinates count from the centre of the top left pixel, x to the
right, y down. Space is the frame the calibration was made in: the fixed frame (IEC 61217) for
the X-ray pair, the left camera's own for a marker camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A calibrated pinhole.

    ``camera_matrix`` is K (3 x 3, pixels), ``rotation`` R (3 x 3) and ``translation_mm`` t take
    space to the pinhole's axes (z into the picture), ``distortion`` are OpenCV's coefficients
    (empty: none, as behind an X-ray panel).
    """

    name: str
    camera_matrix: Array
    rotation: Array
    translation_mm: Array
    width_px: int
    height_px: int
    distortion: Array

    @property
    def matrix(self) -> Array:
        """The projection matrix K [R | t], 3 x 4, without distortion."""
        return self.camera_matrix @ np.column_stack([self.rotation, self.translation_mm])

    @property
    def source_mm(self) -> Array:
        """The pinhole itself (focal spot or camera centre) in space."""
        return -self.rotation.T @ self.translation_mm

    @property
    def focal_px(self) -> float:
        """The mean of the two focal lengths."""
        return float(self.camera_matrix[0, 0] + self.camera_matrix[1, 1]) / 2.0

    def depth_mm(self, points_mm: Array) -> Array:
        """Return the distance of points (n x 3) from the pinhole along its axis; shape n."""
        return points_mm @ self.rotation[2] + self.translation_mm[2]

    def pixel_mm(self, points_mm: Array) -> Array:
        """Return how much of space one pixel covers at points (n x 3); shape n."""
        return self.depth_mm(points_mm) / self.focal_px

    def project(self, points_mm: Array) -> Array:
        """Project points in space (n x 3) to the picture (n x 2)."""
        inside = np.atleast_2d(points_mm) @ self.rotation.T + self.translation_mm
        if self.distortion.size:
            zero = np.zeros(3)
            bent, _ = cv2.projectPoints(inside, zero, zero, self.camera_matrix, self.distortion)
            return np.asarray(bent, dtype=np.float64).reshape(-1, 2)
        flat = inside @ self.camera_matrix.T
        return flat[:, :2] / flat[:, 2:3]

    def ideal(self, picture_px: Array) -> Array:
        """Return points of the picture (n x 2) without the lens distortion, in pixels."""
        if not self.distortion.size or not len(picture_px):
            return np.asarray(picture_px, dtype=np.float64).reshape(-1, 2)
        straight = cv2.undistortPoints(
            np.asarray(picture_px, dtype=np.float64).reshape(-1, 1, 2),
            self.camera_matrix,
            self.distortion,
            P=self.camera_matrix,
        )
        return np.asarray(straight, dtype=np.float64).reshape(-1, 2)

    def rays(self, picture_px: Array) -> Array:
        """Return unit directions in space (n x 3) from `source_mm` through picture points."""
        ideal = self.ideal(picture_px)
        across = np.column_stack([ideal, np.ones(len(ideal))])
        inside = np.linalg.solve(self.camera_matrix, across.T).T
        outside = inside @ self.rotation
        return outside / np.linalg.norm(outside, axis=1, keepdims=True)

    def holds(self, picture_px: Array, border_px: float = 0.0) -> NDArray[np.bool_]:
        """Tell which points (n x 2) lie within the picture, ``border_px`` from its edge."""
        points = np.atleast_2d(picture_px)
        most = np.array([self.width_px - 1, self.height_px - 1]) - border_px
        return np.all((points >= border_px) & (points <= most), axis=1)


def pinhole(
    name: str,
    camera_matrix: ArrayLike,
    rotation: ArrayLike,
    translation_mm: ArrayLike,
    size_px: tuple[int, int],
    distortion: ArrayLike = (),
) -> View:
    """Build a `View` from anything that holds numbers; ``size_px`` is width, height."""
    return View(
        name,
        np.asarray(camera_matrix, dtype=np.float64).reshape(3, 3),
        np.asarray(rotation, dtype=np.float64).reshape(3, 3),
        np.asarray(translation_mm, dtype=np.float64).reshape(3),
        int(size_px[0]),
        int(size_px[1]),
        np.asarray(distortion, dtype=np.float64).reshape(-1),
    )
