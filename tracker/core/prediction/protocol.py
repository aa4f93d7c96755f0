"""Define the Protocol of every predictor: learn from a sample, predict a later moment.

A predictor is told positions in the order of their times and answers where the same channels
will be at a moment after the newest of them. It is built for one ``horizon_ns`` (the usual
distance between the newest sample and the asked moment) and answers near it as well, because
a controller asks between two samples too.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


class PredictedChannels(NamedTuple):
    """The predicted channels at ``at_ns``, from samples up to ``made_ns``.

    ``mean`` has shape (channels,), in the unit of the samples; ``covariance`` has shape
    (channels, channels), in that unit squared, and is symmetric positive semi-definite.
    """

    made_ns: int
    at_ns: int
    mean: Vector
    covariance: Matrix


class Predictor(Protocol):
    """Learns causally, one sample at a time; a prediction does not change its state."""

    @property
    def channels(self) -> int:
        """The number of channels of every sample."""
        ...

    @property
    def horizon_ns(self) -> int:
        """The distance from newest sample to asked moment the predictor is trained for."""
        ...

    def learn(self, t_ns: int, position: Vector) -> None:
        """Learn from one sample of shape (channels,) measured at ``t_ns``.

        Raises ``ValueError`` when a value is not finite or ``t_ns`` is not after the last.
        """
        ...

    def predict(self, at_ns: int) -> PredictedChannels | None:
        """Predict the moment ``at_ns``; ``None`` before the first sample."""
        ...

    def clone(self) -> Predictor:
        """Return an independent predictor in the same state."""
        ...
