"""A picture as a camera delivered it, the same for every camera and wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hal.messages import BadSample

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Pixels (rows x columns, grey), and when they were taken.

    ``number`` counts the device's frames without wrapping, ``ticks`` is the device's own time
    of exposure in nanoseconds, ``t_ns`` the host's stamp when the first of it arrived.
    """

    device: str
    t_ns: int
    number: int
    ticks: int
    pixels: Pixels


Take = Callable[[Image | BadSample], None]
"""The function that a camera calls from its own thread with each picture or bad sample."""
