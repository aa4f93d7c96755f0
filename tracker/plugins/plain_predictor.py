"""Define what a predictor of one's own must offer: three methods in plain Python."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@runtime_checkable
class PlainPredictor(Protocol):
    """Learns positions one by one, and says where they will be; it sees nothing of the future.

    It may also have ``save() -> dict`` and ``load(dict)``, which make a copy in the same state;
    without them it is copied by `copy.deepcopy`.
    """

    def begin(self, channels: int, rate_hz: float, horizon_ns: int) -> None:
        """Begin anew, for samples of shape (channels,) at about ``rate_hz``.

        ``horizon_ns`` is the usual time from the newest sample to the moment asked for.
        """
        ...

    def learn(self, t_ns: int, position_mm: Vector) -> None:
        """Learn one finite sample, measured at ``t_ns``; times rise from call to call.

        Values are in mm (a belt's in its own unit). In the controller, every second channel is a
        velocity in mm/s times 0.5 s.
        """
        ...

    def predict(self, at_ns: int) -> tuple[Vector, Matrix | None] | None:
        """Return mean (channels,) and covariance (channels, channels) at ``at_ns``.

        ``None`` while nothing is known. Without a covariance (``None``), the program's calibration
        supplies one from the errors made so far. Asking must not change the state.
        """
        ...
