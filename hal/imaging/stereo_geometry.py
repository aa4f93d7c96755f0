"""The nominal views of a stereo marker camera, used until a board calibration replaces them.

Space is the left camera's own frame: x to the right of its picture, y down, z into it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from hal.imaging.camera_settings import StereoGeometry
from hal.imaging.view import View, pinhole


def stereo_views(geometry: StereoGeometry, distortion: tuple[float, ...] = ()) -> tuple[View, View]:
    """Return both nominal views, left and right."""
    lean = math.atan2(geometry.baseline_mm / 2.0, geometry.distance_mm)
    size = (geometry.width_px, geometry.height_px)
    camera_matrix = [
        [geometry.focal_px, 0.0, (size[0] - 1) / 2.0],
        [0.0, geometry.focal_px, (size[1] - 1) / 2.0],
        [0.0, 0.0, 1.0],
    ]
    turn = np.asarray(cv2.Rodrigues(np.array([0.0, 2.0 * lean, 0.0]))[0], dtype=np.float64)
    baseline = geometry.baseline_mm
    place = np.array([baseline * math.cos(lean), 0.0, baseline * math.sin(lean)])
    left = pinhole("left", camera_matrix, np.eye(3), np.zeros(3), size, distortion)
    right = pinhole("right", camera_matrix, turn, -turn @ place, size, distortion)
    return left, right
