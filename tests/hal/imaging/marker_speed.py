"""How long locating markers takes: ms of one core a stereo frame, found anew and followed.

python -m tests.hal.imaging.marker_speed
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from hal.imaging.camera_settings import MarkerSettings
from hal.imaging.image import Image
from hal.imaging.marker_camera import MarkerCamera
from tests.hal.imaging.marker_scenes import (
    LOOK,
    MARKERS,
    PAIR,
    PLACE,
    SETTINGS,
    aruco_pair,
    pair_of,
)

FRAMES = 20


def discs() -> Iterator[list[Image]]:
    """Four discs that breathe."""
    rng = np.random.default_rng(1)
    for number in range(FRAMES):
        there = [0.0, 2.0 * np.sin(number / 10), 6.0 * np.sin(number / 10)]
        yield pair_of(MARKERS + PLACE + there, number, rng)


def squares() -> Iterator[list[Image]]:
    """Three square markers that move evenly."""
    rng = np.random.default_rng(8)
    for number in range(FRAMES):
        there = [0.0, 0.3 * number, 0.5 * number]
        yield aruco_pair(MARKERS[1:] + PLACE + there, LOOK.ids, number, rng)


def spent_ms(camera: MarkerCamera, images: list[Image]) -> float:
    """Locate once, and tell the time of this thread it took."""
    began = time.thread_time()
    camera.locate("camera", *images)
    return 1e3 * (time.thread_time() - began)


def main() -> None:
    """Time both kinds and print them."""
    for name, scene, settings in (
        ("discs", discs, SETTINGS),
        ("square markers", squares, MarkerSettings(aruco=LOOK)),
    ):
        pairs = list(scene())
        follows = MarkerCamera(PAIR, settings)
        spent_ms(follows, pairs[0])
        followed = np.median([spent_ms(follows, pair) for pair in pairs[1:]])
        anew = np.median([spent_ms(MarkerCamera(PAIR, settings), pair) for pair in pairs[1:]])
        print(
            f"{name}: followed {followed:.1f} ms of one core a frame, found anew {anew:.1f} ms: "
            f"{anew / followed:.1f} x"
        )


if __name__ == "__main__":
    main()
