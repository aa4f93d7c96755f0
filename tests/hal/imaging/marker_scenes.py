"""Stereo pictures of discs and of square markers, rendered, with where they are."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from hal.imaging.camera_settings import MarkerSettings
from hal.imaging.image import Image
from hal.imaging.markers import ArucoLook
from sim.scene import Light, discs, finish, flat_pattern, stereo_camera

PAIR = stereo_camera()
PLACE = np.array([20.0, -30.0, 1500.0])
MARKERS = np.array([[0.0, 0.0, 0.0], [60.0, 10.0, 0.0], [-55.0, 25.0, 5.0], [20.0, -70.0, 10.0]])
FACING = np.array([0.1, 0.2, -1.0])
SETTINGS = MarkerSettings(arrangement_mm=tuple(map(tuple, MARKERS.tolist())))
LOOK = ArucoLook(ids=(3, 7, 11), side_mm=30.0)
DICTIONARY = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
LIGHT = Light()

Reals = NDArray[np.float64]


def pair_of(
    points: Reals, number: int, rng: np.random.Generator, light: Light = LIGHT
) -> list[Image]:
    """Render discs at ``points`` (N, 3) as both cameras see them."""
    pictures = [discs(view, points, FACING, 12.0, light, rng) for view in PAIR]
    return [Image(side, number, number, number, p) for side, p in zip("lr", pictures, strict=True)]


def aruco_pair(
    points: Reals, names: Sequence[int], number: int, rng: np.random.Generator
) -> list[Image]:
    """Render square markers, flat in x and y, as both cameras see them."""
    images: list[Image] = []
    for view, side in zip(PAIR, "lr", strict=True):
        picture = None
        for place, name in zip(points, names, strict=True):
            marker = cv2.aruco.generateImageMarker(DICTIONARY, name, 120).astype(np.uint8)
            pattern = np.pad(marker, 30, constant_values=255)
            corner = place - [22.5, 22.5, 0.0]
            picture = flat_pattern(
                view, pattern, corner, np.eye(3)[0], np.eye(3)[1], (45.0, 45.0), LIGHT, rng, picture
            )
        assert picture is not None
        images.append(Image(side, number, number, number, finish(picture, LIGHT, rng)))
    return images
